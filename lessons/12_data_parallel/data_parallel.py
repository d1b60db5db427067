# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Data parallelism: many machines, one step
#
# **Goal.** You will be able to split a training step over K machines so that it does what one machine would do, to
# write the exchange of gradients in three ways and say what each of them sends, to choose the rate for the larger
# batch, and to predict at how many machines it stops being faster.
#
# **Before you start** you need mini-batches (unit 02), the backward pass of a small network (unit 01), momentum and
# Adam (unit 03), and warm-up (unit 04).
#
# **Time.** About two and a half hours with the live figures. To start, choose *Run*, *Run All Cells* in the menu above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $K$ | how many machines work together | `size` |
# | $r$ | the number of one of them, its **rank**: 0, ..., $K-1$ | `rank` |
# | $n_r$, $n$ | samples on rank $r$, its **shard**; all of them, $n = \sum_r n_r$ | `count`, `samples` |
# | $g_r$, $g$ | gradient of the mean loss over a shard; over all samples | `grads` |
# | $N$ | bytes of what is exchanged: all gradients together | `n_bytes` |
# | $B$, $γ$ | samples in a batch; the rate | `batch`, `lr` |
# | $C$ | seconds that one machine computes for a step | `compute` |
# | $α$, $β$ | seconds before a message moves (latency); bytes a second from then on (bandwidth) | `latency`, `bandwidth` |
#
# Where the lecture notes that this course grew out of err or disagree, a note headed **The sources differ** says
# so and shows it. Here: **the Murphy notes** are a summary of section 13.4 of Murphy's *Probabilistic Machine
# Learning*, and **the second slides** are *Training Neural Networks* of a machine learning engineering course
# (CAI 4104/6108, 2024).

# %%
import matplotlib.pyplot as plt
import numpy as np

from course import optimizers
from course.data import digits
from course.layers import BatchNorm, Linear, ReLU, Sequential
from course.losses import cross_entropy_grad
from course.optimizers import Optimizer
from course.parallel import (
    average_gradients,
    bytes_sent,
    central_all_reduce,
    fit_link,
    ring_all_reduce,
    run_ranks,
    same_everywhere,
    shard,
    step_seconds,
    tree_broadcast,
)
from course.studies import mean_and_error, read_study, where
from course.tables import text_table
from course.widgets.data_parallel import (
    batch_explorer,
    collective_explorer,
    deliveries,
    draw_two_ways,
    shard_explorer,
    speed_explorer,
)
from course.widgets.style import line_style, use_style

use_style()


def with_error(pair, digits=3):
    """Write a mean and its standard error."""
    mean, error = (round(float(value), digits) + 0.0 for value in pair)  # + 0.0: no "-0.0"
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


# %% [markdown]
# ## 1. Two ways to use several machines
#
# A network is too slow on one machine, and you have K of them. What do you cut?
#
# **The model.** Each machine gets some of the layers. A batch enters at the first one and moves on; its gradient comes
# back the same way. All borders are crossed by every batch, so the machines must be close to each other, and while one
# computes the others wait, unless the batch comes in small pieces one behind the other. It is needed where the
# parameters do not fit into one machine. We leave it at this picture.
#
# **The data.** Each machine has the whole network and gets a part of the batch. They compute by themselves, and once a
# step they put their gradients together. That is simpler, and it is the topic of this unit.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
draw_two_ways(left, right)
plt.show()

# %% [markdown]
# ## 2. A mean can be computed in parts
#
# The loss of a batch is a mean over its $n$ samples. So is its gradient. Sort the samples by the rank that has them:
#
# $$g = \frac1n \sum_{i=1}^{n} ∇ℓ_i = \frac1n \sum_{r=0}^{K-1} \sum_{i \in \text{shard } r} ∇ℓ_i .$$
#
# The inner sum is what rank $r$ can compute without the others. Its own *mean* gradient is $g_r$, so that sum is
# $n_r g_r$:
#
# $$g = \frac{1}{n} \sum_{r=0}^{K-1} n_r\, g_r = \frac{\sum_r n_r g_r}{\sum_r n_r} .$$
#
# Nothing was approximated. $K$ machines can make exactly the step that one machine makes. All that must travel is one
# vector as long as all parameters together, once a step.
#
# **By hand.** Three samples on rank 0 with the gradients 1, 2, 3, one on rank 1 with the gradient 6. $g_0 = 2$,
# $g_1 = 6$, and $g = (3·2 + 1·6)/4 = 3$. It is also $(1 + 2 + 3 + 6)/4$.
#
# How to cut $n$ samples when $K$ does not divide $n$? As evenly as can be: the first $n \bmod K$ ranks take one more.

# %%
rows = np.arange(8)
print("8 samples on 3 ranks:", [shard(rows, rank, 3).tolist() for rank in range(3)])

# %% [markdown]
# ## 3. The algorithm, step by step
#
# Each rank is a program of its own. It knows two numbers, its `rank` and the `size`, and it can do two things: send an
# array to another rank, and receive one. That is a **channel**. `run_ranks` starts $K$ such programs in this kernel, as
# threads; section 12 starts them as processes, and the same lines run there.
#
# The smallest example. Everyone hands an array to the next rank, in a circle:

# %%


def hand_on(channel, x):
    channel.send(x, (channel.rank + 1) % channel.size)
    return channel.recv((channel.rank - 1) % channel.size)


run = run_ranks(hand_on, [np.array([10.0 * rank]) for rank in range(4)])
print("each rank has now:   ", [float(value[0]) for value in run.values])
print("bytes each rank sent:", run.bytes_sent)
assert [float(value[0]) for value in run.values] == [30.0, 0.0, 10.0, 20.0]

# %% [markdown]
# Now the algorithm of the Murphy notes. Five lines a step: **split** the batch, compute **local gradients**, **sum**
# them on a central machine, **broadcast** the sum, **update** on every machine. All replicas start with the same
# parameters (here because they draw from the same seed), so they stay alike: they always make the same step.

# %%
data = digits(seed=0)
RATE = 0.1


def make_network():
    rng = np.random.default_rng(1)  # the same on every rank
    return Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 10, rng))


def as_vector(arrays):
    return np.concatenate([array.ravel() for array in arrays])


def mean_gradient(network, x, y):
    network.backward(cross_entropy_grad(network.forward(x), y))
    return as_vector(network.grads)


def parallel_step(channel, network, x, y):
    own_x, own_y = (shard(part, channel.rank, channel.size) for part in (x, y))  # split
    own = len(own_x) * mean_gradient(network, own_x, own_y)  # local: a sum over the shard
    if channel.rank == 0:
        for rank in range(1, channel.size):
            own = own + channel.recv(rank)  # sum, on the central machine
        for rank in range(1, channel.size):
            channel.send(own, rank)  # broadcast
        total = own
    else:
        channel.send(own, 0)
        total = channel.recv(0)
    update(network, total / len(x))


def update(network, grad):
    first = 0
    for param in network.params:
        param -= RATE * grad[first : first + param.size].reshape(param.shape)
        first += param.size


def train_together(channel, batch, steps):
    network = make_network()
    for step in range(steps):
        rows = np.arange(step * batch, (step + 1) * batch) % len(data.x_train)
        parallel_step(channel, network, data.x_train[rows], data.y_train[rows])
    return as_vector(network.params)


run = run_ranks(train_together, [120] * 4, [20] * 4)
network_bytes = run.values[0].nbytes
print(f"{len(run.values[0])} parameters, {network_bytes} bytes; 20 steps on 4 ranks")
print("messages a step: ", len(run.messages) // 20)
print("bytes a step, by rank, in units of N:", [n // (20 * network_bytes) for n in run.bytes_sent])
assert [n // (20 * network_bytes) for n in run.bytes_sent] == [3, 1, 1, 1]

# %% [markdown]
# The messages are counted, so theory can be checked: each rank sends $N$ bytes a step, and the central one $(K-1)N$.
#
# ## 4. Is it the same as one machine?
#
# Section 2 says: exactly, but for rounding, as sums are added in another order. Here are 20 steps on 1, 2, 3, 4 and 8
# ranks, once with a batch that all of these divide and once with one that none but 1 divides.

# %%
rows = []
for batch in (120, 121):
    alone = run_ranks(train_together, [batch], [20]).values[0]
    for size in (1, 2, 3, 4, 8):
        each = run_ranks(train_together, [batch] * size, [20] * size).values
        distance = np.linalg.norm(each[0] - alone) / np.linalg.norm(alone)
        alike = all(np.array_equal(other, each[0]) for other in each)
        counts = [len(shard(np.arange(batch), rank, size)) for rank in range(size)]
        shown = (
            f"{max(counts)}" if min(counts) == max(counts) else f"{max(counts)} or {min(counts)}"
        )
        rows.append([batch, size, shown, distance < 1e-12, alike])
        assert distance < 1e-12
        assert alike
header = [
    "batch",
    "ranks",
    "samples a rank",
    "as one machine, to 1e-12",
    "the same bits on all ranks",
]
print(text_table(header, rows))

# %% [markdown]
# Two different statements stand in that table. *As one machine* holds up to rounding. *The same bits on all ranks*
# holds exactly, and it has to: the replicas never compare their parameters again, so a difference in the last bit could
# grow. It holds because one rank has added up for all.
#
# **When it is not the same.** The derivation needs a loss that is a sum over samples, each of which is computed without
# the others. Batch norm breaks that: every rank normalizes with the mean and variance of its own shard.

# %%
rng = np.random.default_rng(0)
normalized = Sequential(Linear(64, 32, rng), BatchNorm(32), ReLU(), Linear(32, 10, rng))


def training_gradient(x, y):
    output = normalized.forward(x, training=True)
    normalized.backward(cross_entropy_grad(output, y))
    return as_vector(normalized.grads)


x, y = data.x_train[:96], data.y_train[:96]
whole = training_gradient(x, y)
rows = []
for size in (1, 2, 4, 8, 16):
    shards = [(shard(x, rank, size), shard(y, rank, size)) for rank in range(size)]
    together = sum(len(part[0]) * training_gradient(*part) for part in shards) / len(x)
    error = np.linalg.norm(together - whole) / np.linalg.norm(whole)
    rows.append([size, 96 // size, f"{error:.2f}"])
print(text_table(["ranks", "samples a rank", "relative difference of the gradient"], rows))
assert float(rows[0][2]) == 0
assert float(rows[-1][2]) > float(rows[1][2]) > 0.05

# %% [markdown]
# That need not hurt, but it is another training. Frameworks offer a batch norm that exchanges its moments as well
# (`SyncBatchNorm` in torch). Dropout differs, too: each rank draws its own masks, and must, or all shards would lose
# the same units.
#
# ## 5. Sum or mean?
#
# > **The sources differ.** The Murphy notes write: each machine $k$ computes "its own gradient"
# > $g^k = ∇_θ\mathcal{L}(θ, \mathcal{D}^k)$, and the central machine sums, $g = \sum_k g^k$. With a loss that is a
# > *sum* over samples this is right. With a *mean*, which is what nearly everyone trains with and what these notes use
# > elsewhere, it is the gradient of $K$ times the loss, and the step is $K$ times too long. torch's
# > `DistributedDataParallel` divides by $K$: the mean of the means. That is right for shards of one size and wrong for
# > others; its `DistributedSampler` repeats a few samples so that all shards are of one size.
#
# Three ways to put the local means together, and what they do to uneven shards. The samples are sorted by their digit
# here, as it happens with files on disk: the shards are not only uneven but different.

# %%
order = np.argsort(data.y_train[:180], kind="stable")
x, y = data.x_train[:180][order], data.y_train[:180][order]
network = make_network()
whole = mean_gradient(network, x, y)
rows, errors = [], {}
for counts in ((60, 60, 60), (90, 60, 30), (150, 20, 10)):
    ends = np.cumsum(counts)[:-1]
    means = [
        mean_gradient(network, *part)
        for part in zip(np.split(x, ends), np.split(y, ends), strict=True)
    ]
    ways = {
        "weighted": sum(count * grad for count, grad in zip(counts, means, strict=True))
        / sum(counts),
        "mean of the means": sum(means) / len(means),
        "sum of the means": sum(means),
    }
    found = {name: np.linalg.norm(g - whole) / np.linalg.norm(whole) for name, g in ways.items()}
    errors[counts] = found
    rows.append([" + ".join(map(str, counts)), *(f"{error:.2f}" for error in found.values())])
print("Relative difference to the gradient of the whole batch:")
print(text_table(["shards", *ways], rows))
for counts, found in errors.items():
    assert found["weighted"] < 1e-12
    assert (found["mean of the means"] < 1e-12) == (len(set(counts)) == 1)
    assert found["sum of the means"] > 1

# %% [markdown]
# "Sum of the means" is off by exactly $K - 1 = 2$ times the gradient where shards are even: it is three times as long.
#
# `average_gradients` does it right in one exchange: it sends $n_r g_r$ and, as one more element, $n_r$ itself. Nobody
# needs to know beforehand who has how many samples, and a rank may even have none.

# %%
means = [[np.array([2.0])], [np.array([6.0])], [np.array([np.nan])]]  # the last has no samples
print(run_ranks(average_gradients, means, [3, 1, 0]).values[0])

# %% [markdown]
# ### See it
#
# Two weights, fitted to the diabetes data. Left: the steps of one machine and of $K$, on the loss of all samples;
# diamonds show where each shard alone would go. Right: how much one sample counts on each rank.
#
# 1. As it starts: rank 0 has a tenth of the samples, those with the lowest targets. Where do the $K$ ranks end? What
#    does a sample of rank 0 count?
# 2. Choose *weighted*, and move the share of rank 0 from end to end. What changes?
# 3. Choose *sum of the means* and *as they come*. Raise $K$. At which rate does it diverge, and at which does one
#    machine?
# 4. Back to *mean of the means*, *as they come*: when does it do little harm? Why is that a trap?

# %%
shard_explorer()

# %% [markdown]
# ## 6. Who sends what to whom
#
# What the ranks need together is called an **all-reduce**: each has an array, and afterwards each has the sum. There is
# more than one way.
#
# **Central.** Everyone sends to rank 0, which adds up and sends the sum back. $K - 1$ ranks send $N$ bytes each; rank 0
# receives $(K-1)N$ and sends $(K-1)N$. Its connection is the bottleneck: twice as many machines, twice as long.
#
# **A tree** helps with the way back. Whoever has the array can pass it on. After round 0 two ranks have it, after round
# 1 four, then eight: $\lceil\log_2 K\rceil$ rounds instead of $K - 1$. The same tree, run backwards, would do for the
# sum. But in each round whole arrays travel.
#
# **A ring** needs no centre. Cut the array into $K$ chunks. In the first half, the **reduce-scatter**, each chunk
# starts at one rank and moves around the circle; every rank adds its own numbers and hands it on. To end at rank $r$,
# chunk $r$ starts at rank $r + 1$. So in step $s = 0, ..., K - 2$ rank $r$
#
# - sends chunk $r - s - 1$ to rank $r + 1$,
# - receives chunk $r - s - 2$ from rank $r - 1$ and adds its own.
#
# All numbers count modulo $K$. After $K - 1$ steps rank $r$ has chunk $r$ complete. In the second half, the
# **all-gather**, the complete chunks go around once more, and each rank keeps a copy: $K - 1$ steps again.
#
# Count the bytes. A rank sends one chunk a step, $N/K$ bytes, in $2(K-1)$ steps:
#
# $$2 (K-1) \frac NK = 2\,\frac{K-1}{K}\,N < 2N .$$
#
# However many ranks there are, none sends more than $2N$. No all-reduce can do with less than this (Patarasuk and Yuan,
# 2009).

# %%
ELEMENTS = 840  # all of 2 to 8 divide it
rows = []
for size in (2, 3, 4, 8):
    sent, rounds = {}, {}
    for name, collective in {
        "central": central_all_reduce,
        "ring": ring_all_reduce,
        "tree": tree_broadcast,
    }.items():
        arrays = [np.ones(ELEMENTS) for _ in range(size)]
        sent[name] = run_ranks(collective, arrays).bytes_sent
        assert sent[name] == [bytes_sent(name, rank, size, ELEMENTS) for rank in range(size)]
        rounds[name] = max(delivery.round for delivery in deliveries(collective, size))
    n = 8 * ELEMENTS
    assert sent["central"][0] == (size - 1) * n
    assert set(sent["ring"]) == {2 * (size - 1) * n // size}
    assert rounds["tree"] == int(np.ceil(np.log2(size)))
    in_arrays = [
        sent["central"][0] / n,
        sent["ring"][0] / n,
        2 * (size - 1) / size,
        sent["tree"][0] / n,
    ]
    rows.append([size, *(f"{value:.2f}" for value in in_arrays), *rounds.values()])
print("Sent by the busiest rank, in arrays (N), counted; and rounds, one message a rank in each:")
columns = ["central", "ring", "2(K-1)/K", "tree", "rounds: central", "ring", "tree"]
print(text_table(["ranks", *columns], rows))

# %% [markdown]
# Central sum and ring need equally many rounds, $2(K-1)$. But a round of the ring moves $N/K$ bytes over each
# connection, and all connections at once; a round of the central sum moves $N$ over one.
#
# Where $K$ does not divide the number of elements, chunks differ by one. Rank $r$ never sends chunk $r$ in the first
# half and never chunk $r + 1$ in the second, so it sends $2N$ minus those two.

# %%
counted = run_ranks(ring_all_reduce, [np.ones(8) for _ in range(3)]).bytes_sent
predicted = [8 * (2 * 8 - chunks) for chunks in (3 + 3, 3 + 2, 2 + 3)]
print("8 elements, 3 ranks:", counted)
assert counted == predicted

# %% [markdown]
# ### See it
#
# A real run, message by message. The middle shows whose numbers each rank holds in each element: "2+3" are those of
# ranks 2 and 3, "5–1" those of 5, 6, 7, 0 and 1, Σ is the complete sum. What arrived in this round has a frame.
#
# 1. *ring*, $K = 4$: press play. Follow element 0: where does it start, where is it complete? Where does the second
#    half begin?
# 2. Raise $K$ to 8. Do the bars in the end (the black marks) get longer? And the number of rounds?
# 3. $K = 3$: why are the ring's bars uneven?
# 4. *central*: which rank is idle in most rounds? Raise $K$ and look at the mark of rank 0.
# 5. *tree*: in which round do most ranks send? Who never does?

# %%
collective_explorer()

# %% [markdown]
# ## 7. The order of additions
#
# Central sum and ring add the same numbers in different orders. Floating-point addition is not associative, so the last
# bits differ. Within one run they do not: on all ranks the same bits arrive.

# %%
rng = np.random.default_rng(0)
arrays = [rng.normal(size=10_000).astype(np.float32) for _ in range(8)]
central = run_ranks(central_all_reduce, arrays).values
ring = run_ranks(ring_all_reduce, arrays).values
exact = np.sum(np.array(arrays, dtype=np.float64), axis=0)
assert all(np.array_equal(other, central[0]) for other in central)
assert all(np.array_equal(other, ring[0]) for other in ring)
differ = np.mean(central[0] != ring[0])
largest = np.max(np.abs(central[0] - ring[0]))
print(f"float32, 8 ranks: {differ:.0%} of the sums differ between central sum and ring,")
print(f"by at most {largest / np.finfo(np.float32).eps:.0f} eps")
for name, total in {"central": central[0], "ring": ring[0]}.items():
    print(f"mean error of {name.ljust(7)}: {np.mean(np.abs(total - exact)):.1e}")
assert 0.2 < differ < 0.8
assert largest < 1e-5
again = run_ranks(ring_all_reduce, arrays).values
assert np.array_equal(again[0], ring[0])

# %% [markdown]
# Neither is more exact. But a training on 8 ranks will not repeat one on 4 bit by bit, and a library that adds in the
# order of arrival does not even repeat itself. Compare such runs with a tolerance, never with `==`.
#
# ## 8. Everybody waits
#
# `recv` waits until something comes. So the order of the lines matters. Here is `hand_on` with two lines swapped:

# %%


def receive_first(channel, x):
    received = channel.recv((channel.rank - 1) % channel.size)
    channel.send(x, (channel.rank + 1) % channel.size)
    return received


try:
    run_ranks(receive_first, [np.ones(1)] * 3)
except RuntimeError as error:
    print(error)

# %% [markdown]
# That is a **deadlock**: a circle in which each waits for another. In this kernel it is found at once, and told.
# Between processes nobody sees the circle; every rank just waits, by default for half an hour. `connect`, which section
# 12 uses, gives up after 30 seconds.
#
# Is "everyone sends first" always safe? It is here, since `send` does not wait. On GPUs (NCCL) it waits until the
# receiver is there, and a ring in which all send first would stand still, too. There, send and receive are posted
# together. The course's channel does that for you.
#
# The opposite mistake, a message that nobody receives, is told as well:

# %%


def send_twice(channel, x):
    if channel.rank == 0:
        channel.send(x, 1)
        channel.send(x, 1)
        return x
    return channel.recv(0)


try:
    run_ranks(send_twice, [np.ones(1)] * 2)
except RuntimeError as error:
    print(error)

# %% [markdown]
# ## 9. With any optimizer
#
# The exchange gives the gradient of the whole batch, and what follows is as on one machine. Momentum, Adam, clipping,
# schedules: each rank does it by itself, on the same numbers, with the same result. Only the gradient travels, never
# the optimizer's state.
#
# So the reference optimizers need no change. Here Adam trains a torch network on three ranks, fed by
# `average_gradients`, with an uneven batch.

# %%
import torch

torch.set_num_threads(1)
torch_data = [torch.asarray(part[:100]) for part in (data.x_train, data.y_train)]


def torch_network():
    torch.manual_seed(0)
    layers = (torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    return torch.nn.Sequential(*layers).double()


def train_with_adam(channel, module, steps=15):
    params = list(module.parameters())
    optimizer = Optimizer(optimizers.adam, params, lr=0.01)
    own_x, own_y = (shard(part, channel.rank, channel.size) for part in torch_data)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(module(own_x), own_y)
        grads = torch.autograd.grad(loss, params)
        optimizer.step(average_gradients(channel, grads, len(own_x)))
    weights = [param.detach() for param in params]
    return same_everywhere(channel, weights), torch.cat([w.ravel() for w in weights])


(_, alone), *_ = run_ranks(train_with_adam, [torch_network()]).values
together = run_ranks(train_with_adam, [torch_network() for _ in range(3)]).values
difference = float(torch.max(torch.abs(together[0][1] - alone)))
print("the same bits on all ranks:", [alike for alike, _ in together])
print("as one machine, to 1e-9:   ", difference < 1e-9)
assert all(alike for alike, _ in together)
assert difference < 1e-9

# %% [markdown]
# ## 10. A larger batch, and the rate
#
# So $K$ machines make the same step as one. Is anything gained? Each has only $B/K$ samples to look at, so the step is
# shorter. But a machine that looks at four samples is no faster than one that looks at eight: it is built for many. In
# practice each machine keeps *its* batch, and the whole batch grows: $B = K·b$. Then an epoch has fewer steps, and
# something must make up for it.
#
# **The rate × k.** Compare $k$ small steps with one step whose batch holds all $k$ small batches:
#
# $$θ_{t+k} = θ_t - γ \sum_{j=0}^{k-1} g_j(θ_{t+j}) \qquad\text{and}\qquad θ_{t+1} = θ_t - γ' \,\frac1k \sum_{j=0}^{k-1} g_j(θ_t) .$$
#
# If the gradient changes little on the way, $g_j(θ_{t+j}) ≈ g_j(θ_t)$, both are alike for $γ' = kγ$. That is the
# **linear scaling rule** (Goyal et al., 2017). The condition is where it ends: for $kγ$ beyond $2/h$, with $h$ the
# steepest curvature, the step diverges, whatever the batch (unit 02).
#
# **The rate × √k.** The noise of a batch's gradient has the standard deviation $σ/\sqrt B$, and a step carries
# $γσ/\sqrt B$ of it. To keep *that*, $γ$ may grow with $\sqrt k$ only. Adam, besides, divides by the size of its
# gradients: where they are mostly noise, a batch $k$ times as large makes them $\sqrt k$ times smaller, and the
# division undoes it. For Adam the rule is $\sqrt k$ (Malladi et al., 2022).
#
# **Warm-up.** At the start the gradient changes most, so that is where the linear rule is most wrong. Goyal et al.
# raise the rate from the small batch's to the large one's over the first epochs.
#
# ### See it
#
# A noisy valley with curvatures 0.05 and 1, and its mean loss, exactly (unit 04). Both lines have seen equally many
# samples.
#
# 1. *× k*: raise $k$ from 1. How far do the lines agree? At which $k$ does the rate cross the limit $2/h$?
# 2. *kept*: what happens to the loss as $k$ grows? Which part of the curve gets better?
# 3. *× √k*: where does it end, compared to *× k*, at $k = 16$?
# 4. $k = 64$, *× k*: can a warm-up save it? Here the curvature is the same everywhere. In a network it is highest at
#    the start (unit 04): what would a warm-up do there?

# %%
batch_explorer()

# %% [markdown]
# ### On real data
#
# Digits, 1024 samples to train on, so that all batches are full; three hidden layers of 64 ReLUs; 20 epochs for every
# batch size. The rate is chosen for batches of 32 on data held back, then kept, or scaled by $\sqrt k$ or $k$ with
# $k = B/32$. *Chosen* has a rate of its own, chosen for that batch size. With and without a warm-up over four epochs;
# eight seeds. (`experiments.py` beside this notebook wrote the tables.)

# %%
study = read_study("data/batches.csv")
RULES = {"momentum": "momentum 0.9", "adam": "Adam"}
WAYS = {"kept": "kept", "sqrt": "× √k", "linear": "× k", "chosen": "chosen"}
BATCHES = (128, 256, 512, 1024)
accuracy = {}
for rule in RULES:
    for way in WAYS:
        for warm in (0, 4):
            for batch in BATCHES:
                runs = where(study, rule=rule, rate=way, warm=warm, batch=batch)
                accuracy[rule, way, warm, batch] = mean_and_error(runs["test_accuracy"])
    first = where(study, rule=rule, rate="chosen", warm=0, batch=32)
    accuracy[rule, 32] = mean_and_error(first["test_accuracy"])

figure, panels = plt.subplots(1, 2, figsize=(9.4, 3.6), layout="constrained", sharey=True)
for axes, (rule, title) in zip(panels, RULES.items(), strict=True):
    for index, (way, name) in enumerate(WAYS.items()):
        points = [accuracy[rule, 32], *(accuracy[rule, way, 0, batch] for batch in BATCHES)]
        means, spreads = np.transpose(points)
        axes.errorbar((32, *BATCHES), means, spreads, **line_style(index), capsize=4, label=name)
    axes.set(xscale="log", xlabel="batch size B (log)", ylim=(0.4, 1.0), title=title)
    axes.set_xticks((32, *BATCHES), map(str, (32, *BATCHES)))
    axes.minorticks_off()
panels[0].set_ylabel("test accuracy")
panels[0].legend(title="the rate of 32 is", loc="lower left")
plt.show()

for rule, title in RULES.items():
    rows = []
    for way, name in WAYS.items():
        for warm in (0, 4):
            cells = [with_error(accuracy[rule, way, warm, batch]) for batch in BATCHES]
            rows.append([name, "4 epochs" if warm else "none", *cells])
    print(f"{title}; batches of 32: {with_error(accuracy[rule, 32])}")
    print(text_table(["rate", "warm-up", *(f"B = {batch}" for batch in BATCHES)], rows), "\n")
assert accuracy["momentum", "kept", 0, 1024][0] < 0.85
assert accuracy["momentum", "linear", 0, 512][0] > 0.94
assert accuracy["momentum", "linear", 0, 1024][0] < 0.85
assert accuracy["momentum", "linear", 4, 1024][0] < 0.9
assert accuracy["adam", "sqrt", 0, 1024][0] > 0.94
assert accuracy["adam", "linear", 0, 1024][0] < 0.7
assert accuracy["adam", "linear", 4, 1024][0] > 0.85
for rule in RULES:
    for batch in BATCHES:
        with_warm, without = (accuracy[rule, "chosen", warm, batch] for warm in (4, 0))
        assert abs(with_warm[0] - without[0]) < 0.015

# %% [markdown]
# What came out:
#
# - **A rate that is kept** costs accuracy as soon as the batch grows much: 32 times the batch is 32 times fewer steps,
#   and they are no longer.
# - **Momentum: × k** works up to $k = 16$, as well as batches of 32. At $k = 32$ the rate is 0.5 and some of the seeds
#   fail: that is what a large error bar says. Whether warm-up saves any of them, these eight seeds do not tell.
# - **Adam: × √k** is the right rule, as derived, with a small loss at $k = 32$. × k fails there, and here warm-up saves
#   most of it.
# - **The second slides** advise the largest batch that fits "and use learning rate warmup". Here warm-up helps Adam much
#   where the rate is too large, both rules a percent at most where it was chosen for the batch, and it costs accuracy
#   where the rate is kept for batches of 256 and more: some of the few steps are then short. And the largest batch, all
#   samples at once, was the worst in every row: in 20 epochs it makes 20 steps.
#
# ### How many steps does a loss take?
#
# Now turn the question round. Count *steps* until the training loss is 0.1, each batch size at the rate that is best
# for it. If a step took the same time for every batch, as with one more machine for each doubling, this would be the
# time of the training.

# %%
needed = read_study("data/steps.csv")
NEVER = 1500  # where a run gave up
sizes = np.unique(needed["batch"])
seen = [where(needed, batch=batch)["steps"] for batch in sizes]
medians = np.array([np.median(steps) for steps in seen])

figure, axes = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
for batch, steps in zip(sizes, seen, strict=True):
    reached = steps[steps < NEVER]
    axes.plot(np.full(len(reached), batch), reached, ".", color="0.5", markersize=7)
axes.plot(sizes, medians, **line_style(0), label="median of 8 seeds (grey)")
axes.plot(sizes, medians[0] * sizes[0] / sizes, "k:", label="twice the batch, half the steps")
axes.set(
    xscale="log", yscale="log", xlabel="batch size B (log)", ylabel="steps to a loss of 0.1 (log)"
)
axes.set_xticks(sizes, map(str, sizes))
axes.set_yticks([3, 10, 30, 100, 300], ["3", "10", "30", "100", "300"])
axes.minorticks_off()
axes.legend()
plt.show()

gains = medians[:-1] / medians[1:]
rows = []
for index, (batch, steps) in enumerate(zip(sizes, seen, strict=True)):
    rate = where(needed, batch=batch)["lr"][0]
    gain = f"{gains[index - 1]:.2f}" if index else ""
    arrived = f"{np.sum(steps < NEVER)} of {len(steps)}"
    seen_samples = f"{batch * medians[index]:,.0f}"
    rows.append([batch, f"{rate:g}", f"{medians[index]:.1f}", gain, seen_samples, arrived])
header = ["batch", "rate", "steps, median", "times fewer", "samples seen", "runs that get there"]
print(text_table(header, rows))
assert np.prod(gains[:3]) > 4
assert np.prod(gains[-3:]) < 3

# %% [markdown]
# Up to 64 samples each doubling saves nearly half of the steps: twice the machines would train nearly twice as fast.
# From 128 on it saves less and less, and a batch of 1024 takes as many steps as one of 512, each twice as long. The
# best rate tells the same: it grows in proportion to the batch up to 256, as the rule × k says, and then stays behind.
# At 1024 it lies so near the edge that two of the eight seeds never arrive, though all five on which it was chosen did.
#
# Two limits, then. The first belongs to the machines: the exchange takes time, however small the shares are. That is
# the next section. The second belongs to the task, and no machine can help: beyond some batch size more samples make a
# better gradient, and no fewer steps.
#
# ## 11. How long does a step take?
#
# A message of $N$ bytes takes $α + N/β$: a latency, then bytes at the bandwidth. A step with the batch *kept* is a
# share of the computing, and the exchange in $2(K-1)$ rounds:
#
# $$T_{ring}(K) = \frac CK + 2(K-1)\left(α + \frac{N}{Kβ}\right), \qquad
# T_{central}(K) = \frac CK + 2(K-1)\left(α + \frac Nβ\right) .$$
#
# Let $K$ grow. Computing falls to 0. The ring's bytes tend to $2N/β$: a constant. Its latencies grow, but slowly, as
# $α$ is small. The central sum grows with $KN/β$. So the **speed-up** $T(1)/T(K)$ stays below $C β/(2N)$ for the ring,
# whatever $K$ is, and it has a maximum for both. (Where $C β/(2N)$ is below 1, nothing is gained: one machine is the
# fastest.)
#
# > **The sources differ.** The Murphy notes call data parallelism "embarrassingly parallel", a word for tasks that need
# > not talk to each other. That is true of the local gradients. It is not true of the step, and the exchange is what
# > limits it.
#
# ### Measured
#
# Real processes on a machine with two processors, one thread each, over torch's gloo. First single messages: the time
# of each, and the two numbers that fit them best.

# %%
messages = read_study("data/messages.csv")
link = fit_link(messages["n_bytes"], messages["microseconds"] / 1e6)
rows = [
    [f"{n:,}", f"{taken:,.0f}", f"{1e6 * (link.latency + n / link.bandwidth):,.0f}"]
    for n, taken in messages
]
print(f"latency {1e6 * link.latency:.0f} µs, bandwidth {link.bandwidth / 1e9:.2f} GB/s")
print(text_table(["bytes", "measured, µs", "α + N/β, µs"], rows))

# %% [markdown]
# Now whole steps. A network 64-w-w-10 looks at a batch of 1024 digits: alone, or shared by two or four processes. The
# exchange is our ring, our central sum, or gloo's own all-reduce. The model takes $C$ from the first column, and $α$
# and $β$ from above.

# %%
speed = read_study("data/speed.csv")
WIDTHS, COLLECTIVES = np.unique(speed["width"]), ("ring", "central", "gloo")
taken = {(run["width"], run["size"], run["collective"]): run["milliseconds"] for run in speed}
computing, gradient_bytes = {}, {}
for width in WIDTHS:
    computing[width] = taken[width, 1, "ring"] / 1e3
    gradient_bytes[width] = where(speed, width=width)["n_bytes"][0]


def model_seconds(width, size):
    given = {"compute": computing[width], "n_bytes": gradient_bytes[width], "link": link}
    return step_seconds(size, **given)


gained = {
    (width, size): 1e3 * computing[width] / min(taken[width, size, name] for name in COLLECTIVES)
    for width in WIDTHS
    for size in (2, 4)
}
rows = []
for width in WIDTHS:
    times = [1e3 * computing[width], *(taken[width, 2, name] for name in COLLECTIVES)]
    times.append(1e3 * model_seconds(width, 2))
    gains = [f"{gained[width, size]:.2f}" for size in (2, 4)]
    rows.append([width, f"{gradient_bytes[width]:,}", *(f"{ms:.1f}" for ms in times), *gains])
print("Milliseconds of a step, and the speed-up by the best of the three:")
header = ["width", "N, bytes", "alone", "K = 2: ring", "central", "gloo", "model of the ring"]
print(text_table([*header, "speed-up, K = 2", "K = 4"], rows))

figure, axes = plt.subplots(figsize=(8.6, 3.6), layout="constrained")
ranks = np.arange(1, 17)
for index, width in enumerate(WIDTHS):
    style = line_style(index)
    model = [computing[width] / model_seconds(width, size) for size in ranks]
    axes.plot(ranks, model, color=style["color"], linestyle=style["linestyle"])
    points = [1.0, gained[width, 2], gained[width, 4]]
    axes.plot([1, 2, 4], points, style["marker"], color=style["color"], label=f"width {width}")
axes.plot(ranks[:5], ranks[:5], color="0.5", linewidth=1, linestyle=":")
axes.text(5.1, 5, "K times as fast", color="0.35", va="center")
axes.set(xlabel="ranks K", ylabel="speed-up", xlim=(0.8, 16.2), ylim=(0, 5.6))
figure.legend(title="points: measured,\n2 processors\nlines: model", loc="outside right upper")
plt.show()
small, large = WIDTHS[0], WIDTHS[2]
assert gained[small, 2] < 1
assert 1.3 < gained[large, 2] < 2
assert gained[large, 4] < gained[large, 2]

# %% [markdown]
# Read the table honestly. These are the shortest of 60 repeats on a quiet machine with two processors, one thread a
# process. Your machine will have other numbers: `course parallel links` and section 12 measure them.
#
# - **The small network loses.** All its computing takes about a millisecond, and a message takes a quarter of one. Two
#   processes are slower than one.
# - **The larger ones gain**, up to a factor of 1.75. It does not go on rising with the width: at 1024 nearly four times as
#   many bytes are exchanged as at 512, for less than three times the computing.
# - **The model is a bound.** It knows nothing of the copies on the way, nor of two processes that share memory and
#   caches. The measured ring takes a sixth longer than it says at 512, and more than twice as long at 32. gloo's own
#   all-reduce, written in C++, is the fastest in every row.
# - **Four processes have to take turns here**, and none of them gains over two. $K$ ranks need $K$ processors.
#
# What many processors or machines would do, two cannot show. The model can.
#
# ### See it
#
# 1. As it starts: which band is left at $K = 64$? Compare the best speed-up of the ring with $Cβ/(2N)$.
# 2. Make the gradients 100 times smaller. What limits the speed-up now?
# 3. *central*: where is the best $K$? Multiply the bandwidth by ten: does it move much?
# 4. *grows with K*: the batch grows, each rank computes as long as before. Why does the ring keep up with the ideal
#    line so much longer? What has section 10 to say to that?

# %%
speed_explorer()

# %% [markdown]
# ## 12. In real processes
#
# A thread of this kernel is a good place to learn. Real work is done by processes, on several processors, GPUs or
# machines. The channel is the same, so the functions are the same. In a terminal:
#
# ```
# course parallel run --nproc 2 --collective ring
# course parallel links
# ```
#
# (If it does not know the command, write the environment's path before it: `.venv/bin/course` in the course's folder.)
#
# The first trains a network on the digits with two processes and says, for each rank, how many bytes it sent and what
# `bytes_sent` predicts, and how long a step computed and communicated. The second measures $α$ and $β$ of your machine.
# Here the first one is started from this notebook:

# %%
import json
import subprocess
import sys

command = [sys.executable, "-m", "course", "parallel", "run", "--nproc", "2", "--epochs", "1"]
done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)  # noqa: S603
report = json.loads(done.stdout)
print(f"{report['nproc']} processes, {report['collective']}, {report['n_params']} parameters")
print("bytes sent a step, by rank:", report["bytes_per_step"])
print("as bytes_sent predicts:    ", report["bytes_per_step"] == report["bytes_expected"])
print(f"test accuracy over 0.8:     {report['epochs'][-1]['test_accuracy'] > 0.8}")
assert report["bytes_per_step"] == report["bytes_expected"]
assert report["epochs"][-1]["test_accuracy"] > 0.8

# %% [markdown]
# Things to try there:
#
# - `--nproc 1`, `2`, `4` with `--batch-size 64` and `1024`: which of them gains from more processes? How many
#   processors has your machine?
# - `--collective central` and `--collective ddp`. The last is torch's `DistributedDataParallel`: it sends the gradients
#   of the last layers while those of the first are still being computed, so that a part of the exchange hides behind
#   the computing.
# - **Your own ring**: `--collective data_parallel_exercises.ipynb:my_ring` takes a function of a channel and an array
#   from your notebook of the assignment. Its arrays are NumPy's.
# - `--fault 1:7:kill` kills rank 1 in its seventh step, `--fault 1:7:hang` lets it hang. What do the others see, and
#   after how long?
# - **GPUs.** With one GPU a rank, `--backend nccl` moves tensors from GPU to GPU. With one GPU in all, NCCL refuses two
#   ranks on it; `--replicas 4` runs the ranks as threads of one process, each on a CUDA stream of its own.
# - **Several machines**: `--nnodes 2 --node-rank 0 --rdzv-endpoint HOST:PORT` on the first, the same with
#   `--node-rank 1` on the second.
#
# ## What to take with you
#
# - A mean over samples can be computed in parts: $g = \sum_r n_r g_r / \sum_r n_r$. K machines make the step of one, up
#   to rounding; batch norm is the exception.
# - Sums over samples may be added. Means must be weighted, or small shards count too much.
# - All ranks must end with the same bits: one adds up for all, or each chunk is added up at one place.
# - Central: the root sends $(K-1)N$ bytes. Ring: everyone sends $2(K-1)N/K < 2N$, and that is the least possible. Tree:
#   $\lceil\log_2 K\rceil$ rounds.
# - Send before you receive, or all wait. Each send needs its recv.
# - A larger batch needs a higher rate: × k for SGD and momentum, × √k for Adam, as far as it goes. Warm-up helps where
#   the rate is near the edge.
# - Two limits: the exchange does not shrink with K, and beyond some batch size more samples save no steps.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("12_data_parallel")

# %% [markdown]
# ## Further reading
#
# - Murphy, *Probabilistic Machine Learning: An Introduction*, 2022, section 13.4.6:
#   [probml.github.io/pml-book/book1.html](https://probml.github.io/pml-book/book1.html). The book behind the notes.
# - Patarasuk, Yuan, *Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations*, 2009:
#   [doi:10.1016/j.jpdc.2008.09.002](https://doi.org/10.1016/j.jpdc.2008.09.002). The ring, and why no all-reduce sends
#   less.
# - Thakur, Rabenseifner, Gropp, *Optimization of Collective Communication Operations in MPICH*, 2005:
#   [doi:10.1177/1094342005051521](https://doi.org/10.1177/1094342005051521). Trees, rings and their times.
# - Dean et al., *Large Scale Distributed Deep Networks*, 2012: parameter servers, model and data parallelism, and
#   replicas that do not wait for each other
#   ([NeurIPS 25](https://papers.nips.cc/paper/2012/hash/6aca97005c68f1206823815f66102863-Abstract.html)).
# - Goyal et al., *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017:
#   [arXiv:1706.02677](https://arxiv.org/abs/1706.02677). Linear scaling, warm-up, and pitfalls such as section 5's.
# - Sergeev, Del Balso, *Horovod: Fast and Easy Distributed Deep Learning in TensorFlow*, 2018:
#   [arXiv:1802.05799](https://arxiv.org/abs/1802.05799). The ring comes to deep learning.
# - Li et al., *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, 2020:
#   [arXiv:2006.15704](https://arxiv.org/abs/2006.15704). How DDP overlaps sending and computing.
# - Shallue et al., *Measuring the Effects of Data Parallelism on Neural Network Training*, 2019:
#   [arXiv:1811.03600](https://arxiv.org/abs/1811.03600). Steps to a loss against the batch size, in earnest.
# - McCandlish, Kaplan, Amodei, *An Empirical Model of Large-Batch Training*, 2018:
#   [arXiv:1812.06162](https://arxiv.org/abs/1812.06162). Where the useful batch ends: the noise of the gradient
#   decides.
# - Malladi, Lyu, Panigrahi, Arora, *On the SDEs and Scaling Rules for Adaptive Gradient Algorithms*, 2022:
#   [arXiv:2205.10287](https://arxiv.org/abs/2205.10287). The square root for Adam.
# - Huang et al., *GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism*, 2019:
#   [arXiv:1811.06965](https://arxiv.org/abs/1811.06965). The other way to cut: by layers, with small pieces one behind
#   the other.
