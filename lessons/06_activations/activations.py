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
# # Activations: what a unit does with its sum
#
# **Goal.** You will be able to write every common activation with its derivative, so that no large number breaks
# it; say where each one saturates and where it is dead; derive SELU's two constants and say when they work; count
# dead ReLUs and bring them back; and choose an activation by measuring instead of by a ranking.
#
# **Before you start** you need backpropagation (unit 01): a gradient on its way back is multiplied by $f'$ at each
# layer. The softmax has its place there too. Momentum (unit 03) trains the networks here.
#
# **Time.** About two hours with the live figures. To start, choose *Run*, *Run All Cells* in the menu above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $x$, $z$ | a pre-activation: the weighted sum of a unit; $z$ where it is random | `x`, `z` |
# | $f$, $f'$ | an activation and its derivative | `relu`, `relu_grad` |
# | $σ$ | the sigmoid | `sigmoid` |
# | $φ$, $Φ$ | density and distribution function of the standard normal distribution | |
# | $α$, $β$, $λ$ | a slope or a depth on the left; a sharpness; SELU's scale | `negative_slope`, `alpha`, `beta` |
#
# This course grew out of lecture notes, which students copy from. Where they err or disagree, a note headed
# **The sources differ** says so and shows it. Three of them matter here: **the notes**, a summary called *Training
# Deep Neural Networks*; **the second slides**, *Training Neural Networks* of a machine learning engineering course;
# and **the Murphy notes**, a summary of section 13.4 of Murphy's *Probabilistic Machine Learning*.

# %%
import matplotlib.pyplot as plt
import numpy as np

from course import activations, initializers, optimizers
from course.data import digits
from course.diagnostics import check_gradient, dead_fraction
from course.layers import Linear, PReLU, RReLU, Sequential
from course.optimizers import Optimizer
from course.studies import mean_and_error, read_study, where
from course.tables import text_table
from course.training import train
from course.widgets.activations import (
    ACTIVATIONS,
    activation_explorer,
    dead_relu_explorer,
    dying_run,
    fixed_point_explorer,
    moments_of,
    network_after_large_rate,
    network_with,
    saturation_explorer,
    silent_share,
)
from course.widgets.style import COLORS, line_style, use_style

use_style()
data = digits(seed=0)

# %% [markdown]
# ## 1. Why bend at all?
#
# Two dense layers without anything between them are
#
# $$(xW_1 + b_1)W_2 + b_2 = x\,(W_1W_2) + (b_1W_2 + b_2),$$
#
# which is one dense layer. So are fifty. Depth begins with a function that is not a line. The identity
# $f(x) = x$, $f' = 1$, has its place at the output of a regression, not inside.

# %%
rng = np.random.default_rng(0)
stack = Sequential(*(Linear(64, 64, rng) for _ in range(5)))
product, shift = np.eye(64), np.zeros(64)
for layer in stack.layers:
    weights, bias = layer.params
    product, shift = product @ weights, shift @ weights + bias
np.testing.assert_allclose(stack.forward(data.x_test), data.x_test @ product + shift, atol=1e-8)
print("five dense layers = one dense layer, on all", len(data.x_test), "test images")

# %% [markdown]
# The first units that bent were steps. Heaviside's gives 0 or 1, the sign −1 or 1:
#
# $$H(x) = [x > 0], \qquad \operatorname{sign}(x) = [x > 0] - [x < 0], \qquad H' = \operatorname{sign}' = 0 .$$
#
# The brackets are 1 where the condition holds, else 0. The derivative is 0 wherever there is one, so nothing comes
# back through a step: the perceptron (unit 01) needed a rule of its own. At the jump the derivative is set to 0 too.
#
# > **The sources differ.** The second slides define heaviside(z) = 0 for z ≤ 0 and 1 "otherwise (z ≥ 1)". What is
# > H(½)? The bracket says nothing, "otherwise" says 1: the 1 in the bracket is a slip for 0. At 0 itself texts
# > choose 0, ½ or 1. Here $H(0) = 0$; then $H$ is exactly the derivative that frameworks use for ReLU.

# %%
x = np.array([-2.0, 0.0, 0.5, 1.0])
print(
    text_table(
        ["x", "H(x)", "sign(x)"], zip(x, activations.heaviside(x), activations.sign(x), strict=True)
    )
)
np.testing.assert_array_equal(activations.heaviside(x), [0, 0, 1, 1])
np.testing.assert_array_equal(activations.heaviside(x), activations.relu_grad(x))
assert not activations.heaviside_grad(x).any()

# %% [markdown]
# ## 2. All of them in one figure
#
# Left the value, right the derivative. The bars at the bottom say where the derivative is small (**flat**: the unit
# saturates) and where it is exactly 0 (**dead**). The line below the figure counts how many standard normal inputs
# fall there.
#
# 1. Go through the list once and watch the right side only. Who is flat on both sides, who on one, who on none?
# 2. *tanh* compared with *sigmoid*: by what factor do their slopes at 0 differ?
# 3. *ELU*: at which α does the derivative jump nowhere? Then *SELU*: does it jump?
# 4. *SiLU*, *GELU*, *Mish*: find a point where the derivative is 0, and one where it is negative.
# 5. *SiLU*: move β to both ends. Which two functions does it become?
# 6. *leaky ReLU*: let α pass 1. Which way does it bend now?

# %%
activation_explorer()

# %% [markdown]
# ## 3. Sigmoid and tanh
#
# $$σ(x) = \frac{1}{1 + e^{-x}} .$$
#
# **The derivative.** With $u = 1 + e^{-x}$ it is $1/u$, and $u' = -e^{-x}$:
#
# $$σ'(x) = -\frac{1}{u^2} \cdot (-e^{-x}) = \frac{1}{1 + e^{-x}} \cdot \frac{e^{-x}}{1 + e^{-x}} = σ(x)\,(1 - σ(x)) .$$
#
# A product of two numbers that add up to 1 is largest where both are ½. So $σ' ≤ ¼$, reached at $x = 0$.
#
# **Tanh** is a sigmoid, stretched and moved: multiply above and below by $e^{-x}$,
#
# $$\tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}} = \frac{1 - e^{-2x}}{1 + e^{-2x}} = 2σ(2x) - 1, \qquad
# \tanh'(x) = 4σ'(2x) = 1 - \tanh^2 x ≤ 1 .$$
#
# Both **saturate**: far from 0 they are flat. And the sigmoid loses even at its best point: ten layers multiply a
# gradient by at most $4^{-10} ≈ 10^{-6}$.

# %%
x = np.linspace(-8, 8, 1601)
s, t = activations.sigmoid(x), activations.tanh(x)
np.testing.assert_allclose(activations.sigmoid_grad(x), s * (1 - s), atol=1e-15)
np.testing.assert_allclose(t, 2 * activations.sigmoid(2 * x) - 1, atol=1e-15)
np.testing.assert_allclose(activations.tanh_grad(x), 1 - t**2, atol=1e-15)
rows = []
for name in ("sigmoid", "tanh", "relu"):
    slope = getattr(activations, f"{name}_grad")
    near, far = slope(np.array([1e-9]))[0], slope(np.array([5.0]))[0]
    rows.append(
        [ACTIVATIONS[name], f"{near:.2f}", f"{far:.4f}", f"{near**10:.0e}", f"{far**10:.0e}"]
    )
print("Derivatives, and what ten of them multiply to:")
print(text_table(["", "f'(0+)", "f'(5)", "ten at 0+", "ten at 5"], rows))
assert np.isclose(0.25**10, 9.5e-7, rtol=0.01)

# %% [markdown]
# ### Large numbers
#
# On paper the two forms of σ are the same. On a computer $e^{1000}$ is ∞, and ∞/∞ is **NaN**, "not a number", which
# then spreads through the whole network. Each form has a good side. Take for each x the one whose exponential gets
# *small*:

# %%
x = np.array([-1000.0, -1.0, 1.0, 1000.0])
with np.errstate(over="ignore", invalid="ignore"):
    up, down = np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x))
small = np.exp(-np.abs(x))
both = np.where(x >= 0, 1, small) / (1 + small)
rows = [
    [f"{a:g}", f"{b:.4f}", f"{c:.4f}", f"{d:.4f}"]
    for a, b, c, d in zip(x, up, down, both, strict=True)
]
print(text_table(["x", "eˣ/(1 + eˣ)", "1/(1 + e⁻ˣ)", "by the sign of x"], rows))
assert np.isnan(up[-1])
np.testing.assert_array_equal(both, activations.sigmoid(x))

# %% [markdown]
# The middle column comes out right, by luck and with a warning: 1/∞ is 0. The last one never meets an ∞.
#
# There is a trap of the same kind in every function with two sides. `(x > 0) * x + (x <= 0) * (np.exp(x) - 1)` looks
# like ELU, but for x = 1000 its second term is 0 · ∞ = NaN. `np.where` chooses instead of multiplying.
#
# ### See it
#
# Left: where the pre-activations lie, and the derivative that waits there. Right: what comes out. The line below says
# by what factor the layer multiplies the variance of a gradient, $E[f'^2]$, before the weights do their part.
#
# 1. *sigmoid*: no position makes the factor larger than 1/16. Which one comes nearest?
# 2. *tanh*: raise the deviation to 5. What do the outputs do? What is left of the gradient?
# 3. *ReLU*: which deviation changes its factor? Then move the mean to −3.
# 4. Which activations keep the mean of their outputs near 0?

# %%
saturation_explorer()

# %% [markdown]
# ## 4. ReLU
#
# $$f(x) = \max(0, x), \qquad f'(x) = [x > 0] = H(x) .$$
#
# On the right the derivative is 1, whatever the depth. On the left it is 0. At the kink any number from 0 to 1 would
# be a slope of some line that stays below the graph (a *subgradient*); 0 is taken, here as in the frameworks.
#
# Half of a symmetric input is cut off. Two numbers follow, for standard normal $z$:
#
# $$E[f] = \int_0^∞ z\,φ(z)\,dz = \bigl[-φ(z)\bigr]_0^∞ = \frac{1}{\sqrt{2π}} ≈ 0.399, \qquad E[f^2] = \tfrac12 .$$
#
# The mean is not 0, and half of the mean square is lost at each layer: that is the 2 in He's $2/n_{in}$ (unit 07).

# %%
seen = moments_of("relu")
np.testing.assert_allclose(seen.mean, 1 / np.sqrt(2 * np.pi), rtol=1e-4)
np.testing.assert_allclose(seen.variance + seen.mean**2, 0.5, rtol=1e-4)
np.testing.assert_allclose(seen.slope_square, 0.5, rtol=1e-4)
names = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "silu", "gelu", "mish")
rows = [[ACTIVATIONS[name], *(f"{value:.3f}" for value in moments_of(name))] for name in names]
print("Standard normal inputs:")
print(text_table(["", "mean out", "variance out", "E[f'²]"], rows).replace("-0.000", " 0.000"))

# %% [markdown]
# ## 5. Dead ReLUs
#
# A unit whose pre-activation is negative for *every* sample gives 0 for every sample, and its derivative is 0 for
# every sample. Its weights get no gradient. At any rate, for ever, unless the layers below move the inputs. It is
# **dead**, and its weights are wasted.
#
# What kills it is a step that is too large. Let us watch: a network 64-32-32-10 on the digits, He weights, momentum 0.9.
# First ten epochs at the rate 0.3, where 0.03 would be right; then ten at 0.01.

# %%
deadly, healthy = dying_run(0.3, "relu", seed=0), dying_run(0.05, "relu", seed=0)
figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.4), layout="constrained")
for index, (seen, name) in enumerate(((healthy, "rate 0.05"), (deadly, "rate 0.3"))):
    style = line_style(index) | {"markersize": 4}
    axes[0].plot(100 * seen.silent, **style, label=name)
    axes[1].plot(100 * seen.accuracy, **style, label=name)
for ax in axes:
    ax.axvline(deadly.switch, color="black", linestyle=":", label="now 0.01")
    ax.set(xlabel="epoch", ylim=(-2, 102))
axes[0].set(ylabel="dead, % of the hidden units")
axes[1].set(ylabel="right, % of the test part")
axes[0].legend()
plt.show()
print("At the switch at least 30 % are dead at rate 0.3, at most 3 % at rate 0.05.")
print("Ten calm epochs change nothing.")
assert deadly.silent[10] > 0.3
assert healthy.silent[10] < 0.03
assert abs(deadly.silent[-1] - deadly.silent[10]) < 0.1
assert deadly.accuracy[-1] < 0.5 < 0.95 < healthy.accuracy[-1]

# %% [markdown]
# The calm rate comes too late. Below a layer that is dead as a whole no weight gets a gradient, and above it only the
# biases still act: every image gets the same answer.
#
# Two numbers are easily confused. The share of **zeros** is about one half in any healthy ReLU layer: each unit is
# silent for some samples. The share of **dead** units asks for a whole column of zeros.

# %%
network = network_with("relu", (64, 32, 32, 10), np.random.default_rng(0))
hidden = network.layers[1].forward(network.layers[0].forward(data.x_train))
print(
    f"new network: {100 * np.mean(hidden == 0):.0f} % zeros, {100 * dead_fraction(hidden):.0f} % dead"
)
assert 0.4 < np.mean(hidden == 0) < 0.6
assert dead_fraction(hidden) == silent_share(network, data.x_train)[0] == 0

# %% [markdown]
# ### Can they come back?
#
# > **The sources differ.** The second slides list leaky ReLU, ELU and SELU and say: "These will not let neurons die
# > because they can output negative values". The notes say that leaky ReLUs "never die; they can go into a long coma",
# > and that Mish "prevents dead neurons by ensuring that gradients do not vanish for negative inputs".
#
# We test it. The same dead networks, the same weights, and for the ten calm epochs another activation. Ten seeds;
# `experiments.py` beside this notebook wrote the table. *Silent* is a unit whose pre-activation is never above 0.

# %%
dead = read_study("data/dead.csv")
AFTER = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "elu": "ELU", "mish": "Mish"}
figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
rates = np.unique(dead["lr"])
accuracy, silent, rows = {}, {}, []
for index, (after, name) in enumerate(AFTER.items()):
    for lr in rates:
        part = where(dead, lr=lr, after=after)
        accuracy[after, lr] = mean_and_error(part["accuracy_end"])
        silent[after, lr] = mean_and_error(part["silent_end"])[0]
    means, errors = np.transpose([accuracy[after, lr] for lr in rates])
    axes.errorbar(rates, 100 * means, 100 * errors, **line_style(index), capsize=4, label=name)
    rows.append(
        [name]
        + [f"{100 * m:.0f} ± {100 * e:.0f} ({100 * silent[after, lr]:.0f})"
           for lr in rates for m, e in [accuracy[after, lr]]]
    )  # fmt: skip
before = [mean_and_error(where(dead, lr=lr, after="relu")["accuracy_before"]) for lr in rates]
gone = [where(dead, lr=lr, after="relu")["silent_before"].mean() for lr in rates]
rows.insert(
    0,
    ["before the switch"]
    + [
        f"{100 * m:.0f} ± {100 * e:.0f} ({100 * g:.0f})"
        for (m, e), g in zip(before, gone, strict=True)
    ],
)
axes.set(xlabel="rate of the first ten epochs", ylabel="right after the calm ones, %")
axes.legend()
plt.show()
print("Test accuracy in %, mean of 10 seeds ± standard error (in brackets: silent units, %):")
print(text_table(["calm epochs with", *(f"after {lr:g}" for lr in rates)], rows))
for lr in (0.3, 0.5):
    assert accuracy["relu", lr][0] < 0.25
    assert accuracy["mish", lr][0] < 0.25
    assert accuracy["elu", lr][0] < 0.35
    assert accuracy["leaky_relu", lr][0] > 0.6
assert accuracy["relu", 0.1][0] > 0.95

# %% [markdown]
# Leaky ReLU keeps its promise: from a network that guesses it makes one that reads about three digits out of four.
# Its slope of 0.01 is small, but it is the same however far to the left a unit has been thrown. (Many of its units
# stay silent by our count, and work all the same: they calculate with $0.01\,x$.)
#
# **ELU and Mish do not.** They can output negative values, but that is not what counts: the *derivative* is. ELU's
# is $αe^x$, Mish's about $xe^x$. Where do our dead units lie?

# %%
killed = network_after_large_rate(0.3, seed=0)
z, inputs = [], data.x_train
for layer in killed.layers[:-1]:
    inputs = layer.forward(inputs)
    if isinstance(layer, Linear):
        z.append(inputs[:, np.all(inputs <= 0, axis=0)])
nearest = np.concatenate([part.max(axis=0) for part in z])
figure, axes = plt.subplots(figsize=(7.5, 3), layout="constrained")
axes.hist(-nearest, bins=np.geomspace(1, 1000, 25), color=COLORS[0])
axes.set(xscale="log", xlabel="how far below 0 its nearest sample is (log)", ylabel="dead units")
plt.show()
rows = []
for name in ("relu", "leaky_relu", "elu", "mish"):
    slope = getattr(activations, f"{name}_grad")
    values = (float(slope(np.array([z]))[0]) for z in (-1.0, -5.0, -20.0))
    rows.append([ACTIVATIONS[name], *(f"{value:.1e}" if value else "0" for value in values)])
print("Derivatives on the left:")
print(text_table(["", "x = -1", "-5", "-20"], rows))
print("Of the dead units more than half have their nearest sample below -10.")
assert np.median(nearest) < -10
assert abs(activations.elu_grad(np.array([-20.0]))[0]) < 1e-8

# %% [markdown]
# Most lie so far on the left that $e^x$ is nothing. ELU revives a unit that has fallen a little; ReLU one whose inputs the
# layers below move; leaky ReLU any, slowly. Neither negative outputs nor a "smooth" derivative save a unit that a few
# large steps have thrown to −20. The better cure is not to throw it: a smaller rate, warm-up (unit 04), clipping
# (unit 05).
#
# ### See it
#
# Left: silent units by epoch. Right: test accuracy. At the dotted line the rate falls to 0.01, and the activation may
# change.
#
# 1. At which rates does hardly a unit die?
# 2. At 0.3 go through the four choices. Which curve at the right starts to rise?
# 3. At 0.5: what is different about the *left* picture, and why?

# %%
dead_relu_explorer()

# %% [markdown]
# ## 6. Leaky slopes: fixed, learned, random
#
# $$f(x) = \begin{cases} x & x > 0 \\ αx & x ≤ 0, \end{cases} \qquad
# f'(x) = \begin{cases} 1 & x > 0 \\ α & x ≤ 0. \end{cases}$$
#
# **Leaky ReLU** fixes α = 0.01. The notes write it as $\max(αx, x)$; so do the Murphy notes, and add the condition that
# belongs to it, $0 < α < 1$. Above 1 the maximum picks the other side.
#
# **PReLU** learns α. It is a parameter like any weight, so it needs a gradient. Where $x > 0$, $y = x$ does not depend
# on it. Where $x ≤ 0$, $∂y/∂α = x$. Both in one: $∂y/∂α = \min(x, 0)$. Every entry that uses the slope adds its share:
#
# $$\frac{∂L}{∂α} = \sum \frac{∂L}{∂y} \min(x, 0) .$$
#
# It is not held below 1, so the form with the maximum would be wrong there.

# %%
x = np.array([-2.0, 1.0])
above_1 = activations.leaky_relu(x, negative_slope=1.5)
print("α = 1.5 at x = -2 and 1:", above_1, "| the maximum:", np.maximum(1.5 * x, x))
np.testing.assert_array_equal(above_1, [-3.0, 1.0])
rng = np.random.default_rng(0)
x, grad, alpha = rng.normal(size=(50, 4)), rng.normal(size=(50, 4)), np.full(4, 0.25)
checked = check_gradient(
    lambda a: np.sum(grad * activations.prelu(x, a)),
    lambda a: activations.prelu_alpha_grad(grad, x, a),
    alpha,
)
print("PReLU's gradient agrees with central differences:", checked.passed)
assert checked.passed

# %% [markdown]
# What slopes does a network want? Two hidden layers of 32 units, each unit with a slope of its own, all starting at
# 0.25:

# %%
rng = np.random.default_rng(0)
network = network_with("prelu", (64, 32, 32, 10), rng)
optimizer = Optimizer(optimizers.momentum, network.params, lr=0.03)
seen = train(network, optimizer, data, epochs=15, batch_size=64, rng=rng)
slopes = [layer.params[0] for layer in network.layers if isinstance(layer, PReLU)]
figure, axes = plt.subplots(figsize=(7.5, 3), layout="constrained")
for index, (values, name) in enumerate(zip(slopes, ("first layer", "second layer"), strict=True)):
    style = line_style(index) | {"linestyle": "none", "markersize": 6}
    axes.plot(np.sort(values), **style, label=name)
axes.axhline(0.25, color="black", linestyle=":", label="start")
axes.set(xlabel="unit, sorted", ylabel="learned slope α")
axes.legend()
plt.show()
every = np.concatenate(slopes)
print("64 slopes, all 0.25 at first: the smallest is now below 0.15, the largest above 0.35")
assert seen.test_accuracy[-1] > 0.93
assert every.min() < 0.15 < 0.35 < every.max()

# %% [markdown]
# They spread to both sides of where they began: some units turn into something near a ReLU, others become more of a
# line. Weight decay would pull all of them to 0, to ReLU; the paper trains α without it.
#
# **RReLU** draws the slope anew for each entry in training, $a \sim U(l, u)$, as a noise that regularises. At test it
# takes the mean:

# %%
layer = RReLU(np.random.default_rng(0), lower=1 / 8, upper=1 / 3)
x = np.full((1, 100_000), -1.0)
drawn, fixed = -layer.forward(x, training=True), -layer.forward(x)
print(f"training: slopes from {drawn.min():.3f} to {drawn.max():.3f}, mean {drawn.mean():.3f}")
print(f"test: {fixed.min():.3f}, that is 11/48")
np.testing.assert_allclose(fixed, 11 / 48)
np.testing.assert_allclose(drawn.mean(), 11 / 48, atol=1e-3)
back = layer.backward(np.ones_like(x))
assert np.all(back == 11 / 48)
layer.forward(x, training=True)
assert np.ptp(layer.backward(np.ones_like(x))) > 0.2

# %% [markdown]
# (The paper draws a *divisor* from U(3, 8) and takes its mean at test, x/5.5, a slope of 0.182. Frameworks draw the
# slope. In both the derivative in training belongs to the slopes that were drawn.)
#
# ## 7. ELU
#
# $$f(x) = \begin{cases} x & x > 0 \\ α(e^x - 1) & x ≤ 0, \end{cases} \qquad
# f'(x) = \begin{cases} 1 & x > 0 \\ αe^x & x ≤ 0. \end{cases}$$
#
# It goes down to −α, so its outputs have a mean near 0 (0.16 for standard normal inputs, ReLU 0.40). On the left
# $f' = f + α$: whoever has the value has the derivative. The price is an exponential.
#
# > **The sources differ.** The Murphy notes say that ELU "has the advantage of being a smooth function", for any α.
# > From the left the slope at 0 is α, from the right 1: it is smooth for **α = 1 only**. SELU, with α ≈ 1.67, has a
# > kink as well.

# %%
rows = []
for alpha in (0.5, 1.0, 1.6733):
    left, right = (activations.elu_grad(np.array([e]), alpha=alpha)[0] for e in (-1e-9, 1e-9))
    rows.append([alpha, f"{left:.3f}", f"{right:.3f}", f"{right - left:.3f}"])
print(text_table(["α", "slope from the left", "from the right", "jump"], rows))
assert [row[3] == "0.000" for row in rows] == [False, True, False]

# %% [markdown]
# ## 8. SELU: a fixed point on purpose
#
# $$f(x) = λ\begin{cases} x & x > 0 \\ α(e^x - 1) & x ≤ 0. \end{cases}$$
#
# Where do α ≈ 1.6733 and λ ≈ 1.0507 come from? Not from a search. Ask for two things: if a pre-activation $z$ is
# standard normal, what comes out shall have **mean 0** and **variance 1** again.
#
# **Step 1, the right side.** $E[z\,[z>0]] = 1/\sqrt{2π}$ and $E[z^2\,[z>0]] = ½$, from section 4.
#
# **Step 2, one integral.** Complete the square: $kz - z^2/2 = k^2/2 - (z - k)^2/2$. So
#
# $$E[e^{kz}\,[z<0]] = e^{k^2/2} \int_{-∞}^0 φ(z - k)\,dz = e^{k^2/2}\,Φ(-k) .$$
#
# **Step 3, the left side.** With k = 1 and k = 2:
#
# $$m_1 = E[(e^z - 1)\,[z<0]] = \sqrt e\,Φ(-1) - \tfrac12 ≈ -0.2384,$$
# $$m_2 = E[(e^z - 1)^2\,[z<0]] = e^2\,Φ(-2) - 2\sqrt e\,Φ(-1) + \tfrac12 ≈ 0.1450 .$$
#
# **Step 4, mean 0.** $λ\left(\frac{1}{\sqrt{2π}} + α m_1\right) = 0$, so $α = -\frac{1}{\sqrt{2π}\,m_1} ≈ 1.6733$.
#
# **Step 5, variance 1.** $λ^2\left(\frac12 + α^2 m_2\right) = 1$, so $λ = \left(\frac12 + α^2 m_2\right)^{-1/2} ≈ 1.0507$.

# %%
alpha, scale = activations.selu_constants()
print(f"α = {alpha:.10f}, λ = {scale:.10f}")
assert np.isclose(alpha, 1.6732632423543772)
assert np.isclose(scale, 1.0507009873554805)
z = np.random.default_rng(0).standard_normal(1_000_000)
y = activations.selu(z)
print(f"a million normal numbers through SELU: mean {y.mean():.2f}, variance {y.var():.2f}")
np.testing.assert_allclose([y.mean(), y.var()], [0, 1], atol=0.005)

# %% [markdown]
# ### Found by iteration
#
# A fixed point is worth something only if it *attracts*. Take weights of mean 0 and variance $1/n_{in}$ (LeCun). A
# pre-activation is a sum of many products, so it is nearly normal, with mean 0 and variance
#
# $$n_{in} \cdot \frac{1}{n_{in}} \cdot E[h^2] = E[h^2] .$$
#
# So one layer maps the mean square $q$ to $E[f(\sqrt q\,z)^2]$. Start anywhere and repeat:

# %%
starts, rows = (0.1, 0.5, 3.0, 30.0), []
for start in starts:
    q, path = start, [start]
    for _ in range(50):
        seen = moments_of("selu", 0.0, q)
        q = seen.variance + seen.mean**2
        path.append(q)
    rows.append([start, *(f"{path[i]:.3f}" for i in (1, 5, 10, 20, 50)), f"{seen.mean:.3f}"])
    assert abs(q - 1) < 0.01
    assert abs(seen.mean) < 0.01
rows = [[value if value != "-0.000" else "0.000" for value in row] for row in rows]
print("Mean square after so many layers:")
print(text_table(["start", "1", "5", "10", "20", "50", "mean at 50"], rows))

# %% [markdown]
# From a tenth or from thirty: it comes to 1, and the mean with it to 0. Too small a variance grows, because λ > 1; too
# large a one shrinks, because the left side is bounded.
#
# ### Held through fifty layers, and broken
#
# Now real layers: 200 digits go through 50 layers of 200 units. The same SELU with three initializations, and ReLU with its own.

# %%
CHOICES = {
    "SELU, LeCun 1/n": ("selu", initializers.lecun_normal),
    "SELU, He 2/n": ("selu", initializers.he_normal),
    "SELU, half of LeCun": (
        "selu",
        lambda shape, rng: np.sqrt(0.5 / shape[0]) * rng.normal(size=shape),
    ),
    "ReLU, He 2/n": ("relu", initializers.he_normal),
    "ReLU, LeCun 1/n": ("relu", initializers.lecun_normal),
}
DEPTH, some = 50, data.x_train[:200]
variances, means = {}, {}
for name, (activation, draw) in CHOICES.items():
    rng, h = np.random.default_rng(0), some
    variances[name], means[name] = [], []
    for _ in range(DEPTH):
        h = getattr(activations, activation)(h @ draw((h.shape[1], 200), rng))
        variances[name].append(h.var())
        means[name].append(h.mean())
figure, axes = plt.subplots(figsize=(9, 3.8), layout="constrained")
for index, (name, values) in enumerate(variances.items()):
    axes.plot(range(1, DEPTH + 1), values, **line_style(index) | {"markevery": 7}, label=name)
axes.set(yscale="log", xlabel="layer", ylabel="variance of the outputs (log)")
figure.legend(loc="outside right upper", handlelength=3.2)
plt.show()
held = variances["SELU, LeCun 1/n"]
print("Variance after 50 layers, in powers of ten:")
rows = [
    [name, f"{np.log10(values[-1]):.0f}".replace("-0", "0")] for name, values in variances.items()
]
print(text_table(["", "log10"], rows))
assert 0.6 < min(held) < max(held) < 1.5
assert np.abs(means["SELU, LeCun 1/n"]).max() < 0.2
assert variances["SELU, He 2/n"][-1] > 100
assert variances["SELU, half of LeCun"][-1] < 0.03
q = 1.0
for _ in range(3000):
    seen = moments_of("selu", 0.0, 0.5 * q)
    q = seen.variance + seen.mean**2
np.testing.assert_allclose(q, 0.0034, rtol=0.02)
assert variances["ReLU, LeCun 1/n"][-1] < 1e-10

# %% [markdown]
# SELU normalises itself **only with LeCun's variance**. With He's, which is right for ReLU, it blows up: the right side
# alone multiplies the mean square by $2 \cdot λ^2/2 = λ^2 > 1$. With half of LeCun's it sinks towards another fixed
# point, at 0.003. ReLU has no fixed point at all: with He's variance the mean square is kept exactly, on average, but
# nothing pulls it back, so it wanders.
#
# > **The sources differ.** The Murphy notes say of SELU that α and λ set "carefully" standardise the output, "providing
# > the input is also standardized", and the notes that the network "will self-normalize". Both leave the weights to a
# > table elsewhere. The condition belongs in the sentence: dense layers, **weights of mean 0 and variance 1/n**. (After
# > training has changed the weights it holds only roughly; and dropout breaks it.)
#
# ### See it
#
# Left: the map from one layer's mean square to the next. Where it crosses the grey diagonal is a fixed point; it attracts
# if the curve crosses from above to below. Right: fifty layers, predicted by the map and measured in a network of 100
# units a layer.
#
# 1. *SELU*, weights 1: start at 0.1 and at 3. How many layers does it need?
# 2. Turn the weights to 2. Is there still a crossing?
# 3. *ReLU*: for which weights does the curve lie *on* the diagonal? Why is that not the same as a fixed point?
# 4. *tanh* at 1 and at 1.5: it has a fixed point too. Where? What is its price? (Section 3.)

# %%
fixed_point_explorer()

# %% [markdown]
# ## 9. Gates: SiLU, GELU, Mish
#
# ReLU is $x \cdot H(x)$: the input times a gate that is open or shut. Put a soft gate there:
#
# | name | gate | value |
# |---|---|---|
# | SiLU; Swish with β | $σ(βx)$ | $x\,σ(βx)$ |
# | GELU | $Φ(x)$, the share of a normal distribution below x | $x\,Φ(x)$ |
# | Mish | $t(x) = \tanh(\ln(1 + e^x))$ | $x\,t(x)$ |
#
# One rule differentiates all three: $(x\,g)' = g + x\,g'$.
#
# $$\text{SiLU: } σ(βx) + βx\,σ(βx)\,(1 - σ(βx)), \qquad \text{GELU: } Φ(x) + x\,φ(x), \qquad
# \text{Mish: } t + x\,(1 - t^2)\,σ(x),$$
#
# the last because $(\ln(1 + e^x))' = σ(x)$. As β → 0 Swish becomes $x/2$, as β → ∞ ReLU.

# %%
x = np.linspace(-5, 5, 1001)
for name in ("silu", "gelu", "mish"):
    f, slope = getattr(activations, name), getattr(activations, f"{name}_grad")
    np.testing.assert_allclose(slope(x), (f(x + 1e-5) - f(x - 1e-5)) / 2e-5, atol=1e-8)
np.testing.assert_allclose(activations.silu(x, beta=1e-6), x / 2, atol=1e-5)
np.testing.assert_allclose(activations.silu(x, beta=1e4), activations.relu(x), atol=1e-4)
print("all three derivatives agree with central differences")

# %% [markdown]
# > **The sources differ.** Three small ones.
# > The Murphy notes call it "Switch or SiLU": it is **Swish**.
# > The notes say that Swish allows "smooth, non-zero gradients for all inputs", and Mish "ensures that gradients do not
# > vanish for negative inputs". Each of the three falls to a minimum and rises again to 0, so at the minimum the
# > derivative **is** 0, further left it is negative, and for x → −∞ it vanishes. The points:

# %%
rows, low = [], {}
for name in ("silu", "gelu", "mish"):
    f, slope = getattr(activations, name), getattr(activations, f"{name}_grad")
    left, right = -2.0, -0.2  # the derivative is negative here and positive there
    for _ in range(60):
        middle = (left + right) / 2
        left, right = (middle, right) if slope(np.array([middle]))[0] < 0 else (left, middle)
    low[name] = left
    at = np.array([left, -5.0, -20.0])
    values = (f"{v:.1e}" for v in slope(at[1:]))
    rows.append([ACTIVATIONS[name], f"{left:.3f}", f"{f(at)[0]:.3f}", *values])
print(text_table(["", "f' = 0 at x =", "f there", "f'(-5)", "f'(-20)"], rows))
np.testing.assert_allclose([low["silu"], low["mish"]], [-1.2785, -1.1924], atol=1e-4)

# %% [markdown]
# ### GELU in two forms
#
# Φ needs the error function. An old trick replaces it:
#
# $$Φ(x) ≈ \tfrac12\left(1 + \tanh\left(\sqrt{2/π}\,(x + 0.044715\,x^3)\right)\right) .$$
#
# The two are different functions, and each needs its *own* derivative. Frameworks have different defaults, so a network
# that is moved from one to the other changes a little.

# %%
x = np.linspace(-6, 6, 12001)
exact, close = activations.gelu(x), activations.gelu(x, approximate="tanh")
slopes = activations.gelu_grad(x) - activations.gelu_grad(x, approximate="tanh")
quick = activations.silu(x, beta=1.702)
print(f"tanh form: value off by up to {np.abs(close - exact).max():.5f}, "
      f"derivative by {np.abs(slopes).max():.5f}")  # fmt: skip
print(f"x σ(1.702 x): off by up to {np.abs(quick - exact).max():.3f}")
assert np.abs(close - exact).max() < 5e-4
assert 0.015 < np.abs(quick - exact).max() < 0.025

# %% [markdown]
# ### One more trap
#
# At x = −∞ all three have the limit 0, but $-∞ \cdot 0$ is NaN. PyTorch's give NaN there; the library of this course
# puts in the limit. It matters where a mask writes −∞ into a layer's input.

# %%
import torch

minus_infinity = np.array([-np.inf])
rows = []
for name in ("silu", "gelu", "mish"):
    theirs = float(getattr(torch.nn.functional, name)(torch.tensor(minus_infinity)))
    rows.append([ACTIVATIONS[name], theirs, abs(getattr(activations, name)(minus_infinity)[0])])
    assert np.isnan(theirs)
print(text_table(["at -∞", "torch", "here"], rows))

# %% [markdown]
# ## 10. Softmax, for completeness
#
# The softmax is no activation of one unit: it makes a distribution of a whole layer, $p_k = e^{x_k/T} / \sum_j e^{x_j/T}$.
# Its place is the output, and its exercise is in unit 01. The temperature T sharpens or flattens:

# %%
logits = np.array([2.0, 1.0, 0.0])
rows = [
    [T, *(f"{p:.3f}" for p in activations.softmax(logits, temperature=T))]
    for T in (0.1, 0.5, 1.0, 2.0, 100.0)
]
print(text_table(["T", "p for 2", "for 1", "for 0"], rows))
assert activations.softmax(logits, temperature=0.1).max() > 0.999
assert np.ptp(activations.softmax(logits, temperature=100.0)) < 0.01

# %% [markdown]
# ## 11. What do they cost?
#
# The notes say that ELU is "slower to compute" than ReLU, and Mish "expensive"; the second slides, that a network with
# ELU "will be slower". The table was measured by `experiments.py` on one thread; the numbers depend on the machine, their
# order less. It is for 128 × 128 numbers in float32.

# %%
cost = read_study("data/cost.csv")
rows = []
relu = where(cost, activation="relu")[0]
for line in cost:
    rows.append(
        [
            ACTIVATIONS.get(str(line["activation"]), "dense layer 128-128"),
            *(f"{line[column]:.0f}" for column in ("torch_value", "torch_both")),
            f"{line['torch_both'] / relu['torch_both']:.1f}",
            *(f"{line[column]:.0f}" for column in ("numpy_value", "numpy_both")),
        ]
    )
print("Median time in µs:")
header = ["", "torch: value", "and gradient", "times ReLU", "here: value", "and derivative"]
print(text_table(header, rows))
assert where(cost, activation="mish")["torch_both"][0] > 3 * relu["torch_both"]
assert where(cost, activation="elu")["torch_both"][0] > 1.5 * relu["torch_both"]
assert where(cost, activation="tanh")["numpy_both"][0] < relu["numpy_both"]

# %% [markdown]
# In PyTorch the order is as the sources say: ReLU, leaky ReLU, sigmoid and tanh are near each other, ELU and SELU take
# about twice as long, GELU three times, Mish eight times. Two remarks put it in proportion.
#
# - It belongs to the **implementation**. In NumPy tanh, written with the processor's vector instructions, is the
#   cheapest of all, and ReLU, here by `np.where`, is not.
# - Compare with the **dense layer** in the first row. At 128 units Mish costs more than the layer it stands behind. But a
#   dense layer costs $n^2$ for each sample and an activation $n$: at 1024 units Mish is a trifle.
#
# ## 12. Which one is best?
#
# The second slides rank: "**ELU > leaky ReLU > ReLU > Tanh > Sigmoid**". The notes say "Leaky ReLU **always** outperformed the
# strict ReLU", and recommend ReLU for normal use, Swish for complex tasks; Mish "can give better result but is expensive". Such
# sentences come from some network on some data. Here is another.
#
# The digits, once with two hidden layers of 32 units, once with eight. Every activation has the initialization that goes
# with it (unit 07) and *its own* rate, the best of a few on a part of the training data that is held back. Then 20 seeds
# (12 for the deep network): new weights, new split, 15 epochs, judged on the test part.

# %%
ranking, tried = read_study("data/ranking.csv"), read_study("data/rates.csv")
results, rows = {}, []
figure, panels = plt.subplots(1, 2, figsize=(9.4, 4.6), layout="constrained", sharey=True)
for ax, network in zip(panels, ("shallow", "deep"), strict=True):
    for index, name in enumerate(ACTIVATIONS):
        part = where(ranking, network=network, activation=name)
        means = {
            lr: where(tried, network=network, activation=name, lr=lr)["validation_loss"].mean()
            for lr in np.unique(where(tried, network=network)["lr"])
        }
        assert part["lr"][0] == min(means, key=means.get)
        mean, error = mean_and_error(part["test_accuracy"])
        results[network, name] = mean, error, mean_and_error(part["test_loss"]), part["lr"][0]
        style = line_style(index)
        ax.errorbar(100 * mean, ACTIVATIONS[name], xerr=100 * error, color=style["color"],
                    marker=style["marker"], markersize=8, capsize=4)  # fmt: skip
    title = {"shallow": "2 hidden layers", "deep": "8 hidden layers"}[network]
    ax.set(xlabel="test accuracy, %", title=title, xlim=(92.5, 97.5))
panels[1].text(92.7, list(ACTIVATIONS).index("sigmoid"), "◀ at 10 %: it guesses", va="center")
panels[0].invert_yaxis()
plt.show()
for name, shown in ACTIVATIONS.items():
    row = [shown]
    for network in ("shallow", "deep"):
        mean, error, loss, lr = results[network, name]
        row += [
            f"{lr:g}",
            f"{100 * mean:.1f} ± {100 * error:.1f}",
            f"{loss[0]:.3f} ± {loss[1]:.3f}",
        ]
    rows.append(row)
print("Test part, mean over the seeds ± standard error (2, then 8 hidden layers):")
print(text_table(["", "rate", "accuracy, %", "loss", "rate", "accuracy, %", "loss"], rows))

# %% [markdown]
# Error bars of single activations hide something: the same seed has the same split for all, and a hard split is hard for
# everyone. So compare **pairs**, seed by seed. Here is the chain of the second slides link by link, and the sentence of
# the notes is its second link. A link is *shown* if the mean difference is more than two standard errors from 0.

# %%
CHAIN = (
    ("elu", "leaky_relu"), ("leaky_relu", "relu"), ("relu", "tanh"), ("tanh", "sigmoid"),
)  # fmt: skip


def compare(network, better, worse):
    """Return mean and error of the gain in accuracy, and in how many seeds each score is better."""
    ours = where(ranking, network=network, activation=better)
    theirs = where(ranking, network=network, activation=worse)
    gain = 100 * (ours["test_accuracy"] - theirs["test_accuracy"])
    lower = int(np.sum(ours["test_loss"] < theirs["test_loss"]))
    return *mean_and_error(gain), int(np.sum(gain > 0)), lower, len(gain)


rows, links = [], {}
for network in ("shallow", "deep"):
    for better, worse in CHAIN:
        mean, error, higher, lower, seeds = compare(network, better, worse)
        links[network, better, worse] = mean, error, higher, lower
        verdict = "shown" if mean > 2 * error else "reversed" if mean < -2 * error else "not shown"
        name = f"{ACTIVATIONS[better]} > {ACTIVATIONS[worse]}"
        wins = f"{higher} of {seeds}", f"{lower} of {seeds}"
        rows.append([network, name, f"{mean:+.2f} ± {error:.2f}", *wins, verdict])
print("Gain in test accuracy, in points, seed by seed, and in how many seeds each score is better:")
print(text_table(["network", "claim", "gain", "accuracy", "loss", "so it is"], rows))
assert [row[-1] for row in rows] == [
    "not shown", "shown", "reversed", "not shown", "not shown", "not shown", "reversed", "shown",
]  # fmt: skip
assert results["shallow", "leaky_relu"][2][0] > results["shallow", "relu"][2][0]
assert results["shallow", "sigmoid"][2][0] < results["shallow", "relu"][2][0]
assert results["deep", "sigmoid"][0] < 0.11
assert results["shallow", "identity"][0] > 0.95
CENTRED = {"tanh", "elu", "selu"}
deep_losses = {name: results["deep", name][2][0] for name in ACTIVATIONS}
assert max(deep_losses[name] for name in CENTRED) < 0.23
assert min(loss for name, loss in deep_losses.items() if name not in CENTRED) > 0.3
assert links["shallow", "elu", "leaky_relu"][3] == 18
assert links["deep", "elu", "leaky_relu"][3] == 10
assert links["shallow", "leaky_relu", "relu"][3] == 4

# %% [markdown]
# > **The sources differ**, from each other and from what we measured. Of the four links of the chain two are borne out in
# > neither network, and the other two in one network each.
#
# - **ELU > leaky ReLU**: not shown by the accuracy. By the *loss*, yes: ELU's is lower in 18 of 20 and 10 of 12 seeds.
# - **leaky ReLU > ReLU**: shown in the shallow network by the accuracy, half a point. "Always" it is not: in the deep
#   network the error bar covers 0, and by the loss ReLU is ahead in 16 of 20 seeds of the shallow one. (The leaky one chose
#   the larger rate: a few more right answers, and some very confident wrong ones.)
# - **ReLU > tanh**: reversed in both, by both scores. With Glorot's weights and its own rate tanh wins on these data, in
#   the deep network by two points. (In the shallow one it is a close call: two standard errors.)
# - **tanh > sigmoid**: not shown with two hidden layers. The sigmoid wants a rate ten times that of ReLU, gets it, and then
#   has a lower loss than ReLU. With eight layers it is the one link that nobody can miss: the sigmoid **guesses**, at
#   every rate we tried. Section 3 said why: each layer takes at least three quarters of the gradient.
# - **Depth tells them apart, not the name.** With two hidden layers all lie within about one point, which is four of the
#   359 test images. Even the identity, no activation at all, reads 95.9 %: these digits are nearly a linear problem. With
#   eight layers the three that keep their outputs around 0, tanh, ELU and SELU, have by far the lowest losses.
# - **A common rate would have been unfair.** In the shallow network the best ones differ by a factor of ten.
#
# What this does *not* say: that tanh beats ReLU on large images, in convolutions, with batch norm (unit 08) or skip
# connections (unit 09). Rankings may well come from such networks. The advice to begin with ReLU is sound, for it is cheap and all
# other habits are tuned to it. But it is a habit; the experiment takes minutes.
#
# ### Cost against benefit
#
# Both tables side by side: what each costs more than ReLU (PyTorch, with gradient, the activation alone), and what it gains.

# %%
rows, gains = [], {}
for name in ("tanh", "leaky_relu", "prelu", "rrelu", "elu", "selu", "silu", "gelu", "mish"):
    times = where(cost, activation=name)["torch_both"] / relu["torch_both"]
    row = [ACTIVATIONS[name], f"{times[0]:.1f}" if len(times) else "not measured"]
    for network in ("shallow", "deep"):
        gains[network, name] = compare(network, name, "relu")[:2]
        row.append("{:+.2f} ± {:.2f}".format(*gains[network, name]))
    rows.append(row)
print("Against ReLU, accuracy in points:")
print(text_table(["", "times the cost", "gain, 2 layers", "gain, 8 layers"], rows))
WINNERS = ("tanh", "prelu", "rrelu", "elu", "selu", "gelu", "mish")
assert all(gains["deep", name][0] > 2 * gains["deep", name][1] for name in WINNERS)
assert all(gains["deep", name][0] > gains["deep", "silu"][0] for name in WINNERS)
assert abs(gains["shallow", "mish"][0]) < gains["shallow", "mish"][1]

# %% [markdown]
# Mish, the dearest, gains nothing with two hidden layers. With eight it gains about two points, and so do ELU, at a quarter
# of its price, and tanh, at a sixth. The sentence of the notes, that Mish "can give better result but is expensive", is
# right in both halves, but the same result is to be had for less. Four more of their sentences:
#
# - GELU's gain "does not always justify" its cost: with two layers there is none, at three times the price. With eight
#   there is one.
# - "For complex case swish works best": in the deep network SiLU gains least of the smooth ones, within two errors of 0.
# - RReLU "acted as a regularizer": with eight layers it is among the best, with two it changes nothing we can see.
# - PReLU is "prone to overfitting" on smaller data. Ours are small, and it does no harm: a point gained with eight layers,
#   nothing with two.
#
# ### One seed, live
#
# Seed 0 again, three of them, computed now and compared with the file.

# %%
rows = []
for name in ("relu", "tanh", "selu"):
    stored = where(ranking, network="shallow", activation=name, seed=0)[0]
    rng = np.random.default_rng(0)
    network = network_with(name, (64, 32, 32, 10), rng)
    optimizer = Optimizer(optimizers.momentum, network.params, lr=float(stored["lr"]))
    seen = train(network, optimizer, data, epochs=15, batch_size=64, rng=rng)
    np.testing.assert_allclose(seen.train_loss[-1], stored["train_loss"], rtol=0.3)
    np.testing.assert_allclose(seen.test_accuracy[-1], stored["test_accuracy"], atol=0.02)
    rows.append([ACTIVATIONS[name], f"{stored['lr']:g}", "agrees"])
print(text_table(["", "rate", "with the file"], rows))

# %% [markdown]
# ## What to take with you
#
# - An activation is judged by its **derivative**: flat means slow, zero means dead.
# - Write it so that the exponential only gets small, choose with `np.where`, never multiply by a mask.
# - The share of zeros is about a half in a healthy ReLU layer; the share of *dead* units is near 0. Look at both.
# - A slope that does not fade (leaky, PReLU) revives a unit wherever it is; ELU and Mish only one that lies near.
# - SELU keeps mean 0 and variance 1 with LeCun's weights and standardised inputs, and not with He's.
# - Rankings are measurements. Ask for the network, the rates, the seeds and the error bars.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("06_activations")

# %% [markdown]
# ## Further reading
#
# - Glorot, Bordes, Bengio, *Deep Sparse Rectifier Neural Networks*, AISTATS 2011:
#   [proceedings.mlr.press/v15/glorot11a](https://proceedings.mlr.press/v15/glorot11a.html). ReLU in deep networks.
# - Maas, Hannun, Ng, *Rectifier Nonlinearities Improve Neural Network Acoustic Models*, ICML 2013 workshop. Leaky ReLU;
#   it found hardly any difference to ReLU.
# - He et al., *Delving Deep into Rectifiers*, 2015: [arXiv:1502.01852](https://arxiv.org/abs/1502.01852). PReLU.
# - Xu et al., *Empirical Evaluation of Rectified Activations in Convolutional Network*, 2015:
#   [arXiv:1505.00853](https://arxiv.org/abs/1505.00853). RReLU, and the comparison behind the sentence of the notes.
# - Clevert, Unterthiner, Hochreiter, *Fast and Accurate Deep Network Learning by Exponential Linear Units*, 2016:
#   [arXiv:1511.07289](https://arxiv.org/abs/1511.07289). ELU.
# - Klambauer et al., *Self-Normalizing Neural Networks*, 2017: [arXiv:1706.02515](https://arxiv.org/abs/1706.02515). SELU, with
#   the proof that the fixed point attracts.
# - Hendrycks, Gimpel, *Gaussian Error Linear Units*, 2016: [arXiv:1606.08415](https://arxiv.org/abs/1606.08415). GELU.
# - Elfwing, Uchibe, Doya, *Sigmoid-Weighted Linear Units*, 2018: [arXiv:1702.03118](https://arxiv.org/abs/1702.03118). SiLU.
# - Ramachandran, Zoph, Le, *Searching for Activation Functions*, 2017: [arXiv:1710.05941](https://arxiv.org/abs/1710.05941).
#   Swish.
# - Misra, *Mish: A Self Regularized Non-Monotonic Activation Function*, 2019:
#   [arXiv:1908.08681](https://arxiv.org/abs/1908.08681).
# - Lu et al., *Dying ReLU and Initialization*, 2019: [arXiv:1903.06733](https://arxiv.org/abs/1903.06733). Section 5 with proofs.
# - Dubey, Singh, Chaudhuri, *Activation Functions in Deep Learning: A Comprehensive Survey and Benchmark*, 2022:
#   [arXiv:2109.14545](https://arxiv.org/abs/2109.14545). Many more of them, compared on larger data.
