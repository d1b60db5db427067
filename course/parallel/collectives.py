"""Collectives: what all ranks do together with their arrays, each as a function of a channel."""

from __future__ import annotations

from array_api_compat import array_namespace

from course._arrays import Array
from course._numbers import as_count, as_rank
from course.parallel.channel import Channel


def shard(x: Array, rank: int, size: int) -> Array:
    r"""Return a rank's share of an array's rows: neighbours, as even as can be.

    .. math:: n_r = \lfloor N/K \rfloor + [r < N \bmod K], \qquad
        \text{rows } \sum_{q<r} n_q, ..., \sum_{q \le r} n_q - 1

    Args:
        x: the rows, shape (N, ...).
        rank: r, from 0 to K - 1.
        size: K, the number of ranks, at least 1.

    Returns:
        A view of the rows, shape (n_r, ...); no rows where N < K and r ≥ N.

    Raises:
        TypeError: ``rank`` or ``size`` is no whole number.
        ValueError: there is no such rank.

    Example:
        >>> [shard(np.arange(7), r, 3).tolist() for r in range(3)]
        [[0, 1, 2], [3, 4], [5, 6]]

    References:
        The split of ``numpy.array_split``, NumPy 1.0, 2006.

    Who differs:
        ``torch.utils.data.DistributedSampler`` deals the samples out in turn, and repeats some of
        them so that all ranks have equally many; ``torch.chunk`` lets the last one have fewer.
    """
    size = as_count("shard", "size", size)
    rank = as_rank("shard", "rank", rank, size)
    each, more = divmod(x.shape[0], size)
    first = rank * each + min(rank, more)
    return x[first : first + each + (rank < more)]


def central_all_reduce(channel: Channel, x: Array, root: int = 0) -> Array:
    r"""Sum over all ranks on a central one, which sends the sum back to every other.

    .. math:: y = \sum_{r=0}^{K-1} x_r \quad \text{on every rank}

    Every rank sends N bytes but the root, which sends (K - 1) N, and receives as many.

    Args:
        channel: this rank's `Channel`.
        x: this rank's array; all ranks' have one shape and dtype.
        root: the central rank.

    Returns:
        y, the same bits on every rank.

    Raises:
        TypeError: ``root`` is no whole number.
        ValueError: there is no such root, or the shapes or dtypes differ.
        RuntimeError: a rank is missing.

    Example:
        >>> run_ranks(central_all_reduce, [np.ones(2), np.array([1.0, 5.0])]).values
        [array([2., 6.]), array([2., 6.])]

    References:
        Murphy, *Probabilistic Machine Learning: An Introduction*, 2022, section 13.4.6. Li et al.,
        *Scaling Distributed Machine Learning with the Parameter Server*, OSDI 2014.

    Who differs:
        A parameter server usually updates the parameters itself and sends those back, which are as
        many bytes.
    """
    root = as_rank("central_all_reduce", "root", root, channel.size)
    if channel.rank != root:
        channel.send(x, root)
        return channel.recv(root)
    others = [rank for rank in range(channel.size) if rank != root]
    for rank in others:
        x = _sum("central_all_reduce", x, channel.recv(rank))
    for rank in others:
        channel.send(x, rank)
    return x


def tree_broadcast(channel: Channel, x: Array | None, root: int = 0) -> Array:
    r"""Send the root's array to all ranks: whoever has it helps, so those who have it double.

    .. math:: \text{round } i: \quad v → v + 2^i \quad \text{for } v < 2^i, \; v + 2^i < K,
        \qquad v = (\text{rank} - \text{root}) \bmod K

    After ⌈log₂ K⌉ rounds all have it; the root sends ⌈log₂ K⌉ N bytes instead of (K - 1) N.

    Args:
        channel: this rank's `Channel`.
        x: the array on the root; what others pass is not looked at.
        root: the rank that has it.

    Returns:
        The root's array, on every rank.

    Raises:
        TypeError: ``root`` is no whole number, or has no array.
        ValueError: there is no such root.
        RuntimeError: a rank is missing.

    Example:
        >>> run = run_ranks(tree_broadcast, [np.ones(1), None, None, None])
        >>> run.values[3], run.bytes_sent
        (array([1.]), [16, 8, 0, 0])

    References:
        Thakur, Rabenseifner and Gropp, *Optimization of Collective Communication Operations in
        MPICH*, 2005, doi:10.1177/1094342005051521.

    Who differs:
        MPI libraries change to a scatter and a ring for long arrays, where no rank should send more
        than about 2 N bytes.
    """
    size = channel.size
    root = as_rank("tree_broadcast", "root", root, size)
    virtual = (channel.rank - root) % size
    reach = 1
    while reach < size:
        if virtual < reach and virtual + reach < size:
            channel.send(x, (channel.rank + reach) % size)
        elif reach <= virtual < 2 * reach:
            x = channel.recv((channel.rank - reach) % size)
        reach *= 2
    return x


def ring_reduce_scatter(channel: Channel, x: Array) -> Array:
    r"""Sum over all ranks in a ring; each ends up with one chunk of the sum, its own.

    .. math:: y_r = \sum_{q=0}^{K-1} \operatorname{chunk}_r(x_q), \qquad
        \text{step } s: \; \text{send chunk } r - s - 1 \text{ on, receive and add chunk } r - s - 2

    Chunk numbers count modulo K. After K - 1 steps each rank has sent every chunk but its own:
    N - N/K bytes.

    Args:
        channel: this rank's `Channel`.
        x: this rank's array, shape (n,); all ranks' have one shape and dtype.

    Returns:
        y_r, chunk r of the sum: `shard` says which elements.

    Raises:
        ValueError: the shapes or dtypes differ.
        RuntimeError: a rank is missing.

    Example:
        >>> run_ranks(ring_reduce_scatter, [np.array([1.0, 2.0, 3.0]), np.ones(3)]).values
        [array([2., 3.]), array([4.])]

    References:
        Patarasuk and Yuan, *Bandwidth optimal all-reduce algorithms for clusters of workstations*,
        2009, doi:10.1016/j.jpdc.2008.09.002.

    Who differs:
        Often step s sends chunk r - s, and rank r ends up with chunk r + 1. Frameworks, like this
        function, give rank r chunk r.
    """
    rank, size = channel.rank, channel.size
    following, previous = (rank + 1) % size, (rank - 1) % size
    chunk = shard(x, previous, size)
    for step in range(size - 1):
        channel.send(chunk, following)
        own = shard(x, (rank - step - 2) % size, size)
        chunk = _sum("ring_reduce_scatter", own, channel.recv(previous))
    return chunk


def ring_all_gather(channel: Channel, chunk: Array) -> Array:
    r"""Give every rank all ranks' chunks, passed on in a ring.

    .. math:: y = [\operatorname{chunk}_0, ..., \operatorname{chunk}_{K-1}], \qquad
        \text{step } s: \; \text{send chunk } r - s \text{ on, receive chunk } r - s - 1

    After K - 1 steps each rank has sent every chunk but that of the next rank.

    Args:
        channel: this rank's `Channel`.
        chunk: this rank's chunk, shape (n_r,); they may differ in length.

    Returns:
        y, shape (n,), on every rank.

    Raises:
        RuntimeError: a rank is missing.

    Example:
        >>> run_ranks(ring_all_gather, [np.array([4.0, 5.0]), np.array([6.0])]).values
        [array([4., 5., 6.]), array([4., 5., 6.])]

    References:
        Patarasuk and Yuan, *Bandwidth optimal all-reduce algorithms for clusters of workstations*,
        2009, doi:10.1016/j.jpdc.2008.09.002.

    Who differs:
        NCCL and ``torch.distributed.all_gather_into_tensor`` want chunks of one length.
    """
    rank, size = channel.rank, channel.size
    chunks = {rank: chunk}
    for step in range(size - 1):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return array_namespace(chunk).concat([chunks[r] for r in range(size)])


def ring_all_reduce(channel: Channel, x: Array) -> Array:
    r"""Sum over all ranks without a central one: reduce-scatter, then all-gather.

    .. math:: y = \sum_{r=0}^{K-1} x_r, \qquad
        \text{bytes sent by each rank} = 2 \frac{K - 1}{K} N

    The bytes are exact where K divides the number of elements; see `bytes_sent`. They hardly grow
    with K, and no rank has more to do than another.

    Args:
        channel: this rank's `Channel`.
        x: this rank's array; all ranks' have one shape and dtype.

    Returns:
        y, the same bits on every rank, in the shape of ``x``.

    Raises:
        ValueError: the shapes or dtypes differ.
        RuntimeError: a rank is missing.

    Example:
        >>> run = run_ranks(ring_all_reduce, [np.full(4, r) for r in (1.0, 2.0, 3.0, 4.0)])
        >>> run.values[2], run.bytes_sent
        (array([10., 10., 10., 10.]), [48, 48, 48, 48])

    References:
        Patarasuk and Yuan, *Bandwidth optimal all-reduce algorithms for clusters of workstations*,
        2009, doi:10.1016/j.jpdc.2008.09.002. Sergeev and Del Balso, *Horovod*, 2018,
        arXiv:1802.05799.

    Who differs:
        NCCL cuts the chunks once more so that sending and adding overlap, and chooses trees for
        short arrays.
    """
    xp = array_namespace(x)
    chunk = ring_reduce_scatter(channel, xp.reshape(x, (-1,)))
    return xp.reshape(ring_all_gather(channel, chunk), x.shape)


def _sum(name: str, own: Array, received: Array) -> Array:
    """Add what another rank sent, without broadcasting: an array of another shape is a fault."""
    if own.shape != received.shape or own.dtype != received.dtype:
        raise ValueError(
            f"{name}: here the array is of shape {tuple(own.shape)} and dtype {own.dtype}, but "
            f"another rank sent {tuple(received.shape)} and {received.dtype}. "
            "All ranks need arrays of one shape and dtype."
        )
    return own + received
