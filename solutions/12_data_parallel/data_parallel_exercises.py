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
# # Exercises: data parallelism
#
# You split a batch over ranks, put their gradients together, and write the exchange in three ways: by a central rank,
# by a tree, and in a ring. Then you count bytes and seconds, and answer one question in words.
#
# **Before you start** read the lesson *Data parallelism*. Plan on three hours.
#
# **What holds everywhere.**
#
# - $K$ ranks work together. They are numbered 0 to K − 1. Every rank runs *the same function*, and finds out by its
#   number what it has to do.
# - `channel` is how a rank reaches the others: `channel.rank` is its number, `channel.size` is K,
#   `channel.send(array, to)` sends a copy of an array to rank `to` and does not wait, `channel.recv(source)` waits for
#   the next array from rank `source` and returns it. Nobody sends to itself. Each array that is sent must be received.
# - It must work for every K, also for **K = 1**: then there is nobody to send to.
# - The check counts the bytes. Send what is asked for, to whom it is asked for, and nothing else.
# - **Change nothing** that you are given: make new arrays. Keep the **dtype**: float32 in, float32 out.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case that fails, and,
# where it knows it, which mistake you made. Check as often as you like; the final grading uses other numbers. You
# may use NumPy and Python's standard library.
#
# **How to try.** `run_ranks(function, a)` runs your function on as many ranks as the list `a` is long; rank r gets
# `a[r]`. `.values` is what each rank returned, `.bytes_sent` what each has sent. If the ranks all wait for each other,
# it says who waits for whom.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check
from course.parallel import run_ranks


def hand_on(channel, x):
    """An example: every rank sends its array to the next one, in a circle."""
    channel.send(x, (channel.rank + 1) % channel.size)
    return channel.recv((channel.rank - 1) % channel.size)


run = run_ranks(hand_on, [np.array([10.0]), np.array([20.0]), np.array([30.0])])
print(run.values, run.bytes_sent)

# %% [markdown]
# ## 1. Shards (3 points)
#
# `x` has one sample a row, shape (N, ...). Return the rows of rank `rank` if `size` ranks share them: neighbours, in
# their order, as evenly as can be. The first N mod K ranks have one row more than the others:
#
# $$n_r = \lfloor N/K \rfloor + [r < N \bmod K], \qquad \text{rank } r \text{ starts at row } \sum_{q<r} n_q .$$
#
# There may be fewer rows than ranks; then the last ranks get an array of shape (0, ...). A view or a copy, both are
# fine.
#
# **By hand.** 7 rows on 3 ranks: 3, 2 and 2. Rank 0 has the rows 0, 1, 2; rank 1 has 3 and 4; rank 2 has 5 and 6.


# %% grade_id="shard" role="answer"
def shard(x, rank, size):
    """The rows of one rank.

    >>> [shard(np.arange(7), rank, 3).tolist() for rank in range(3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    >>> [shard(np.arange(2), rank, 3).tolist() for rank in range(3)]
    [[0], [1], []]
    """
    ### BEGIN SOLUTION
    each, more = divmod(len(x), size)
    start = rank * each + min(rank, more)
    return x[start : start + each + (rank < more)]
    ### END SOLUTION


# %% grade_id="test_shard" role="test"
check(shard).award()

# %% [markdown]
# ## 2. From the shards' gradients to that of the whole batch (4 points)
#
# No channel yet. `grads[r]` is the gradient of the *mean* loss over the samples of rank r, an array; all have one
# shape. `counts[r]` is $n_r$, how many samples those are. Return the gradient of the mean loss over all samples:
#
# $$g = \frac{\sum_r n_r\, g_r}{\sum_r n_r} .$$
#
# A rank may have no samples, $n_r = 0$. Its mean is then no number (NaN, or infinite), and it must not spoil the
# others. At least one rank has samples. But a NaN of a rank that has samples must stay visible in the result: it tells
# you that the training has diverged.
#
# **By hand.** Three samples with the mean gradient 2, one with 6: (3·2 + 1·6)/4 = 3.


# %% grade_id="full_batch_gradient" role="answer"
def full_batch_gradient(grads, counts):
    """The gradient of the mean loss over all ranks' samples.

    >>> full_batch_gradient([np.array([2.0]), np.array([6.0])], [3, 1])
    array([3.])
    >>> full_batch_gradient([np.array([2.0]), np.array([np.nan])], [3, 0])
    array([2.])
    """
    ### BEGIN SOLUTION
    total = np.zeros_like(grads[0])
    for grad, count in zip(grads, counts, strict=True):
        if count > 0:
            total = total + count * grad
    return total / sum(counts)
    ### END SOLUTION


# %% grade_id="test_full_batch_gradient" role="test"
check(full_batch_gradient).award()

# %% [markdown]
# ## 3. The central sum (5 points)
#
# Each rank calls your function with its own array `x`, of any shape; all ranks' have one shape. Return the **sum** over
# all ranks, on every rank:
#
# $$y = \sum_{r=0}^{K-1} x_r .$$
#
# Rank 0 is the central one. The others send it their array, N bytes, and receive the sum; rank 0 adds up, its own array
# included, and sends the sum to each of the others, (K − 1)·N bytes. In which order rank 0 adds is up to you, but all
# ranks must return **the same bits**: one rank adds up for all.
#
# Mind the order of sending and receiving. If all wait, nobody sends.
#
# **By hand.** Rank 0 has (1, 1), rank 1 (1, 5). Rank 1 sends (1, 5) to rank 0, which has (2, 6) then and sends that to
# rank 1.


# %% grade_id="central_all_reduce" role="answer"
def central_all_reduce(channel, x):
    """The sum of all ranks' arrays; rank 0 adds up.

    >>> run = run_ranks(central_all_reduce, [np.ones(2), np.array([1.0, 5.0]), np.ones(2)])
    >>> run.values[2]
    array([3., 7.])
    >>> run.bytes_sent
    [32, 16, 16]
    """
    ### BEGIN SOLUTION
    if channel.rank > 0:
        channel.send(x, 0)
        return channel.recv(0)
    total = x.copy()
    for rank in range(1, channel.size):
        total = total + channel.recv(rank)
    for rank in range(1, channel.size):
        channel.send(total, rank)
    return total
    ### END SOLUTION


# %% grade_id="test_central_all_reduce" role="test"
check(central_all_reduce).award()

# %% [markdown]
# ## 4. A broadcast by a tree (4 points)
#
# Every rank calls your function with an array `x`. Return, on every rank, that of **rank 0**; what the others passed is
# not looked at. Rank 0 shall not send to everyone by itself: those who have the array help. Number the rounds i = 0, 1,
# 2, ...:
#
# $$\text{round } i: \qquad \text{rank } r \;\text{ sends to rank }\; r + 2^i \quad
# \text{for every } r < 2^i \text{ with } r + 2^i < K .$$
#
# So those who have it double in each round. Go on while $2^i < K$: that makes $\lceil \log_2 K \rceil$ rounds.
#
# **By hand.** K = 4. Round 0: 0 → 1. Round 1: 0 → 2 and 1 → 3. With K = 3 the last of these does not take place.


# %% grade_id="tree_broadcast" role="answer"
def tree_broadcast(channel, x):
    """Rank 0's array, on every rank.

    >>> run = run_ranks(tree_broadcast, [np.full(1, rank + 5.0) for rank in range(4)])
    >>> run.values
    [array([5.]), array([5.]), array([5.]), array([5.])]
    >>> run.bytes_sent
    [16, 8, 0, 0]
    """
    ### BEGIN SOLUTION
    reach = 1
    while reach < channel.size:
        if channel.rank < reach and channel.rank + reach < channel.size:
            channel.send(x, channel.rank + reach)
        elif reach <= channel.rank < 2 * reach:
            x = channel.recv(channel.rank - reach)
        reach *= 2
    return x.copy()
    ### END SOLUTION


# %% grade_id="test_tree_broadcast" role="test"
check(tree_broadcast).award()

# %% [markdown]
# ## 5. The ring, first half: reduce-scatter (5 points)
#
# `x` is this rank's array, of shape (n,); all ranks' have one length. Cut it into K chunks, as `shard` of exercise 1
# does: chunk r is what `shard(x, r, K)` gives. Return **chunk r of the sum** on rank r:
#
# $$y_r = \sum_{q=0}^{K-1} \operatorname{chunk}_r(x_q) .$$
#
# Send to rank r + 1 only, receive from rank r − 1 only, one chunk a step. All numbers of ranks and chunks count modulo
# K. In step s = 0, 1, ..., K − 2 rank r
#
# - **sends** chunk r − s − 1 to rank r + 1: in step 0 its own numbers, from then on what it has added up in the step
#   before;
# - **receives** chunk r − s − 2 from rank r − 1, and adds its own numbers of this chunk to it.
#
# In the last step that is chunk r − K = r: its own. It returns it. With fewer elements than ranks some chunks are
# empty; they travel all the same.
#
# **By hand.** K = 2, x₀ = (1, 2), x₁ = (10, 20). One step. Rank 0 sends its chunk 1, which is 2; rank 1 sends its chunk
# 0, which is 10. Rank 0 returns 10 + 1 = 11, rank 1 returns 2 + 20 = 22.


# %% grade_id="ring_reduce_scatter" role="answer"
def ring_reduce_scatter(channel, x):
    """This rank's chunk of the sum.

    >>> run = run_ranks(ring_reduce_scatter, [np.array([1.0, 2.0]), np.array([10.0, 20.0])])
    >>> run.values
    [array([11.]), array([22.])]
    >>> run_ranks(ring_reduce_scatter, [np.ones(6)] * 3).bytes_sent
    [32, 32, 32]
    """
    ### BEGIN SOLUTION
    rank, size = channel.rank, channel.size
    chunks = np.array_split(x, size)
    chunk = chunks[(rank - 1) % size].copy()
    for step in range(size - 1):
        channel.send(chunk, (rank + 1) % size)
        chunk = chunks[(rank - step - 2) % size] + channel.recv((rank - 1) % size)
    return chunk
    ### END SOLUTION


# %% grade_id="test_ring_reduce_scatter" role="test"
check(ring_reduce_scatter).award()

# %% [markdown]
# ## 6. The ring, second half: all-gather (4 points)
#
# Now each rank has a chunk, `chunk`, of shape (n_r,), and all shall have all of them. Return, on every rank, the chunks
# **joined in the order of the ranks**, chunk 0 first. Again send to rank r + 1 only and receive from rank r − 1 only.
# In step s = 0, ..., K − 2 rank r
#
# - **sends** chunk r − s to rank r + 1: in step 0 its own, from then on what it has received in the step before;
# - **receives** chunk r − s − 1 from rank r − 1, and keeps it.
#
# Chunks may differ in length, and may be empty.
#
# **By hand.** K = 2: rank 0 has (4, 5), rank 1 has (6). They exchange them, and both return (4, 5, 6).


# %% grade_id="ring_all_gather" role="answer"
def ring_all_gather(channel, chunk):
    """All ranks' chunks in order, on every rank.

    >>> run_ranks(ring_all_gather, [np.array([4.0, 5.0]), np.array([6.0])]).values
    [array([4., 5., 6.]), array([4., 5., 6.])]
    """
    ### BEGIN SOLUTION
    rank, size = channel.rank, channel.size
    chunks = [chunk] * size
    for step in range(size - 1):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        chunks[(rank - step - 1) % size] = channel.recv((rank - 1) % size)
    return np.concatenate(chunks)
    ### END SOLUTION


# %% grade_id="test_ring_all_gather" role="test"
check(ring_all_gather).award()

# %% [markdown]
# ## 7. The data-parallel step (5 points)
#
# A linear model, $\hat y = Xw$. The loss is the **mean squared error over the samples of all ranks together**:
#
# $$L(w) = \frac1n \sum_{r=0}^{K-1} \sum_{i \in \text{shard } r} (x_i^T w - y_i)^2, \qquad
# \frac{∂L}{∂w} = \frac2n \sum_{r=0}^{K-1} X_r^T (X_r w - y_r) .$$
#
# `w` of shape (features,) is the same on every rank. `x` of shape (n_r, features) and `y` of shape (n_r,) are this
# rank's shard; shards may be uneven, and one may be empty, n_r = 0. `samples` is n, over **all** ranks. Make one step
# of gradient descent with the rate `lr` and return the new w: on every rank the same, **to the last bit**, as the
# replicas never compare again.
#
# How the ranks exchange their gradients is up to you, but the samples stay where they are: a rank sends fewer bytes than
# its samples have, if they are many. Your own functions from above may help, but each exercise is
# checked by itself: if you call one, it has to work.
#
# **By hand.** w = 0, one feature, γ = 0.25. Rank 0 has the samples x = 1, y = 1 and x = 1, y = 3; rank 1 has x = 2, y =
# 2, and n = 3. Xᵀ(Xw − y) is −4 on both ranks, −8 together. The gradient is 2·(−8)/3 = −16/3, and the new w is 4/3.


# %% grade_id="data_parallel_step" role="answer"
def data_parallel_step(channel, w, x, y, *, samples, lr):
    """The parameters after one step on the samples of all ranks.

    >>> x = [np.ones((2, 1)), np.full((1, 1), 2.0)]
    >>> y = [np.array([1.0, 3.0]), np.array([2.0])]
    >>> def step(channel, x, y):
    ...     return data_parallel_step(channel, np.zeros(1), x, y, samples=3, lr=0.25)
    >>> [value.round(4) for value in run_ranks(step, x, y).values]
    [array([1.3333]), array([1.3333])]
    """
    ### BEGIN SOLUTION
    total = central_all_reduce(channel, 2 * (x.T @ (x @ w - y)))
    return w - lr * (total / samples)
    ### END SOLUTION


# %% grade_id="test_data_parallel_step" role="test"
check(data_parallel_step).award()

# %% [markdown]
# ## 8. How many bytes? (4 points)
#
# Return how many bytes rank `rank` of `size` **sends**, for an array with `elements` elements of `itemsize` bytes each;
# N is `elements * itemsize`. `collective` is one of these words:
#
# - `"central"`, exercise 3: (K − 1)·N for rank 0, N for the others;
# - `"ring"`, exercises 5 and 6, one after the other: each half sends all chunks but one. In the first half rank r does
#   not send chunk r, in the second not chunk r + 1 (modulo K). Exact, also where K does not divide the elements: chunks
#   are cut as in exercise 1;
# - `"tree"`, the broadcast of exercise 4: N for each rank that rank r sends to.
#
# With one rank nothing is sent. Return a whole number, as an int or as a float.
#
# **By hand.** 8 elements of 8 bytes on 3 ranks: chunks of 3, 3 and 2 elements. In the ring rank 0 sends 2·8 − 3 − 3 =
# 10 elements, 80 bytes; rank 1 sends 16 − 3 − 2 = 11, 88 bytes.


# %% grade_id="bytes_sent" role="answer"
def bytes_sent(collective, rank, size, elements, itemsize):
    """How many bytes a rank sends.

    >>> [bytes_sent("central", rank, 3, 8, 8) for rank in range(3)]
    [128, 64, 64]
    >>> [bytes_sent("ring", rank, 3, 8, 8) for rank in range(3)]
    [80, 88, 88]
    >>> [bytes_sent("tree", rank, 3, 8, 8) for rank in range(3)]
    [128, 0, 0]
    """
    ### BEGIN SOLUTION
    if size == 1:
        return 0
    if collective == "central":
        return (size - 1 if rank == 0 else 1) * elements * itemsize
    if collective == "ring":
        chunks = [elements // size + (r < elements % size) for r in range(size)]
        return (2 * elements - chunks[rank] - chunks[(rank + 1) % size]) * itemsize
    served, reach = 0, 1
    while reach < size:
        if rank < reach and rank + reach < size:
            served += 1
        reach *= 2
    return served * elements * itemsize
    ### END SOLUTION


# %% grade_id="test_bytes_sent" role="test"
check(bytes_sent).award()

# %% [markdown]
# ## 9. How many seconds? (3 points)
#
# A model of a step on K = `size` ranks. The whole batch needs `compute` seconds on one rank, and each has an equal
# share of it. Then the gradients, `n_bytes` bytes, go around the ring: 2(K − 1) steps, in each of which one chunk of
# N/K bytes moves. A message of M bytes takes `latency` seconds and M/`bandwidth` seconds more; `bandwidth` is in bytes
# a second. Computing and sending do not overlap:
#
# $$T(K) = \frac{\text{compute}}{K} + 2(K-1)\left(\text{latency} + \frac{N}{K · \text{bandwidth}}\right) .$$
#
# Return T(K) in seconds, a plain number. N/K need not be whole here.
#
# **By hand.** K = 4, compute 0.1 s, N = 4·10⁶ bytes, latency 0.001 s, bandwidth 10⁹ bytes a second: 0.025 + 6·(0.001 +
# 0.001) = 0.037.


# %% grade_id="step_seconds" role="answer"
def step_seconds(size, *, compute, n_bytes, latency, bandwidth):
    """How long a step takes on so many ranks.

    >>> link = {"latency": 0.001, "bandwidth": 1e9}
    >>> [round(step_seconds(k, compute=0.1, n_bytes=4e6, **link), 4) for k in (1, 4, 32)]
    [0.1, 0.037, 0.0729]
    """
    ### BEGIN SOLUTION
    message = latency + n_bytes / size / bandwidth
    return compute / size + 2 * (size - 1) * message
    ### END SOLUTION


# %% grade_id="test_step_seconds" role="test"
check(step_seconds).award()

# %% [markdown]
# ## 10. In your own words (6 points)
#
# A friend trains on 2 machines, with batches of 64 and a ring. A step takes 60 ms: 50 ms of computing and 10 ms of
# sending. He buys two more and keeps the batch at 64. A step takes about 40 ms now, not 30.
#
# 1. Where did the missing 10 ms go? Use the bytes that a rank sends in a ring with 2 and with 4 ranks, and say what a
#    step cannot fall below, however many machines he buys. Neglect the latencies. (2 points)
# 2. He raises the batch to 16 times its size, so that each machine has more to do. Why does the *share* of sending
#    shrink now? And what does he have to change in the training, by which rule, and where does this rule end? (2
#    points)
# 3. His shards are of different sizes. He averages the gradients of the ranks with equal weights. What is wrong, in
#    which direction, and how does he put it right without sending more than one number in addition? (2 points)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. Only the computing is divided: 50 ms become 25 ms. In a ring a rank sends 2(K − 1)/K · N bytes: N
# with two ranks, 1.5 N with four. So the sending grows from 10 to 15 ms, and 25 + 15 = 40. With more machines the
# computing goes to 0 and the bytes to 2N, which is 20 ms: a step cannot fall below 20 ms. (One point for the bytes, one
# for the limit.)
#
# 2. The gradients are as long as before, N does not depend on the batch, while each machine computes longer: sending is
#    a smaller part of the step. But an epoch has 16 times fewer steps, so the rate must grow: with SGD or momentum in
#    proportion to the batch, with Adam by its square root, at the start with a warm-up. That holds as long as the
#    gradient changes little during the small steps that a large one replaces; it ends where the rate comes near 2
#    divided by the steepest curvature, and a batch that is large enough to have hardly any noise gains nothing from
#    more samples. (One point for the share, one for rule and limit.)
#
# 3. The mean of the means gives each *rank* the same weight, so a sample of a small shard counts more than one of a
#    large shard: the training moves towards the minimum of the small shards' samples. Each rank multiplies its mean by
#    its number of samples n_r and sends n_r as one more element; after the all-reduce everyone divides the sum by the
#    sum of the counts. (One point each.)

# %% [markdown]
# ## See it work
#
# This is not graded. Put your two halves together. First a picture of your own ring in the middle of its work: whose
# numbers each rank holds, as in the lesson.

# %%
import matplotlib.pyplot as plt

from course.widgets.data_parallel import deliveries, draw_deliveries


def my_ring(channel, x):
    return ring_all_gather(channel, ring_reduce_scatter(channel, x.reshape(-1))).reshape(x.shape)


figure, axes = plt.subplots(1, 3, figsize=(10, 4), width_ratios=(1, 1.3, 0.8), layout="constrained")
draw_deliveries(axes, deliveries(my_ring, 4), 3, 4)
plt.show()

# %% [markdown]
# And then on real processes: they train a network on the digits, and exchange their gradients through *your* function.
# Save this notebook, open a terminal in its folder, and type
#
# ```
# course parallel run --nproc 4 --collective data_parallel_exercises.ipynb:my_ring
# ```
#
# If the terminal does not know the command, write the environment's path before it: `../../.venv/bin/course`.
#
# Compare the bytes that it reports with your `bytes_sent`, for one element more than there are parameters: the count
# of samples travels along. Compare the times with `--nproc 1` and with `--collective central`. With one GPU a rank add
# `--backend nccl`.
