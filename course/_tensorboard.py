"""Event files that TensorBoard shows, written without TensorFlow and, but for graphs, torch."""

from __future__ import annotations

import io
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from course._arrays import Array
from course._checkpoint import to_numpy
from course._numbers import as_count, as_scalar


class TensorBoard:
    r"""A log that TensorBoard shows: scalars, histograms, images and the graph of a torch module.

    .. math:: \text{log}: (\text{tag}, \text{step}) ↦ \text{value}

    ``tensorboard --logdir FOLDER`` shows it, also while it is written. Use one folder for each run;
    their common parent then compares the runs.

    Args:
        folder: where the event files go; it is made where it does not exist.

    Raises:
        ImportError: the package tensorboard, for graphs also torch, is not installed.
        TypeError: a scalar is no number or a step no whole number.
        ValueError: a step is negative, or an image has another shape.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, TensorBoard(folder) as log:
        ...     log.scalar("loss", 0.5, step=1)
        ...     log.histogram("weights", np.zeros((3, 2)), step=1)
        ...     log.image("digit", np.zeros((8, 8)), step=1)

    References:
        Abadi et al., *TensorFlow: A System for Large-Scale Machine Learning*, OSDI 2016,
        section 9.

    Who differs:
        ``torch.utils.tensorboard.SummaryWriter`` writes the same files, and needs torch.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboard.compat.proto import (  # type: ignore[import-untyped]
                event_pb2,
                summary_pb2,
            )
            from tensorboard.summary.writer.event_file_writer import (  # type: ignore[import-untyped]
                EventFileWriter,
            )
        except ImportError:
            raise ImportError(
                "TensorBoard: the package tensorboard is not installed. "
                "Install it with: pip install tensorboard"
            ) from None
        self.folder = Path(folder)
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        self._histogram = summary_pb2.HistogramProto
        self._file = EventFileWriter(str(self.folder))

    def scalar(self, tag: str, value: Any, step: int) -> None:
        """Log one number."""
        self._add(tag, step, simple_value=as_scalar("TensorBoard", tag, value))

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """Log how the entries of an array are distributed; NaN and infinity are left out."""
        flat = to_numpy(values).astype(np.float64).ravel()
        flat = flat[np.isfinite(flat)]
        counts, edges = np.histogram(flat, bins=30)
        histogram = self._histogram(
            min=flat.min(initial=np.inf) if len(flat) else 0.0,
            max=flat.max(initial=-np.inf) if len(flat) else 0.0,
            num=len(flat),
            sum=flat.sum(),
            sum_squares=(flat**2).sum(),
            bucket_limit=edges[1:],
            bucket=counts,
        )
        self._add(tag, step, histo=histogram)

    def image(self, tag: str, image: Array, step: int) -> None:
        """Log an image: (height, width), from its lowest to its highest value, or RGB in [0, 1]."""
        from matplotlib.image import imsave  # slow to import, rarely used

        pixels = to_numpy(image)
        if pixels.ndim != 2 and pixels.shape[2:] != (3,):
            raise ValueError(
                f"TensorBoard: the image {tag!r} has shape {pixels.shape}. "
                "Give (height, width) or (height, width, 3)."
            )
        png = io.BytesIO()
        imsave(png, pixels, format="png", cmap="gray")
        height, width = pixels.shape[:2]
        picture = self._summary.Image(
            height=height, width=width, colorspace=4, encoded_image_string=png.getvalue()
        )
        self._add(tag, step, image=picture)

    def graph(self, module: Any, x: Array) -> None:
        """Log the computational graph of a torch module for an example of its input."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError(
                "TensorBoard: the graph is that of a torch module, and torch is not installed. "
                "Install it with: pip install torch"
            ) from None
        with warnings.catch_warnings(), SummaryWriter(str(self.folder)) as writer:
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # torch's own call
            writer.add_graph(module, x)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._file.close()

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _add(self, tag: str, step: int, **value: Any) -> None:
        step = as_count("TensorBoard", "step", step, 0)
        summary = self._summary(value=[self._summary.Value(tag=tag, **value)])
        self._file.add_event(self._event(wall_time=time.time(), step=step, summary=summary))
