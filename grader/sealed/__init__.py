"""The sealed engine: student code runs in a sandboxed process, and only plain values come back."""

from grader.sealed.inside.isolate import Limits
from grader.sealed.protection import MODES, Mode, Protection, examine
from grader.sealed.sandbox import Gone, RemoteFunction, Sandbox, Session

__all__ = [
    "MODES",
    "Gone",
    "Limits",
    "Mode",
    "Protection",
    "RemoteFunction",
    "Sandbox",
    "Session",
    "examine",
]
