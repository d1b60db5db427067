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
# # Gradient descent: which way, how far, and on how many samples
#
# **Goal.** You will be able to write the three forms of gradient descent, to predict from the curvature which
# learning rate creeps, oscillates or diverges, and from the batch size how noisy a gradient is. You will know what
# a line search guarantees, why deep learning does without one, and what a fixed amount of computing buys.
#
# **Before you start** you need one idea from unit 01: backpropagation gives us the gradient of a loss, and the
# gradient points uphill. From statistics you need mean and variance.
#
# **Time.** About two and a half hours with the live figures; section 9 can wait. Keep pencil and paper at hand.
# To start, choose *Run*, *Run All Cells* in the menu above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $θ$ | parameters | `theta` |
# | $\ell_n(θ)$ | loss of sample $n$ | |
# | $L(θ) = \frac1N\sum_n \ell_n(θ)$ | loss of all $N$ samples | |
# | $g$ | gradient of the loss at $θ$ | `grad` |
# | $γ$ | learning rate, also called step size | `lr`, `step` |
# | $B$ | batch size | `batch_size` |
# | $λ$ | curvature along one direction: an eigenvalue of the Hessian $H$ | |
# | $κ$ | condition number: largest by smallest curvature | `condition` |
#
# This course grew out of lecture notes, which students copy from. Where they err or disagree, a note headed
# **The sources differ** says so and shows it. Here it is about **the slides**, lecture 5, *Training neural
# networks*, of Gilles Louppe's course *Deep Learning*.

# %%
import matplotlib.pyplot as plt
import numpy as np

import experiments
from course.data import batches, diabetes, digits, ill_conditioned_regression
from course.line_search import backtracking, strong_wolfe, wolfe
from course.losses import mse_grad
from course.optimizers import sgd
from course.studies import mean_and_error, read_study, where
from course.surfaces import BARRIER, BEALE, RAVINE, ROSENBROCK, SADDLE, VALLEY, descend
from course.tables import text_table
from course.widgets.contours import draw_surface
from course.widgets.gradient_descent import (
    RIDGE,
    STEEPEST,
    batch_means,
    batch_noise,
    crowd,
    noise_and_barrier,
    quadratic,
    rate_and_curvature,
    variance_of_batches,
    wolfe_conditions,
)
from course.widgets.style import COLORS, line_style, use_style

use_style()


# %% [markdown]
# ## 1. A step downhill
#
# A network has a loss for each sample, and we want their mean to be small:
#
# $$L(θ) = \frac1N \sum_{n=1}^N \ell_n(θ) .$$
#
# **Gradient descent** makes small steps against the gradient:
#
# $$g_t = ∇L(θ_t) = \frac1N \sum_{n=1}^N ∇\ell_n(θ_t), \qquad θ_{t+1} = θ_t - γ\,g_t .$$
#
# Why against the gradient? Close to $θ$ the loss is almost a plane: a step $d$ changes it by $g^\top d$. Among all
# steps of the same length, this is lowest when $d$ points along $-g$.
#
# How much do we gain? Add the next term of Taylor's series, with the Hessian $H$:
#
# $$L(θ - γg) ≈ L(θ) - γ\,\|g\|^2 + \tfrac12 γ^2\, g^\top H g .$$
#
# The first term promises a decrease in proportion to $γ$. The second takes it back in proportion to $γ^2$: the
# gradient changes on the way. Small steps always go down. Long ones need not.
#
# In the valley $L = \tfrac12(x^2 + 50y^2)$ there are no further terms, so promise and truth agree exactly:

# %%
theta = np.array([-3.5, 1.0])
grad, before = VALLEY.gradient(theta), VALLEY.value(*theta)
hessian = np.diag([1.0, 50.0])
rows = []
for lr in (0.001, 0.01, 0.02, 0.05):
    after = VALLEY.value(*(theta - lr * grad))
    plane = -lr * grad @ grad
    bent = plane + 0.5 * lr**2 * grad @ hessian @ grad
    np.testing.assert_allclose(after - before, bent, rtol=1e-9)
    rows.append([lr, f"{plane:+.2f}", f"{bent:+.2f}", f"{after - before:+.2f}"])
print(f"Change of the loss in one step, from {before:.1f}:")
print(text_table(["rate", "first term", "both terms", "measured"], rows))
assert after > before

# %% [markdown]
# ## 2. The rate against the curvature
#
# Along one direction with curvature $λ$ the loss is $\tfrac12 λ x^2$, its gradient $λx$, and a step is
#
# $$x ← x - γλx = (1 - γλ)\,x .$$
#
# Each step multiplies $x$ by the same factor. That is all there is to it:
#
# | rate | factor $1 - γλ$ | what you see |
# |---|---|---|
# | $γ \ll 1/λ$ | just below 1 | creeps |
# | $γ = 1/λ$ | 0 | there in one step |
# | $1/λ < γ < 2/λ$ | negative, above −1 | oscillates and shrinks |
# | $γ > 2/λ$ | below −1 | diverges |
#
# In many dimensions this holds along each eigenvector of $H$, with its own $λ$ and the *same* $γ$. The largest
# curvature decides what is allowed, $γ < 2/λ_\text{max}$. The smallest decides how long it takes.
#
# The slides show three rates, 0.01, 0.1 and 0.4, on an easy surface and a difficult one. Here are such surfaces: the
# steepest curvature is 4.5 on both, so the limit is $2/4.5 = 0.444$. The easy one is round; in the difficult one
# the other curvature is 45 times smaller.

# %%
figure, axes = plt.subplots(
    2, 3, figsize=(9.6, 5.4), layout="constrained", sharex=True, sharey=True
)
rows = []
for row, (name, condition) in zip(axes, (("easy", 1), ("difficult", 45)), strict=True):
    surface = quadratic(condition)
    for ax, lr in zip(row, (0.01, 0.1, 0.4), strict=True):
        draw_surface(ax, surface)
        points, _ = descend(sgd, surface, surface.start, 50, lr=lr)
        ax.plot(*points.T, color=COLORS[1], marker="o", markersize=3, linewidth=1)
        ax.set(title=f"{name}, γ = {lr}", xlabel="x", ylabel="y")
        ax.label_outer()
        flat, steep = 1 - lr * STEEPEST / condition, 1 - lr * STEEPEST
        np.testing.assert_allclose(points[-1], [-3 * flat**50, 1.2 * steep**50], atol=1e-12)
        away = f"{np.hypot(*points[-1]):.1e}"
        rows.append([f"{name}, {lr}", f"{flat:+.4f}", f"{steep:+.4f}", away])
plt.show()
print(text_table(["surface, rate", "factor of x", "factor of y", "away after 50 steps"], rows))

# %% [markdown]
# On the easy surface 0.1 is fine, and 0.4 still arrives, jumping from side to side. On the difficult one no rate
# is good: at 0.4 the steep direction oscillates, and the flat one still creeps.
#
# The **condition number** $κ = λ_\text{max}/λ_\text{min}$ says how difficult. At the best rate,
# $2/(λ_\text{min} + λ_\text{max})$, both directions have factors of the same size, $\frac{κ-1}{κ+1}$, and the
# number of steps grows in proportion to $κ$. Unit 03 starts from there and does something about it.
#
# ### See it
#
# Left is the walk, right the size of both factors at every rate. Above 1, in the grey, a direction diverges.
#
# 1. Push the rate up slowly from 0.001. When does the steep direction stop to creep? At which rate does it
#    arrive in one step?
# 2. Go on. The walk begins to oscillate; just beyond the dotted line it diverges. Read the number below the
#    picture.
# 3. Set the condition number to 1. What has changed about the limit, and what about the speed?
# 4. Turn the valley. Does gradient descent care?

# %%
rate_and_curvature()

# %% [markdown]
# ### The same on data
#
# A prediction should hold where we did not build the surface. Here is a regression with ten features that almost
# tell the same. Its loss is quadratic; we compute the Hessian's eigenvalues and bet on the largest rate.

# %%
data = ill_conditioned_regression(condition=100.0)
x, y = data.x_train, data.y_train
curvatures = np.linalg.eigvalsh(2 * x.T @ x / len(x))
limit = 2 / curvatures[-1]


def error_after(lr, steps):
    """Return how far the weights are from the best ones, in units of the distance at the start."""
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    theta = np.zeros_like(best)
    for _ in range(steps):
        theta = theta - lr * x.T @ mse_grad(x @ theta, y)
    return np.linalg.norm(theta - best) / np.linalg.norm(best)


rows, ends = [], []
for share in (0.1, 0.5, 0.98, 1.02):
    ends.append(error_after(share * limit, 1000))
    rows.append([f"{share:.2f}", "arrives" if ends[-1] < 1 else "diverges", f"{ends[-1]:.0e}"])
condition = curvatures[-1] / curvatures[0]
print(
    f"Curvatures from {curvatures[0]:.3f} to {curvatures[-1]:.2f}, condition number {condition:.0f}"
)
print(text_table(["rate / predicted limit", "1000 steps", "distance left"], rows))
assert ends[0] > ends[1] > ends[2]
assert ends[2] < 1e-6
assert ends[3] > 1e3
np.testing.assert_allclose(condition, 100, rtol=1e-6)

# %% [markdown]
# Two per cent below the limit it arrives, two per cent above it explodes. (In a network $H$ changes on the way and
# nobody computes it. The limit exists all the same: unit 04 finds it by trying.)
#
# ## 3. All samples, or some?
#
# One gradient of $L$ needs all $N$ samples, and then we make *one* step. Take a random sample $n$ instead. Its
# gradient is wrong, but on average it is right:
#
# $$\mathrm{E}[∇\ell_n] = \sum_{n=1}^N \frac1N ∇\ell_n = ∇L .$$
#
# The same holds for the mean over any randomly drawn batch: such an estimate is **unbiased**. What a batch changes is
# how far a single estimate lies from the truth.
#
# **With replacement.** Let $σ^2$ be the variance of one entry of $∇\ell_n$ over the samples. $B$ independent
# draws, each with weight $1/B$:
#
# $$\mathrm{Var}\Big(\frac1B \sum_b g_b\Big) = \frac{1}{B^2} \cdot B\,σ^2 = \frac{σ^2}{B} .$$
#
# **Without replacement** the draws know of each other: a sample that was drawn cannot come again. Let $c$ be the
# covariance of two different draws. All $N$ deviations from the mean add up to 0, so the variance of their sum is 0:
#
# $$0 = N σ^2 + N(N-1)\,c \quad\Rightarrow\quad c = -\frac{σ^2}{N-1} .$$
#
# For a batch of $B$ draws then
#
# $$\frac{1}{B^2}\big(Bσ^2 + B(B-1)\,c\big) = \frac{σ^2}{B}\Big(1 - \frac{B-1}{N-1}\Big)
# = \frac{N-B}{N-1} \cdot \frac{σ^2}{B} .$$
#
# At $B = N$ nothing is left to chance, and the variance is 0. For $B \ll N$ the two agree.
#
# Test it on real gradients: a linear classifier of handwritten digits. With the softmax probabilities $p$, the
# gradient of sample $n$ with respect to the weights is $x_n (p_n - e_{y_n})^\top$, where $e_{y}$ has a 1 at the
# right class: 640 numbers.


# %%
def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def classifier_grad(w, x, y):
    """Return the mean gradient of the cross-entropy over these samples."""
    return x.T @ (softmax(x @ w) - np.eye(10)[y]) / len(x)


data = digits(seed=0)
x, y = data.x_train, data.y_train
w = 0.1 * np.random.default_rng(0).standard_normal((64, 10))
each = np.einsum("ni,nk->nik", x, softmax(x @ w) - np.eye(10)[y]).reshape(len(x), -1)
np.testing.assert_allclose(each.mean(axis=0), classifier_grad(w, x, y).ravel(), atol=1e-12)

rng = np.random.default_rng(1)
rows = []
for size in (1, 4, 16, 64, 256, 1024, len(x)):
    row = [size]
    for replacement in (True, False):
        drawn = batch_means(each, size, replacement, 2000 // size + 40, rng)
        centred = drawn - each.mean(axis=0)
        measured = np.sum(np.mean(centred**2, axis=0))  # the true mean is known
        theory = variance_of_batches(each, size, replacement)
        np.testing.assert_allclose(measured, theory, rtol=0.15, atol=1e-20)
        row += [f"{theory:.3f}", f"{measured / theory:.1f}" if theory else "both 0"]
    rows.append(row)
print(f"Variance of the gradient of {len(x)} digits, all 640 entries added up:")
header = ["B", "with: theory", "measured/theory", "without: theory", "measured/theory"]
print(text_table(header, rows))

# %% [markdown]
# The variance falls like $1/B$, the *standard deviation*, which is what you see, like $1/\sqrt B$. Half the
# noise costs four times the work. That is why nobody takes all samples if a few will do.
#
# ### See it
#
# Each grey dot is the gradient of one patient in a regression with two weights; the star is the gradient of all. Each
# orange dot is the gradient of one mini-batch.
#
# 1. Go from $B = 1$ to $B = 4$ to $B = 16$: the cloud halves each time.
# 2. Choose *without* and go to the far right. What happens at $B = N = 354$?
# 3. Back to *with replacement* at $B = 354$: as much work as all samples, and still noisy. Why?

# %%
batch_noise()

# %% [markdown]
# ### The ideal case: everything is there $K$ times
#
# How can a part of the data do as well as all of it? The slides give an extreme: the training set is the same
# $M$ samples, replicated $K$ times, $N = KM$. Then
#
# $$\frac1N \sum_{n=1}^N ∇\ell_n = \frac{1}{KM}\, K \sum_{m=1}^M ∇\ell_m = \frac1M \sum_{m=1}^M ∇\ell_m :$$
#
# the *mean* over $M$ samples is exactly the mean over all $N$, for a $K$-th of the work.
#
# > **The sources differ.** The slides say: visit only $M = N/K$ samples "and move by $Kγ$". That is right if
# > the $1/N$ stays in front of the shorter sum. With a mean over the $M$ samples, as in the slides' own formula
# > of mini-batch SGD, the step stays $γ$. Mix the two and you move $K$ times too far. (And the sum there runs
# > over $n$; "$i = n$" is a slip.)

# %%
M, K, lr = 144, 8, 0.1
few_x, few_y = x[:M], y[:M]
many_x, many_y = np.tile(few_x, (K, 1)), np.tile(few_y, K)
N = len(many_x)
full = lr * classifier_grad(w, many_x, many_y)
steps = {
    "all N samples, mean, γ": full,
    "M samples, mean, γ": lr * classifier_grad(w, few_x, few_y),
    "M samples, sum / N, Kγ": K * lr * (classifier_grad(w, few_x, few_y) * M) / N,
    "M samples, mean, Kγ": K * lr * classifier_grad(w, few_x, few_y),
}
rows = []
for (name, step), cost in zip(steps.items(), (N, M, M, M), strict=True):
    ratio = np.linalg.norm(step) / np.linalg.norm(full)
    rows.append(
        [name, cost, f"{ratio:.3f}", "yes" if np.allclose(step, full, atol=1e-15) else "no"]
    )
print(text_table(["step", "samples visited", "length / full step", "the same step"], rows))
assert [row[-1] for row in rows] == ["yes", "yes", "yes", "no"]
np.testing.assert_allclose(ratio, K, rtol=1e-9)

long_walk = short_walk = w
for _ in range(100):
    long_walk = long_walk - lr * classifier_grad(long_walk, many_x, many_y)
    short_walk = short_walk - lr * classifier_grad(short_walk, few_x, few_y)
np.testing.assert_allclose(long_walk, short_walk, atol=1e-12)
print(f"\n100 steps later both are at the same place; samples visited: {100 * N} and {100 * M}")

# %% [markdown]
# Real data are not copies, but they are redundant: the next thousand pictures of a 7 say little that the first
# thousand did not. That redundancy is what mini-batches live on.
#
# ## 4. Three forms of one rule
#
# | | samples a step | steps an epoch |
# |---|---|---|
# | batch gradient descent | $N$ | 1 |
# | mini-batch SGD | $B$ | $N/B$ |
# | stochastic gradient descent (SGD) | 1 | $N$ |
#
# An **epoch** is one visit to each sample. The rule is always $θ ← θ - γ\,\frac1B\sum_b ∇\ell_b$. In code an
# epoch has three lines:


# %%
def run_epoch(w, batch_size, lr, rng):
    for batch in batches(len(x), batch_size, rng):
        w = w - lr * classifier_grad(w, x[batch], y[batch])
    return w


def classifier_loss(w):
    return -np.mean(np.log(softmax(x @ w)[np.arange(len(y)), y]))


rows, after = [], {}
for size in (1, 8, 32, 128, len(x)):
    walk, rng = np.zeros((64, 10)), np.random.default_rng(0)
    for _ in range(3):
        walk = run_epoch(walk, size, 0.02, rng)
    after[size] = classifier_loss(walk)
    rows.append([size, 3 * -(-len(x) // size), f"{after[size]:.2f}"])
print("Three epochs of the linear classifier, rate 0.02 for all:")
print(text_table(["B", "steps", "training loss"], rows))
assert list(after.values()) == sorted(after.values())
np.testing.assert_allclose(classifier_loss(np.zeros((64, 10))), np.log(10))

# %% [markdown]
# For the same number of samples, small batches make more steps and come further. Why then not always $B = 1$?
#
# **First**, a processor works on a batch at once. The time *a sample* takes, on the machine that ran
# `experiments.py`:


# %%
speed = read_study("data/throughput.csv")
figure, axes = plt.subplots(figsize=(6.5, 3), layout="constrained")
axes.loglog(speed["batch_size"], speed["microseconds"], **line_style(0))
axes.set(
    xlabel="batch size B (log)", ylabel="µs a sample (log)", title="64-32-10 network, one core"
)
plt.show()
fastest = speed["microseconds"].min()
ratio = speed["microseconds"][0] / fastest
print(f"A sample alone takes more than 10 times as long as in a large batch: {ratio > 10}")
assert ratio > 10

# %% [markdown]
# **Second**, noise. At a constant rate SGD does not arrive: close to the minimum the gradient is small, its
# noise is not. How high does the walk hover? Let the noise of a gradient have the covariance $Σ/B$. When the
# walk has settled, each step adds as much variance as the pull to the minimum takes away. For small rates that
# balance gives
#
# $$\mathrm{E}[L] - L_\text{min} ≈ \frac{γ}{4B}\, \mathrm{tr}\,Σ .$$
#
# (In one direction: $x ← (1 - γλ)x - γξ$ with $\mathrm{Var}(ξ) = s^2/B$. Settled, $v = (1-γλ)^2 v + γ^2 s^2/B$, so
# $v ≈ γ s^2/(2λB)$, and the loss $\tfrac12 λ v = γ s^2/(4B)$. The curvature cancels.)
#
# So what counts is $γ/B$. The slides call the interplay of $B$ and $γ$ "still unclear". This much is clear, and
# we can measure it, on the regression with two weights of the figure above:

# %%
patients = diabetes()
features, target = patients.x_train[:, [2, 8]], patients.y_train[:, 0]
best = np.linalg.lstsq(features, target, rcond=None)[0]
noise = ((features @ best - target)[:, None] * features).var(axis=0).sum()


def hover(lr, size, walks=200, steps=500, settled=150):
    """Return the mean excess loss of many walks that start at the minimum."""
    rng, seen = np.random.default_rng(0), []
    theta = np.tile(best, (walks, 1))
    for step in range(steps):
        chosen = rng.integers(0, len(target), (walks, size))
        error = np.einsum("wbi,wi->wb", features[chosen], theta) - target[chosen]
        theta = theta - lr * np.einsum("wb,wbi->wi", error, features[chosen]) / size
        if step >= settled:
            away = (theta - best) @ features.T
            seen.append(0.5 * np.mean(away**2))
    return np.mean(seen)


rows, floors = [], {}
for lr, size in ((0.05, 2), (0.1, 4), (0.2, 8), (0.05, 8), (0.2, 32)):
    floors[lr, size] = hover(lr, size)
    predicted = lr / (4 * size) * noise
    rows.append([lr, size, f"{lr / size:.4f}", f"{predicted:.4f}", f"{floors[lr, size]:.3f}"])
    assert 0.9 < floors[lr, size] / predicted < 1.35
print("How high SGD hovers above the minimum:")
print(text_table(["rate", "B", "rate / B", "predicted", "measured"], rows))
np.testing.assert_allclose(floors[0.2, 8] / floors[0.05, 2], 1, atol=0.2)

# %% [markdown]
# Equal $γ/B$, equal height; four times the batch allows four times the rate. That has an end: $γ$ must stay
# below the limit of section 2, which no batch size raises.
#
# ## 5. The order of the samples
#
# The slides leave the order open: "either sequential or random". Let us see what sequential can do. We sort the
# digits by class and train the 64-32-10 network of `experiments.py` with samples (a) as they lie, (b) shuffled
# once, then always in that order, (c) shuffled anew in each epoch, (d) drawn with replacement. Ten seeds,
# batches of 32, the same rate.

# %%
by_class = np.argsort(y, kind="stable")
EPOCHS, LR = 8, 0.3


def epoch_order(how, rng, once):
    if how == "sorted by class":
        return by_class
    if how == "shuffled once":
        return once
    return rng.permutation(len(y)) if how == "shuffled anew" else rng.integers(0, len(y), len(y))


def train_in_order(how, seed, lr=LR):
    """Return loss and test accuracy after each epoch, and the loss after each step of the second."""
    rng = np.random.default_rng(seed)
    walk, once = experiments.first_weights(rng), rng.permutation(len(y))
    ends, inside = [], []
    for epoch in range(EPOCHS):
        order = epoch_order(how, rng, once)
        for batch in np.split(order, range(32, len(y), 32)):
            walk = walk - lr * experiments.loss_and_grad(walk, x[batch], y[batch])[1]
            if epoch == 1 and seed == 0:
                inside.append(experiments.scores(walk, data)[0])
        train, _, accuracy = experiments.scores(walk, data)
        ends.append((train, accuracy))
    return ends, inside


HOWS = ("sorted by class", "shuffled once", "shuffled anew", "with replacement")
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.8), layout="constrained")
rows, ends = [], {}
for index, how in enumerate(HOWS):
    runs = [train_in_order(how, seed) for seed in range(10)]
    ends[how] = np.mean([end for end, _ in runs], axis=0)
    losses = np.array([end for end, _ in runs])[:, :, 0]
    means, errors = np.transpose([mean_and_error(column) for column in losses.T])
    look = line_style(index) | {"markersize": 4}
    left.errorbar(range(1, EPOCHS + 1), means, errors, **look, label=how)
    right.plot(range(1, 46), runs[0][1], **look | {"markevery": 8}, label=how)
    cells = [f"{ends[how][e, 0]:.2f}" for e in (0, 3, 7)]
    rows.append([how, *cells, *(f"{100 * ends[how][e, 1]:.0f}" for e in (0, 7))])
left.set(xlabel="epoch", ylabel="training loss (log)", yscale="log", title="after each epoch")
right.set(xlabel="step in the second epoch", yscale="log", title="inside the second epoch, seed 0")
figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()
print("Mean over ten seeds:")
header = ["order", "train loss: epoch 1", "4", "8", "test accuracy, %: epoch 1", "8"]
print(text_table(header, rows))
behind = ends["sorted by class"][:, 0] / ends["shuffled anew"][:, 0]
assert behind[0] > 5
assert 1.5 < behind[-1] < 5
for how in HOWS[1:]:
    assert ends[how][-1, 0] < 1.5 * ends["shuffled anew"][-1, 0]

# %% [markdown]
# Sorted data start as a disaster: each run of one class pulls the network to that class, and the next one pulls
# it back. The gradient of a batch is no unbiased estimate, for the batch was not drawn. Later, with small
# gradients, the damage shrinks, but after eight epochs the loss is still more than one and a half times that of
# shuffled data. The cure is to shuffle. Once is as good as anew in each epoch *here*; anew costs nothing and
# cannot be unlucky with one order.
#
# All of that at one rate, 0.3. At smaller ones?

# %%
rows, ratio, reached = [], {}, {}
for lr in (0.3, 0.1, 0.03, 0.003):
    for how in ("sorted by class", "shuffled anew"):
        ends_at = [train_in_order(how, seed, lr)[0][-1][0] for seed in range(10)]
        reached[how, lr] = np.array(ends_at)
    pair = reached["sorted by class", lr], reached["shuffled anew", lr]
    ratio[lr] = mean_and_error(pair[0] / pair[1])
    factor = "{:.2f} ± {:.2f}".format(*ratio[lr])
    rows.append([f"{lr:g}", *(f"{losses.mean():.3f}" for losses in pair), factor])
print("Training loss after 8 epochs, mean over ten seeds:")
print(text_table(["rate", "sorted by class", "shuffled anew", "sorted / shuffled"], rows))
assert abs(ratio[0.3][0] - 2.55) < 0.3
assert abs(ratio[0.03][0] - 1.06) < 0.03
assert abs(ratio[0.003][0] - 1) < 0.01
assert reached["sorted by class", 0.3].mean() < 0.5 * reached["shuffled anew", 0.03].mean()

# %% [markdown]
# The harm is one of large steps: at a rate of 0.3 sorted data end at two and a half times the loss of shuffled
# ones, at 0.03 six per cent higher, and at 0.003 the order makes no difference. When the parameters hardly move within an
# epoch, its steps add up to one step along the gradient of all samples, in whatever order they come; order
# matters from $γ^2$ on. A small rate is no cure, though: *sorted* data at 0.3 still end far below
# *shuffled* ones at 0.03.
#
# With or without replacement makes hardly a difference in such a short training. Without, every sample is seen,
# and the noise of an epoch's batches cancels in part, as in section 3. Close to a minimum that shows:

# %%
rows, settled = [], {}
for how in ("with replacement", "shuffled anew"):
    rng, seen = np.random.default_rng(0), []
    theta = np.tile(best, (200, 1))
    for epoch in range(40):
        order = rng.integers(0, len(target), (200, len(target)))
        if how == "shuffled anew":
            order = np.argsort(rng.random(order.shape), axis=1)
        for batch in np.split(order, range(16, len(target), 16), axis=1):
            error = np.einsum("wbi,wi->wb", features[batch], theta) - target[batch]
            theta = theta - 0.02 * np.einsum("wb,wbi->wi", error, features[batch]) / batch.shape[1]
        if epoch >= 10:
            seen.append(0.5 * np.mean(((theta - best) @ features.T) ** 2))
    settled[how] = np.mean(seen)
    rows.append([how, f"{1e4 * settled[how]:.1f}"])
print("Excess loss at the end of an epoch, in units of 1/10000:")
print(text_table(["order", "excess loss"], rows))
assert settled["shuffled anew"] < 0.5 * settled["with replacement"]

# %% [markdown]
# ## 6. Noise that leaves a poor minimum
#
# Noise is not only a nuisance. The next surface is a bowl with a ridge across it; behind the ridge lies a poor
# minimum. Without noise gradient descent ends there, every time. With noise some walks get over. 200 walks
# each, 300 steps:

# %%
rows, shares, heights = [], {}, {}
for sigma in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0):
    points = crowd(sigma, 0.1)
    shares[sigma] = np.mean(points[-1, 0] < RIDGE)
    heights[sigma] = BARRIER.value(*points[-1]).mean()
    rows.append([sigma, f"{100 * shares[sigma]:.0f}", f"{heights[sigma]:.1f}"])
print("Rate 0.1, after 300 steps:")
print(text_table(["noise", "% past the ridge", "mean loss"], rows))
assert shares[0.0] == shares[0.5] == 0
assert 0.4 < shares[1.0] < shares[2.0]
assert shares[2.0] > 0.95 > shares[4.0] > shares[8.0]
assert heights[8.0] > heights[0.0] > heights[4.0] > heights[2.0]

# %% [markdown]
# > **The sources differ.** "The stochastic behavior of SGD helps evade local minima", say the slides. It does,
# > but look at the whole table. A little noise evades nothing in 300 steps. Much noise evades the good minimum
# > as well: it does not know which is which; it only leaves a shallow hollow sooner than a deep one. And the
# > walk hovers (section 4). The noise is useful early and harmful late, which is one reason to lower the rate
# > in the course of training (unit 04).
#
# ### See it
#
# One walk in orange, the ends of all in blue. Find the noise that brings most walks over the ridge. Then halve
# the rate: how much more noise do you need now? (What counts is the length of a jump, $γσ$, against the width
# of the hollow, and how often it is tried.)

# %%
noise_and_barrier()

# %% [markdown]
# ## 7. How far along this line?
#
# Until now the rate was a number we chose. Could the function itself tell? Fix a direction $p$ that goes downhill,
# $p^\top ∇f(x) < 0$, and look at the height along it,
#
# $$φ(γ) = f(x + γp), \qquad φ'(γ) = p^\top ∇f(x + γp), \qquad φ'(0) < 0 .$$
#
# To find the lowest point would cost many evaluations, and the direction is only a guess anyway. **Wolfe's
# conditions** ask for less: a step that is neither too long nor too short. With $0 < c_1 < c_2 < 1$, usually
# $10^{-4}$ and 0.9:
#
# $$\begin{aligned}
# \text{sufficient decrease:} \quad & φ(γ) ≤ φ(0) + c_1\, γ\, φ'(0) \\
# \text{curvature:} \quad & φ'(γ) ≥ c_2\, φ'(0)
# \end{aligned}$$
#
# The first draws a line from $φ(0)$, with a small share $c_1$ of the first slope; the step must end below it.
# That rules out steps that are too long. The second rules out steps that are too short: where $φ$ still falls
# almost as steeply as at the start, go on.
#
# > **The sources differ.** The slides explain the second condition as one in which the slope has decreased "in
# > magnitude". That is the **strong** curvature condition, $|φ'(γ)| ≤ c_2\,|φ'(0)|$. As the slides write it,
# > without magnitudes, the slope may be positive and as steep as it likes. On $f(x) = x^2$ from $x = 1$ along
# > $p = -2$:

# %%
rows, answers = [], []
start, direction = np.array([1.0]), np.array([-2.0])
for step in (0.02, 0.3, 0.98, 1.2):
    met = wolfe(lambda x: float(x @ x), lambda x: 2 * x, start, direction, step)
    answers.append(tuple(met))
    slope = -2 * 2 * (1 - 2 * step)
    rows.append([step, f"{slope:+.2f}", *("yes" if holds else "no" for holds in met)])
print("The slope at the start is -4:")
print(text_table(["step", "slope there", "decrease", "curvature", "strong curvature"], rows))
assert answers == [
    (True, False, False),
    (True, True, True),
    (True, True, False),
    (False, True, False),
]

# %% [markdown]
# ### See it
#
# Left the height along a line, right the slope. The bars at the bottom show which steps each condition allows.
#
# 1. Raise $c_1$. Which steps are lost?
# 2. Lower $c_2$. The blue bar and the green bar both get shorter. Where do they differ, and what is the slope there?
# 3. Is the lowest point of the curve always allowed? Try $c_1 = 0.5$.

# %%
wolfe_conditions()

# %% [markdown]
# ## 8. A line search that cannot fail
#
# **Backtracking** tries a long step and shortens it until it has fallen enough. Because it starts long, it
# rarely ends too short, and it never looks at the slope again.
#
# For the strong conditions, keep two numbers: `low`, the longest step that was too short, and `high`, the
# shortest that was too long.
#
# - Too long: not fallen enough, or the slope is above $c_2\,|φ'(0)|$.
# - Too short: fallen enough, but the slope is below $-c_2\,|φ'(0)|$.
# - Otherwise, done. Else try the middle, or twice the step while nothing was too long.
#
# **Why there is always something between them.** Look at $ψ(γ) = φ(γ) - φ(0) - c_1γφ'(0)$, the height above the
# line. At `low` $ψ ≤ 0$ and it falls. At `high`, either $ψ > 0$ or it rises. So somewhere between them $ψ$ has
# a lowest point, with $ψ < 0$ and $ψ' = 0$. There $φ' = c_1φ'(0)$, flatter than $c_2φ'(0)$ because $c_1 < c_2$:
# a step that meets everything. Halving closes in on such a place, and by continuity on a whole interval of
# them. Only a function that falls for ever has no `high`.
#
# You will write this search in the assignment. The library's `strong_wolfe` too brackets such a step and closes in on it.
# Does it keep the promise?


# %%
def counted(f):
    """Return f, and the list of the points at which it has been called."""
    points = []

    def called(theta):
        points.append(theta)
        return f(theta)

    return called, points


STARTS = 60
rng = np.random.default_rng(0)
rows, all_met = [], True
for surface in (VALLEY, RAVINE, BEALE, ROSENBROCK, BARRIER):
    x_min, x_max, y_min, y_max = surface.view

    def f(theta, surface=surface):
        return float(surface.value(*theta))

    met, trials, short = 0, [], 0
    for _ in range(STARTS):
        theta = rng.uniform([x_min, y_min], [x_max, y_max])
        p = -rng.uniform(0.1, 2.0, 2) * surface.gradient(theta)  # downhill, not steepest
        line = (f, surface.gradient, theta, p)
        watched, points = counted(f)
        holds = wolfe(*line, strong_wolfe(watched, *line[1:]))
        met += holds.sufficient_decrease and holds.strong_curvature
        trials.append(len(points) - 1)  # the first point is the start
        armijo = wolfe(*line, backtracking(*line))
        assert armijo.sufficient_decrease
        short += not armijo.curvature
    rows.append([surface.name, f"{met} of {STARTS}", f"{np.mean(trials):.1f}"])
    all_met &= met == STARTS
print(f"Strong Wolfe conditions met, {STARTS} random starts and directions on each surface:")
print(text_table(["surface", "met", "mean trials"], rows))
assert all_met

# %% [markdown]
# 300 lines, no failure. What follows from that?
#
# > **The sources differ.** Line searches "ensure convergence towards a local minima", say the slides. What is
# > proven (Zoutendijk's theorem) is that the *gradient* tends to 0, if $f$ is smooth and bounded from below and
# > the directions stay away from right angles to it. That may be a saddle. Start exactly on the ridge line of
# > our saddle, and every gradient points along it:

# %%
theta = np.array([-2.5, 0.0])


def saddle(theta):
    return float(SADDLE.value(*theta))


for _ in range(60):
    p = -SADDLE.gradient(theta)
    if np.linalg.norm(p) < 1e-8:
        break
    theta = theta + strong_wolfe(saddle, SADDLE.gradient, theta, p) * p
print(
    f"gradient below 1e-8: {np.linalg.norm(p) < 1e-8}, height above the minimum: {saddle(theta) - SADDLE.lowest:.2f}"
)
assert np.linalg.norm(p) < 1e-8
np.testing.assert_allclose(saddle(theta) - SADDLE.lowest, 0.25, atol=1e-9)

# %% [markdown]
# And does a perfect step cure the condition number? No. Along the steepest direction of a valley the best step
# ends where the slope is 0, so the next direction is at a right angle: a zigzag. In the worst case the loss
# falls by $\big(\frac{κ-1}{κ+1}\big)^2$ a step, exactly as with the best fixed rate. (A small $c_2$ makes the
# search almost exact.)

# %%
theta, kappa = np.array([5.0, 0.1]), 50
heights = []
for _ in range(20):
    p = -VALLEY.gradient(theta)
    step = (p @ p) / (p @ hessian @ p)  # the exact minimum of a parabola
    assert wolfe(
        lambda t: float(VALLEY.value(*t)), VALLEY.gradient, theta, p, step
    ).strong_curvature
    theta = theta + step * p
    heights.append(VALLEY.value(*theta))
factor = heights[-1] / heights[-2]
print(
    f"factor a step, exact line search: {factor:.4f}; ((κ-1)/(κ+1))² = {((kappa - 1) / (kappa + 1)) ** 2:.4f}"
)
np.testing.assert_allclose(factor, ((kappa - 1) / (kappa + 1)) ** 2, rtol=1e-6)

# %% [markdown]
# ## 9. Why deep learning does without
#
# The slides name two reasons: the overhead, and overfitting. Measure both, on the 64-32-10 network of
# `experiments.py`, trained for three epochs. We take random mini-batches of 32, their gradient as direction,
# and search the step that is (almost) best *for the batch*.

# %%
data = digits(seed=0)
rng = np.random.default_rng(0)
theta = experiments.first_weights(rng)
for _ in range(3):
    for batch in batches(len(data.x_train), 32, rng):
        grad = experiments.loss_and_grad(theta, data.x_train[batch], data.y_train[batch])[1]
        theta = theta - 0.1 * grad
before = experiments.scores(theta, data)[0]

searched, fixed, batch_falls, trials, found = [], [], [], [], []
for batch in list(batches(len(data.x_train), 32, rng))[:40]:
    xb, yb = data.x_train[batch], data.y_train[batch]

    def batch_loss(t, xb=xb, yb=yb):
        return experiments.loss_and_grad(t, xb, yb)[0]

    def batch_grad(t, xb=xb, yb=yb):
        return experiments.loss_and_grad(t, xb, yb)[1]

    p = -batch_grad(theta)
    watched, points = counted(batch_loss)
    step = strong_wolfe(watched, batch_grad, theta, p, c2=0.1)
    trials.append(len(points) - 1)
    found.append(step)
    batch_falls.append(batch_loss(theta + step * p) < batch_loss(theta))
    searched.append(experiments.scores(theta + step * p, data)[0] / before)
    fixed.append(experiments.scores(theta + 0.1 * p, data)[0] / before)
rises = {name: np.mean(np.array(r) > 1) for name, r in (("searched", searched), ("fixed", fixed))}
rows = [
    ["searched on the batch", f"{100 * rises['searched']:.0f}", f"{np.mean(searched):.2f}"],
    ["fixed rate 0.1", f"{100 * rises['fixed']:.0f}", f"{np.mean(fixed):.2f}"],
]
print("One step from the same place, 40 mini-batches. The loss of ALL training samples:")
print(text_table(["step", "rises in % of the steps", "loss after / before"], rows))
print(f"The batch's own loss fell in all {len(batch_falls)}: {all(batch_falls)}")
print(f"Every step found is longer than 0.1: {min(found) > 0.1}")
print(f"Passes over the batch a step: 1 without a search, {np.mean(trials):.1f} with it")
assert all(batch_falls)
assert np.mean(trials) > 1.2
assert min(found) > 0.1
assert rises["searched"] > 0.9 > 0.2 > rises["fixed"]

# %% [markdown]
# The search does what it promises for the batch, and it is the batch that it serves. The loss of all samples,
# the one we care about, *rises* in nearly every step: the step fits the noise of 32 samples. The fixed rate is
# shorter than the best step for any of these batches, and lowers it. And each further trial is another pass.
#
# On *all* samples the search is sound, but then each trial costs a pass over all data. What is that worth? That
# is the last question.
#
# ## 10. A fixed budget
#
# Bottou and Bousquet split what is wrong with a trained model into three parts:
#
# | error | comes from | smaller with |
# |---|---|---|
# | approximation | the model cannot express the truth | a larger model |
# | estimation | $N$ samples, not the whole world | more data |
# | optimization | we stopped before the minimum of $L$ | more steps, better methods |
#
# With enough data and too little *time*, the third must not be made small at the cost of the second: rather see
# many samples roughly than few precisely. The slides put it as: stochastic methods "yield the best
# generalization performance despite being the worst optimization algorithms for minimizing the empirical risk".
#
# We test that. Five methods train the same network on the digits. Their currency is **samples processed**: a
# sample that goes through the network once, forward and back. Each trial of a line search costs $N$. Rates were
# chosen on a part of the training data that was held back, for a budget of 20 passes over the data; the line
# search and L-BFGS, a method of second order, need none. Ten seeds.

# %%
TITLES = {
    "sgd": "SGD, B = 1",
    "mini-batch": "mini-batch SGD, B = 32",
    "batch": "batch gradient descent",
    "line search": "with strong Wolfe search",
    "L-BFGS": "L-BFGS (second order)",
}
runs, tried = read_study("data/budget.csv"), read_study("data/rates.csv")
passes = np.unique(runs["passes"])
N = len(digits().x_train)
chosen = {method: float(where(runs, method=method)["lr"][0]) for method in TITLES}
for method in ("sgd", "mini-batch", "batch"):
    rates = np.unique(where(tried, method=method)["lr"])
    means = [where(tried, method=method, lr=lr)["validation_loss"].mean() for lr in rates]
    assert chosen[method] == rates[np.argmin(means)]


def median_and_quartiles(values):
    """Return the median of the seeds and the way down and up to the quartiles."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return middle, middle - low, high - middle


figure, axes = plt.subplots(1, 3, figsize=(10, 4.2), layout="constrained")
result = {}
for ax, column in zip(axes, ("train_loss", "test_loss", "test_accuracy"), strict=True):
    for index, (method, title) in enumerate(TITLES.items()):
        cells = [where(runs, method=method, passes=p)[column] for p in passes]
        scores = [median_and_quartiles(cell) for cell in cells]
        middle, down, up = np.transpose(scores) * (100 if column == "test_accuracy" else 1)
        result[method, column] = dict(zip(passes.tolist(), middle.tolist(), strict=True))
        look = line_style(index) | {"markersize": 5, "linewidth": 1.6}
        ax.errorbar(passes * N, middle, (down, up), **look, label=title)
    ax.set(xscale="log", xlabel="samples processed (log)")
    ax.set_xticks([2_000, 10_000, 50_000], ["2 000", "10 000", "50 000"])
    ax.xaxis.set_minor_formatter("")
axes[0].set(yscale="log", ylim=(1e-5, 5), ylabel="training loss (log)")
axes[1].set(yscale="log", ylim=(0.08, 5), ylabel="test loss (log)")
axes[2].set(ylim=(80, 99), ylabel="test accuracy, %")
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3)
plt.show()

rows = []
for method, title in TITLES.items():
    train, test, accuracy = (
        result[method, c] for c in ("train_loss", "test_loss", "test_accuracy")
    )
    rows.append(
        [
            title,
            *(f"{train[p]:.4f}" for p in (5, 50)),
            *(f"{test[p]:.2f}" for p in (5, 50)),
            *(f"{accuracy[p]:.1f}" for p in (5, 50)),
        ]
    )
print(f"Median of ten seeds, after 5 and after 50 passes ({5 * N} and {50 * N} samples):")
header = ["", "train loss: 5", "50", "test loss: 5", "50", "accuracy, %: 5", "50"]
print(text_table(header, rows))
STOCHASTIC, FULL = ("sgd", "mini-batch"), ("batch", "line search", "L-BFGS")
for few in (1, 2, 5, 10):
    for column, better in (("train_loss", min), ("test_loss", min), ("test_accuracy", max)):
        scores = {method: result[method, column][few] for method in TITLES}
        assert better(scores, key=scores.get) in STOCHASTIC, (few, column)
for many in (20, 50):
    assert result["L-BFGS", "train_loss"][many] < result["mini-batch", "train_loss"][many] / 10
assert result["L-BFGS", "test_loss"][50] > 5 * result["mini-batch", "test_loss"][50]
assert result["line search", "test_loss"][50] < result["mini-batch", "test_loss"][50]

# %% [markdown]
# (Medians with quartiles, because the mean test loss is unfair here: some pixels are black in nearly all
# training pictures, so that standardising turns a grey one in a test picture into hundreds of standard
# deviations. One such picture decides the mean.)
#
# The seeds share their split and first weights, so accuracies can be compared seed by seed:

# %%
rows, lead = [], {}
for method in FULL:
    row = [TITLES[method]]
    for p in passes[1:]:
        pair = [where(runs, method=m, passes=p) for m in ("mini-batch", method)]
        assert np.array_equal(pair[0]["seed"], pair[1]["seed"])
        gap = 100 * (pair[0]["test_accuracy"] - pair[1]["test_accuracy"])
        lead[method, int(p)] = mean_and_error(gap)
        row.append("{:+.1f} ± {:.1f}".format(*lead[method, int(p)]))
    rows.append(row)
print("Lead of mini-batch SGD in test accuracy, percentage points, by passes over the data:")
print(text_table(["over", *(str(p) for p in passes[1:])], rows))
assert all(mean > 2 * error for mean, error in lead.values())

# %% [markdown]
# What came out, and what did not:
#
# - **On a fixed budget the stochastic methods test best**: their accuracy leads at every budget, by tens of
#   percentage points at two passes, by less than one at fifty. That agrees with the slides.
# - **"Despite being the worst optimizers" is not what we see on a small budget.** Up to ten passes they are
#   also the best at the *training* loss. After one pass SGD has made 1438 steps; the full-batch methods one, or
#   none.
# - **On a large budget it is.** From twenty passes on, L-BFGS has a training loss more than ten times lower.
#   Its test loss is then *rising*: it has become very sure, also where it is wrong. That is the overfitting the
#   slides speak of. Its accuracy is hardly hurt.
# - **The line search is no such sinner.** At fifty passes it has the lowest test loss of all. It is only slow
#   to come there.
# - Our $N$ is small, 1438. The argument of Bottou and Bousquet is about $N$ so large that you cannot see all
#   samples twice; look at the left ends of the curves.
#
# > **The sources differ.** The slides date the result to 2011; it is from 2007 (the book chapter is from 2011).
# > And it compares how the bounds of the three errors *scale* with the time. It does not say that SGD wins at
# > any budget on any data.
#
# ### One seed, live
#
# The table came from a file. Here is seed 0 again, three methods, computed now.

# %%
rows = []
data = digits(seed=0)
for method, few in (
    ("mini-batch", (1, 2, 5)),
    ("line search", (1, 2, 5, 10)),
    ("L-BFGS", (1, 2, 5)),
):
    seen = experiments.run(method, chosen[method], data, 0, few)
    for p, (train, _, accuracy) in zip(few, seen, strict=True):
        stored = where(runs, method=method, seed=0, passes=p)
        np.testing.assert_allclose(train, stored["train_loss"][0], rtol=0.1)
        np.testing.assert_allclose(accuracy, stored["test_accuracy"][0], atol=0.02)
    rows.append([TITLES[method], *(f"{scores[0]:.1f}" for scores in seen[:3]), "agrees"])
print("Training loss, seed 0:")
print(text_table(["", "1 pass", "2", "5", "with the file"], rows))

# %% [markdown]
# ## What to take with you
#
# - Along a direction of curvature $λ$ each step multiplies by $1 - γλ$. The limit is $2/λ_\text{max}$; the time
#   goes with $κ$.
# - A random batch is right on average. Its variance is $σ^2/B$, or $\frac{N-B}{N-1}σ^2/B$ without replacement.
# - With a mean over the batch, $γ$ does not depend on how many samples there are. What hovers above the minimum
#   goes with $γ/B$.
# - Shuffle.
# - A line search always succeeds on a smooth function that is bounded from below. It needs the same function
#   twice, and a mini-batch is never the same.
# - Early on, many rough steps beat few precise ones.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("02_gradient_descent")

# %% [markdown]
# ## Further reading
#
# - Cauchy, *Méthode générale pour la résolution des systèmes d'équations simultanées*, 1847. The first gradient
#   descent.
# - Robbins, Monro, *A Stochastic Approximation Method*, 1951:
#   [doi:10.1214/aoms/1177729586](https://doi.org/10.1214/aoms/1177729586). The first stochastic one.
# - Armijo, *Minimization of functions having Lipschitz continuous first partial derivatives*, 1966:
#   [doi:10.2140/pjm.1966.16.1](https://doi.org/10.2140/pjm.1966.16.1). Backtracking.
# - Wolfe, *Convergence Conditions for Ascent Methods*, 1969:
#   [doi:10.1137/1011036](https://doi.org/10.1137/1011036).
# - Nocedal, Wright, *Numerical Optimization*, 2nd edition, 2006:
#   [doi:10.1007/978-0-387-40065-5](https://doi.org/10.1007/978-0-387-40065-5). Chapter 3: line searches and
#   Zoutendijk's theorem.
# - Bottou, Bousquet, *The Tradeoffs of Large Scale Learning*, 2007:
#   [papers.nips.cc](https://papers.nips.cc/paper/2007/hash/0d3180d672e08b4c5312dcdafdf6ef36-Abstract.html).
#   Section 10.
# - Bottou, Curtis, Nocedal, *Optimization Methods for Large-Scale Machine Learning*, 2018:
#   [doi:10.1137/16M1080173](https://doi.org/10.1137/16M1080173). All of this unit, with proofs.
# - Goyal et al., *Accurate, Large Minibatch SGD*, 2017: [arXiv:1706.02677](https://arxiv.org/abs/1706.02677).
#   The rate in proportion to the batch.
# - Mandt, Hoffman, Blei, *Stochastic Gradient Descent as Approximate Bayesian Inference*, 2017:
#   [arXiv:1704.04289](https://arxiv.org/abs/1704.04289). How high SGD hovers.
# - Gürbüzbalaban, Ozdaglar, Parrilo, *Why random reshuffling beats stochastic gradient descent*, 2021:
#   [doi:10.1007/s10107-019-01440-w](https://doi.org/10.1007/s10107-019-01440-w). Section 5.
