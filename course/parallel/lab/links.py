"""How fast a link between two ranks is: messages go to and fro, and a line is fitted."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import Any

from course.parallel.channel import Channel
from course.parallel.costs import Link, fit_link
from course.parallel.torch_channel import TorchChannel

MESSAGE_BYTES = (8, 1_000, 10_000, 100_000, 1_000_000, 4_000_000)
_WARM_UP = 5
_REPEATS = 31


@dataclass(frozen=True)
class LinkReport:
    """What was measured between ranks 0 and 1.

    Attributes:
        nproc: the number of ranks.
        backend: how they reach each other.
        device: where their tensors are.
        n_bytes: the sizes of the messages.
        seconds: by size, the median time of one way.
        link: the line through them.
    """

    nproc: int
    backend: str
    device: str
    n_bytes: list[int]
    seconds: list[float]
    link: Link

    def as_dict(self) -> dict[str, Any]:
        """Return all as what JSON knows; it has no infinite bandwidth."""
        bandwidth = self.link.bandwidth
        return {
            "nproc": self.nproc,
            "backend": self.backend,
            "device": self.device,
            "latency_seconds": self.link.latency,
            "bandwidth_bytes_per_second": bandwidth if math.isfinite(bandwidth) else None,
            "messages": [
                {"bytes": n_bytes, "seconds": seconds}
                for n_bytes, seconds in zip(self.n_bytes, self.seconds, strict=True)
            ],
        }


def measure_link(channel: Channel, device: str, backend: str) -> LinkReport | None:
    """Send messages of several sizes from rank 0 to rank 1 and back.

    Args:
        channel: this rank's; the others than 0 and 1 do nothing.
        device: where the tensors are.
        backend: what to call the link.

    Returns:
        A `LinkReport` on rank 0, else ``None``.
    """
    import torch

    if isinstance(channel, TorchChannel):
        channel.meet()
    medians = []
    for n_bytes in MESSAGE_BYTES:
        message = torch.zeros(n_bytes // 8, dtype=torch.float64, device=device)
        times = [_round_trip(channel, message) / 2 for _ in range(_WARM_UP + _REPEATS)]
        medians.append(statistics.median(times[_WARM_UP:]))
    if channel.rank > 0:
        return None
    sizes = [n_bytes // 8 * 8 for n_bytes in MESSAGE_BYTES]
    link = fit_link(sizes, medians)
    return LinkReport(channel.size, backend, device, sizes, medians, link)


def _round_trip(channel: Channel, message: Any) -> float:
    began = time.perf_counter()
    if channel.rank == 0:
        channel.send(message, 1)
        channel.recv(1)
    elif channel.rank == 1:
        channel.send(channel.recv(0), 0)
    if message.is_cuda:
        import torch

        torch.cuda.synchronize(message.device)
    return time.perf_counter() - began
