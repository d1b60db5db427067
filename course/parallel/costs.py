"""What a collective costs: bytes by theory, seconds by a model of two numbers a link."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls  # type: ignore[import-untyped]

from course._arrays import Array
from course._numbers import as_count, as_number, as_rank

COLLECTIVES = ("central", "ring", "tree")


def bytes_sent(collective: str, rank: int, size: int, elements: int, itemsize: int = 8) -> int:
    r"""Say how many bytes a rank sends in a collective.

    .. math::

        \text{central:} \; (K - 1) N \text{ for the root, else } N \qquad
        \text{ring:} \; 2 N - c_r - c_{r+1} = 2 \frac{K-1}{K} N \text{ if } K | n

    N = n · itemsize bytes and c_r those of chunk r, counted modulo K. The tree broadcast: N for
    each rank r + 2^i < K with 2^i > r. One rank alone sends nothing.

    Args:
        collective: "central" or "ring" for the all-reduces, "tree" for the broadcast; root 0.
        rank: r, from 0 to K - 1.
        size: K, at least 1.
        elements: n, the elements of the array.
        itemsize: the bytes of an element.

    Returns:
        A number of bytes.

    Raises:
        TypeError: a number is no whole number.
        ValueError: there is no such collective or rank, or a number is out of range.

    Example:
        >>> [bytes_sent("central", r, 4, 1000) for r in range(4)]
        [24000, 8000, 8000, 8000]
        >>> [bytes_sent("ring", r, 4, 1000) for r in range(4)]
        [12000, 12000, 12000, 12000]

    References:
        Patarasuk and Yuan, *Bandwidth optimal all-reduce algorithms for clusters of workstations*,
        2009, doi:10.1016/j.jpdc.2008.09.002: no all-reduce can do with fewer than the ring's.

    Who differs:
        Texts that count floats, or both directions, have other factors.
    """
    name = "bytes_sent"
    size = as_count(name, "size", size)
    rank = as_rank(name, "rank", rank, size)
    elements = as_count(name, "elements", elements, 0)
    itemsize = as_count(name, "itemsize", itemsize)
    if collective not in COLLECTIVES:
        raise ValueError(f"{name}: collective must be one of {COLLECTIVES}, got {collective!r}.")
    if size == 1:
        return 0
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return (2 * elements - chunks[rank] - chunks[(rank + 1) % size]) * itemsize
    if collective == "central":
        return (size - 1 if rank == 0 else 1) * elements * itemsize
    reaches = (2**i for i in range((size - 1).bit_length()))
    served = [reach for reach in reaches if rank < reach and rank + reach < size]
    return len(served) * elements * itemsize


class Link(NamedTuple):
    r"""A connection between ranks as a model sees it.

    .. math:: \text{seconds for a message of } N \text{ bytes} = α + N / β

    Args:
        latency: α, seconds.
        bandwidth: β, bytes a second.

    Raises:
        Nothing.

    Example:
        >>> link = Link(latency=20e-6, bandwidth=1e9)
        >>> round(link.latency + 1e6 / link.bandwidth, 6)
        0.00102

    References:
        Hockney, *The communication challenge for MPP*, 1994, doi:10.1016/S0167-8191(06)80021-9.

    Who differs:
        Some texts give 1/β as the link's parameter.
    """

    latency: float
    bandwidth: float


def fit_link(n_bytes: Array, seconds: Array) -> Link:
    r"""Fit a link's latency and bandwidth to measured messages.

    .. math:: \min_{α, 1/β \ge 0} \sum_i \left( \frac{α + N_i / β - t_i}{t_i} \right)^2

    Relative errors count, or one long message would decide alone.

    Args:
        n_bytes: N_i, the sizes of the messages, shape (samples,).
        seconds: t_i, how long each took, above 0, shape (samples,).

    Returns:
        A `Link`; its bandwidth is infinite where longer messages take no longer.

    Raises:
        ValueError: shapes differ, there are fewer than two sizes, or a time is not above 0.

    Example:
        >>> fit_link([1e3, 1e6], [21e-6, 1020e-6])
        Link(latency=2e-05, bandwidth=1000000000.0)

    References:
        Hockney, *The communication challenge for MPP*, 1994, doi:10.1016/S0167-8191(06)80021-9.

    Who differs:
        Real links have steps, where a library changes from one protocol to another.
    """
    n_bytes, seconds = np.asarray(n_bytes, float), np.asarray(seconds, float)
    if n_bytes.shape != seconds.shape or n_bytes.ndim != 1 or len(np.unique(n_bytes)) < 2:
        raise ValueError(
            f"fit_link: n_bytes has shape {n_bytes.shape}, seconds {seconds.shape}; give one time "
            "for each message, and messages of at least two sizes."
        )
    if not (seconds > 0).all():
        raise ValueError(f"fit_link: every time must be above 0, the least is {seconds.min()}.")
    largest = n_bytes.max()
    design = np.stack([np.ones_like(n_bytes), n_bytes / largest], axis=1) / seconds[:, None]
    (latency, slope), _ = nnls(design, np.ones_like(seconds))
    bandwidth = float(largest / slope) if slope > 0 else float("inf")
    return Link(float(f"{latency:.12g}"), float(f"{bandwidth:.12g}"))


def step_seconds(
    size: int, *, compute: float, n_bytes: float, link: Link, collective: str = "ring"
) -> float:
    r"""Model how long a data-parallel step takes: an equal share of the work, and the all-reduce.

    .. math::

        T_{ring}(K) = \frac{C}{K} + 2 (K - 1) \left( α + \frac{N}{K β} \right), \qquad
        T_{central}(K) = \frac{C}{K} + 2 (K - 1) \left( α + \frac{N}{β} \right)

    The root of the central sum takes and sends one message after the other. With the batch kept,
    the ring's term for bytes tends to 2N/β, but its latencies grow with K: more ranks help up to a
    point. K ranks need K processors.

    Args:
        size: K, at least 1.
        compute: C, the seconds of one rank for the whole batch, at least 0.
        n_bytes: N, the bytes of all gradients, at least 0.
        link: the `Link` between ranks.
        collective: "ring" or "central".

    Returns:
        Seconds. The speed-up is ``step_seconds(1, ...) / step_seconds(K, ...)``.

    Raises:
        TypeError: a number is none.
        ValueError: a number is out of range, or there is no such collective.

    Example:
        >>> link = Link(latency=0.001, bandwidth=1e9)
        >>> [round(step_seconds(k, compute=0.1, n_bytes=4e6, link=link), 4) for k in (1, 4, 32)]
        [0.1, 0.037, 0.0729]

    References:
        Thakur, Rabenseifner and Gropp, *Optimization of Collective Communication Operations in
        MPICH*, 2005, doi:10.1177/1094342005051521.

    Who differs:
        Frameworks send the last layers' gradients while the first are still computed; a part of
        the second term then disappears behind the first.
    """
    name = "step_seconds"
    size = as_count(name, "size", size)
    compute = as_number(name, "compute", compute, "[0, inf)")
    n_bytes = as_number(name, "n_bytes", n_bytes, "[0, inf)")
    if collective not in ("ring", "central"):
        raise ValueError(f"{name}: collective must be 'ring' or 'central', got {collective!r}.")
    message = n_bytes / size if collective == "ring" else n_bytes
    return compute / size + 2 * (size - 1) * (link.latency + message / link.bandwidth)
