"""Processes that must end: a zombie has ended, even where nobody has collected it yet."""

import time

import psutil

PATIENCE = 20.0


def still_alive(processes, patience=PATIENCE):
    """Wait until processes have ended, and return those that have not."""
    until = time.monotonic() + patience
    while (alive := [one for one in processes if _lives(one)]) and time.monotonic() < until:
        time.sleep(0.01)
    return alive


def _lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
