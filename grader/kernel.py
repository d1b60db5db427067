"""A notebook kernel of this very Python, whatever kernels and settings the user has elsewhere."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager, KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

_QUIET = logging.getLogger("grader.kernel")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class OwnKernelManager(AsyncKernelManager):
    """Starts kernels with the interpreter that runs this program."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel's command, not looked up in the user's folders."""
        return KernelSpec(resource_dir="", **get_kernel_dict())


@contextlib.contextmanager
def started_kernel(
    notebook: NotebookNode,
    cwd: Path,
    env: Mapping[str, str],
    *,
    client_class: type[NotebookClient] = NotebookClient,
    **settings: Any,
) -> Iterator[NotebookClient]:
    """Start a kernel for a notebook and yield the client; the kernel is killed at the end.

    Args:
        notebook: the notebook whose cells are to run.
        cwd: the folder in which they run.
        env: the kernel's environment variables.
        client_class: what receives the outputs.
        settings: traits of the client.
    """
    with tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True) as scratch:
        # Sockets in a folder of its own: parallel kernels cannot meet on a TCP port.
        manager = OwnKernelManager(
            transport="ipc", connection_file=f"{scratch}/connection.json", log=_QUIET
        )
        client = client_class(
            notebook,
            km=manager,
            kernel_name="python3",
            shutdown_kernel="immediate",
            record_timing=False,
            store_widget_state=False,
            log=_QUIET,
            **settings,
        )
        try:
            with client.setup_kernel(
                env={**env, "IPYTHONDIR": f"{scratch}/ipython"},
                cwd=str(cwd),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cleanup_kc=True,
            ):
                yield client
        finally:
            _signal_group(manager, signal.SIGKILL)


class TimeLimit:
    """Ends what a kernel does: an interrupt after some seconds, and the kernel's end soon after.

    Attributes:
        reached: whether the interrupt was sent.
    """

    def __init__(self, client: NotebookClient, seconds: float, grace: float) -> None:
        self.reached = False
        self._manager = client.km
        self._timers = [
            threading.Timer(seconds, self._interrupt),
            threading.Timer(seconds + grace, _signal_group, [client.km, signal.SIGKILL]),
        ]

    def __enter__(self) -> TimeLimit:
        for timer in self._timers:
            timer.daemon = True
            timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()

    def _interrupt(self) -> None:
        self.reached = True
        _signal_group(self._manager, signal.SIGINT)


def _signal_group(manager: KernelManager | None, number: int) -> None:
    """Send a signal to a kernel and all processes of its group."""
    group = getattr(getattr(manager, "provisioner", None), "pgid", None)
    if group:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def plain_environment() -> dict[str, str]:
    """Return this process's environment with one thread for linear algebra and a quiet start."""
    return os.environ | QUIET_START


QUIET_START = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
