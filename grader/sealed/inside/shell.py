"""IPython without a terminal and without a kernel: what a cell shows becomes plain outputs."""

from __future__ import annotations

import ast
import base64
import builtins
import contextlib
import io
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from .bounds import DISPLAY_LIMIT, OUTPUT_LIMIT, PICTURE_LIMIT

_WARM_UP = (
    "import matplotlib.pyplot as plt; plt.plot([0, 1]); plt.title('x'); plt.show()",
    "1/0",
    "1",
)
"""What the first figure, error and result need is imported before the submissions come."""

CUT = "\n[the rest of the output was cut]\n"


class TimeIsUp(KeyboardInterrupt):
    """A cell or a call has taken all the time it may."""


class Outputs:
    """The outputs of one cell, bounded, so that endless printing fills no memory."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Forget the outputs of the cell before."""
        self.kept: list[dict[str, Any]] = []
        self._text = self._pictures = 0
        self._cuts = False

    def stream(self, name: str, text: str) -> None:
        """Add what was printed."""
        room = OUTPUT_LIMIT - self._text
        if room <= 0:
            return
        self._text += len(text)
        text = text if len(text) <= room else text[:room] + CUT
        last = self.kept[-1] if self.kept else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self.kept.append({"output_type": "stream", "name": name, "text": text})

    def show(self, kind: str, data: dict[str, Any]) -> None:
        """Add a display or the cell's result, as texts by their types."""
        shown = {key: _as_text(value) for key, value in data.items()}
        size = sum(map(len, shown.values()))
        if len(self.kept) >= DISPLAY_LIMIT or self._pictures + size > PICTURE_LIMIT:
            shown = {"text/plain": "[a display was left out: the cell shows too much]"}
            if self._cuts:
                return
            self._cuts = True
        self._pictures += size
        self.kept.append({"output_type": kind, "data": shown})

    def error(self, name: str, value: str, lines: list[str]) -> None:
        """Add an error."""
        self.kept.append(
            {
                "output_type": "error",
                "ename": name,
                "evalue": value[:OUTPUT_LIMIT],
                "traceback": [line[:OUTPUT_LIMIT] for line in lines[:100]],
            }
        )


OUTPUTS = Outputs()
_USUAL = TransformerManager()


class _Stream(io.TextIOBase):
    encoding = "utf-8"

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, text: str) -> int:
        OUTPUTS.stream(self._name, str(text))
        return len(text)

    def isatty(self) -> bool:
        return False


class _Publisher(DisplayPublisher):
    def publish(self, data: dict[str, Any], *_: Any, **__: Any) -> None:
        OUTPUTS.show("display_data", data)

    def clear_output(self, wait: bool = False) -> None:
        OUTPUTS.start()


class _Hook(DisplayHook):
    def write_output_prompt(self) -> None:
        """Write none: a notebook has its own."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
        OUTPUTS.show("execute_result", format_dict)

    def finish_displayhook(self) -> None:
        """Flush nothing."""


class Shell(InteractiveShell):
    """IPython that keeps a cell's outputs instead of showing them."""

    own_callbacks: Sequence[Callable[..., None]] = ()
    display_pub_class = _Publisher
    displayhook_class = _Hook

    def run(self, source: str, seconds: float, released: bool = False) -> list[dict[str, Any]]:
        """Run a cell and return its outputs.

        Args:
            source: the cell's text.
            seconds: how long it may take.
            released: whether the cell is the release's own; what a student hung into the shell,
                to change or to watch cells, is taken out before it.
        """
        OUTPUTS.start()
        if released:
            self._take_out()
        with _fresh_streams():
            try:
                with time_limit(seconds):
                    self.run_cell(source, store_history=True)  # type: ignore[no-untyped-call]
            except TimeIsUp as late:  # it came while the shell itself was at work
                OUTPUTS.error("TimeIsUp", str(late), [f"TimeIsUp: {late}"])
        return OUTPUTS.kept

    def transform_cell(self, raw_cell: str) -> str:
        """Return a cell as Python.

        IPython reads it token by token to find its own signs, which takes longer than to run it:
        what is Python as it stands has none, but for a single line, which may be a command.
        """
        if "\n" in raw_cell.strip() and not raw_cell[0].isspace() and self._transforms_as_usual():
            with contextlib.suppress(SyntaxError, ValueError, MemoryError, RecursionError):
                ast.parse(raw_cell)
                return f"{raw_cell}\n"
        return str(super().transform_cell(raw_cell))  # type: ignore[no-untyped-call]

    def _transforms_as_usual(self) -> bool:
        transforms = vars(self.input_transformer_manager)
        return transforms == vars(_USUAL) and not self.input_transformers_post

    def _take_out(self) -> None:
        self.input_transformer_manager = TransformerManager()
        self.ast_transformers = []
        self.custom_exceptions = ()
        for name in ("run_cell", "showtraceback", "showsyntaxerror", "_showtraceback"):
            vars(self).pop(name, None)
        for callbacks in self.events.callbacks.values():
            callbacks[:] = [call for call in callbacks if call in self.own_callbacks]

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        OUTPUTS.error(etype.__name__, str(evalue), stb)

    def init_history(self) -> None:
        """Keep none: the history would be a database in a file."""
        super().init_history()  # type: ignore[no-untyped-call]
        self.history_manager.enabled = False  # type: ignore[union-attr]


def make_shell() -> Shell:
    """Make the shell that the submissions' processes begin with."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Plain"
    config.InteractiveShell.banner1 = ""
    shell: Shell = Shell.instance(config=config)
    _show_figures(shell)
    for source in _WARM_UP:
        shell.run(source, 60)
    shell.reset(new_session=True)  # type: ignore[no-untyped-call]
    builtins.input = _no_input
    shell.own_callbacks = [call for calls in shell.events.callbacks.values() for call in calls]
    return shell


def _show_figures(shell: Shell) -> None:
    from matplotlib_inline.backend_inline import configure_inline_support, flush_figures

    backend = "module://matplotlib_inline.backend_inline"
    configure_inline_support(shell, backend)  # type: ignore[no-untyped-call]
    shell.events.register("post_execute", flush_figures)


@contextmanager
def _fresh_streams() -> Iterator[None]:
    """Give every cell new streams, whatever an earlier one has done to them."""
    sys.stdin = io.StringIO()
    sys.stdout, sys.stderr = _Stream("stdout"), _Stream("stderr")
    vars(sys).update(__stdout__=sys.stdout, __stderr__=sys.stderr)
    yield


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp in the block when its time is up."""

    def ring(number: int, frame: FrameType | None) -> NoReturn:
        raise TimeIsUp(f"stopped after {seconds:g} s; is there a loop that never ends?")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _no_input(prompt: object = "") -> NoReturn:
    raise EOFError("input() is not possible while grading: nobody is there to answer")


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value if isinstance(value, str) else str(value)
