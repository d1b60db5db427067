"""Putting one submission's process apart: from the next submission, from this one, from all files.

The server already runs without a network and sees only what it may; here a process leaves it for
namespaces of its own, with fresh folders to write to, limits, and no rights.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

_NEWNS, _NEWUSER, _NEWPID, _NEWIPC = 0x20000, 0x10000000, 0x20000000, 0x08000000
_SET_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38
_NOSUID, _NODEV = 2, 4
_CAPABILITY_VERSION, _CAPSET = 0x20080522, {"x86_64": 126, "aarch64": 91}
_SIGKILL = 9


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        memory: bytes of memory beyond what the server itself holds, for each process.
        disk: bytes of all files together.
        files: how many files.
        processes: how many processes and threads.
        scratch: the folder that each submission gets anew, in memory.
    """

    memory: int
    disk: int
    files: int = 1000
    processes: int = 32
    scratch: str = "/tmp"  # noqa: S108 - inside the sandbox


def separate(limits: Limits, uid: int | None) -> None:
    """Leave the server's namespaces; children of this process are alone from here on.

    Args:
        limits: how large the new folders may grow.
        uid: the user to become where the server is root; None where it is somebody else.

    Raises:
        OSError: the kernel does not allow it.
    """
    _call("prctl", _SET_DEATH_SIGNAL, _SIGKILL)
    _yield_first_when_memory_ends()
    own = os.getuid(), os.getgid()
    _call("unshare", _NEWNS | _NEWPID | _NEWIPC | (_NEWUSER if uid is None else 0))
    if uid is None:
        Path("/proc/self/setgroups").write_text("deny")
        for name, number in zip(("uid_map", "gid_map"), own, strict=True):
            Path(f"/proc/self/{name}").write_text(f"{number} {number} 1")
    for place in (limits.scratch, "/dev/shm"):  # noqa: S108 - inside the sandbox
        _mount(place, f"size={limits.disk},nr_inodes={limits.files},mode=1777")


def surrender(limits: Limits, uid: int | None) -> None:
    """Give up all rights for good: the last step before a student's code runs."""
    base = address_space()
    _mount("/proc", "size=0,mode=555")
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _drop_capabilities()
    limit_resources(limits, base)


def address_space() -> int:
    """Return how many bytes of addresses this process uses, where the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def limit_resources(limits: Limits, base: int) -> None:
    """Set the limits of this process; they hold for its children too."""
    for what, most in (
        (resource.RLIMIT_AS, base + limits.memory),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_FSIZE, limits.disk),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _yield_first_when_memory_ends() -> None:
    """Let the kernel choose a submission, not the grader, when the machine is out of memory."""
    Path("/proc/self/oom_score_adj").write_text("1000")


def _mount(place: str, options: str) -> None:
    _call("mount", b"tmpfs", place.encode(), b"tmpfs", _NOSUID | _NODEV, options.encode())


def _drop_capabilities() -> None:
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    number = _CAPSET.get(os.uname().machine)
    if number is None:
        raise OSError(f"the processor {os.uname().machine} is not known to the sandbox")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _call("syscall", number, ctypes.byref(header), ctypes.byref(nothing))


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc[name](*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


if __name__ == "__main__":  # a trial, whether the kernel allows all this
    limits = Limits(memory=2**30, disk=2**20, scratch=sys.argv[1])
    uid = int(sys.argv[2]) if len(sys.argv) > 2 else None
    separate(limits, uid)
    child = os.fork()
    if child == 0:
        surrender(limits, uid)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
