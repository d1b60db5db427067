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
# # Residual networks: layers that add
#
# **Goal.** You will be able to write a residual block and its backward pass, derive the gradient of a whole stack
# with its direct term, say what that term promises and what it does not, and choose a scale or a normalization that
# keeps a deep stack in bounds.
#
# **Before you start** you need the backward pass of a dense layer (unit 01), the product of Jacobians (unit 05) and
# the variance of a dense layer at random weights (unit 07).
#
# **Time.** About two hours with the live figures. To start, choose *Run*, *Run All Cells* in the menu above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $z_0, ..., z_L$ | activations at the levels of a stack of $L$ blocks, one sample a row | `levels` |
# | $F_k(z; θ_k)$ | branch $k$, with parameters $θ_k$; it leads from level $k$ to level $k+1$ | `branch` |
# | $J_k$ | its Jacobian at $z_k$, entries $∂F_{k,i}/∂z_{k,j}$ | `jacobians` |
# | $g_k$ | $∂\mathcal{L}/∂z_k$, a column | `grad` |
# | $s$ | what a branch is multiplied by before it is added | `scale` |
# | $v_k$, $c$ | mean square at level $k$; what of it passes a branch, its gain | `values` |
#
# Where the lecture notes that this course grew out of err or disagree, a note headed **The sources differ** says
# so and shows it. Here: **the Murphy notes** are a summary of section 13.4 of Murphy's *Probabilistic Machine
# Learning*, and **the second slides** are *Training Neural Networks* of a machine learning engineering course
# (CAI 4104/6108, 2024).

# %%
import matplotlib.pyplot as plt
import numpy as np

from course import optimizers
from course.activations import sigmoid, tanh
from course.data import digits
from course.diagnostics import check_gradient, layer_norms, numerical_gradient
from course.initializers import xavier_normal
from course.layers import Linear, ReLU, Residual, Sequential
from course.losses import cross_entropy_grad
from course.optimizers import Optimizer
from course.studies import mean_and_error, read_study, where
from course.tables import text_table
from course.training import train
from course.widgets.residual_networks import (
    RECIPES,
    deep_network,
    path_explorer,
    path_terms,
    play_stack,
    predicted_mean_squares,
    signal_explorer,
    variance_explorer,
)
from course.widgets.style import COLORS, line_style, use_style

use_style()


def with_error(pair, digits=3):
    """Write a mean and its standard error."""
    mean, error = (round(float(value), digits) + 0.0 for value in pair)  # + 0.0: no "-0.0"
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


# %% [markdown]
# ## 1. Deeper should not be worse
#
# Take a network that works. Put one more layer into it. The larger network can do all that the smaller one can: it
# need only let the new layer be the identity, $F(z) = z$. So its training loss should not be higher.
#
# It is. Here are plain ReLU networks with He's weights on the digits, each depth at its own best rate (chosen on
# data held back; `experiments.py` beside this notebook wrote the table). The loss on the *training* part rises, so this
# is no overfitting: the deep networks cannot even be fitted.

# %%
depths = read_study("data/depths.csv")
LAYERS = (4, 8, 16, 32, 64)
rows = []
for layers in LAYERS:
    runs = where(depths, kind="plain", layers=layers)
    accuracy = mean_and_error(runs["test_accuracy"])
    loss = np.median(runs["train_loss"])
    rows.append([layers, runs["lr"][0], f"{loss:.3f}", with_error(accuracy)])
print(f"Plain networks, {len(runs)} seeds, mean and standard error:")
print(text_table(["layers", "rate", "training loss, median", "test accuracy"], rows))
medians = [float(row[2]) for row in rows]
assert medians[0] < medians[2] < medians[4]
assert medians[0] < 0.01
assert medians[4] > 1

# %% [markdown]
# For a dense layer the identity is one point among all weight matrices, and nothing pulls towards it. The
# idea of a residual network is to make "change nothing" the easy answer. Let the layer say only what shall be
# *added*:
#
# $$y = x + F(x) .$$
#
# With $F = 0$ the block is the identity. The branch $F$ is a small network of its own, here linear, ReLU, linear.
# The $x$ that goes around it is the **skip connection** or direct path. It has no parameters.

# %%
rng = np.random.default_rng(0)
branch = (Linear(5, 7, rng), ReLU(), Linear(7, 5, rng))
block, plain = Residual(*branch), Sequential(*branch)
x = rng.normal(size=(4, 5))
np.testing.assert_allclose(block.forward(x), x + plain.forward(x))
assert len(block.params) == len(plain.params)

branch[2].params[0][:] = 0.0
np.testing.assert_array_equal(block.forward(x), x)
print("with the last weights at 0 the block is the identity:", np.allclose(block.forward(x), x))
print("and the plain pair of layers forgets its input:      ", np.allclose(plain.forward(x), 0))

# %% [markdown]
# ## 2. One block, backward
#
# $x$ reaches $y$ on two paths, so its gradient is a sum of two. Move entry $j$ of $x$ a little. Entry $i$ of $y$
# moves by $[i = j] + ∂F_i/∂x_j$. Collect over all $i$:
#
# $$\frac{∂\mathcal L}{∂x_j} = \sum_i \frac{∂\mathcal L}{∂y_i}\left([i = j] + \frac{∂F_i}{∂x_j}\right)
# \quad\text{or}\quad
# g_x = (I + J)^T g_y = \underbrace{g_y}_{\text{direct}} + \underbrace{J^T g_y}_{\text{through the branch}} .$$
#
# The parameters of the branch lie on the second path only. They get what they would get without the skip, for the
# *same* $g_y$. In code, a backward pass through a block is the branch's backward pass, and one addition.

# %%
branch[2].params[0][:] = rng.normal(size=(7, 5))
arriving = rng.normal(size=(4, 5))


def loss(x):
    return float(np.sum(block.forward(x) * arriving))


def loss_grad(x):
    block.forward(x)
    return block.backward(arriving)


seen = check_gradient(loss, loss_grad, x, tolerance=1e-6)
through_branch = loss_grad(x) - arriving
plain.forward(x)
np.testing.assert_allclose(through_branch, plain.backward(arriving))
print("agrees with central differences:", seen.passed)
assert seen.passed

# %% [markdown]
# ## 3. A stack, forward
#
# Now $L$ blocks: $z_{k+1} = z_k + F_k(z_k; θ_k)$. Write them below each other, from level $l$ to level $L - 1$, and
# add all lines. What stands on both sides cancels:
#
# $$z_L = z_l + \sum_{k=l}^{L-1} F_k(z_k; θ_k) .$$
#
# A plain network *replaces* its signal at each layer; this one keeps it and collects additions. Two things to see:
#
# - The sum starts at $k = l$: block $l$ is the first that $z_l$ meets. It ends at $L - 1$.
# - It is not a sum of independent things. Each $F_k$ sees $z_k$, in which all lower branches are contained.
#
# ## 4. A stack, backward
#
# Take the single block once more, $g_k = g_{k+1} + J_k^T g_{k+1}$, and add these lines from the output down to
# level $l$. Again what stands on both sides cancels:
#
# $$g_l = \underbrace{g_L}_{\text{direct term}} + \underbrace{\sum_{k=l}^{L-1} J_k^T\, g_{k+1}}_{\text{the rest}} .$$
#
# The direct term is the gradient at the output, whole and unchanged, **however many blocks lie between**. In a
# plain network the same gradient is $J_l^T J_{l+1}^T \cdots J_{L-1}^T g_L$: nothing of $g_L$ gets through but what
# passes every single matrix.
#
# And the parameters? $θ_l$ acts on nothing but the branch $F_l$, whose output goes into $z_{l+1}$. So it is
# $g_{l+1}$ that it sees, not $g_l$:
#
# $$\frac{∂\mathcal L}{∂θ_l} = \left(\frac{∂F_l}{∂θ_l}\right)^T g_{l+1}
# = \left(\frac{∂F_l}{∂θ_l}\right)^T \Big( g_L + \sum_{k=l+1}^{L-1} J_k^T\, g_{k+1} \Big).$$
#
# > **The sources differ.** The Murphy notes write (with $F_k$ as here)
# >
# > $$\frac{∂\mathcal L}{∂θ_l} = \frac{∂z_l}{∂θ_l}\frac{∂\mathcal L}{∂z_l}$$
# >
# > $$= \frac{∂z_L}{∂θ_l}\frac{∂\mathcal L}{∂z_L}\frac{∂z_L}{∂z_l}$$
# >
# > $$= \frac{∂z_L}{∂θ_l}\frac{∂\mathcal L}{∂z_L}\Big(1 + \sum_{k=1}^{L-1}\frac{∂}{∂z_l}F_k(z_k, θ_k)$$
# >
# > $$= \frac{∂z_L}{∂θ_l}\frac{∂\mathcal L}{∂z_L} + \text{other terms}.$$
# >
# > Four things are wrong. (1) A bracket never closes. (2) By their own indexing $z_l$ does not depend on $θ_l$ at
# > all: the first line is 0. (3) $∂z_L/∂θ_l$ is already the whole way from $θ_l$ to the output, so multiplying by
# > $∂z_L/∂z_l$ counts that way twice, and what stands before "other terms" is no direct term but the whole gradient.
# > (4) The sum must start at $k = l$: below it nothing depends on $z_l$. Besides, with columns the Jacobians stand
# > transposed.
#
# The smallest example says who is right: one number a level, $F_k(z; θ_k) = \tanh(θ_k z)$, five blocks from $z_1$
# to $z_6$, the loss $\tfrac12 z_6^2$, and the parameter $θ_3$.

# %%
THETA, FIRST, LAST, LEVEL = np.array([0.9, -0.6, 0.8, 1.1, 0.7]), 1, 6, 3


def climb(theta):
    """Return z_1, ..., z_6, with a nothing in front so that levels[k] is z_k."""
    levels = [None, 0.4]
    for k in range(FIRST, LAST):
        levels.append(levels[k] + np.tanh(theta[k - 1] * levels[k]))
    return levels


levels = climb(THETA)
slope = {k: 1 - np.tanh(THETA[k - 1] * levels[k]) ** 2 for k in range(FIRST, LAST)}
J = {k: slope[k] * THETA[k - 1] for k in slope}  # ∂F_k/∂z_k
g = {LAST: levels[LAST]}  # the loss is z_6²/2
for k in range(LAST - 1, FIRST - 1, -1):
    g[k] = g[k + 1] + J[k] * g[k + 1]

own = slope[LEVEL] * levels[LEVEL]  # ∂F_3/∂θ_3
rest = sum(J[k] * g[k + 1] for k in range(LEVEL + 1, LAST))
derived = own * (g[LAST] + rest)
to_the_top = {k: np.prod([1 + J[m] for m in range(k, LAST)]) for k in (LEVEL, LEVEL + 1)}
whole_way = own * to_the_top[LEVEL + 1]  # ∂z_6/∂θ_3
measured = numerical_gradient(lambda theta: 0.5 * climb(theta)[LAST] ** 2, THETA)[LEVEL - 1]

rows = [
    ["central differences", f"{measured:.4f}"],
    ["∂F_3/∂θ_3 · (g_6 + rest), derived above", f"{derived:.4f}"],
    ["   of this the direct term, ∂F_3/∂θ_3 · g_6", f"{own * g[LAST]:.4f}"],
    ["Murphy notes, first line: ∂z_3/∂θ_3 = 0", f"{0.0:.4f}"],
    [
        "their third line, the bracket closed, k from 3",
        f"{whole_way * g[LAST] * to_the_top[3]:.4f}",
    ],
    ["their 'direct term', ∂z_6/∂θ_3 · g_6", f"{whole_way * g[LAST]:.4f}"],
]
print(text_table(["∂L/∂θ_3", "value"], rows))
np.testing.assert_allclose(derived, measured, rtol=1e-8)
np.testing.assert_allclose(whole_way * g[LAST], measured, rtol=1e-8)
np.testing.assert_allclose(whole_way * g[LAST] * to_the_top[3] / measured, to_the_top[3])
assert to_the_top[3] > 2

# %% [markdown]
# The third line is wrong by exactly the factor $∂z_6/∂z_3$. Their last sentence, that the gradient at layer $l$
# depends directly on that at layer $L$, independently of the depth, is right, once the term is the right one.
#
# With one number a level nobody sees a transposed matrix. Three numbers a level do: the Murphy notes write $J g$ for the
# way back, and it has to be $J^T g$.

# %%
rng = np.random.default_rng(4)
weights, start = rng.normal(size=(4, 3, 3)), rng.normal(size=3)


def top(z):
    for w in weights:
        z = z + np.tanh(w @ z)
    return z


measured = numerical_gradient(lambda z: 0.5 * np.sum(top(z) ** 2), start)
z, jacobians = start, []
for w in weights:
    jacobians.append((1 - np.tanh(w @ z) ** 2)[:, None] * w)
    z = z + np.tanh(w @ z)
right = wrong = z
for jacobian in reversed(jacobians):
    right = right + jacobian.T @ right
    wrong = wrong + jacobian @ wrong
rows = [
    [name, *(f"{value:.3f}" for value in gradient)]
    for name, gradient in (("central differences", measured), ("Jᵀg", right), ("Jg", wrong))
]
print(text_table(["gradient at level 0", "1", "2", "3"], rows))
np.testing.assert_allclose(right, measured, rtol=1e-6, atol=1e-8)
assert np.linalg.norm(wrong - measured) > 0.5 * np.linalg.norm(measured)

# %% [markdown]
# ## 5. The rest: all paths through the stack
#
# Unroll the recursion instead of adding it up. $g_0 = (I + J_0)^T (I + J_1)^T \cdots (I + J_{L-1})^T g_L$. Multiply
# the brackets out: from each one take either $I$, past the branch, or $J_k^T$, through it. That gives $2^L$ terms,
# one for each path through the stack:
#
# $$g_0 = g_L + \sum_k J_k^T g_L + \sum_{k < m} J_k^T J_m^T g_L + \dots$$
#
# The direct term is one path of $2^L$. How large are the others together? Let each branch keep the length of an
# average vector, times $s$. A path through $m$ branches then has the length $s^m$ (times that of $g_L$), and there
# are $\binom Lm$ of them. At random weights they point in unrelated directions, so their *squares* add up:
#
# $$\Big\| \text{paths through } m \text{ branches} \Big\|^2 \approx \binom Lm s^{2m}, \qquad
# \|g_0\|^2 \approx \sum_m \binom Lm s^{2m} = (1 + s^2)^L .$$

# %%
rows = []
for blocks in (2, 4, 8, 16, 32):
    runs = [path_terms(blocks, 1.0, seed) for seed in range(20)]
    direct = np.array([np.linalg.norm(parts[0]) for parts in runs])
    rest = np.array([np.linalg.norm(parts[1:].sum(axis=0)) for parts in runs])
    law = 2.0**blocks - 1
    share = mean_and_error(rest**2 / law)
    rows.append([blocks, f"{direct.mean():.3f}", f"{law:,.0f}", with_error(share, 2)])
    np.testing.assert_allclose(direct, 1.0)
    assert abs(share[0] - 1) < 4 * share[1] + 0.05
header = ["blocks L", "‖direct‖²", "predicted ‖rest‖², 2^L − 1", "measured / predicted, 20 draws"]
print(text_table(header, rows))

# %% [markdown]
# The direct term does not know the depth. The rest does: unscaled, its square doubles with every block. So the
# direct term is a *floor*, and no ceiling: it speaks against vanishing and says nothing against exploding.
#
# ### See it
#
# Left: the gradient at level 0, sorted by the number of branches it has passed; dashed what counting paths
# predicts. Right: the direct term and the rest, for every depth.
#
# 1. $s = 1$: press play and watch the hill. Which paths carry most? How long are they, as a share of $L$?
# 2. Lower $s$. Where does the hill go? $\binom Lm s^{2m}$ is highest near $m = L\,s^2/(1 + s^2)$: check it.
# 3. For 64 blocks find the $s$ at which the rest is as long as the direct term. Compare with $1/\sqrt{64}$.

# %%
path_explorer()

# %% [markdown]
# ## 6. Gradients, layer by layer
#
# Now real layers and the digits. `deep_network` stacks pairs of hidden layers (activation, linear, activation,
# linear). With the same draws of the same weights it builds a plain network or a residual one; the only difference
# is the addition. Sigmoid and tanh start with Xavier's weights, ReLU with He's. Look at the norm of the gradient at
# each level.

# %%
data = digits()
x, y = data.x_train[:128], data.y_train[:128]
XAVIER = {"initializer": xavier_normal}
CASES = {
    "sigmoid, plain": {"skip": False, "activation": sigmoid} | XAVIER,
    "sigmoid, residual": {"activation": sigmoid} | XAVIER,
    "tanh, plain": {"skip": False, "activation": tanh} | XAVIER,
    "tanh, residual": {"activation": tanh} | XAVIER,
    "ReLU, plain": {"skip": False},
    "ReLU, residual": {},
    "ReLU, residual, scaled": {"scaled": True},
}


def gradient_norms(layers, seed, **how):
    """Return the norm of ∂L/∂z at each level of a network at its start."""
    if how.pop("scaled", False):
        how["scale"] = (layers / 2) ** -0.5
    network = deep_network(layers, np.random.default_rng(seed), **how)
    with np.errstate(over="ignore"):
        seen = layer_norms(network, x, lambda logits: cross_entropy_grad(logits, y))
    return seen.gradients[: layers // 2 + 1]


measured = {}
for name, how in CASES.items():
    for layers in LAYERS:
        runs = [gradient_norms(layers, seed, **how) for seed in range(5)]
        measured[name, layers] = np.exp(np.mean(np.log(runs), axis=0))  # geometric mean
figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
for index, name in enumerate(CASES):
    norms = measured[name, 64]
    style = line_style(index) | {"markevery": 4}
    axes.plot(2 * np.arange(len(norms)), norms / norms[-1], **style, label=name)
axes.set(
    yscale="log",
    ylim=(1e-20, 1e8),
    xlabel="level, in layers",
    ylabel="gradient / last level's (log)",
)
axes.set_title("64 hidden layers, at the start, mean of 5 draws")
figure.legend(loc="outside right upper", handlelength=3.4)
plt.show()
rows = [
    [name, *(f"{measured[name, n][0] / measured[name, n][-1]:.1e}" for n in LAYERS)]
    for name in CASES
]
print("Gradient at the first level / at the last:")
print(text_table(["layers", *map(str, LAYERS)], rows))
ratio = {key: norms[0] / norms[-1] for key, norms in measured.items()}
assert ratio["sigmoid, plain", 64] < 1e-30
assert 0.5 < ratio["sigmoid, residual", 64] < 2
assert ratio["ReLU, plain", 64] > 0.01
assert ratio["ReLU, residual", 64] > 1e3
assert max(ratio["ReLU, residual, scaled", n] for n in LAYERS) < 3

# %% [markdown]
# Read the table line by line.
#
# - **Sigmoid.** The plain network loses its gradient: its slope is at most ¼, so every layer takes a factor. With
#   skips the gradient arrives.
# - **tanh.** With Xavier's weights the plain network loses some and the residual one gains some. Both could be trained.
# - **ReLU.** With He's weights the gradient of the *plain* network does not vanish, even through 64 layers. The
#   residual one *explodes*, by about $\sqrt2$ a block, as section 5 predicts. Scaled by $1/\sqrt L$ it stays put.
#
# How much of what arrives is the direct term? In a network we can take it apart: the gradient at the first level, less
# that at the last, is the rest.

# %%
RESIDUAL = ("sigmoid, residual", "tanh, residual", "ReLU, residual", "ReLU, residual, scaled")


def rest_by_direct(layers, seed, **how):
    """Return ‖g_0 − g_L‖ / ‖g_L‖ of a residual network at its start."""
    if how.pop("scaled", False):
        how["scale"] = (layers / 2) ** -0.5
    network = deep_network(layers, np.random.default_rng(seed), **how)
    grads = [cross_entropy_grad(network.forward(x), y)]
    for layer in reversed(network.layers):
        grads.append(layer.backward(grads[-1]))
    first, last = grads[-2], grads[-2 - layers // 2]  # at the levels 0 and L
    return np.linalg.norm(first - last) / np.linalg.norm(last)


rows, rests = [], {}
for name in RESIDUAL:
    for layers in LAYERS:
        runs = [rest_by_direct(layers, seed, **CASES[name]) for seed in range(5)]
        rests[name, layers] = np.exp(np.mean(np.log(runs)))
    rows.append([name, *(f"{float(f'{rests[name, n]:.2g}'):,g}" for n in LAYERS)])
print("Length of the rest, that of the direct term being 1:")
print(text_table(["layers", *map(str, LAYERS)], rows))
assert rests["sigmoid, residual", 64] < 0.5
assert max(rests["ReLU, residual, scaled", n] for n in LAYERS) < 3
assert rests["ReLU, residual", 64] > 1e3

# %% [markdown]
# The direct term is 1 in every cell of the table, by its definition. The rest is small behind sigmoids, comparable
# where the branches are scaled, and drowns the direct term where they are not.
#
# So "a skip connection cures the vanishing gradient" is true where the gradient vanishes. With a good start the
# gradient's *size* is no longer the trouble of a deep plain network. Something else is.
#
# ### All inputs become alike
#
# Take two different digits and the cosine between their activations at a level: 1 means that the network sees the
# same thing, up to the length. Each ReLU layer brings vectors closer (negative entries, in which they may differ, are
# cut off), and after many layers nothing is left by which to tell digits apart. A skip connection hands the
# difference on.

# %%
rows = []
alike = {}
STACKS = {"plain": (0.0, False), "z + F(z)": (1.0, False), "z + F(z)/√L": (1.0, True)}
for name, (shortcut, is_scaled) in STACKS.items():
    for layers in LAYERS:
        blocks = layers // 2
        scale = blocks**-0.5 if is_scaled else 1.0
        runs = [play_stack(blocks, seed, shortcut=shortcut, scale=scale) for seed in range(10)]
        alike[name, layers] = mean_and_error([run.alike[-1] for run in runs])
    rows.append([name, *(with_error(alike[name, n], 2) for n in LAYERS)])
print("Mean cosine between two digits after so many ReLU layers (at the start it is 0.01):")
print(text_table(["", *map(str, LAYERS)], rows))
assert alike["plain", 64][0] > 0.98
assert alike["z + F(z)", 64][0] > 0.95
assert alike["z + F(z)/√L", 64][0] < 0.5

# %% [markdown]
# A surprise, and not in the sources: the *unscaled* residual stack ends nearly as blind as the plain one. Each of its
# blocks adds as much as all blocks before it together, so what came in at the bottom soon drowns. The scale matters as
# much as the skip.
#
# ### See it
#
# The same weights with and without skips: sizes on the way up, gradients on the way down.
#
# 1. *sigmoid*: raise the layers. How long is the plain gradient at 64? And with skips?
# 2. *ReLU*, 64 layers: move the scale $s$ down from 1. Where does the residual gradient meet the direct term?
# 3. *tanh*, weights × 1.6: in both networks the gradient explodes. Why does the signal not, on the way up?
# 4. $s = 0$: what is the network now?

# %%
signal_explorer()

# %% [markdown]
# ## 7. The variance doubles at each block
#
# Forward the same thing happens. The mean square of $z_{k+1} = z_k + F_k(z_k)$ is
#
# $$v_{k+1} = E[z_k^2] + 2\,E[z_k F_k] + E[F_k^2] = v_k + 0 + c\,v_k = (1 + c)\,v_k .$$
#
# The middle term vanishes because the last weights of the branch have mean 0 and know nothing of $z_k$. The gain $c$:
# a ReLU halves the mean square of a symmetric signal, He's weights double it again; two such layers keep it. So
# **$c = 1$ and $v_L = 2^L v_0$**. He's initialization was made for plain networks: each branch is well-behaved,
# and their sum is not.

# %%
BLOCKS, DRAWS = 16, range(40)
seen = [play_stack(BLOCKS, seed) for seed in DRAWS]
growth = [(run.values[-1] / run.values[0]) ** (1 / BLOCKS) for run in seen]
mean, error = mean_and_error(growth)
print(f"growth of the mean square by block, {len(DRAWS)} draws: {with_error((mean, error), 2)}")
assert abs(mean - 2) < 3 * error + 0.02

# %% [markdown]
# What to do about it? Four common answers, and what each does to the two things we want: a bounded signal, and a
# direct path that stays free.
#
# - **Scale the branch**, $z + s\,F(z)$: $v_L = (1 + s^2c)^L v_0$. With $s = 1/\sqrt L$ that is below $e^c$ for every
#   depth. Starting each branch's last weights at $s$ times their size, or at 0, does the same at the start of the
#   training.
# - **Scale the sum**, $(z + F(z))/\sqrt2$: $v$ stays. But the direct path is scaled, too, and shrinks by $\sqrt2$ a
#   block.
# - **Normalize in the branch**, $z + F(\text{norm}\,z)$: whatever $v_k$ is, the branch adds $c$. So $v_L = v_0 + cL$,
#   linear instead of exponential. Block $k$ makes up about the share $1/k$: deep blocks change less and less.
# - **Normalize the sum**, $\text{norm}(z + F(z))$: $v$ stays, by force. Backward the norm divides by what it has
#   divided by: again the direct path shrinks.

# %%
rows, ends = [], {}
for key, recipe in RECIPES.items():
    numbers = {
        "shortcut": recipe.shortcut(BLOCKS),
        "scale": recipe.scale(BLOCKS),
        "norm": recipe.norm,
    }
    runs = [play_stack(BLOCKS, seed, **numbers) for seed in DRAWS]
    values, gradients = (
        mean_and_error(
            [np.log2(getattr(run, what)[end] / getattr(run, what)[-1 - end]) for run in runs]
        )
        for what, end in (("values", -1), ("gradients", 0))
    )
    predicted = predicted_mean_squares(BLOCKS, gain=1.0, **numbers)[-1]
    direct = np.mean([run.direct[0] for run in runs])
    ends[key] = values[0], gradients[0], direct
    rows.append(
        [
            recipe.title,
            with_error(values, 1),
            f"{np.log2(predicted):.1f}",
            with_error(gradients, 1),
            f"{np.log2(direct):.1f}" if direct > 0 else "nothing",
        ]
    )
    assert abs(values[0] - np.log2(predicted)) < 4 * values[1] + 0.5
print(f"{BLOCKS} blocks; powers of 2 by which mean squares grow: 1.0 is a doubling")
header = ["block", "signal", "predicted", "gradient, in all", "its direct path"]
print(text_table(header, rows))
np.testing.assert_allclose(ends["half"][2], 2.0**-BLOCKS)
assert ends["post"][2] < 2.0 ** (-BLOCKS + 4)
assert ends["unscaled"][2] == ends["branch"][2] == ends["pre"][2] == 1.0

# %% [markdown]
# The unscaled stack doubles both, forward and backward, as derived. The last row lies below its prediction: that is
# one for the *mean* over draws, and in a product of many random factors the typical draw lies below the mean.
#
# Only the first and the third answer keep both. That is why today's networks normalize *inside* the branch (the
# second ResNet paper, and most transformers), often with a scale as well.
#
# ### See it
#
# 1. *z + F(z)*: find, by moving *weights ×*, the size at which the mean square grows by a factor of 1.2 a block only.
# 2. *(z + F(z))/√2*, 48 blocks: what arrives at level 0 on the direct path? And in all: where does the rest come from?
# 3. *z + F(norm z)*: why is the curve bent on a logarithmic axis? What do larger weights change?
# 4. *F(z), no skip*: change the *draw*. Why do its points scatter so much more about the prediction?

# %%
variance_explorer()

# %% [markdown]
# ## 8. Does it train?
#
# Now the test that counts. Digits, width 32, momentum 0.9, 16 epochs; 4 to 64 hidden layers. Three kinds with the same
# number of parameters: *plain*, *z + F(z)*, and *z + F(z)* whose branches' last weights start $1/\sqrt L$ times as
# large. Each kind and depth has its own rate, chosen on data held back (with two seeds, from 0.003 to 0.1; unscaled
# also 0.0003 and 0.001), and then six new seeds.

# %%
KINDS = {"plain": "plain", "unscaled": "z + F(z)", "scaled": "z + F(z), scaled start"}
figure, axes = plt.subplots(figsize=(8.4, 3.8), layout="constrained")
rows, accuracy = [], {}
for index, (kind, title) in enumerate(KINDS.items()):
    for layers in LAYERS:
        runs = where(depths, kind=kind, layers=layers)
        accuracy[kind, layers] = mean_and_error(runs["test_accuracy"])
    means, errors = np.transpose([accuracy[kind, n] for n in LAYERS])
    axes.errorbar(LAYERS, means, errors, **line_style(index), capsize=4, label=title)
    rows.append([title, *(with_error(accuracy[kind, n]) for n in LAYERS)])
axes.axhline(0.1, color=COLORS[6], linestyle=":", linewidth=1, label="guessing")
axes.set(xscale="log", ylim=(0, 1.05), xlabel="hidden layers (log)", ylabel="test accuracy")
axes.set_xticks(LAYERS, map(str, LAYERS))
axes.minorticks_off()
figure.legend(loc="outside right upper", handlelength=3.4)
plt.show()
print("Test accuracy, mean and standard error of 6 seeds:")
print(text_table(["layers", *map(str, LAYERS)], rows))
assert accuracy["scaled", 64][0] > 0.93
assert accuracy["plain", 64][0] < 0.5
assert accuracy["scaled", 4][0] - accuracy["scaled", 64][0] < 0.04
assert accuracy["unscaled", 32][0] < 0.5
assert accuracy["unscaled", 64][0] < 0.15

# %% [markdown]
# With a scaled start 64 layers learn as well as 4, within a percent or so. Plain networks fall behind from 8 layers on
# and learn next to nothing from 32 on.
#
# And **skips alone do not help here**: *z + F(z)* is no better than plain from 8 layers on. It is no mystery.
# With 32 blocks the mean square has doubled 32 times before the first step; the first loss is in the tens of
# thousands, and every rate that was tried is too large. (At 32 layers the smallest one was chosen, 0.0003: a smaller
# one might end higher, in more epochs.) At 8 layers the chosen rate, 0.1, was too bold: two of the six seeds fail with
# it. That is what a large error bar says.
#
# > **The sources differ.** The Murphy notes say that a model with residual connections "is easier to train" because the
# > gradient can flow directly to earlier layers. In our study that is so with a scaled start, and not without one. The
# > famous networks do not contradict: they have batch norm in every branch, which section 7 showed to tame the sum.

# %% [markdown]
# One seed again, live: the same weights, 16 layers, with and without the scaled skips.

# %%
seen = {}
for kind, how in {"plain": {"skip": False}, "scaled": {"scale": 8**-0.5}}.items():
    stored = where(depths, kind=kind, layers=16, seed=0)
    rng = np.random.default_rng(0)
    network = deep_network(16, rng, **how)
    optimizer = Optimizer(optimizers.momentum, network.params, lr=float(stored["lr"][0]))
    seen[kind] = train(network, optimizer, data, epochs=16, batch_size=128, rng=rng)
    agrees = abs(seen[kind].test_accuracy[-1] - stored["test_accuracy"][0]) < 0.1
    print(f"{kind}: agrees with the file: {agrees}")
assert seen["scaled"].test_accuracy[-1] > seen["plain"].test_accuracy[-1]
figure, axes = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
for index, (kind, history) in enumerate(seen.items()):
    axes.plot(history.train_loss, **line_style(index) | {"markevery": 2}, label=KINDS[kind])
axes.set(yscale="log", xlabel="epoch", ylabel="training loss (log)", title="16 layers, seed 0")
axes.legend()
plt.show()

# %% [markdown]
# ## 9. One remedy among others
#
# The second slides list what helps against unstable gradients: initialization, non-saturating activations, batch
# normalization, clipping, skip connections. Try each alone on a network that has every trouble: 16 layers, sigmoid,
# narrow weights (variance $1/(3n)$, torch's default). Then put them together. Each line has its own rate.

# %%
remedies = read_study("data/remedies.csv")
NAMES = {
    "none": "nothing",
    "clipping": "clipping to norm 1",
    "initialization": "Xavier's initialization",
    "activation": "ReLU",
    "normalization": "batch norm",
    "skip": "skip connections",
    "activation+initialization": "ReLU and He",
    "activation+initialization+skip": "ReLU, He, skips with a scaled start",
    "activation+initialization+normalization": "ReLU, He, batch norm",
    "all": "ReLU, He, batch norm, skips, clipping",
}
rows, reached = [], {}
for key, name in NAMES.items():
    runs = where(remedies, remedy=key)
    reached[key] = mean_and_error(runs["test_accuracy"])
    loss = np.median(runs["train_loss"])
    rows.append([name, runs["lr"][0], f"{loss:.3f}", with_error(reached[key])])
print(f"16 layers, {len(runs)} seeds:")
print(text_table(["remedy", "rate", "training loss, median", "test accuracy"], rows))
for useless in ("none", "clipping", "initialization", "activation"):
    assert reached[useless][0] < 0.15, useless
assert reached["clipping"] == reached["none"]
assert 0.85 < reached["normalization"][0] < reached["skip"][0]
assert reached["skip"][0] > 0.94
assert abs(reached["skip"][0] - reached["all"][0]) < 0.03

# %% [markdown]
# - **Clipping** changes nothing, to the last digit: it shortens long gradients, and these are short. It is a remedy for
#   exploding ones only.
# - **Initialization alone** and **ReLU alone** change nothing either. Xavier's weights cannot undo the sigmoid's slope of
#   ¼; ReLU with weights of variance $1/(3n)$ keeps a sixth of the mean square a layer. *Together*, with He's weights,
#   they bring 80 %. An activation and its initialization belong together.
# - **Batch norm** alone makes even the sigmoid network learn.
# - **Skip connections** alone do it best of all single remedies: with sigmoid and narrow weights, as well as the whole
#   list together. No scale is needed there: such a branch gives little that depends on its input, so its gain is small.
#
# That is 16 layers, one width, one data set and 16 epochs. And section 8 is the other half: with ReLU and He's weights
# skips alone were worth nothing, and with the scale everything.
#
# > **The sources differ.** The second slides put "(CNNs)" behind skip connections; the Murphy notes say that they can
# > also be used in MLPs. Everything on this page is an MLP.
#
# ## What to take with you
#
# - A residual block adds: $z + F(z)$. Backward, $g_l = g_L + \sum_{k \ge l} J_k^T g_{k+1}$, and $θ_l$ sees $g_{l+1}$.
# - The direct term does not depend on the depth. The rest does, so a skip is a floor for the gradient, no ceiling.
# - Unscaled, with branches of gain 1, signal and gradient both double their mean square at each block.
# - Scale the branch (about $1/\sqrt L$, or start it at 0), or normalize inside it. Whatever touches the *sum*, a ReLU,
#   a factor or a norm, touches the direct path.
# - With a good start a plain ReLU network loses the differences between its inputs rather than the size of its gradient.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("09_residual_networks")

# %% [markdown]
# ## Further reading
#
# - He, Zhang, Ren, Sun, *Deep Residual Learning for Image Recognition*, 2015:
#   [arXiv:1512.03385](https://arxiv.org/abs/1512.03385). Deeper plain networks have a higher training loss; the block.
# - He, Zhang, Ren, Sun, *Identity Mappings in Deep Residual Networks*, 2016:
#   [arXiv:1603.05027](https://arxiv.org/abs/1603.05027). Keep the direct path free; the derivation of section 4.
# - Srivastava, Greff, Schmidhuber, *Highway Networks*, 2015:
#   [arXiv:1505.00387](https://arxiv.org/abs/1505.00387). Skips with a gate, some months earlier.
# - Veit, Wilber, Belongie, *Residual Networks Behave Like Ensembles of Relatively Shallow Networks*, 2016:
#   [arXiv:1605.06431](https://arxiv.org/abs/1605.06431). The paths of section 5, in trained networks.
# - Balduzzi et al., *The Shattered Gradients Problem*, 2017:
#   [arXiv:1702.08591](https://arxiv.org/abs/1702.08591). What else goes wrong in plain ReLU networks.
# - Zhang, Dauphin, Ma, *Fixup Initialization: Residual Learning Without Normalization*, 2019:
#   [arXiv:1901.09321](https://arxiv.org/abs/1901.09321). Scaled starts instead of batch norm.
# - De, Smith, *Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep Networks*, 2020:
#   [arXiv:2002.10444](https://arxiv.org/abs/2002.10444). Why normalizing inside the branch works: the share $1/k$.
# - Xiong et al., *On Layer Normalization in the Transformer Architecture*, 2020:
#   [arXiv:2002.04745](https://arxiv.org/abs/2002.04745). Before or after the sum.
# - Murphy, *Probabilistic Machine Learning: An Introduction*, 2022, section 13.4.4:
#   [probml.github.io/pml-book/book1.html](https://probml.github.io/pml-book/book1.html). The book behind the notes.
