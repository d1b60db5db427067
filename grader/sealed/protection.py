"""What protects the machine from a submission here, and what is missing and how to get it."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from grader.errors import GraderError
from grader.sealed.environment import package_folders, visible_packages
from grader.sealed.kit import make_kit

Mode = Literal["require", "best", "off"]
MODES: tuple[Mode, ...] = get_args(Mode)

KIT = "/kit"
"""Where a sandbox finds what it imports of the course."""

_TEMPORARY = "/tmp"  # noqa: S108 - inside the sandbox
_PREFIXES = tuple(dict.fromkeys((sys.base_prefix, sys.prefix)))
SCRATCH = "/scratch" if any(prefix.startswith(_TEMPORARY) for prefix in _PREFIXES) else _TEMPORARY
"""The folder that a submission may write to; where this Python lies in /tmp, another one."""

MATPLOTLIB = f"{SCRATCH}/matplotlib"
"""Where matplotlib finds the list of fonts there: making it takes seconds."""

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_SETTINGS = ("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/alternatives")
_TRIAL_TIMEOUT = 20

_NO_BUBBLEWRAP = (
    "bubblewrap is not installed: submissions could use the network, read this machine's files and "
    "outlive their time. To get it: apt install bubblewrap (Debian, Ubuntu), "
    "dnf install bubblewrap (Fedora)."
)
_NOT_LINUX = (
    "{system} has no sandbox that this program knows: submissions could use the network, read this "
    "machine's files and leave processes behind. Limits on time and, in part, on memory hold. "
    "To grade people whom you do not know, use Linux or a virtual machine with it."
)
_REFUSED = (
    "this system does not let bubblewrap make a sandbox ({reason}): submissions could use the "
    "network and read this machine's files. On Linux, unprivileged user namespaces must be "
    "allowed: sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu 24.04 also "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0. Inside Docker: --privileged, or "
    "grade outside."
)
_UNREADABLE = (
    "this Python ({prefix}) cannot be read by other users, and root hands submissions to another "
    "user. Install it where everybody can read it, or grade as an ordinary user."
)
_NO_NAMESPACES = (
    "namespaces cannot be nested here ({reason}): every submission gets a sandbox of its own from "
    "the start, which is as safe and about ten times slower."
)
_OFF = (
    "the sandbox is off: submissions can do whatever you can do on this machine. "
    "Leave --sandbox=off out unless you have read them all."
)


@dataclass(frozen=True)
class Protection:
    """What protects from submissions.

    Attributes:
        sandbox: whether they run in a sandbox at all.
        nested: whether one warm sandbox can keep its submissions apart.
        missing: what is missing, as sentences.
        fonts: the files with matplotlib's list of fonts; making it takes seconds.
    """

    sandbox: bool
    nested: bool
    missing: tuple[str, ...] = ()
    fonts: tuple[str, ...] = ()


@functools.cache
def examine(mode: Mode) -> Protection:
    """Find out, by trying, what protection can be had here.

    Args:
        mode: "require" insists on a sandbox, "best" takes what there is, "off" none.

    Raises:
        GraderError: a sandbox is required and cannot be had.
    """
    if mode == "off":
        return Protection(sandbox=False, nested=False, missing=(_OFF,))
    reason = _why_not()
    if reason and mode == "require":
        raise GraderError(
            f"No sandbox: {reason} "
            "To grade without one, at your own risk, say --sandbox=best or --sandbox=off."
        )
    if reason:
        return Protection(sandbox=False, nested=False, missing=(f"No sandbox: {reason}",))
    refused = _trial(["-m", "course._inside.isolate", SCRATCH, *_uid_arguments()])
    if refused:
        return Protection(
            sandbox=True,
            nested=False,
            missing=(_NO_NAMESPACES.format(reason=refused),),
            fonts=_font_lists(),
        )
    return Protection(sandbox=True, nested=True, fonts=_font_lists())


def submission_uid() -> int | None:
    """Return the user that submissions run as where this program is root, else None."""
    return 60000 + os.getpid() % 5000 if os.getuid() == 0 else None


def bubblewrap(kit: Path, libraries: tuple[str, ...], fonts: tuple[str, ...] = ()) -> list[str]:
    """Return the command that runs another one in a sandbox: no network, no files, no secrets.

    Args:
        kit: what can be imported of the course.
        libraries: which libraries are there.
        fonts: the files with matplotlib's list of fonts.
    """
    rights = (
        ["--cap-add", "ALL"]
        if os.getuid() == 0
        else ["--unshare-user", "--uid", str(os.getuid()), "--gid", str(os.getgid())]
    )
    command = [
        *("bwrap", *rights, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"),
        *system_folders(),
    ]
    for prefix in _PREFIXES:
        if not prefix.startswith("/usr"):
            command += [*way_to(prefix), "--ro-bind", prefix, prefix]
    for folder in package_folders():
        command += ["--tmpfs", str(folder)]
    for entry in visible_packages(libraries):
        command += ["--ro-bind", str(entry), str(entry)]
    for folder in package_folders():
        command += ["--remount-ro", str(folder)]
    lists = [
        word for path in fonts for word in ("--ro-bind", path, f"{MATPLOTLIB}/{Path(path).name}")
    ]
    return [
        *command,
        *("--ro-bind", str(kit), KIT, "--proc", "/proc", "--dev", "/dev", "--tmpfs", SCRATCH),
        *lists,
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH),
    ]


def python(arguments: list[str], kit: str) -> list[str]:
    """Return the command that runs a module of the kit in a Python that sees little else."""
    start = (
        f"import sys, runpy; sys.path[:0] = {[kit]!r}; sys.argv[:] = sys.argv[1:]; "
        "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-I", "-B", "-c", start, *arguments]


def way_to(folder: str) -> list[str]:
    """Make the folders above one so that every user can pass; bubblewrap would let only its own."""
    above = [str(parent) for parent in reversed(Path(folder).parents)][1:]
    return [word for parent in above for word in ("--perms", "0755", "--dir", parent)]


def system_folders() -> list[str]:
    """Return the options that let a sandbox see the system's programs and libraries."""
    options = []
    for name in _SYSTEM:
        if Path(name).is_symlink():
            options += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).is_dir():
            options += ["--ro-bind", name, name]
    for name in _SETTINGS:
        options += ["--ro-bind-try", name, name]
    return options


def _why_not() -> str:
    """Say why there can be no sandbox here; nothing where there can."""
    if platform.system() != "Linux":
        return _NOT_LINUX.format(system=platform.system())
    if shutil.which("bwrap") is None:
        return _NO_BUBBLEWRAP
    if os.getuid() == 0:
        for prefix in _PREFIXES:
            if not Path(prefix).stat().st_mode & 0o005:
                return _UNREADABLE.format(prefix=prefix)
    refused = _trial(["-m", "timeit", "-n", "1", "pass"], bare=True)
    return _REFUSED.format(reason=refused) if refused else ""


def _font_lists() -> tuple[str, ...]:
    import matplotlib as mpl  # it takes long to import, and workers are told the answer

    return tuple(map(str, Path(mpl.get_cachedir()).glob("fontlist-*.json")))


def _uid_arguments() -> list[str]:
    uid = submission_uid()
    return [] if uid is None else [str(uid)]


def _trial(arguments: list[str], *, bare: bool = False) -> str:
    """Run something in a sandbox; return the last line of what went wrong, if it did."""
    with tempfile.TemporaryDirectory(prefix="grader-") as folder:
        kit = make_kit(Path(folder) / "kit")
        inner = [sys.executable, "-I", *arguments] if bare else python(arguments[1:], KIT)
        command = [*bubblewrap(kit, ()), *inner]
        try:
            done = _run(command)
            if done.returncode < 0:  # somebody killed it: that says nothing about the sandbox
                done = _run(command)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    lines = (done.stderr or f"exit status {done.returncode}").strip().splitlines()
    return lines[-1] if done.returncode else ""


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        command, capture_output=True, timeout=_TRIAL_TIMEOUT, check=False, text=True
    )
