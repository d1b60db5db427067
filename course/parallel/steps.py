"""The data-parallel step: every rank's gradients become those of the whole batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from array_api_compat import array_namespace, device

from course._arrays import Array
from course._numbers import as_count
from course.parallel.channel import Channel
from course.parallel.collectives import ring_all_reduce

AllReduce = Callable[[Channel, Array], Array]
"""Sums an array over all ranks and returns the sum on each."""


def average_gradients(
    channel: Channel, grads: Sequence[Array], count: int, all_reduce: AllReduce = ring_all_reduce
) -> list[Array]:
    r"""Turn each rank's mean gradients into those of the whole batch, on every rank.

    .. math:: g = \frac{\sum_r n_r \, g_r}{\sum_r n_r}

    All gradients travel as one vector, with n_r as its last element: one all-reduce a step, and
    shards may be uneven. The plain mean of means would give a sample of a small shard more weight.

    Args:
        channel: this rank's `Channel`.
        grads: the gradients of the mean loss over this rank's shard, floating and of one dtype.
        count: n_r, the samples in the shard; with 0 only the shapes of ``grads`` matter.
        all_reduce: how to sum over ranks.

    Returns:
        The gradients of the mean loss over all samples, in the shapes of ``grads``.

    Raises:
        TypeError: ``count`` is no whole number.
        ValueError: there are no gradients, or of several dtypes; ``count`` is below 0; or no rank
            has a sample.
        RuntimeError: a rank is missing.

    Example:
        >>> one = np.array([1.0])   # the mean over three samples
        >>> five = np.array([5.0])  # one sample
        >>> run_ranks(average_gradients, [[one], [five]], [3, 1]).values[0]
        [array([2.])]

    References:
        Goyal et al., *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017,
        arXiv:1706.02677, section 3.

    Who differs:
        ``DistributedDataParallel`` divides the sum of the means by K, right for even shards only.
        Murphy's text sums the workers' gradients: right where each is a sum over samples.
    """
    count = as_count("average_gradients", "count", count, 0)
    if not grads:
        raise ValueError("average_gradients: grads is empty; there is nothing to send.")
    dtypes = sorted({str(grad.dtype) for grad in grads})
    if len(dtypes) > 1:
        raise ValueError(f"average_gradients: grads have the dtypes {', '.join(dtypes)}; give one.")
    xp = array_namespace(*grads)
    flat = xp.concat([xp.reshape(grad, (-1,)) for grad in grads])
    weighted = flat * count if count else xp.zeros_like(flat)
    own = xp.asarray([float(count)], dtype=flat.dtype, device=device(flat))
    total = all_reduce(channel, xp.concat([weighted, own]))
    samples = float(total[-1])
    if samples <= 0:
        raise ValueError("average_gradients: no rank has a sample.")
    mean, first, averaged = total[:-1] / samples, 0, []
    for grad in grads:
        size = math.prod(grad.shape)
        averaged.append(xp.reshape(mean[first : first + size], grad.shape))
        first += size
    return averaged


def same_everywhere(channel: Channel, arrays: Sequence[Array]) -> bool:
    r"""Tell whether all ranks hold the same numbers, without any tolerance.

    .. math:: θ_0 = θ_1 = ... = θ_{K-1}

    Each rank compares with the one before it; in a ring that compares all. 0 and -0 are the same
    number, NaN is none.

    Args:
        channel: this rank's `Channel`.
        arrays: what is to be the same, floating and of one dtype.

    Returns:
        The same answer on every rank.

    Raises:
        ValueError: ``arrays`` is empty.
        RuntimeError: a rank is missing.

    Example:
        >>> run_ranks(same_everywhere, [[np.ones(2)], [np.ones(2)], [np.zeros(2)]]).values
        [False, False, False]

    References:
        Li et al., *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, 2020,
        arXiv:2006.15704: replicas that start alike and make the same steps stay alike.

    Who differs:
        ``DistributedDataParallel`` compares shapes when it starts, and no values later.
    """
    if not arrays:
        raise ValueError("same_everywhere: arrays is empty; there is nothing to compare.")
    xp = array_namespace(*arrays)
    flat = xp.concat([xp.reshape(array, (-1,)) for array in arrays])
    if channel.size == 1:
        return True
    channel.send(flat, (channel.rank + 1) % channel.size)
    other = channel.recv((channel.rank - 1) % channel.size)
    alike = other.shape == flat.shape and other.dtype == flat.dtype
    differs = not (alike and bool(xp.all(other == flat)))
    flag = xp.asarray([float(differs)], dtype=xp.float32, device=device(flat))
    return float(ring_all_reduce(channel, flag)[0]) == 0
