"""Unit 12_data_parallel: shards, collectives over a channel, the parallel step, what it costs.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from course import parallel
from course._arrays import Array
from course._ranks import Office
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")
MOST_BYTES = 500_000
"""What all ranks may send in one case, so that an endless answer fills no memory."""


def narrow(arrays: Sequence[Array]) -> list[Array]:
    """Return these arrays in float32."""
    return [array.astype(np.float32) for array in arrays]


# --- shards ----------------------------------------------------------------------------------


def shard_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(rows: int, rank: int, size: int) -> dict[str, Any]:
        return {"x": rng.normal(size=(rows, 3)), "rank": rank, "size": size}

    yield Case("even", "the first of two ranks", inputs(6, 0, 2))
    yield Case("even", "the last of three ranks", inputs(6, 2, 3))
    yield Case("even", "one rank alone", inputs(4, 0, 1))
    yield Case("even", "the second of four ranks", inputs(12, 1, 4))
    for rank in range(3):
        yield Case("uneven", f"8 rows, rank {rank} of 3", inputs(8, rank, 3))
    for rank in (0, 1, 3, 4):
        yield Case("uneven", f"13 rows, rank {rank} of 5", inputs(13, rank, 5))
    yield Case("uneven", "more ranks than rows, one that has a row", inputs(5, 4, 8))
    yield Case("uneven", "more ranks than rows, one that has none", inputs(5, 6, 8))
    wide = inputs(7, 1, 3)
    yield Case("dtype", "7 rows in float32", wide | {"x": wide["x"].astype(np.float32)})


def remainder_dropped(x, rank, size):
    each = len(x) // size
    return x[rank * each : (rank + 1) * each]


def last_takes_the_rest(x, rank, size):
    each = len(x) // size
    stop = len(x) if rank == size - 1 else (rank + 1) * each
    return x[rank * each : stop]


def rounded_up(x, rank, size):
    each = -(-len(x) // size)
    return x[rank * each : (rank + 1) * each]


def dealt_in_turn(x, rank, size):
    return x[rank::size]


def columns_instead_of_rows(x, rank, size):
    return np.array_split(x, size, axis=1)[rank]


def last_ranks_have_more(x, rank, size):
    each, more = divmod(len(x), size)
    counts = [each + (r >= size - more) for r in range(size)]
    start = sum(counts[:rank])
    return x[start : start + counts[rank]]


def remainder_spread(x, rank, size):
    return x[rank * len(x) // size : (rank + 1) * len(x) // size]


def first_takes_the_rest(x, rank, size):
    each, more = divmod(len(x), size)
    return x[: each + more] if rank == 0 else x[more + rank * each : more + (rank + 1) * each]


def start_not_moved(x, rank, size):
    each, more = divmod(len(x), size)
    start = rank * each
    return x[start : start + each + (1 if rank < more else 0)]


def start_from_its_own_length(x, rank, size):
    each, more = divmod(len(x), size)
    own = each + (1 if rank < more else 0)
    return x[rank * own : (rank + 1) * own]


def ranks_from_one(x, rank, size):
    each, more = divmod(len(x), size)
    counts = [each + (r < more) for r in range(size)]
    start = sum(counts[: rank - 1]) if rank > 0 else 0
    return x[start : start + counts[rank - 1]]


def shard_with_array_split(x, rank, size):
    return np.array_split(x, size)[rank]


def shard_with_counts(x, rank, size):
    counts = [len(x) // size] * size
    for r in range(len(x) % size):
        counts[r] += 1
    start = sum(counts[:rank])
    return x[start : start + counts[rank]].copy()


def shard_row_by_row(x, rank, size):
    each, more = divmod(x.shape[0], size)
    owner = []
    for r in range(size):
        owner += [r] * (each + (1 if r < more else 0))
    return x[np.array(owner, dtype=int) == rank]


SHARD = Exercise(
    reference=parallel.shard,
    summary="a rank's share of the rows",
    parts=(
        Part("even", 1, "the number of ranks divides the rows"),
        Part("uneven", 1, "uneven shards, also empty ones"),
        DTYPE,
        INPUTS,
    ),
    cases=shard_cases,
    mistakes=(
        Mistake(
            "remainder dropped",
            remainder_dropped,
            "The last N mod K rows go to nobody: every step leaves some samples out. The first "
            "N mod K ranks take one row more.",
        ),
        Mistake(
            "last takes the rest",
            last_takes_the_rest,
            "The last rank takes all that is left, up to K − 1 rows more than the others, and they "
            "wait for it. Give one row more to each of the first N mod K ranks.",
        ),
        Mistake(
            "first takes the rest",
            first_takes_the_rest,
            "Rank 0 takes the whole remainder, up to K − 1 rows more than the others, and they "
            "wait for it. Give one row more to each of the first N mod K ranks.",
        ),
        Mistake(
            "rounded up",
            rounded_up,
            "Each rank takes N/K rounded up, so the last ones get fewer, or none. Shards may "
            "differ by one row at most.",
        ),
        Mistake(
            "dealt in turn",
            dealt_in_turn,
            "You deal the rows out in turn, every K-th to the same rank. That is even, too, but "
            "here a shard's rows are neighbours.",
        ),
        Mistake(
            "columns instead of rows",
            columns_instead_of_rows,
            "You split the columns. Samples are rows: data parallelism splits the first axis, and "
            "every rank sees all features.",
        ),
        Mistake(
            "last ranks have more",
            last_ranks_have_more,
            "The longer shards are the last ones. Here the first N mod K ranks have one row more.",
        ),
        Mistake(
            "remainder spread",
            remainder_spread,
            "Borders at r·N // K spread the longer shards over the ranks. As even, but here the "
            "first N mod K ranks have one row more.",
        ),
        Mistake(
            "start not moved",
            start_not_moved,
            "The longer shards in front push the later ones back: a shard starts at "
            "r·(N // K) + min(r, N mod K). Yours overlap.",
        ),
        Mistake(
            "start from its own length",
            start_from_its_own_length,
            "You multiply r by the rank's own length, as if all before it were as long. The first "
            "N mod K have one row more: a shard starts at r·(N // K) + min(r, N mod K).",
        ),
        Mistake(
            "ranks from one",
            ranks_from_one,
            "Ranks count from 0: rank 0 has the first rows.",
        ),
    ),
    honest=(shard_with_array_split, shard_with_counts, shard_row_by_row),
)


# --- sum against mean ------------------------------------------------------------------------


def full_batch_gradient(grads: Sequence[Array], counts: Sequence[int]) -> Array:
    """Return the gradient of the mean over all samples from the means over the shards."""
    parts = [grad * count for grad, count in zip(grads, counts, strict=True) if count > 0]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total / sum(counts)


def gradient_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(*counts: int) -> dict[str, Any]:
        grads = [rng.normal(size=(2, 3)) + 1 for _ in counts]
        return {"grads": grads, "counts": list(counts)}

    yield Case("even", "two shards of four samples", inputs(4, 4))
    yield Case("even", "three shards of two samples", inputs(2, 2, 2))
    yield Case("even", "one shard", inputs(5))
    yield Case("uneven", "shards of three and one samples", inputs(3, 1))
    yield Case("uneven", "shards of 7, 7, 6 and 6 samples", inputs(7, 7, 6, 6))
    empty = inputs(3, 0, 2)
    empty["grads"][1] = np.full((2, 3), np.nan)
    yield Case("empty", "a shard without samples, whose mean is NaN", empty)
    empty = inputs(0, 4, 1, 1)
    empty["grads"][0] = np.full((2, 3), np.inf)
    yield Case("empty", "the first shard without samples, its gradient infinite", empty)
    diverged = inputs(3, 2, 0)
    diverged["grads"][1:] = [np.full((2, 3), np.nan)] * 2
    yield Case("empty", "a shard with samples, whose mean is NaN all the same", diverged)
    given = inputs(3, 2, 2)
    yield Case("dtype", "three shards in float32", given | {"grads": narrow(given["grads"])})


def sum_of_means(grads, counts):
    used = [grad for grad, count in zip(grads, counts) if count > 0]
    return sum(used[1:], used[0])


def mean_of_means(grads, counts):
    used = [grad for grad, count in zip(grads, counts) if count > 0]
    return sum(used[1:], used[0]) / len(used)


def mean_of_all_ranks(grads, counts):
    used = [grad for grad, count in zip(grads, counts) if count > 0]
    return sum(used[1:], used[0]) / len(grads)


def mean_with_the_empty_ones(grads, counts):
    return np.mean(grads, axis=0)


def only_nan_left_out(grads, counts):
    used = [(g, n) for g, n in zip(grads, counts) if not np.isnan(g).any()]
    return sum(n * g for g, n in used) / sum(counts)


def nan_left_out_and_not_counted(grads, counts):
    used = [(g, n) for g, n in zip(grads, counts) if not np.isnan(g).any()]
    return sum(n * g for g, n in used) / sum(n for _, n in used)


def nan_counts_as_0(grads, counts):
    total = np.zeros_like(grads[0])
    for grad, count in zip(grads, counts):
        total = total + count * np.nan_to_num(grad)
    return total / sum(counts)


def only_finite_ones_kept(grads, counts):
    used = [(g, n) for g, n in zip(grads, counts) if np.isfinite(g).all()]
    return sum(n * g for g, n in used) / sum(n for _, n in used)


def not_divided(grads, counts):
    parts = [grad * count for grad, count in zip(grads, counts) if count > 0]
    return sum(parts[1:], parts[0])


def divided_by_the_ranks(grads, counts):
    parts = [grad * count for grad, count in zip(grads, counts) if count > 0]
    return sum(parts[1:], parts[0]) / len(counts)


def spoiled_by_an_empty_shard(grads, counts):
    total = np.zeros_like(grads[0])
    for grad, count in zip(grads, counts):
        total = total + count * grad
    return total / sum(counts)


def weights_of_the_largest(grads, counts):
    parts = [grad * count for grad, count in zip(grads, counts) if count > 0]
    return sum(parts[1:], parts[0]) / max(counts)


def weights_upside_down(grads, counts):
    weights = [1 / count if count > 0 else 0.0 for count in counts]
    parts = [grad * weight for grad, weight in zip(grads, weights) if weight > 0]
    return sum(parts[1:], parts[0]) / sum(weights)


def gradient_with_average(grads, counts):
    kept = [k for k in range(len(counts)) if counts[k] > 0]
    stacked = np.stack([grads[k] for k in kept])
    weights = np.array([counts[k] for k in kept], dtype=stacked.dtype)
    return np.average(stacked, axis=0, weights=weights)


def gradient_in_a_loop(grads, counts):
    samples = sum(counts)
    total = np.zeros_like(grads[0])
    for grad, count in zip(grads, counts):
        if count:
            total += grad * (count / samples)
    return total


def gradient_with_where(grads, counts):
    g = np.stack(grads)
    n = np.asarray(counts, dtype=g.dtype).reshape((-1,) + (1,) * (g.ndim - 1))
    return (n * np.where(n > 0, g, np.zeros_like(g))).sum(axis=0) / n.sum()


FULL_BATCH_GRADIENT = Exercise(
    reference=full_batch_gradient,
    summary="the whole batch's gradient from the shards' means",
    parts=(
        Part("even", 1, "shards of one size"),
        Part("uneven", 1, "uneven shards"),
        Part("empty", 1, "a shard without samples, and one that has diverged"),
        DTYPE,
        INPUTS,
    ),
    cases=gradient_cases,
    scale=1.0,
    mistakes=(
        Mistake(
            "sum of means",
            sum_of_means,
            "You add up means. That is the gradient of K times the loss: the step becomes K times "
            "as long. Sums over samples may be added; means must be weighted.",
        ),
        Mistake(
            "mean of means",
            mean_of_means,
            "The mean of means is right for shards of one size only. With 3 and 1 samples, the one "
            "sample counts as much as the three together: weight each mean with its count.",
        ),
        Mistake(
            "mean of all means",
            mean_with_the_empty_ones,
            "All means count alike, even that of a rank without samples, which is NaN. Weight "
            "each with its count, and leave out what has none.",
        ),
        Mistake(
            "mean over all ranks",
            mean_of_all_ranks,
            "You add the means and divide by the number of ranks, also those without samples. "
            "Weight each mean with its count and divide by the number of samples.",
        ),
        Mistake(
            "not divided",
            not_divided,
            "This is the sum over all samples. The loss is a mean: divide by the number of all "
            "samples.",
        ),
        Mistake(
            "divided by the ranks",
            divided_by_the_ranks,
            "The weighted sum is divided by the number of ranks. It holds sums over samples: "
            "divide by the number of all samples.",
        ),
        Mistake(
            "spoiled by an empty shard",
            spoiled_by_an_empty_shard,
            "A rank without samples has no mean, its gradient is NaN, and 0 · NaN is NaN. Leave "
            "such ranks out.",
        ),
        Mistake(
            "only NaN left out",
            only_nan_left_out,
            "You leave out gradients with NaN. That of an empty shard may be infinite as well, "
            "and 0 · ∞ is NaN: look at the count instead.",
        ),
        Mistake(
            "NaN left out and not counted",
            nan_left_out_and_not_counted,
            "You leave out gradients with NaN and their samples. That of an empty shard may be "
            "infinite as well, and that of a rank with samples must stay visible: look at the "
            "count instead.",
        ),
        Mistake(
            "NaN counts as 0",
            nan_counts_as_0,
            "A NaN is taken for 0, also that of a rank that has samples. It has diverged, and "
            "nobody would see it: look at the count, and leave the numbers as they are.",
        ),
        Mistake(
            "only finite ones kept",
            only_finite_ones_kept,
            "You leave out every gradient with NaN or infinity, also that of a rank that has "
            "samples. It has diverged, and nobody would see it: look at the count instead.",
        ),
        Mistake(
            "divided by the largest",
            weights_of_the_largest,
            "The weights must add up to 1: n_r / Σn, not n_r / max n.",
        ),
        Mistake(
            "weights upside down",
            weights_upside_down,
            "Small shards get the large weights. A mean over n samples stands for n of them: its "
            "weight is n_r / Σn.",
        ),
    ),
    honest=(gradient_with_average, gradient_in_a_loop, gradient_with_where),
)


# --- what all ranks do together --------------------------------------------------------------


def on_all_ranks(function: Any, inputs: Mapping[str, Any]) -> Observations:
    """Call the function on all ranks and look at what this case asks for."""
    if "changed messages of rank" in inputs:
        yield from with_changed_messages(function, inputs)
        return
    office, results = _played(function, inputs)
    for rank, result in enumerate(results):
        yield f"the result on rank {rank}", result
    if "traffic" in inputs["looked at"]:
        yield "the bytes that each rank has sent", np.array(office.bytes_sent())
        yield "the bytes from each rank (row) to each (column)", _traffic(office)
        yield "messages that nobody has received", office.left_over()
    if "messages" in inputs["looked at"]:
        yield "the messages that each rank has sent", _messages_sent(office)
    if "bits" in inputs["looked at"]:
        yield "all ranks have the same bits", _all_same(results)


def with_changed_messages(function: Any, inputs: Mapping[str, Any]) -> Observations:
    """Change what one rank sends, and look whether the others' results are made of it."""
    sender = inputs["changed messages of rank"]
    _, before = _played(function, inputs)
    _, after = _played(function, inputs, sender)
    for rank in range(len(before)):
        if rank != sender:
            changed = not np.array_equal(before[rank], after[rank])
            yield f"rank {rank} uses what comes from rank {sender}", changed


def _played(
    function: Any, inputs: Mapping[str, Any], spoiled: int | None = None
) -> tuple[Office, list[Any]]:
    """Run all ranks; in each message of the spoiled one every number is 1 larger on arrival."""

    def copy(array: Array) -> Array:
        if office.messages[-1].source != spoiled:
            return np.array(array)
        return array + array.dtype.type(1)

    own = inputs["each rank's"]
    office = Office(len(next(iter(own.values()))), copy, MOST_BYTES)
    calls = [
        {"channel": line} | {name: values[line.rank] for name, values in own.items()}
        for line in office.lines()
    ]
    return office, function.together(calls)


def _traffic(office: Office) -> Array:
    table = np.zeros((office.size, office.size), dtype=np.int64)
    for message in office.messages:
        table[message.source, message.to] += message.nbytes
    return table


def _messages_sent(office: Office) -> Array:
    sources = [message.source for message in office.messages]
    return np.bincount(np.array(sources, dtype=np.int64), minlength=office.size)


def _all_same(results: Sequence[Any]) -> bool:
    return all(np.array_equal(result, results[0]) for result in results[1:])


def ranks(looked_at: str, **own: Sequence[Array]) -> dict[str, Any]:
    """Return the inputs of a case on all ranks: for each argument, one value a rank."""
    return {"each rank's": own, "looked at": looked_at}


def spoiled(sender: int, **own: Sequence[Array]) -> dict[str, Any]:
    """Return the inputs of a case in which what one rank sends is changed on its way."""
    return {"each rank's": own, "changed messages of rank": sender}


def draw(rng: np.random.Generator, size: int, *shape: int) -> list[Array]:
    """Draw an array for each rank."""
    return [rng.normal(size=shape) + 0.5 for _ in range(size)]


def central_all_reduce(channel: parallel.Channel, x: Array) -> Array:
    """Return the sum of all ranks' arrays on every rank; rank 0 adds them up."""
    return parallel.central_all_reduce(channel, x)


def central_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("sum", "two ranks", ranks("results", x=draw(rng, 2, 3)))
    yield Case("sum", "four ranks, arrays of shape (2, 3)", ranks("results", x=draw(rng, 4, 2, 3)))
    yield Case("sum", "one rank alone", ranks("results", x=draw(rng, 1, 4)))
    title = "three ranks, and what rank 2 sends is changed on its way"
    yield Case("sum", title, spoiled(2, x=draw(rng, 3, 4)))
    title = "eight ranks, 24 elements"
    yield Case("same", title, ranks("bits", x=draw(rng, 8, 24)))
    yield Case("bytes", "three ranks", ranks("traffic", x=draw(rng, 3, 4)))
    title = "eight ranks, 30 elements"
    yield Case("bytes", title, ranks("traffic and bits", x=draw(rng, 8, 30)))
    yield Case("dtype", "three ranks in float32", ranks("results", x=narrow(draw(rng, 3, 4))))


def others_keep_their_own(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return x
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    return total


def what_arrives_thrown_away(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        channel.recv(0)
        return x
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(total, rank)
    return total


def sum_never_received(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return x
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(total, rank)
    return total


def only_the_root_returns(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return None
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    return total


def mean_instead_of_sum(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return channel.recv(0)
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    total = total / np.asarray(channel.size, dtype=x.dtype)
    for rank in range(1, channel.size):
        channel.send(total, rank)
    return total


def own_array_forgotten(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return channel.recv(0)
    total = np.zeros_like(x)
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(total, rank)
    return total


def everyone_sends_to_everyone(channel, x):
    for rank in range(channel.size):
        if rank != channel.rank:
            channel.send(x, rank)
    total = np.zeros_like(x)
    for rank in range(channel.size):
        total = total + (x if rank == channel.rank else channel.recv(rank))
    return total


def everyone_sends_everyone_adds_its_own_first(channel, x):
    for rank in range(channel.size):
        if rank != channel.rank:
            channel.send(x, rank)
    total = x.copy()
    for rank in range(channel.size):
        if rank != channel.rank:
            total = total + channel.recv(rank)
    return total


def others_receive_first(channel, x):
    if channel.rank > 0:
        total = channel.recv(0)
        channel.send(x, 0)
        return total
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(total, rank)
    return total


def root_sends_its_own(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return channel.recv(0)
    for rank in range(1, channel.size):
        channel.send(x, rank)
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    return total


def sent_before_it_is_complete(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return channel.recv(0)
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
        channel.send(total, rank)
    return total


def last_rank_not_heard(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return channel.recv(0)
    total = x.copy()
    for rank in range(1, channel.size - 1):
        total = total + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(total, rank)
    return total


def sum_goes_to_rank_1_only(channel, x):
    if channel.rank > 0:
        channel.send(x, 0)
        return channel.recv(0)
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    if channel.size > 1:
        channel.send(total, 1)
    return total


def handed_on_in_a_chain(channel, x):
    total = x.copy()
    if channel.rank > 0:
        total = channel.recv(channel.rank - 1) + x
    if channel.rank < channel.size - 1:
        channel.send(total, channel.rank + 1)
        total = channel.recv(channel.rank + 1)
    if channel.rank > 0:
        channel.send(total, channel.rank - 1)
    return total


def central_with_a_list(channel, x):
    others = range(1, channel.size)
    if channel.rank == 0:
        everything = [x] + [channel.recv(r) for r in others]
        total = np.sum(everything, axis=0)
        for r in others:
            channel.send(total, r)
        return total
    channel.send(x, 0)
    return channel.recv(0)


def central_from_the_last(channel, x):
    total = x.copy()
    if channel.rank != 0:
        channel.send(total, 0)
        total[...] = channel.recv(0)
        return total
    for r in reversed(range(1, channel.size)):
        total += channel.recv(r)
    for r in range(1, channel.size):
        channel.send(total, r)
    return total


def central_in_two_functions(channel, x):
    def reduce():
        if channel.rank:
            channel.send(x, 0)
            return None
        result = x.copy()
        for r in range(1, channel.size):
            np.add(result, channel.recv(r), out=result)
        return result

    def broadcast(result):
        if channel.rank:
            return channel.recv(0)
        for r in range(1, channel.size):
            channel.send(result, r)
        return result

    return broadcast(reduce())


CENTRAL_ALL_REDUCE = Exercise(
    reference=central_all_reduce,
    summary="the sum over all ranks, by a central one",
    parts=(
        Part("sum", 2, "the sum, on every rank"),
        Part("same", 1, "the same bits on every rank"),
        Part("bytes", 1, "the bytes that each rank sends"),
        DTYPE,
        INPUTS,
    ),
    cases=central_cases,
    run=on_all_ranks,
    scale=1.0,
    mistakes=(
        Mistake(
            "others keep their own",
            others_keep_their_own,
            "Only rank 0 has the sum; the others return their own array. Rank 0 has to send the "
            "sum back, and they return what they receive.",
        ),
        Mistake(
            "only rank 0 returns something",
            only_the_root_returns,
            "Only rank 0 has and returns the sum; the others return None. Rank 0 has to send it "
            "back, and they return what they receive.",
        ),
        Mistake(
            "what arrives is thrown away",
            what_arrives_thrown_away,
            "The sum comes back to the other ranks, and they return their own array all the same. "
            "Return what recv gives.",
        ),
        Mistake(
            "sum never received",
            sum_never_received,
            "Rank 0 sends the sum, but the others never receive it and return their own array. "
            "After the send they return channel.recv(0).",
        ),
        Mistake(
            "mean instead of sum",
            mean_instead_of_sum,
            "You divide by the number of ranks. An all-reduce adds up; what to divide by is the "
            "caller's business, and for uneven shards it is not K.",
        ),
        Mistake(
            "own array forgotten",
            own_array_forgotten,
            "Rank 0 adds up what it receives and leaves its own array out. It is one of the ranks: "
            "begin with x.",
        ),
        Mistake(
            "everyone sends to everyone",
            everyone_sends_to_everyone,
            "The sums are right, but every rank sends its array to every other: (K − 1)·N bytes "
            "each instead of N. Send to rank 0 only, which sends the sum back.",
        ),
        Mistake(
            "everyone adds up for itself",
            everyone_sends_everyone_adds_its_own_first,
            "Every rank sends to every other and begins its sum with its own array. So they add in "
            "different orders, the last bits differ, and replicas drift apart. One rank must add "
            "up for all.",
        ),
        Mistake(
            "others receive first",
            others_receive_first,
            "The other ranks wait for the sum before they have sent their own array, and rank 0 "
            "waits for that: a deadlock. They send first, then receive.",
        ),
        Mistake(
            "root sends its own",
            root_sends_its_own,
            "Rank 0 sends before it has added anything: the others get its own array. It receives "
            "from all, then sends the sum.",
        ),
        Mistake(
            "sent before it is complete",
            sent_before_it_is_complete,
            "Rank 0 answers each rank as soon as it has added that one's array, so rank 1 gets a "
            "sum in which later ranks are missing. Two loops: receive from all, then send to all.",
        ),
        Mistake(
            "last rank not heard",
            last_rank_not_heard,
            "The loop that receives ends one rank early: the others are 1 to K − 1, "
            "range(1, channel.size).",
        ),
        Mistake(
            "sum goes to one rank only",
            sum_goes_to_rank_1_only,
            "Rank 0 sends the sum to rank 1 alone, and the others wait for ever. It goes to all of "
            "1 to K − 1.",
        ),
        Mistake(
            "handed on in a chain",
            handed_on_in_a_chain,
            "Sums go up a chain of ranks and come down again. Right, and no rank sends more than "
            "2·N; but each waits for all before it. Here everyone sends to rank 0.",
        ),
    ),
    honest=(central_with_a_list, central_from_the_last, central_in_two_functions),
)


# --- broadcast by a tree ---------------------------------------------------------------------


def tree_broadcast(channel: parallel.Channel, x: Array) -> Array:
    """Return rank 0's array on every rank; those who have it help to pass it on."""
    return parallel.tree_broadcast(channel, x)


def tree_cases(rng: np.random.Generator) -> Iterator[Case]:
    for size in (1, 2, 4):
        title = f"{size} rank{'s' if size > 1 else ' alone'}"
        yield Case("powers", title, ranks("results", x=draw(rng, size, 3)))
    yield Case("powers", "eight ranks", ranks("results", x=draw(rng, 8, 2, 2)))
    yield Case("others", "three ranks", ranks("results", x=draw(rng, 3, 3)))
    yield Case("others", "nine ranks", ranks("results", x=draw(rng, 9, 2)))
    title = "six ranks, and what rank 0 sends is changed on its way"
    yield Case("others", title, spoiled(0, x=draw(rng, 6, 3)))
    yield Case("bytes", "four ranks", ranks("traffic", x=draw(rng, 4, 3)))
    yield Case("bytes", "seven ranks", ranks("traffic", x=draw(rng, 7, 2)))
    yield Case("dtype", "three ranks in float32", ranks("results", x=narrow(draw(rng, 3, 3))))


def root_sends_to_all(channel, x):
    if channel.rank > 0:
        return channel.recv(0)
    for rank in range(1, channel.size):
        channel.send(x, rank)
    return x


def passed_along_a_chain(channel, x):
    if channel.rank > 0:
        x = channel.recv(channel.rank - 1)
    if channel.rank < channel.size - 1:
        channel.send(x, channel.rank + 1)
    return x


def one_round_too_few(channel, x):
    for i in range(channel.size.bit_length() - 1):
        reach = 2**i
        if channel.rank < reach and channel.rank + reach < channel.size:
            channel.send(x, channel.rank + reach)
        elif reach <= channel.rank < 2 * reach:
            x = channel.recv(channel.rank - reach)
    return x


def everyone_sends_in_each_round(channel, x):
    reach = 1
    while reach < channel.size:
        if channel.rank + reach < channel.size:
            channel.send(x, channel.rank + reach)
        if channel.rank >= reach:
            x = channel.recv(channel.rank - reach)
        reach *= 2
    return x


def everyone_waits_for_the_root(channel, x):
    reach = 1
    while reach < channel.size:
        if channel.rank < reach and channel.rank + reach < channel.size:
            channel.send(x, channel.rank + reach)
        elif reach <= channel.rank < 2 * reach:
            x = channel.recv(0)
        reach *= 2
    return x


def all_others_receive(channel, x):
    reach = 1
    while reach < channel.size:
        if channel.rank < reach:
            if channel.rank + reach < channel.size:
                channel.send(x, channel.rank + reach)
        else:
            x = channel.recv(channel.rank - reach)
        reach *= 2
    return x


def partner_modulo_the_ranks(channel, x):
    reach = 1
    while reach < channel.size:
        if channel.rank < reach:
            channel.send(x, (channel.rank + reach) % channel.size)
        elif channel.rank < 2 * reach:
            x = channel.recv(channel.rank - reach)
        reach *= 2
    return x


def largest_step_first(channel, x):
    reach = 1
    while 2 * reach < channel.size:
        reach *= 2
    while reach >= 1:
        if channel.rank % (2 * reach) == 0 and channel.rank + reach < channel.size:
            channel.send(x, channel.rank + reach)
        elif channel.rank % (2 * reach) == reach:
            x = channel.recv(channel.rank - reach)
        reach //= 2
    return x


def nobody_receives(channel, x):
    reach = 1
    while reach < channel.size:
        if channel.rank < reach and channel.rank + reach < channel.size:
            channel.send(x, channel.rank + reach)
        reach *= 2
    return x


def own_array_passed_on(channel, x):
    result = x
    reach = 1
    while reach < channel.size:
        if channel.rank < reach and channel.rank + reach < channel.size:
            channel.send(x, channel.rank + reach)
        elif reach <= channel.rank < 2 * reach:
            result = channel.recv(channel.rank - reach)
        reach *= 2
    return result


def tree_round_by_round(channel, x):
    have = 1
    while have < channel.size:
        partner = channel.rank + have
        if channel.rank < have:
            if partner < channel.size:
                channel.send(x, partner)
        elif channel.rank < 2 * have:
            x = channel.recv(channel.rank - have)
        have += have
    return x


def tree_from_the_highest_bit(channel, x):
    rank, size = channel.rank, channel.size
    if rank > 0:
        x = channel.recv(rank - 2 ** (rank.bit_length() - 1))
    first = rank.bit_length()
    for i in range(first, size.bit_length()):
        if rank + 2**i < size:
            channel.send(x, rank + 2**i)
    return x.copy()


def tree_with_logarithms(channel, x):
    import math

    rounds = math.ceil(math.log2(channel.size)) if channel.size > 1 else 0
    received = x
    for i in range(rounds):
        if channel.rank < 2**i:
            to = channel.rank + 2**i
            if to <= channel.size - 1:
                channel.send(received, to)
        if 2**i <= channel.rank < 2 ** (i + 1):
            received = channel.recv(channel.rank - 2**i)
    return received


TREE_BROADCAST = Exercise(
    reference=tree_broadcast,
    summary="one array to all ranks, in ⌈log₂ K⌉ rounds",
    parts=(
        Part("powers", 1, "1, 2, 4 and 8 ranks"),
        Part("others", 1, "any number of ranks"),
        Part("bytes", 1, "the bytes that each rank sends"),
        DTYPE,
        INPUTS,
    ),
    cases=tree_cases,
    run=on_all_ranks,
    scale=1.0,
    mistakes=(
        Mistake(
            "root sends to all",
            root_sends_to_all,
            "Rank 0 sends to every other by itself: (K − 1)·N bytes, one after the other. In a "
            "tree those who have the array help: in round i, ranks r < 2ⁱ send to r + 2ⁱ.",
        ),
        Mistake(
            "passed along a chain",
            passed_along_a_chain,
            "The array goes from each rank to the next: K − 1 rounds until the last one has it. In "
            "a tree those who have it double in each round: r < 2ⁱ sends to r + 2ⁱ.",
        ),
        Mistake(
            "one round too few",
            one_round_too_few,
            "There are ⌊log₂ K⌋ rounds: where K is no power of two, the last ranks are left out. "
            "Go on while 2ⁱ < K.",
        ),
        Mistake(
            "everyone waits for the root",
            everyone_waits_for_the_root,
            "Ranks send as in a tree, but all wait for rank 0. In round i, rank r receives from "
            "r − 2ⁱ, which sends to it.",
        ),
        Mistake(
            "everyone sends in each round",
            everyone_sends_in_each_round,
            "Every rank sends in each round, also those that have only their own x yet, and most "
            "receive several times. In round i ranks r < 2ⁱ send, and ranks 2ⁱ ≤ r < 2ⁱ⁺¹ receive.",
        ),
        Mistake(
            "all others receive",
            all_others_receive,
            "In each round all ranks that do not send wait for something. Only 2ⁱ ≤ r < 2ⁱ⁺¹ are "
            "sent something in round i; the later ones have to wait for their own round.",
        ),
        Mistake(
            "largest step first",
            largest_step_first,
            "Yours is a tree, too, with the longest step first: then other ranks do the sending. "
            "Here round 0 is 0 → 1, round 1 is 0 → 2 and 1 → 3, and so on: r < 2ⁱ sends to r + 2ⁱ.",
        ),
        Mistake(
            "partner modulo K",
            partner_modulo_the_ranks,
            "Ranks beyond K − 1 are taken modulo K, so in the last round some that have the array "
            "are sent it again. A tree is no ring: where r + 2ⁱ is not below K, nothing is sent.",
        ),
        Mistake(
            "nobody receives",
            nobody_receives,
            "Ranks send, and nobody receives: each returns what it came with, and passes that on.",
        ),
        Mistake(
            "own array passed on",
            own_array_passed_on,
            "A rank that has received passes on the x that it was given, not what it received. "
            "Only rank 0's x is the one to spread.",
        ),
    ),
    honest=(tree_round_by_round, tree_from_the_highest_bit, tree_with_logarithms),
)


# --- the ring, first half --------------------------------------------------------------------


def ring_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("chunk", "two ranks, four elements", ranks("results", x=draw(rng, 2, 4)))
    yield Case("chunk", "three ranks, seven elements", ranks("results", x=draw(rng, 3, 7)))
    yield Case("chunk", "one rank alone", ranks("results", x=draw(rng, 1, 3)))
    yield Case("chunk", "eight ranks, five elements", ranks("results", x=draw(rng, 8, 5)))
    title = "four ranks, and what rank 1 sends is changed on its way"
    yield Case("chunk", title, spoiled(1, x=draw(rng, 4, 8)))
    looked_at = "traffic and messages"
    yield Case("bytes", "four ranks, eight elements", ranks(looked_at, x=draw(rng, 4, 8)))
    yield Case("bytes", "three ranks, eight elements", ranks(looked_at, x=draw(rng, 3, 8)))
    yield Case("bytes", "eight ranks, sixteen elements", ranks(looked_at, x=draw(rng, 8, 16)))
    title = "five ranks, three elements: two chunks are empty"
    yield Case("bytes", title, ranks(looked_at, x=draw(rng, 5, 3)))
    yield Case("dtype", "three ranks in float32", ranks("results", x=narrow(draw(rng, 3, 6))))


def chunk_of_the_next_rank(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        received = channel.recv((rank - 1) % size)
        chunks[(rank - step - 1) % size] = chunks[(rank - step - 1) % size] + received
    return chunks[(rank + 1) % size]


def wrong_chunk_returned(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        received = channel.recv((rank - 1) % size)
        chunks[(rank - step - 1) % size] = chunks[(rank - step - 1) % size] + received
    return chunks[rank]


def passed_on_without_adding(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        chunks[(rank - step - 2) % size] = channel.recv((rank - 1) % size)
    return chunks[rank]


def own_chunks_sent(channel, x):
    rank, size = channel.rank, channel.size
    own = np.array_split(x, size)
    total = own[rank]
    for step in range(size - 1):
        channel.send(own[(rank - step - 1) % size], (rank + 1) % size)
        total = own[(rank - step - 2) % size] + channel.recv((rank - 1) % size)
    return total


def whole_arrays_in_the_ring(channel, x):
    rank, size = channel.rank, channel.size
    total, passing = x.copy(), x
    for _ in range(size - 1):
        channel.send(passing, (rank + 1) % size)
        passing = channel.recv((rank - 1) % size)
        total = total + passing
    return np.array_split(total, size)[rank]


def ring_receives_first(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        received = channel.recv((rank - 1) % size)
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        chunks[(rank - step - 2) % size] = chunks[(rank - step - 2) % size] + received
    return chunks[rank]


def receives_from_the_wrong_side(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        received = channel.recv((rank + 1) % size)
        chunks[(rank - step - 2) % size] = chunks[(rank - step - 2) % size] + received
    return chunks[rank]


def ring_the_other_way_round(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        channel.send(chunks[(rank + step + 1) % size], (rank - 1) % size)
        received = channel.recv((rank + 1) % size)
        chunks[(rank + step + 2) % size] = chunks[(rank + step + 2) % size] + received
    return chunks[rank]


def one_step_too_few(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 2):
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        received = channel.recv((rank - 1) % size)
        chunks[(rank - step - 2) % size] = chunks[(rank - step - 2) % size] + received
    return chunks[rank]


def one_step_too_many(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size if size > 1 else 0):
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        received = channel.recv((rank - 1) % size)
        chunks[(rank - step - 2) % size] = chunks[(rank - step - 2) % size] + received
    return chunks[rank]


def empty_chunks_left_out(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        out, into = (rank - step - 1) % size, (rank - step - 2) % size
        if len(chunks[out]) > 0:
            channel.send(chunks[out], (rank + 1) % size)
        if len(chunks[into]) > 0:
            chunks[into] = chunks[into] + channel.recv((rank - 1) % size)
    return chunks[rank]


def mean_of_the_chunks(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        received = channel.recv((rank - 1) % size)
        chunks[(rank - step - 2) % size] = chunks[(rank - step - 2) % size] + received
    return chunks[rank] / np.asarray(size, dtype=x.dtype)


def all_chunks_returned(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        received = channel.recv((rank - 1) % size)
        chunks[(rank - step - 2) % size] = chunks[(rank - step - 2) % size] + received
    return np.concatenate(chunks)


def sent_straight_to_the_owner(channel, x):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    for other in range(size):
        if other != rank:
            channel.send(chunks[other], other)
    total = chunks[rank]
    for other in range(size):
        if other != rank:
            total = total + channel.recv(other)
    return total


def ring_with_a_list(channel, x):
    rank, size = channel.rank, channel.size
    chunks = [chunk.copy() for chunk in np.array_split(x, size)]
    for step in range(size - 1):
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        chunks[(rank - step - 2) % size] += channel.recv((rank - 1) % size)
    return chunks[rank]


def ring_with_slices(channel, x):
    rank, size = channel.rank, channel.size
    each, more = divmod(len(x), size)
    borders = [r * each + min(r, more) for r in range(size + 1)]
    total = x.copy()
    for step in range(1, size):
        out, into = (rank - step) % size, (rank - step - 1) % size
        channel.send(total[borders[out] : borders[out + 1]], (rank + 1) % size)
        total[borders[into] : borders[into + 1]] += channel.recv((rank - 1) % size)
    return total[borders[rank] : borders[rank + 1]]


def ring_that_carries_one_chunk(channel, x):
    size = channel.size
    number = (channel.rank - 1) % size
    carried = np.array_split(x, size)[number]
    while number != channel.rank:
        channel.send(carried, (channel.rank + 1) % size)
        number = (number - 1) % size
        carried = np.array_split(x, size)[number] + channel.recv((channel.rank - 1) % size)
    return carried


RING_REDUCE_SCATTER = Exercise(
    reference=parallel.ring_reduce_scatter,
    summary="each rank's chunk of the sum, in a ring",
    parts=(
        Part("chunk", 3, "the rank's chunk of the sum"),
        Part("bytes", 1, "the messages and bytes that each rank sends"),
        DTYPE,
        INPUTS,
    ),
    cases=ring_cases,
    run=on_all_ranks,
    scale=1.0,
    mistakes=(
        Mistake(
            "chunk of the next rank",
            chunk_of_the_next_rank,
            "Rank r ends up with chunk r + 1: your first step sends chunk r. Send chunk r − 1 "
            "first, and the last one you add to is your own.",
        ),
        Mistake(
            "wrong chunk returned",
            wrong_chunk_returned,
            "Your first step sends chunk r, so it is chunk r + 1 that is complete at the end, and "
            "you return chunk r. Send chunk r − 1 first: step s sends r − s − 1.",
        ),
        Mistake(
            "passed on without adding",
            passed_on_without_adding,
            "What arrives replaces your chunk: nothing is added, and you return one rank's "
            "numbers. Add your own chunk to what you receive, then pass the sum on.",
        ),
        Mistake(
            "own chunks sent",
            own_chunks_sent,
            "You send your own chunks, never the partial sums, so only two ranks' numbers come "
            "together. Step s + 1 sends what step s has added up.",
        ),
        Mistake(
            "whole arrays in the ring",
            whole_arrays_in_the_ring,
            "Whole arrays go round: (K − 1)·N bytes a rank, as if everyone sent to everyone. Send "
            "one chunk a step, N/K bytes: that is the point of the ring.",
        ),
        Mistake(
            "ring receives first",
            ring_receives_first,
            "Every rank waits for the one before it, and nobody has sent yet: a deadlock. Send "
            "first, then receive.",
        ),
        Mistake(
            "receives from the wrong side",
            receives_from_the_wrong_side,
            "You send to rank r + 1 and wait for rank r + 1, which sends to r + 2. What comes to "
            "you comes from r − 1.",
        ),
        Mistake(
            "the other way round",
            ring_the_other_way_round,
            "Your ring turns the other way: you send to r − 1 and receive from r + 1. That is as "
            "good, but here everyone sends to r + 1, and all ranks have to agree on one.",
        ),
        Mistake(
            "one step too few",
            one_step_too_few,
            "K − 2 steps: one rank's numbers are missing. A chunk visits all K ranks, so it moves "
            "K − 1 times.",
        ),
        Mistake(
            "one step too many",
            one_step_too_many,
            "K steps: after K − 1 the sums are complete, and the last step sends a chunk for "
            "nothing. range(size - 1).",
        ),
        Mistake(
            "empty chunks left out",
            empty_chunks_left_out,
            "Empty chunks are not sent. They cost no bytes, and here they travel all the same: "
            "each rank sends K − 1 messages, whatever their length: send them without an if.",
        ),
        Mistake(
            "mean of the chunks",
            mean_of_the_chunks,
            "You divide by the number of ranks. A reduce-scatter adds up; dividing is the caller's "
            "business.",
        ),
        Mistake(
            "all chunks returned",
            all_chunks_returned,
            "You return all chunks. Only chunk r is complete on rank r; the others are partial "
            "sums that the all-gather replaces. Return chunk r.",
        ),
        Mistake(
            "sent straight to the owner",
            sent_straight_to_the_owner,
            "Each chunk goes straight to its owner. As many bytes, but K − 1 different partners, "
            "and all send to the same one at once. In the ring you send to r + 1 only and receive "
            "from r − 1 only.",
        ),
    ),
    honest=(ring_with_a_list, ring_with_slices, ring_that_carries_one_chunk),
)


# --- the ring, second half -------------------------------------------------------------------


def gather_cases(rng: np.random.Generator) -> Iterator[Case]:
    def chunks(size: int, elements: int) -> list[Array]:
        return np.array_split(rng.normal(size=elements) + 0.5, size)

    yield Case("joined", "two ranks, four elements", ranks("results", chunk=chunks(2, 4)))
    yield Case("joined", "three ranks, eight elements", ranks("results", chunk=chunks(3, 8)))
    yield Case("joined", "one rank alone", ranks("results", chunk=chunks(1, 3)))
    yield Case("joined", "eight ranks, five elements", ranks("results", chunk=chunks(8, 5)))
    title = "four ranks, and what rank 3 sends is changed on its way"
    yield Case("joined", title, spoiled(3, chunk=chunks(4, 8)))
    looked_at = "traffic and messages"
    yield Case("bytes", "four ranks, 12 elements", ranks(looked_at, chunk=chunks(4, 12)))
    yield Case("bytes", "three ranks, 11 elements", ranks(looked_at, chunk=chunks(3, 11)))
    title = "five ranks, three elements: two chunks are empty"
    yield Case("bytes", title, ranks(looked_at, chunk=chunks(5, 3)))
    given = narrow(chunks(3, 6))
    yield Case("dtype", "three ranks in float32", ranks("results", chunk=given))


def order_of_arrival(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = [chunk]
    for _ in range(size - 1):
        channel.send(chunks[-1], (rank + 1) % size)
        chunks.append(channel.recv((rank - 1) % size))
    return np.concatenate(chunks)


def arrival_reversed(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = [chunk]
    for _ in range(size - 1):
        channel.send(chunks[-1], (rank + 1) % size)
        chunks.append(channel.recv((rank - 1) % size))
    return np.concatenate(chunks[::-1])


def own_chunk_again_and_again(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = [chunk] * size
    for step in range(size - 1):
        channel.send(chunk, (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return np.concatenate(chunks)


def to_everyone_directly(channel, chunk):
    rank, size = channel.rank, channel.size
    for other in range(size):
        if other != rank:
            channel.send(chunk, other)
    chunks = [chunk if other == rank else channel.recv(other) for other in range(size)]
    return np.concatenate(chunks)


def gather_receives_first(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = {rank: chunk}
    for step in range(size - 1):
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
    return np.concatenate([chunks[r] for r in range(size)])


def gathered_backwards(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = {rank: chunk}
    for step in range(size - 1):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return np.concatenate([chunks[r] for r in reversed(range(size))])


def numbered_the_wrong_way(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = {rank: chunk}
    for step in range(size - 1):
        channel.send(chunks[(rank + step) % size], (rank + 1) % size)
        chunks[(rank + step + 1) % size] = channel.recv((rank - 1) % size)
    return np.concatenate([chunks[r] for r in range(size)])


def gather_the_other_way_round(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = {rank: chunk}
    for step in range(size - 1):
        channel.send(chunks[(rank + step) % size], (rank - 1) % size)
        chunks[(rank + step + 1) % size] = channel.recv((rank + 1) % size)
    return np.concatenate([chunks[r] for r in range(size)])


def gather_one_step_too_few(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = [chunk] * size
    for step in range(size - 2):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return np.concatenate(chunks)


def gather_once_too_often(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = {rank: chunk}
    for step in range(size if size > 1 else 0):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return np.concatenate([chunks[r] for r in range(size)])


def gather_without_the_empty_ones(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = [chunk] * size
    for step in range(size - 1):
        passing = chunks[(rank - step) % size]
        if len(passing) > 0:
            channel.send(passing, (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return np.concatenate(chunks)


def added_instead_of_joined(channel, chunk):
    rank, size = channel.rank, channel.size
    total, passing = chunk.copy(), chunk
    for _ in range(size - 1):
        channel.send(passing, (rank + 1) % size)
        passing = channel.recv((rank - 1) % size)
        short = min(len(total), len(passing))
        total[:short] += passing[:short]
    return total


def gather_with_a_list(channel, chunk):
    rank, size = channel.rank, channel.size
    chunks = [None] * size
    chunks[rank] = chunk
    for step in range(size - 1):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return np.concatenate(chunks)


def gather_and_roll(channel, chunk):
    arrived = [chunk]
    for _ in range(channel.size - 1):
        channel.send(arrived[0], (channel.rank + 1) % channel.size)
        arrived.insert(0, channel.recv((channel.rank - 1) % channel.size))
    first = channel.size - 1 - channel.rank
    return np.concatenate(arrived[first:] + arrived[:first])


def gather_by_recursion(channel, chunk):
    rank, size = channel.rank, channel.size

    def collect(number, passing, left):
        if left == 0:
            return {number: passing}
        channel.send(passing, (rank + 1) % size)
        received = channel.recv((rank - 1) % size)
        return {number: passing} | collect((number - 1) % size, received, left - 1)

    chunks = collect(rank, chunk, size - 1)
    return np.hstack([chunks[number] for number in sorted(chunks)])


RING_ALL_GATHER = Exercise(
    reference=parallel.ring_all_gather,
    summary="all ranks' chunks on every rank, in a ring",
    parts=(
        Part("joined", 2, "all chunks, joined in the ranks' order"),
        Part("bytes", 1, "the messages and bytes that each rank sends"),
        DTYPE,
        INPUTS,
    ),
    cases=gather_cases,
    run=on_all_ranks,
    scale=1.0,
    mistakes=(
        Mistake(
            "order of arrival",
            order_of_arrival,
            "The chunks are joined in the order in which they came: r, r − 1, r − 2, … Put each in "
            "its place, chunk 0 first: what arrives in step s is chunk r − s − 1.",
        ),
        Mistake(
            "order of arrival, reversed",
            arrival_reversed,
            "The chunks are joined in the reverse order of arrival, which begins with chunk r + 1 "
            "and is right on the last rank only. Put each in its place, chunk 0 first.",
        ),
        Mistake(
            "own chunk again and again",
            own_chunk_again_and_again,
            "Every step sends your own chunk, so the next rank gets it K − 1 times. Pass on what "
            "you have just received: step s sends chunk r − s.",
        ),
        Mistake(
            "to everyone directly",
            to_everyone_directly,
            "Each rank sends its chunk straight to every other. In the ring you send to r + 1 only "
            "and pass on what came from r − 1.",
        ),
        Mistake(
            "gather receives first",
            gather_receives_first,
            "Every rank waits for the one before it, and nobody has sent yet: a deadlock. Send "
            "first, then receive.",
        ),
        Mistake(
            "joined backwards",
            gathered_backwards,
            "The last chunk comes first. Join them from chunk 0 to chunk K − 1.",
        ),
        Mistake(
            "numbered the wrong way",
            numbered_the_wrong_way,
            "What comes from rank r − 1 is its own chunk, r − 1, then r − 2, and so on. You write "
            "r + 1, r + 2, … on it.",
        ),
        Mistake(
            "gathered the other way round",
            gather_the_other_way_round,
            "Your ring turns the other way: you send to r − 1 and receive from r + 1. That is as "
            "good, but here everyone sends to r + 1, and all ranks have to agree on one.",
        ),
        Mistake(
            "once too often",
            gather_once_too_often,
            "K steps: after K − 1 each rank has all chunks, and the last step brings its own chunk "
            "back. range(size - 1).",
        ),
        Mistake(
            "gathered one step too few",
            gather_one_step_too_few,
            "K − 2 steps: one chunk has not come, and your own stands in its place. It takes K "
            "− 1.",
        ),
        Mistake(
            "empty chunks not sent",
            gather_without_the_empty_ones,
            "Empty chunks are not sent, and the next rank waits for them for ever: it cannot know "
            "that they are empty. Send each chunk, whatever its length.",
        ),
        Mistake(
            "added instead of joined",
            added_instead_of_joined,
            "You add what arrives. The chunks are parts of one array and complete already: join "
            "them with np.concatenate.",
        ),
    ),
    honest=(gather_with_a_list, gather_and_roll, gather_by_recursion),
)


# --- the step --------------------------------------------------------------------------------


def data_parallel_step(
    channel: parallel.Channel, w: Array, x: Array, y: Array, *, samples: int, lr: float
) -> Array:
    """Return the weights of a linear model after a step on all ranks' samples."""
    total = parallel.central_all_reduce(channel, x.T @ (x @ w - y))
    return w - lr * 2 / samples * total


def steps_on_all_ranks(function: Any, inputs: Mapping[str, Any]) -> Observations:
    """Take some steps, each rank with the weights that it has, and look at them after each."""
    if "changed messages of rank" in inputs:
        yield from with_changed_messages(function, inputs)
        return
    shards, lr = inputs["each rank's (x, y)"], inputs["lr"]
    samples = sum(len(x) for x, _ in shards)
    weights = [inputs["w"]] * len(shards)
    for step in range(1, inputs["steps"] + 1):
        office = Office(len(shards), limit=MOST_BYTES)
        calls = [
            {"channel": line, "w": w, "x": x, "y": y, "samples": samples, "lr": lr}
            for line, w, (x, y) in zip(office.lines(), weights, shards, strict=True)
        ]
        weights = function.together(calls)
        for rank, w in enumerate(weights):
            yield f"w on rank {rank} after step {step}", w
        if inputs["looked at"] == "bits":
            yield f"all ranks have the same bits after step {step}", _all_same(weights)
        yield "messages that nobody has received", office.left_over()
    senders = {message.source for message in office.messages}  # of empty arrays, too
    yield "every rank has sent something", len(shards) == 1 or len(senders) == len(shards)
    if inputs["looked at"] == "bytes":
        sent = zip(office.bytes_sent(), shards, strict=True)
        fewer = all(nbytes < x.nbytes + y.nbytes for nbytes, (x, y) in sent)
        yield "every rank has sent fewer bytes than its samples have", fewer


def step_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        *counts: int, features: int = 3, steps: int = 1, looked_at: str = "weights"
    ) -> dict[str, Any]:
        w = rng.normal(size=features)
        rows = [rng.normal(size=(count, features)) for count in counts]
        shards = [(x, x @ w + 1 + rng.normal(size=len(x))) for x in rows]
        return {
            "w": rng.normal(size=features),
            "each rank's (x, y)": shards,
            "lr": float(rng.choice([0.05, 0.1, 0.2])),
            "steps": steps,
            "looked at": looked_at,
        }

    yield Case("even", "two ranks with four samples each", inputs(4, 4))
    yield Case(
        "even", "four ranks with three samples each, three steps", inputs(3, 3, 3, 3, steps=3)
    )
    yield Case("even", "one rank alone", inputs(5))
    yield Case("uneven", "two ranks with five samples and one", inputs(5, 1))
    yield Case("uneven", "three ranks with 4, 3 and 3 samples, two steps", inputs(4, 3, 3, steps=2))
    yield Case("uneven", "eight ranks, seven samples: one has none", inputs(*[1] * 7, 0))
    given = inputs(4, 3, 3)
    x, y = zip(*given["each rank's (x, y)"], strict=True)
    for_all = {name: [given[name]] * 3 for name in ("w", "lr")} | {"samples": [10] * 3}
    title = "three ranks, and what rank 2 sends is changed on its way"
    yield Case("uneven", title, spoiled(2, x=x, y=y, **for_all))
    yield Case("same", "eight ranks", inputs(*[3] * 8, features=24, looked_at="bits"))
    long = inputs(9, 8, 8, features=24, steps=2, looked_at="bits")
    yield Case("same", "three ranks, two steps", long)
    many = inputs(40, 40, 39, features=2, looked_at="bytes")
    yield Case("exchange", "three ranks, many samples and two features", many)
    given = inputs(3, 2)
    shards = [tuple(narrow(pair)) for pair in given["each rank's (x, y)"]]
    narrowed = {"w": given["w"].astype(np.float32), "each rank's (x, y)": shards}
    yield Case("dtype", "two ranks in float32", given | narrowed)


def own_gradient_only(channel, w, x, y, *, samples, lr):
    grad = 2 / samples * (x.T @ (x @ w - y))
    if channel.size > 1:
        channel.send(grad, (channel.rank + 1) % channel.size)
        channel.recv((channel.rank - 1) % channel.size)
    return w - lr * grad


def nothing_exchanged(channel, w, x, y, *, samples, lr):
    return w - lr * 2 / samples * (x.T @ (x @ w - y))


def guarded_mean_of_means(channel, w, x, y, *, samples, lr):
    grad = 2 * (x.T @ (x @ w - y)) / max(len(x), 1) / channel.size
    if channel.rank > 0:
        channel.send(grad, 0)
        return w - lr * channel.recv(0)
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(grad, rank)
    return w - lr * grad


def step_mean_of_means(channel, w, x, y, *, samples, lr):
    grad = 2 * (x.T @ (x @ w - y)) / len(x) / channel.size
    if channel.rank > 0:
        channel.send(grad, 0)
        return w - lr * channel.recv(0)
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(grad, rank)
    return w - lr * grad


def step_sum_of_means(channel, w, x, y, *, samples, lr):
    grad = 2 * (x.T @ (x @ w - y)) / len(x)
    if channel.rank > 0:
        channel.send(grad, 0)
        return w - lr * channel.recv(0)
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(grad, rank)
    return w - lr * grad


def step_not_divided(channel, w, x, y, *, samples, lr):
    grad = 2 * (x.T @ (x @ w - y))
    if channel.rank > 0:
        channel.send(grad, 0)
        return w - lr * channel.recv(0)
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(grad, rank)
    return w - lr * grad


def divided_twice(channel, w, x, y, *, samples, lr):
    grad = 2 * (x.T @ (x @ w - y)) / samples
    if channel.rank > 0:
        channel.send(grad, 0)
        return w - lr * channel.recv(0)
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    grad = grad / np.asarray(channel.size, dtype=grad.dtype)
    for rank in range(1, channel.size):
        channel.send(grad, rank)
    return w - lr * grad


def factor_2_forgotten(channel, w, x, y, *, samples, lr):
    grad = (x.T @ (x @ w - y)) / samples
    if channel.rank > 0:
        channel.send(grad, 0)
        return w - lr * channel.recv(0)
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(grad, rank)
    return w - lr * grad


def uphill(channel, w, x, y, *, samples, lr):
    grad = 2 * (x.T @ (x @ w - y)) / samples
    if channel.rank > 0:
        channel.send(grad, 0)
        return w + lr * channel.recv(0)
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(grad, rank)
    return w + lr * grad


def rate_scaled(channel, w, x, y, *, samples, lr):
    lr = lr * channel.size
    grad = 2 * (x.T @ (x @ w - y)) / samples
    if channel.rank > 0:
        channel.send(grad, 0)
        return w - lr * channel.recv(0)
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(grad, rank)
    return w - lr * grad


def samples_sent_to_the_root(channel, w, x, y, *, samples, lr):
    if channel.rank > 0:
        channel.send(x, 0)
        channel.send(y, 0)
        return channel.recv(0)
    for rank in range(1, channel.size):
        x = np.concatenate([x, channel.recv(rank)])
        y = np.concatenate([y, channel.recv(rank)])
    w = w - lr * 2 / samples * (x.T @ (x @ w - y))
    for rank in range(1, channel.size):
        channel.send(w, rank)
    return w


def only_the_root_steps(channel, w, x, y, *, samples, lr):
    grad = 2 * (x.T @ (x @ w - y)) / samples
    if channel.rank > 0:
        channel.send(grad, 0)
        return w.copy()
    for rank in range(1, channel.size):
        grad = grad + channel.recv(rank)
    return w - lr * grad


def everyone_adds_in_its_own_order(channel, w, x, y, *, samples, lr):
    grad = 2 * (x.T @ (x @ w - y)) / samples
    for rank in range(channel.size):
        if rank != channel.rank:
            channel.send(grad, rank)
    total = grad
    for rank in range(channel.size):
        if rank != channel.rank:
            total = total + channel.recv(rank)
    return w - lr * total


def step_with_a_ring(channel, w, x, y, *, samples, lr):
    rank, size = channel.rank, channel.size
    chunks = np.array_split(2 * x.T @ (x @ w - y) / samples, size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step - 1) % size], (rank + 1) % size)
        received = channel.recv((rank - 1) % size)
        chunks[(rank - step - 2) % size] = chunks[(rank - step - 2) % size] + received
    for step in range(size - 1):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return w - lr * np.concatenate(chunks)


def step_on_the_root(channel, w, x, y, *, samples, lr):
    residual = np.einsum("nd,d->n", x, w) - y
    grad = np.einsum("nd,n->d", x, residual)
    if channel.rank > 0:
        channel.send(grad, 0)
        return channel.recv(0)
    total = np.sum([grad] + [channel.recv(r) for r in range(1, channel.size)], axis=0)
    new = w - (2 * lr / samples) * total
    for r in range(1, channel.size):
        channel.send(new, r)
    return new


def step_with_everyones_gradients(channel, w, x, y, *, samples, lr):
    total = np.zeros_like(w)
    for row, target in zip(x, y):
        total += 2 * (row @ w - target) * row
    for r in range(channel.size):
        if r != channel.rank:
            channel.send(total, r)
    everything = [total if r == channel.rank else channel.recv(r) for r in range(channel.size)]
    summed = everything[0]
    for other in everything[1:]:
        summed = summed + other
    return w - lr * summed / samples


DATA_PARALLEL_STEP = Exercise(
    reference=data_parallel_step,
    summary="one step of gradient descent on all ranks' samples",
    parts=(
        Part("even", 1, "shards of one size"),
        Part("uneven", 1.5, "uneven shards, also an empty one"),
        Part("same", 1, "the same bits on every rank"),
        Part("exchange", 0.5, "the samples stay where they are"),
        DTYPE,
        INPUTS,
    ),
    cases=step_cases,
    run=steps_on_all_ranks,
    scale=1.0,
    mistakes=(
        Mistake(
            "own gradient only",
            own_gradient_only,
            "Each rank steps along its own samples' gradient; what arrives is not used. So the "
            "replicas drift apart. Add up all ranks' gradients first.",
        ),
        Mistake(
            "nothing exchanged",
            nothing_exchanged,
            "Nothing is sent: each rank steps along its own samples' gradient, and the weights "
            "drift apart. Add up the gradients of all ranks.",
        ),
        Mistake(
            "mean of means in the step",
            step_mean_of_means,
            "You average the ranks' means: right for shards of one size only. Add up sums over "
            "samples and divide by samples, once.",
        ),
        Mistake(
            "mean of means, none empty",
            guarded_mean_of_means,
            "You average the ranks' means, and an empty one counts as 0: right for shards of one "
            "size only. Add up sums over samples and divide by samples, once.",
        ),
        Mistake(
            "sum of means in the step",
            step_sum_of_means,
            "You add up the ranks' means: the step is K times too long. Add up sums over samples "
            "and divide by samples.",
        ),
        Mistake(
            "step not divided",
            step_not_divided,
            "The gradient of the sum, not of the mean: divide by samples, the number on all ranks "
            "together.",
        ),
        Mistake(
            "divided twice",
            divided_twice,
            "You divide by samples and by the number of ranks. samples counts all ranks' rows "
            "already: divide by it alone.",
        ),
        Mistake(
            "factor 2 forgotten",
            factor_2_forgotten,
            "The gradient of the mean of squares has a factor 2: (2/N) Σ xᵀ(xw − y).",
        ),
        Mistake(
            "uphill",
            uphill,
            "You add the gradient. The step goes against it: w − lr · g.",
        ),
        Mistake(
            "rate scaled",
            rate_scaled,
            "The step is K times too long: the rate is multiplied by the number of ranks, or "
            "samples is divided by it. samples counts all ranks' rows, and lr is meant for them: "
            "use both as they are.",
        ),
        Mistake(
            "samples sent",
            samples_sent_to_the_root,
            "The samples themselves travel, and the ranks share no work. Each computes Xᵀ(Xw − y) "
            "of its own samples and sends that: no more numbers than w has.",
        ),
        Mistake(
            "only the root steps",
            only_the_root_steps,
            "Rank 0 takes the step, and the others keep their weights. Broadcast the sum, and let "
            "every rank step, or the new weights.",
        ),
        Mistake(
            "everyone adds in its own order",
            everyone_adds_in_its_own_order,
            "Each rank begins the sum with its own gradient. Floating-point sums depend on the "
            "order, so the last bits differ between ranks, and replicas drift apart. Add in one "
            "order everywhere, or on one rank for all.",
        ),
    ),
    honest=(step_with_a_ring, step_on_the_root, step_with_everyones_gradients),
)


# --- what it costs ---------------------------------------------------------------------------


def bytes_sent(collective: str, rank: int, size: int, elements: int, itemsize: int) -> int:
    """Return the bytes that a rank sends in a collective of this name."""
    return parallel.bytes_sent(collective, rank, size, elements, itemsize)


def bytes_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        collective: str, rank: int, size: int, elements: int, itemsize: int
    ) -> dict[str, Any]:
        given = {"rank": rank, "size": size, "elements": elements, "itemsize": itemsize}
        return {"collective": collective} | given

    many = 8 * int(rng.integers(50, 200))
    yield Case("central", "the root of four ranks", inputs("central", 0, 4, many, 8))
    yield Case("central", "another of four ranks", inputs("central", 2, 4, many, 8))
    yield Case("central", "the root of three ranks, float32", inputs("central", 0, 3, many, 4))
    yield Case("central", "the central one, alone", inputs("central", 0, 1, many, 8))
    for rank in (0, 3):
        yield Case("ring", f"rank {rank} of 4, even chunks", inputs("ring", rank, 4, many, 8))
    yield Case("ring", "rank 1 of 8, even chunks, float32", inputs("ring", 1, 8, many, 4))
    yield Case("ring", "a ring of one", inputs("ring", 0, 1, many, 8))
    for rank in (0, 1, 2):
        title = f"rank {rank} of 3, one element more than 3 divides"
        yield Case("uneven", title, inputs("ring", rank, 3, 3 * many + 1, 8))
    yield Case("uneven", "rank 4 of 8, 5 elements", inputs("ring", 4, 8, 5, 8))
    yield Case("uneven", "rank 7 of 8, 5 elements", inputs("ring", 7, 8, 5, 4))
    for rank, size in ((0, 8), (1, 8), (0, 6), (1, 6), (2, 6), (3, 4), (0, 5), (1, 5), (3, 7)):
        yield Case("tree", f"a tree's rank {rank} of {size}", inputs("tree", rank, size, many, 8))
    yield Case("tree", "a tree of one", inputs("tree", 0, 1, many, 4))


def itemsize_forgotten(collective, rank, size, elements, itemsize):
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1 if rank == 0 else 1) * elements
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * elements - chunks[rank] - chunks[(rank + 1) % size]
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach and rank + reach < size
        reach *= 2
    return sends * elements


def root_like_the_others(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return n
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * n - (chunks[rank] + chunks[(rank + 1) % size]) * itemsize
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach and rank + reach < size
        reach *= 2
    return sends * n


def root_sends_to_itself(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if collective == "central":
        return size * n if rank == 0 else n
    if size == 1:
        return 0
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * n - (chunks[rank] + chunks[(rank + 1) % size]) * itemsize
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach and rank + reach < size
        reach *= 2
    return sends * n


def what_arrives_counted(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return 2 * (size - 1) * n if rank == 0 else 2 * n
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * n - (chunks[rank] + chunks[(rank + 1) % size]) * itemsize
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach and rank + reach < size
        reach *= 2
    return sends * n


def only_half_of_the_ring(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        return n - (elements // size + (rank < elements % size)) * itemsize
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach and rank + reach < size
        reach *= 2
    return sends * n


def fractions_of_elements(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        return 2 * (size - 1) / size * n
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach and rank + reach < size
        reach *= 2
    return sends * n


def own_chunk_left_out_twice(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        return 2 * (n - (elements // size + (rank < elements % size)) * itemsize)
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach and rank + reach < size
        reach *= 2
    return sends * n


def ring_sends_everything_twice(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if collective == "ring":
        return 2 * n
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach and rank + reach < size
        reach *= 2
    return sends * n


def tree_root_sends_to_all(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * n - (chunks[rank] + chunks[(rank + 1) % size]) * itemsize
    return (size - 1) * n if rank == 0 else 0


def all_ranks_like_the_trees_root(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * n - (chunks[rank] + chunks[(rank + 1) % size]) * itemsize
    return (size - 1).bit_length() * n


def chunks_rounded_down(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        return 2 * (size - 1) * (elements // size) * itemsize
    return sum(rank < 2**i and rank + 2**i < size for i in range(size)) * n


def chunks_rounded_up(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        return 2 * (size - 1) * -(-elements // size) * itemsize
    return sum(rank < 2**i and rank + 2**i < size for i in range(size)) * n


def bytes_cut_into_chunks(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        chunks = [n // size + (r < n % size) for r in range(size)]
        return 2 * n - chunks[rank] - chunks[(rank + 1) % size]
    return sum(rank < 2**i and rank + 2**i < size for i in range(size)) * n


def own_chunk_in_every_step(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        chunk = elements // size + (rank < elements % size)
        return 2 * (size - 1) * chunk * itemsize
    return sum(rank < 2**i and rank + 2**i < size for i in range(size)) * n


def chunk_of_the_rank_before_left_out(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * n - (chunks[rank] + chunks[(rank - 1) % size]) * itemsize
    return sum(rank < 2**i and rank + 2**i < size for i in range(size)) * n


def ring_of_whole_arrays(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        return 2 * (size - 1) * n
    return sum(rank < 2**i and rank + 2**i < size for i in range(size)) * n


def sends_before_it_has_the_array(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * n - (chunks[rank] + chunks[(rank + 1) % size]) * itemsize
    return sum(rank + 2**i < size for i in range(size)) * n


def ranks_that_do_not_exist(collective, rank, size, elements, itemsize):
    n = elements * itemsize
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1) * n if rank == 0 else n
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return 2 * n - (chunks[rank] + chunks[(rank + 1) % size]) * itemsize
    sends, reach = 0, 1
    while reach < size:
        sends += rank < reach
        reach *= 2
    return sends * n


def bytes_by_counting(collective, rank, size, elements, itemsize):
    sent = [0] * size
    chunks = [len(part) for part in np.array_split(np.zeros(elements), size)]
    if collective == "central":
        for r in range(1, size):
            sent[r] += elements
            sent[0] += elements
    elif collective == "ring":
        for step in range(size - 1):
            for r in range(size):
                sent[r] += chunks[(r - step - 1) % size] + chunks[(r - step) % size]
    else:
        have = 1
        while have < size:
            for r in range(have):
                if r + have < size:
                    sent[r] += elements
            have *= 2
    return sent[rank] * itemsize


def bytes_with_logarithms(collective, rank, size, elements, itemsize):
    if size == 1:
        return 0
    if collective == "central":
        messages = {0: size - 1}
        return messages.get(rank, 1) * elements * itemsize
    if collective == "tree":
        rounds = range(int(np.ceil(np.log2(size))))
        return elements * itemsize * sum(1 for i in rounds if rank < 2**i < size - rank)
    each, more = divmod(elements, size)
    own = each + int(rank < more)
    following = each + int((rank + 1) % size < more)
    return itemsize * ((elements - own) + (elements - following))


def bytes_as_floats(collective, rank, size, elements, itemsize):
    nbytes = float(elements) * itemsize
    if collective == "central":
        return nbytes * (size - 1) if rank == 0 else nbytes
    if collective == "ring":
        chunk = np.full(size, elements // size)
        chunk[: elements % size] += 1
        missing = chunk[rank] + chunk[(rank + 1) % size]
        return 0.0 if size == 1 else 2 * nbytes - float(missing * itemsize)
    return nbytes * sum(rank < 2**i and rank + 2**i < size for i in range(32))


BYTES_SENT = Exercise(
    reference=bytes_sent,
    summary="how many bytes a rank sends",
    parts=(
        Part("central", 1, "the central sum"),
        Part("ring", 1, "the ring, chunks of one size"),
        Part("uneven", 1, "the ring, uneven chunks"),
        Part("tree", 1, "the tree"),
    ),
    cases=bytes_cases,
    mistakes=(
        Mistake(
            "itemsize forgotten",
            itemsize_forgotten,
            "You count elements. A float64 has 8 bytes, a float32 has 4: multiply by itemsize.",
        ),
        Mistake(
            "root like the others",
            root_like_the_others,
            "In the central sum rank 0 sends the sum to each of the K − 1 others: (K − 1)·N bytes, "
            "not N. That is why it does not scale.",
        ),
        Mistake(
            "root sends to itself",
            root_sends_to_itself,
            "Rank 0 has the sum; it sends it to the K − 1 others, not to K ranks.",
        ),
        Mistake(
            "what arrives is counted too",
            what_arrives_counted,
            "You count what is sent and what is received. Asked is what the rank sends.",
        ),
        Mistake(
            "only half of the ring",
            only_half_of_the_ring,
            "This is the reduce-scatter alone. The all-gather sends as much again.",
        ),
        Mistake(
            "fractions of elements",
            fractions_of_elements,
            "2(K − 1)/K · N is exact where K divides the elements only. Else chunks differ by one "
            "element: rank r sends all chunks but r, then all but r + 1.",
        ),
        Mistake(
            "chunks rounded down",
            chunks_rounded_down,
            "Each step is counted with N // K elements. The remainder is sent, too: the first "
            "chunks have one element more.",
        ),
        Mistake(
            "chunks rounded up",
            chunks_rounded_up,
            "Each step is counted with the longest chunk. Only the first elements mod K chunks are "
            "that long: count all chunks but r, then all but r + 1.",
        ),
        Mistake(
            "bytes cut instead of elements",
            bytes_cut_into_chunks,
            "You cut N bytes into chunks, in the middle of a number. Elements are cut: first the "
            "chunks in elements, then times itemsize.",
        ),
        Mistake(
            "own chunk left out twice",
            own_chunk_left_out_twice,
            "In the reduce-scatter rank r sends all chunks but its own. In the all-gather it does "
            "send its own; the one that it never sends is r + 1, which its neighbour had first.",
        ),
        Mistake(
            "chunk before left out",
            chunk_of_the_rank_before_left_out,
            "In the all-gather you leave out chunk r − 1. Rank r receives that one first and "
            "passes it on; the one that it never sends is r + 1, which its neighbour had first.",
        ),
        Mistake(
            "own chunk in every step",
            own_chunk_in_every_step,
            "Each step is counted with the rank's own chunk. It sends another chunk in each step, "
            "and they differ by one element: all but r, then all but r + 1.",
        ),
        Mistake(
            "everything twice",
            ring_sends_everything_twice,
            "2·N is the limit for many ranks. In each half one chunk is not sent: "
            "2·N minus two chunks.",
        ),
        Mistake(
            "ring of whole arrays",
            ring_of_whole_arrays,
            "Each step of the ring is counted with the whole array. A step sends one chunk, N/K "
            "bytes.",
        ),
        Mistake(
            "tree's root sends to all",
            tree_root_sends_to_all,
            "That is the star. In the tree others help: rank r sends once for each 2ⁱ > r for "
            "which there is a rank r + 2ⁱ.",
        ),
        Mistake(
            "all like the tree's root",
            all_ranks_like_the_trees_root,
            "Only rank 0 sends in every round. Rank r has the array, and can send, in the rounds "
            "with 2ⁱ > r only.",
        ),
        Mistake(
            "sends before it has the array",
            sends_before_it_has_the_array,
            "Rank r has nothing to send in the rounds before it has received: count only those "
            "with 2ⁱ > r.",
        ),
        Mistake(
            "ranks that do not exist",
            ranks_that_do_not_exist,
            "In the last round some partners do not exist: a rank sends to r + 2ⁱ only where that "
            "is below K.",
        ),
    ),
    honest=(bytes_by_counting, bytes_with_logarithms, bytes_as_floats),
)


def step_seconds(
    size: int, *, compute: float, n_bytes: float, latency: float, bandwidth: float
) -> float:
    """Return the seconds of a step whose gradients go round a ring of this many ranks."""
    link = parallel.Link(latency, bandwidth)
    return parallel.step_seconds(size, compute=compute, n_bytes=n_bytes, link=link)


def seconds_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(size: int, **given: float) -> dict[str, Any]:
        usual = {
            "compute": float(rng.uniform(0.05, 0.5)),
            "n_bytes": float(rng.uniform(1e6, 1e8)),
            "latency": float(rng.uniform(1e-4, 1e-3)),
            "bandwidth": float(rng.uniform(5e8, 5e9)),
        }
        return {"size": size} | usual | given

    yield Case("compute", "one rank", inputs(1))
    yield Case(
        "compute", "four ranks, links that cost nothing", inputs(4, latency=0.0, n_bytes=0.0)
    )
    yield Case("latency", "four ranks, nothing to send", inputs(4, n_bytes=0.0, compute=0.0))
    yield Case("latency", "16 ranks, small messages", inputs(16, n_bytes=100.0))
    yield Case("bytes", "two ranks, no latency", inputs(2, latency=0.0, compute=0.0))
    yield Case("bytes", "five ranks", inputs(5))
    yield Case("bytes", "64 ranks", inputs(64))


def work_not_divided(size, *, compute, n_bytes, latency, bandwidth):
    return compute + 2 * (size - 1) * (latency + n_bytes / size / bandwidth)


def whole_arrays_sent(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + 2 * (size - 1) * (latency + n_bytes / bandwidth)


def only_half_of_the_steps(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + (size - 1) * (latency + n_bytes / size / bandwidth)


def as_many_steps_as_ranks(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + 2 * size * (latency + n_bytes / size / bandwidth)


def latency_once(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + latency * (size > 1) + 2 * (size - 1) * n_bytes / size / bandwidth


def latency_forgotten(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + 2 * (size - 1) * n_bytes / size / bandwidth


def latency_divided(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + 2 * (size - 1) / size * (latency + n_bytes / bandwidth)


def everything_divided(size, *, compute, n_bytes, latency, bandwidth):
    return (compute + 2 * (size - 1) * (latency + n_bytes / size / bandwidth)) / size


def bits_instead_of_bytes(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + 2 * (size - 1) * (latency + 8 * n_bytes / size / bandwidth)


def computing_left_out(size, *, compute, n_bytes, latency, bandwidth):
    return 2 * (size - 1) * (latency + n_bytes / size / bandwidth)


def multiplied_by_the_bandwidth(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + 2 * (size - 1) * (latency + n_bytes / size * bandwidth)


def bytes_of_one_step(size, *, compute, n_bytes, latency, bandwidth):
    return compute / size + 2 * (size - 1) * latency + n_bytes / size / bandwidth


def the_longer_of_both(size, *, compute, n_bytes, latency, bandwidth):
    return max(compute / size, 2 * (size - 1) * (latency + n_bytes / size / bandwidth))


def seconds_step_by_step(size, *, compute, n_bytes, latency, bandwidth):
    seconds = compute / size
    for _ in range(2 * (size - 1)):
        seconds += latency
        seconds += (n_bytes / size) / bandwidth
    return seconds


def seconds_multiplied_out(size, *, compute, n_bytes, latency, bandwidth):
    messages = 2 * size - 2
    return (compute + messages * n_bytes / bandwidth) / size + messages * latency


def seconds_in_numpy(size, *, compute, n_bytes, latency, bandwidth):
    message = np.array([latency, n_bytes / (size * bandwidth)])
    return np.float64(compute) / size + 2 * (size - 1) * np.sum(message)


STEP_SECONDS = Exercise(
    reference=step_seconds,
    summary="how long a step takes, by a model of the ring",
    parts=(
        Part("compute", 1, "the share of the work"),
        Part("latency", 1, "the latencies"),
        Part("bytes", 1, "the bytes"),
    ),
    cases=seconds_cases,
    mistakes=(
        Mistake(
            "work not divided",
            work_not_divided,
            "Each rank computes its share of the batch only: compute / K.",
        ),
        Mistake(
            "whole arrays sent",
            whole_arrays_sent,
            "A message in the ring is one chunk, N/K bytes. With N a message this is the central "
            "sum's time.",
        ),
        Mistake(
            "only half of the steps",
            only_half_of_the_steps,
            "K − 1 steps are the reduce-scatter. The all-gather takes as many again: 2(K − 1).",
        ),
        Mistake(
            "as many steps as ranks",
            as_many_steps_as_ranks,
            "2K steps; it takes 2(K − 1). One rank alone sends nothing.",
        ),
        Mistake(
            "latency once",
            latency_once,
            "Each of the 2(K − 1) steps waits for its message: the latency counts that often.",
        ),
        Mistake(
            "bytes of one step",
            bytes_of_one_step,
            "The bytes count once, a chunk for all steps. Each of the 2(K − 1) steps moves one: "
            "put latency and N/(K · bandwidth) into brackets.",
        ),
        Mistake(
            "latency forgotten",
            latency_forgotten,
            "latency is never used. Without it more ranks would always be faster: each of the "
            "2(K − 1) steps has it once.",
        ),
        Mistake(
            "latency divided",
            latency_divided,
            "A message has 1/K of the bytes, but its latency is whole: "
            "2(K − 1)(latency + N/(K · bandwidth)).",
        ),
        Mistake(
            "everything divided by K",
            everything_divided,
            "The sending is divided by K, too. Only the computing is shared; the 2(K − 1) messages "
            "come one after the other: add them beside compute / K, outside the brackets.",
        ),
        Mistake(
            "bits instead of bytes",
            bits_instead_of_bytes,
            "The factor 8 is not needed: bandwidth is in bytes a second.",
        ),
        Mistake(
            "multiplied by the bandwidth",
            multiplied_by_the_bandwidth,
            "N/K is multiplied by the bandwidth. In Python a / b * c is a/b·c: write n_bytes / "
            "(size * bandwidth).",
        ),
        Mistake(
            "the longer of both",
            the_longer_of_both,
            "You let both run at the same time. In this model the ranks compute first, then "
            "communicate: add the two.",
        ),
        Mistake(
            "computing left out",
            computing_left_out,
            "This is the exchange alone. Each rank computes first: add compute / K.",
        ),
    ),
    honest=(seconds_step_by_step, seconds_multiplied_out, seconds_in_numpy),
)


UNIT = Unit(
    key="12_data_parallel",
    title="Data parallelism",
    exercises=(
        SHARD,
        FULL_BATCH_GRADIENT,
        CENTRAL_ALL_REDUCE,
        TREE_BROADCAST,
        RING_REDUCE_SCATTER,
        RING_ALL_GATHER,
        DATA_PARALLEL_STEP,
        BYTES_SENT,
        STEP_SECONDS,
    ),
)
