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
# # Normalization: keeping numbers at a size that learns
#
# **Goal.** You will be able to prepare inputs without fooling yourself, write batch norm and layer norm from
# memory, forward and backward, say what changes between training and inference, and choose a norm for a given
# batch size.
#
# **Before you start** you need the chain rule through a dense layer (unit 01), the largest rate $2/h$ of gradient
# descent (unit 02), and what happens to the variance from layer to layer (unit 07).
#
# **Time.** About two and a half hours with the live figures. To start, choose *Run*, *Run All Cells* in the menu
# above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $x$, $\hat x$, $y$ | what comes in; normalized; what goes out | `x`, `x_hat`, `y` |
# | $N$, $D$ | samples in a batch; features of a sample | axis 0, axis 1 |
# | $μ$, $σ^2$ | mean and variance of the numbers that are normalized together | `mean`, `var` |
# | $γ$, $β$ | scale and shift, trained | `gamma`, `beta` |
# | $\bar μ$, $\bar σ^2$ | running moments, for inference | `running` |
# | $ε$ | a small number, against a division by zero | `eps` |
# | $g$ | gradient of the loss with respect to $y$ | `grad` |
#
# Every variance is the one with $1/N$.
#
# This course grew out of lecture notes, which students copy from. Where they err or disagree, a note headed
# **The sources differ** says so and shows it. Two of them matter here: **the slides**, lecture 5 of Gilles
# Louppe's course *Deep Learning*, and **the notes**, a summary called *Training Deep Neural Networks*.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn import datasets

from course.data import batches, digits
from course.diagnostics import numerical_gradient
from course.layers import BatchNorm, LayerNorm, Linear, ReLU, Sequential
from course.losses import cross_entropy_grad
from course.normalizers import (
    batch_norm,
    batch_norm_backward,
    group_norm,
    instance_norm,
    layer_norm,
    layer_norm_backward,
    rms_norm,
    standardize,
)
from course.optimizers import Optimizer, sgd
from course.studies import mean_and_error, read_study, where
from course.tables import text_table
from course.training import train
from course.widgets.normalization import (
    backward_explorer,
    batch_explorer,
    in_many_batches,
    outlier_explorer,
    running_explorer,
    scaled,
    shares_explorer,
    tumour_areas,
)
from course.widgets.style import line_style, use_style

use_style()

# %% [markdown]
# ## 1. Standardize the inputs
#
# Thirteen measurements of 178 wines. One of them, proline, is some 750 mg/l. Another, the hue, is about 1.

# %%
x_wine, y_wine = datasets.load_wine(return_X_y=True)
names = datasets.load_wine().feature_names
rows = [
    [names[j], f"{x_wine[:, j].mean():.2f}", f"{x_wine[:, j].std():.3f}"] for j in (0, 3, 7, 10, 12)
]
print(text_table(["measurement", "mean", "standard deviation"], rows))

# %% [markdown]
# What does that do to gradient descent? Take one linear output with squared error. Its curvature matrix is
# $\frac{2}{N} X^T X$. The largest eigenvalue caps the rate at $2/h_{max}$, the smallest sets the speed. Their
# ratio, the condition number, says about how many steps the slowest direction needs.
#
# **Standardizing** gives every feature mean 0 and standard deviation 1:
#
# $$z_{nj} = \frac{x_{nj} - μ_j}{σ_j} .$$


# %%
def curvatures(x):
    """Return the eigenvalues of the curvature of a linear model with a bias."""
    with_bias = np.column_stack([x, np.ones(len(x))])
    return np.linalg.eigvalsh(2 / len(x) * with_bias.T @ with_bias)


z_wine, _ = standardize(x_wine)
kinds = {
    "as they are": x_wine,
    "mean subtracted": x_wine - x_wine.mean(axis=0),
    "standardized": z_wine,
}
rows, condition = [], {}
for name, x in kinds.items():
    h = curvatures(x)
    condition[name] = h[-1] / h[0]
    rows.append([name, f"{2 / h[-1]:.2g}", f"{condition[name]:.2g}"])
print(text_table(["wines", "largest rate 2/h", "condition number"], rows))
assert condition["as they are"] > 1e6
assert 30 < condition["standardized"] < 60

# %% [markdown]
# From hundreds of millions to less than fifty. What is left comes from features that say the same thing, and no scaling of
# single features can cure that.
#
# ### Measure on the training set, apply to all
#
# The moments $μ_j$ and $σ_j$ are *learned*, as weights are. So:
#
# 1. measure them on the training set alone;
# 2. scale everything with them: validation, test, and each sample that comes later.
#
# Two wrong ways. If you measure on all the data before the split, the test set has taught you something. If you
# measure the test set anew, the same wine has other numbers in other company. The extreme case is a single sample:
# minus its own mean it is 0, whatever it was.

# %%
train_part, later = x_wine[:-2], x_wine[-2:]
_, moments = standardize(train_part)
right, _ = standardize(later, moments)
anew, _ = standardize(later)
alone, _ = standardize(later[:1])
rows = [
    ["with the training set's moments", *np.round(right[0, :3], 2)],
    ["measured anew, on two wines", *np.round(anew[0, :3], 2)],
    ["measured anew, on itself", *np.round(alone[0, :3], 2)],
]
print("One and the same wine, first three features:")
print(text_table(["", *names[:3]], rows))
assert np.allclose(np.abs(anew), 1.0)
assert np.all(alone == 0)

# %% [markdown]
# A feature that is constant in the training set has $σ = 0$. There is nothing to scale: divide by 1. (Adding
# $10^{-8}$ to every $σ$ is a popular patch. If that feature ever changes, it comes out a hundred million times too
# large.)
#
# ### Outliers
#
# $σ$ squares distances, so one wild value can own it. Someone types the area of one tumour with the decimal point
# two places off. All other 568 tumours are squeezed together.

# %%
areas = tumour_areas().copy()
areas[0] *= 100
rows, spread = [], {}
for kind, name in {
    "standard": "mean and standard deviation",
    "robust": "median and quartiles",
    "log": "logarithm first",
}.items():
    z, clean = scaled(areas, kind), scaled(tumour_areas(), kind)
    spread[kind] = z[1:].std() / clean[1:].std()
    rows.append([name, f"{z[0]:.1f}", f"{spread[kind]:.3f}"])
print("One of 569 areas typed in 100 times too large:")
print(text_table(["scaling", "the slip's z", "spread left to the others"], rows))
assert spread["standard"] < 0.1
assert spread["robust"] > 0.99
assert spread["log"] > 0.9
assert np.isclose(scaled(areas, "standard")[0], np.sqrt(568), rtol=0.01)

# %% [markdown]
# Read the first row: however wild the value, its own $z$ never exceeds $\sqrt{N-1}$, here 23.8. **The outlier hides
# itself**, and everyone else pays. Three remedies: look at the data and correct it; scale by median and quartiles,
# which a single value cannot move; take the logarithm of what is positive and skew, as areas are.
#
# Move the slip. From which factor on does the standard scaling give way? Try all three.

# %%
outlier_explorer()

# %% [markdown]
# ## 2. Batch norm: standardize inside the network
#
# The second layer's inputs are the first layer's outputs. Why should they have a good scale, and keep it while the
# first layer learns? **Batch normalization** standardizes there too, with the numbers at hand: the batch. For each
# feature on its own:
#
# $$μ = \frac1N\sum_n x_n, \qquad σ^2 = \frac1N\sum_n (x_n - μ)^2, \qquad
# \hat x_n = \frac{x_n - μ}{\sqrt{σ^2 + ε}}, \qquad y_n = γ\hat x_n + β .$$
#
# The last step gives back a freedom. With $\hat x$ alone a sigmoid would sit in its straight part for ever, and a
# ReLU would cut off half. $γ$ and $β$ let training choose the spread and the mean, as two numbers that no longer
# depend on all the layers before.
#
# By hand: the batch $x = (1, 3)$ has $μ = 2$, $σ^2 = 1$, so $\hat x = (-1, 1)$; with $γ = 2$, $β = 5$ it becomes
# $(3, 7)$.

# %%
y, _, _ = batch_norm(
    np.array([[1.0], [3.0]]), np.array([2.0]), np.array([5.0]), training=True, eps=0.0
)
print("by hand:", y.ravel())
assert np.allclose(y.ravel(), [3, 7])

rng = np.random.default_rng(0)
DEPTHS = (1, 5, 10, 20)
inside = {}
for name, normed in {"plain": False, "batch norm": True}.items():
    h, spreads = digits(0).x_train[:256], []
    for _ in range(max(DEPTHS)):
        h = h @ rng.normal(0, 0.3, (h.shape[1], 64))  # weights that are too large
        if normed:
            h, _, _ = batch_norm(h, np.ones(64), np.zeros(64), training=True)
        h = np.maximum(h, 0)
        spreads.append(h.std())
    inside[name] = [spreads[depth - 1] for depth in DEPTHS]
rows = [[name, *(f"{s:.3g}" for s in spreads)] for name, spreads in inside.items()]
print("\nStandard deviation of the activations after so many layers, weights of 0.3:")
print(text_table(["layers", *map(str, DEPTHS)], rows))
assert inside["plain"][-1] > 1e4
assert max(inside["batch norm"]) < 2 * min(inside["batch norm"])

# %% [markdown]
# Whatever the weights, the scale is reset at each layer. Two things follow at once.
#
# **The bias before batch norm is of no use.** It is added to all samples and subtracted with the mean. $β$ takes its
# place; leave the bias out.
#
# **The scale of the weights before batch norm is of no use either.** $W$ and $10W$ give the same output (but for ε).
# So the loss cannot change along $W$, and the gradient must stand at right angles to it. And because the output is
# the same with $cW$, the gradient there is $1/c$ times as large: weights that have grown take smaller steps, by
# themselves. That is one reason why batch norm bears larger rates.

# %%
data = digits(0)
x, labels = data.x_train[:64], data.y_train[:64]


def gradient_of_the_weights(scale, bias=0.0):
    """Return the output, and the gradients of the weights and the bias before batch norm."""
    rng = np.random.default_rng(1)
    first, last = Linear(64, 32, rng), Linear(32, 10, rng)
    first.params[0] *= scale
    first.params[1] += bias
    network = Sequential(first, BatchNorm(32, eps=1e-12), ReLU(), last)
    output = network.forward(x, training=True)
    network.backward(cross_entropy_grad(output, labels))
    return output, first.params[0], first.grads


output, weights, (grad_weights, grad_bias) = gradient_of_the_weights(1.0)
same, _, (grad_ten, _) = gradient_of_the_weights(10.0)
shifted, _, _ = gradient_of_the_weights(1.0, bias=7.0)
along = np.sum(weights * grad_weights, axis=0) / (
    np.linalg.norm(weights, axis=0) * np.linalg.norm(grad_weights, axis=0)
)
size = np.linalg.norm(grad_ten) / np.linalg.norm(grad_weights)
rows = [
    ["output changes with 10 W", bool(np.abs(same - output).max() > 1e-6)],
    ["output changes with a bias of 7", bool(np.abs(shifted - output).max() > 1e-6)],
    ["gradient at 10 W, times that at W", f"{size:.3f}"],
    ["gradient stands at right angles to W", bool(np.abs(along).max() < 1e-6)],
    ["gradient of the bias is 0", bool(np.abs(grad_bias).max() < 1e-12)],
]
print(text_table(["", ""], rows))
np.testing.assert_allclose(same, output, atol=1e-6)
np.testing.assert_allclose(shifted, output, atol=1e-6)
np.testing.assert_allclose(size, 0.1, rtol=1e-6)
assert np.abs(along).max() < 1e-6
assert np.abs(grad_bias).max() < 1e-12

# %% [markdown]
# > **The sources differ.** The slides divide by $\hatσ + ε$. The paper and every framework divide by
# > $\sqrt{\hatσ^2 + ε}$. With $ε = 10^{-5}$ it looks like the same thing. It is not: inside the root, $ε$ acts like a
# > $σ$ of $\sqrt{10^{-5}} = 0.003$. Here is the standard deviation of $\hat x$, which should be 1:

# %%
EPS = 1e-5
rows = []
for sigma in (1.0, 0.1, 0.01, 0.001, 0.0001):
    root, outside = sigma / np.sqrt(sigma**2 + EPS), sigma / (sigma + EPS)
    rows.append([f"{sigma:g}", f"{root:.4f}", f"{outside:.4f}"])
    column = np.array([[-sigma], [sigma]])
    ours, _, _ = batch_norm(column, np.ones(1), np.zeros(1), training=True, eps=EPS)
    np.testing.assert_allclose(ours.std(), root, rtol=1e-9)
print(text_table(["σ of the batch", "x̂ with √(σ² + ε)", "x̂ with σ + ε"], rows))

# %% [markdown]
# For a feature that hardly varies the two differ by factors: at $σ = 0.001$ the paper's form leaves it small (0.30),
# the slides' form blows its noise up to full size (0.99). This course follows the paper.
#
# ### Images
#
# In a convolutional network x has the shape (samples, channels, rows, columns). One channel is one feature, seen at
# many places: mean and variance run over the samples *and* the positions, and $γ$ and $β$ have one entry a channel.

# %%
pictures = np.random.default_rng(2).normal(3.0, 2.0, size=(8, 5, 4, 4))
y, _, _ = batch_norm(pictures, np.ones(5), np.zeros(5), training=True)
columns = np.moveaxis(pictures, 1, -1).reshape(-1, 5)
flat, _, _ = batch_norm(columns, np.ones(5), np.zeros(5), training=True)
print("numbers that share one mean:", len(columns), "| means:", 5)
assert np.allclose(np.moveaxis(y, 1, -1).reshape(-1, 5), flat)

# %% [markdown]
# ## 3. Training and inference are two different things
#
# In training, a sample's $\hat x$ depends on its companions. Draw the same sample into many batches:

# %%
rows, wobble = [], {}
for samples in (2, 4, 8, 32, 256):
    seen = in_many_batches(1.0, samples)
    wobble[samples] = seen.std()
    rows.append([samples, f"{seen.mean():.2f}", f"{wobble[samples]:.2f}"])
print("x = 1 among others that are standard normal, 1500 batches of each size:")
print(text_table(["batch", "mean of x̂", "standard deviation"], rows))
np.testing.assert_allclose(wobble[32] / wobble[256], np.sqrt(8), rtol=0.15)
assert np.allclose(np.abs(in_many_batches(1.0, 2, eps=0.0)), 1.0)

# %% [markdown]
# The wobble falls like $1/\sqrt{N}$. In a batch of two, $\hat x$ is $-1$ or $+1$: only the order is left.
#
# Play with it. Left one batch, right all of them.
#
# 1. Batch $2^1$: move the star. What is left of its value?
# 2. Batch $2^2$ and $x = 3$: why can $\hat x$ not reach 3? (You met $\sqrt{N-1}$ above.)
# 3. From which size on would you trust a single batch?

# %%
batch_explorer()

# %% [markdown]
# In training the wobble is tolerable, sometimes even a welcome noise. **At inference it is not**: a prediction must
# not depend on who else asks. And a single sample must do: in training mode it would come out as $β$, whatever it
# was. So training follows the moments of the batches,
#
# $$\bar μ ← α\bar μ + (1 - α)\,μ, \qquad \bar σ^2 ← α\bar σ^2 + (1 - α)\,σ^2, \qquad \text{from 0 and 1},$$
#
# and inference uses these constants, with the same $γ$, $β$ and $ε$:
#
# $$y = γ\,\frac{x - \bar μ}{\sqrt{\bar σ^2 + ε}} + β .$$
#
# $α$ (`momentum`) is the share that is *kept*, 0.9 here. **torch's `momentum` is the other share**: 0.1 there is 0.9
# here. Keras counts as we do.

# %%
layer = BatchNorm(1)
stream = np.random.default_rng(3).normal(5.0, 2.0, size=(60, 32, 1))
rows = []
for step, batch in enumerate(stream, start=1):
    layer.forward(batch, training=True)
    if step in (1, 10, 30, 60):
        rows.append([step, *(f"{buffer[0]:.2f}" for buffer in layer.buffers)])
print("Running moments of samples with mean 5 and variance 4:")
print(text_table(["steps", "running mean", "running variance"], rows))
before = [buffer.copy() for buffer in layer.buffers]
alone, company = layer.forward(stream[0][:1]), layer.forward(stream[0])
assert np.allclose(alone[0], company[0])
assert all(np.array_equal(*pair) for pair in zip(before, layer.buffers, strict=True))
assert abs(layer.buffers[0][0] - 5) < 0.5

# %% [markdown]
# The last lines of that cell assert the two properties of inference: alone or in company, the result is the same;
# and predicting changes no running moment.
#
# > **The sources differ.** At inference the slides write $1/\hatσ$, without any $ε$. Then training and inference are
# > two different functions, even where the running moments are perfect. At $\bar σ = 0.001$ and $ε = 10^{-5}$ the
# > factor is $\sqrt{1 + ε/\bar σ^2} = 3.3$. And a feature that never varied, $\bar σ = 0$, divides by zero.

# %%
sigma = 0.001
column = np.array([[-sigma], [sigma]])
one, zero = np.ones(1), np.zeros(1)
in_training, _, _ = batch_norm(column, one, zero, training=True)
running = {"mean": np.zeros(1), "var": np.array([sigma**2])}
at_inference, _, _ = batch_norm(column, one, zero, running, training=False)
without_eps = column / np.sqrt(running["var"])
print("training:  ", in_training.ravel().round(3))
print("inference: ", at_inference.ravel().round(3))
print("without ε: ", without_eps.ravel().round(3))
assert np.allclose(in_training, at_inference)
np.testing.assert_allclose(without_eps / at_inference, 3.317, rtol=1e-3)

# %% [markdown]
# ### 1/N or 1/(N − 1)?
#
# The batch normalizes itself with $1/N$: only then is the variance of $\hat x$ exactly 1. For the running variance
# there are two schools. A batch's $σ^2$ is too small on average, $\frac{N-1}{N}$ times the true one, for the batch's
# own mean lies in its middle. This course averages $σ^2$ as it is, **1/N**. The paper, and with it torch,
# multiplies by $\frac{N}{N-1}$ first.

# %%
rows = []
rng = np.random.default_rng(4)
for samples in (2, 4, 8, 64):
    drawn = rng.normal(0.0, 2.0, size=(40_000, samples))
    ours, torchs = drawn.var(axis=1).mean(), drawn.var(axis=1, ddof=1).mean()
    np.testing.assert_allclose(ours, 4 * (samples - 1) / samples, rtol=0.03)
    np.testing.assert_allclose(torchs, 4.0, rtol=0.03)
    rows.append([samples, f"{ours:.1f}", f"{torchs:.1f}"])
print("Mean over many batches; the true variance is 4:")
print(text_table(["batch", "1/N, here", "1/(N − 1), torch"], rows))

# %% [markdown]
# With 64 samples nobody notices. With two, the running variance is half of the true one.
#
# Watch the running moments follow a layer whose outputs drift while it learns.
#
# 1. Raise $α$. When does it lag behind, when is it noisy? At which batch size can $α$ be small?
# 2. Batch $2^1$: compare 1/N with 1/(N − 1) on the right.
# 3. $α = 0$: the last batch alone. What would inference be worth?

# %%
running_explorer()

# %% [markdown]
# ### Forgetting to switch
#
# The classic bug: a trained network that still runs in training mode. As long as the test batches look like training
# batches, nobody notices. Here they come sorted by digit, as files in folders do.

# %%
rng = np.random.default_rng(13)
network = Sequential(
    *(Linear(64, 32, rng), BatchNorm(32), ReLU()),
    *(Linear(32, 32, rng), BatchNorm(32), ReLU()),
    Linear(32, 10, rng),
)
train(network, Optimizer(sgd, network.params, lr=0.3), data, epochs=5, batch_size=32, rng=rng)


def accuracy_in_batches(order, training):
    """Return the share of the test part that is read right, a tenth at a time."""
    right = 0
    for batch in np.array_split(order, 10):
        guess = network.forward(data.x_test[batch], training=training).argmax(axis=1)
        right += np.sum(guess == data.y_test[batch])
    return right / len(order)


mixed, by_digit = np.arange(len(data.y_test)), np.argsort(data.y_test, kind="stable")
read_right = {
    ("inference", "mixed"): accuracy_in_batches(mixed, training=False),
    ("inference", "sorted"): accuracy_in_batches(by_digit, training=False),
    ("training", "mixed"): accuracy_in_batches(mixed, training=True),
    ("training", "sorted"): accuracy_in_batches(by_digit, training=True),
}
rows = [
    [f"{mode} mode", *(f"{100 * read_right[mode, order]:.0f}" for order in ("mixed", "sorted"))]
    for mode in ("inference", "training")
]
print("Digits read right, %, in ten batches of 36:")
print(text_table(["", "mixed", "sorted by digit"], rows))
assert read_right["inference", "mixed"] == read_right["inference", "sorted"] > 0.9
assert read_right["training", "mixed"] > 0.9
assert read_right["training", "sorted"] < 0.5

# %% [markdown]
# In a batch of nothing but sevens, what all sevens share is the mean, and the mean is subtracted.
#
# ## 4. How does batch norm combine with backpropagation?
#
# The slides ask this as an exercise. Here is the answer in five steps. One feature is enough, for the features do
# not meet. Given is $g_n = \frac{∂L}{∂y_n}$ for each sample of the batch; wanted are the gradients of $γ$, $β$ and of
# every $x_n$. Write $s = \sqrt{σ^2 + ε}$.
#
# **Step 1: the parameters.** $y_n = γ\hat x_n + β$, with the same $γ$ and $β$ for all samples. A parameter that is used
# in several places collects from all of them:
#
# $$\frac{∂L}{∂β} = \sum_n g_n, \qquad \frac{∂L}{∂γ} = \sum_n g_n\hat x_n .$$
#
# **Step 2: back to $\hat x$.** $\hat g_n = \frac{∂L}{∂\hat x_n} = γ\,g_n$.
#
# **Step 3: how does one $x_m$ move the moments?** $μ$ is a mean, so $\frac{∂μ}{∂x_m} = \frac1N$. For the variance,
# differentiate $σ^2 = \frac1N\sum_n (x_n - μ)^2$: once through $x_m$ itself, once through $μ$.
#
# $$\frac{∂σ^2}{∂x_m} = \frac2N (x_m - μ) - \frac2N \cdot \frac1N \underbrace{\sum_n (x_n - μ)}_{0}
# = \frac2N (x_m - μ) .$$
#
# The path through $μ$ costs nothing: deviations from the mean add up to 0. Then $s^2 = σ^2 + ε$ gives
#
# $$\frac{∂s}{∂x_m} = \frac{1}{2s}\cdot\frac2N (x_m - μ) = \frac{1}{N}\cdot\frac{x_m - μ}{s} = \frac{\hat x_m}{N} .$$
#
# **Step 4: how does one $x_m$ move every $\hat x_n$?** $\hat x_n = (x_n - μ)/s$ is a quotient. Write $δ_{nm}$ for 1 if
# $n = m$, else 0:
#
# $$\frac{∂\hat x_n}{∂x_m} = \frac{δ_{nm} - \frac1N}{s} - \frac{x_n - μ}{s^2}\cdot\frac{\hat x_m}{N}
# = \frac1s\Bigl(\underbrace{δ_{nm}}_{\text{directly}} - \underbrace{\frac1N}_{\text{through }μ}
# - \underbrace{\frac{\hat x_n\hat x_m}{N}}_{\text{through }σ^2}\Bigr) .$$
#
# **Step 5: add up.** $x_m$ reaches the loss through every $\hat x_n$ of the batch:
#
# $$\frac{∂L}{∂x_m} = \sum_n \hat g_n\,\frac{∂\hat x_n}{∂x_m}
# = \frac1s\Bigl(\hat g_m - \frac1N\sum_n \hat g_n - \hat x_m\,\frac1N\sum_n \hat g_n\hat x_n\Bigr) .$$
#
# With $\hat g = γg$, and $γ$ the same for the whole batch:
#
# $$\boxed{\;\frac{∂L}{∂x_m} = \frac{γ}{\sqrt{σ^2 + ε}}
# \Bigl(g_m - \overline{g} - \hat x_m\,\overline{g\hat x}\Bigr)\;}$$
#
# where a bar is a mean over the batch. Three means, no loop. In code it is well under 15 lines; you will write them in
# the assignment. Here we only check the boxed line, against differences of the loss itself.

# %%
rng = np.random.default_rng(5)
x, g = rng.normal(1.0, 2.0, size=(6, 3)), rng.normal(size=(6, 3))
gamma, beta = np.array([1.5, -0.7, 2.0]), np.array([0.3, 0.0, -1.0])
y, _, cache = batch_norm(x, gamma, beta, training=True, eps=0.1)
dx, dgamma, dbeta = batch_norm_backward(g, cache)


def loss(x=x, gamma=gamma, beta=beta):
    """A loss whose gradient with respect to y is g."""
    return np.sum(g * batch_norm(x, gamma, beta, training=True, eps=0.1)[0])


boxed = (
    gamma / cache["std"] * (g - g.mean(axis=0) - cache["x_hat"] * (g * cache["x_hat"]).mean(axis=0))
)
measured = {
    "∂L/∂x": (boxed, numerical_gradient(lambda v: loss(x=v), x)),
    "∂L/∂γ": (dgamma, numerical_gradient(lambda v: loss(gamma=v), gamma)),
    "∂L/∂β": (dbeta, numerical_gradient(lambda v: loss(beta=v), beta)),
}
rows = []
for name, (derived, differences) in measured.items():
    np.testing.assert_allclose(derived, differences, atol=1e-7)
    rows.append([name, f"{np.abs(differences).max():.3f}", "agree to 1e-7"])
print(text_table(["gradient", "largest entry", "derived and measured"], rows))
np.testing.assert_allclose(dx, boxed, rtol=1e-9)

wrong = {
    "as derived": boxed,
    "moments taken as constants": gamma / cache["std"] * g,
    "mean forgotten": gamma
    / cache["std"]
    * (g - cache["x_hat"] * (g * cache["x_hat"]).mean(axis=0)),
    "variance forgotten": gamma / cache["std"] * (g - g.mean(axis=0)),
}
true = measured["∂L/∂x"][1]
rows = [
    [name, f"{np.linalg.norm(value - true) / np.linalg.norm(true):.2f}"]
    for name, value in wrong.items()
]
print("\nRelative error of ∂L/∂x:")
print(text_table(["", "error"], rows))
assert rows[0][1] == "0.00"
assert all(float(row[1]) > 0.1 for row in rows[1:])

# %% [markdown]
# ### What the formula says
#
# Read the bracket as geometry. Of the gradient $g$, a vector with one entry a sample, two parts are taken out: the
# part along $(1, 1, ..., 1)$ and the part along $\hat x$. They must go. Shift all samples, and no $\hat x$ changes;
# stretch all samples about their mean, and no $\hat x$ changes either (but for $ε$). A gradient that asks for a shift or
# a stretch asks for something that batch norm undoes.
#
# So the Jacobian $\frac{∂\hat x}{∂x}$ is a projection divided by $s$: of its $N$ eigenvalues two are 0, all others are
# $1/s$.

# %%
column = np.random.default_rng(6).normal(size=(6, 1))
_, _, cache = batch_norm(column, np.ones(1), np.zeros(1), training=True, eps=0.0)
jacobian = np.column_stack([batch_norm_backward(e[:, None], cache)[0] for e in np.eye(6)])
values = np.sort(np.linalg.eigvalsh(jacobian * cache["std"].item()))
print("eigenvalues times s:", np.abs(values.round(6)))
assert np.allclose(values, [0, 0, 1, 1, 1, 1])

rows = []
for samples in (2, 3, 8, 64):
    g = np.random.default_rng(7).normal(size=(samples, 2000))  # 2000 features at once
    x = np.random.default_rng(8).normal(size=(samples, 2000))
    _, _, cache = batch_norm(x, np.ones(2000), np.zeros(2000), training=True, eps=0.0)
    left = batch_norm_backward(g, cache)[0] * cache["std"]
    share = np.sum(left**2) / np.sum(g**2)
    np.testing.assert_allclose(share, (samples - 2) / samples, atol=0.03)
    rows.append([samples, f"{share:.2f}", f"{(samples - 2) / samples:.2f}"])
print("\nWhat gets through of a random gradient, as a share of |g|²:")
print(text_table(["batch", "measured", "(N − 2)/N"], rows))

# %% [markdown]
# **In a batch of two nothing gets through** (but for $ε$, see section 5): its $\hat x$ is always $(-1, 1)$, so why should
# $x$ move? That is the second reason, beside the wobble, why batch norm needs a batch.
#
# Play with the three steps of the bracket. Each stem is one sample.
#
# 1. *the same for all*: what is left after the first step?
# 2. *along x̂*: and after the second? Then raise $ε$: now the stretch is not undone completely.
# 3. *one sample only*: the loss looks at one sample, yet all others get a gradient. Which way do they move, and why?
# 4. $N = 2$ with any pattern.
# 5. Pull the last sample far out. It becomes almost parallel to $\hat x$: what happens to its own gradient?

# %%
backward_explorer()

# %% [markdown]
# ## 5. The batch size, measured
#
# The notes warn: with too small a batch the estimates are unstable. How small is too small? The digits, two hidden
# layers of 32, five epochs of plain SGD, batches of 2 to 256; without a norm, with batch norm, and with layer norm
# (section 9), which does not look at the batch. Each of the 18 pairs has its own rate, the best of four or five on a
# part held back from the training data (three seeds). Then ten other seeds, scored on the test part. `experiments.py`
# beside this notebook wrote the table.
#
# (1280 of the 1437 training samples are used, so that every batch is full. With batches of 2 the last one would have a
# single sample, which has no variance: `BatchNorm` refuses it, as torch does. Drop such a batch.)

# %%
sizes = read_study("data/batch_sizes.csv")
NAMES = {"none": "no norm", "batch": "batch norm", "layer": "layer norm"}
BATCHES = [int(size) for size in np.unique(sizes["batch"])]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.6), layout="constrained")
rows, accuracy, train_loss = [], {}, {}
for index, (norm, name) in enumerate(NAMES.items()):
    row = [name]
    for size in BATCHES:
        own = where(sizes, norm=norm, batch=size)
        accuracy[norm, size] = mean_and_error(100 * own["test_accuracy"])
        train_loss[norm, size] = mean_and_error(own["train_loss"])
        row.append("{:.1f} ± {:.1f}".format(*accuracy[norm, size]))
    rows.append(row)
    for axes, seen in ((left, accuracy), (right, train_loss)):
        means, errors = np.transpose([seen[norm, size] for size in BATCHES])
        axes.errorbar(BATCHES, means, errors, **line_style(index), capsize=3, label=name)
left.set(xscale="log", xlabel="batch size (log)", ylabel="test accuracy, %")
right.set(xscale="log", yscale="log", xlabel="batch size (log)", ylabel="training loss (log)")
for axes in (left, right):
    axes.set_xticks(BATCHES, BATCHES)
    axes.minorticks_off()
left.legend(loc="lower right")
plt.show()
print("Test accuracy in %, mean of ten seeds ± standard error, after five epochs:")
print(text_table(["batch", *map(str, BATCHES)], rows))
rates = [
    [name, *(f"{where(sizes, norm=norm, batch=size)['lr'][0]:g}" for size in BATCHES)]
    for norm, name in NAMES.items()
]
print("\nThe rate chosen:")
print(text_table(["batch", *map(str, BATCHES)], rates))
assert accuracy["batch", 2][0] < 60
assert accuracy["layer", 2][0] > 95
assert accuracy["none", 2][0] > 95
assert accuracy["batch", 4][0] < accuracy["none", 4][0] - 1
for size in (8, 16):
    assert abs(accuracy["batch", size][0] - accuracy["none", size][0]) < 1
print("\nAccuracy with batch norm minus that without, seed by seed, in %:")
rows = []
for size in BATCHES:
    with_norm, without = (
        where(sizes, norm=norm, batch=size)["test_accuracy"] for norm in ("batch", "none")
    )
    gain, error = mean_and_error(100 * (with_norm - without))
    rows.append([size, f"{gain:.1f} ± {error:.1f}"])
    if size >= 64:
        assert gain > 2 * error
        assert train_loss["batch", size][0] < 0.6 * train_loss["none", size][0]
print(text_table(["batch", "gain"], rows))

# %% [markdown]
# - **A batch of two is a disaster for batch norm**: half of the digits wrong, where the others read 96 of 100.
# - **With four it trails by two points, from eight on it keeps up** in accuracy. Its training loss is the higher one up
#   to 16. The usual advice, 16 or more, fits.
# - **Layer norm does not care.** Its lower accuracy at 256 is no matter of the norm: five epochs are only 25 steps there,
#   and the network without a norm falls too.
# - **With large batches batch norm is ahead.** At 64 and 256 it reads about one digit in a hundred more, and its training
#   loss is half as high: in those few steps it bears a rate three times the others' best (at 256 the largest we tried).
# - **Else it is no gain in accuracy here.** A network of two hidden layers with a good initialization and a tuned rate
#   does not need it. The next section has one that does.
#
# Why a disaster, and not just slow learning? Let the two samples of a pair be $μ ± d$. Then $\hat x = \dfrac{d}{\sqrt{d^2 + ε}}$,
# a step from $-1$ to $1$, and its slope is
#
# $$\frac{d\hat x}{dd} = \frac{ε}{(d^2 + ε)^{3/2}} :$$
#
# 0 nearly everywhere, and a spike of height $1/\sqrt{ε} = 316$ where the two samples happen to agree. So the layers below
# hear nothing, nothing, nothing, and then a blow. One epoch, in numbers:

# %%
rows, seen = [], {}
for name, make in {"batch norm": BatchNorm, "layer norm": LayerNorm}.items():
    for size in (2, 4, 64):
        rng = np.random.default_rng(12)
        network = Sequential(Linear(64, 32, rng), make(32), ReLU(), Linear(32, 10, rng))
        norms = []
        for batch in batches(1280, size, rng):
            output = network.forward(data.x_train[batch], training=True)
            network.backward(cross_entropy_grad(output, data.y_train[batch]))
            norms.append(np.linalg.norm(network.grads[0]))
        seen[name, size] = np.percentile(norms, [10, 50, 100])
        rows.append([name, size, *(f"{norm:.3g}" for norm in seen[name, size])])
print("Norm of the gradient of the first layer's weights, over the batches of one epoch:")
print(text_table(["", "batch", "a tenth are below", "half are below", "largest"], rows))
low, middle, high = seen["batch norm", 2]
assert high > 500 * middle > 500 * 10 * low
assert seen["batch norm", 64][2] < 2 * seen["batch norm", 64][0]
assert seen["layer norm", 2][2] < 3 * seen["layer norm", 2][0]

# %% [markdown]
# A factor of 70 000 between quiet and loud. No rate suits both: the best one for pairs is 0.01, the smallest we tried,
# and it is not good.
#
# And the running variance, with $1/N$ or with $1/(N-1)$? The same networks, tested with both:

# %%
variances = read_study("data/running_variances.csv")
rows, losses = [], {}
for size in (2, 4, 8):
    row = [size]
    for divide in ("N", "N - 1"):
        own = where(variances, batch=size, divide=divide)
        losses[size, divide] = own["test_loss"]
        row.append("{:.3f} ± {:.3f}".format(*mean_and_error(own["test_loss"])))
        row.append(f"{100 * own['test_accuracy'].mean():.1f}")
    better = int(np.sum(losses[size, "N - 1"] < losses[size, "N"]))
    rows.append([*row, f"{better} of 10"])
header = ["batch", "loss, 1/N", "accuracy, %", "loss, 1/(N − 1)", "accuracy, %", "second better"]
print("Test part, mean of ten seeds:")
print(text_table(header, rows))
assert np.all(losses[2, "N"] < losses[2, "N - 1"])
assert np.sum(losses[4, "N"] < losses[4, "N - 1"]) >= 8
assert abs(losses[8, "N"].mean() - losses[8, "N - 1"].mean()) < 0.01

# %% [markdown]
# > **The sources differ**, and here is a surprise: the *unbiased* variance is the worse one. With batches of 2 it loses in
# > ten of ten seeds, with 4 in nine; with 8 there is nothing between them. It estimates the variance of all samples
# > better, but that is not what the next layer was trained on. In a batch of two every $\hat x$ had size 1. At inference, with
# > normal $x$, the mean of $|\hat x|$ is 0.80 with $1/(N-1)$ and 1.13 with $1/N$. Neither is 1; the second is nearer. (One
# > network and data set. At usual sizes the factor $\frac{N}{N-1}$ is nothing.)
#
# ## 6. Before or after the activation?
#
# "The position of batch normalization relative to the non-linearity is not clear", say the slides. The notes allow
# both. The paper puts it before. A deeper network of eight hidden layers, batches of 64, five epochs, seven rates:

# %%
by_rate, places = read_study("data/rates.csv"), read_study("data/places.csv")
PLACES = {"none": "no batch norm", "before": "before ReLU", "after": "after ReLU"}
rates = np.unique(by_rate["lr"])
figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
curves, rows, scores = {}, [], {}
for index, (place, name) in enumerate(PLACES.items()):
    tried = [where(by_rate, place=place, lr=lr)["test_loss"] for lr in rates]
    curves[place] = np.array([losses.mean() for losses in tried])
    seen = np.isfinite(curves[place])
    errors = [mean_and_error(losses)[1] for losses in np.array(tried)[seen]]
    axes.errorbar(
        rates[seen], curves[place][seen], errors, **line_style(index), capsize=3, label=name
    )
    own = where(places, place=place)
    scores[place] = own["test_loss"]
    rows.append(
        [
            name,
            f"{own['lr'][0]:g}",
            "{:.3f} ± {:.3f}".format(*mean_and_error(own["test_loss"])),
            f"{np.median(own['test_loss']):.3f}",
            "{:.1f} ± {:.1f}".format(*mean_and_error(100 * own["test_accuracy"])),
        ]
    )
axes.set(xscale="log", yscale="log", xlabel="rate (log)", ylabel="validation loss (log)")
axes.legend()
plt.show()
table = [
    [name, *(f"{loss:.2f}" if np.isfinite(loss) else "broke" for loss in curves[place])]
    for place, name in PLACES.items()
]
print("Validation loss by rate, mean of five seeds:")
print(text_table(["rate", *(f"{lr:g}" for lr in rates)], table))
print("\nAt the best rate of each, test part, twenty other seeds ± standard error:")
print(text_table(["", "rate", "test loss", "median", "accuracy, %"], rows))
gain, error = mean_and_error(scores["after"] - scores["before"])
wins = int(np.sum(scores["before"] < scores["after"]))
print(f"\nafter − before: {gain:.2f} ± {error:.2f}; before is better in {wins} of 20 seeds")
best = {place: rates[np.argmin(curve)] for place, curve in curves.items()}
assert min(best["before"], best["after"]) > 2 * best["none"]
assert np.isinf(curves["none"][rates == 1.0][0])
assert np.isfinite(curves["before"]).all()
assert np.isfinite(curves["after"]).all()
assert min(curves["before"].min(), curves["after"].min()) < curves["none"].min() / 2
assert wins == 10

# %% [markdown]
# - **Batch norm trains this network where plain SGD hardly can**: half of the loss, 92 instead of 87 of 100 digits.
# - **It bears larger rates**, as the notes say. Without it the best rate is 0.1, at 0.3 training suffers, at 1 it
#   breaks. With it the best lies three to ten times higher, and even a rate of 3 does not overflow. Section 2 gave a
#   reason.
# - **Before or after: not clear indeed.** *Before* has the lower mean, by a bit more than two standard errors; but seed
#   against seed it is ten to ten. Where *after* wins it wins by little; where it loses, at its larger rate, it can lose
#   by half a unit. On the validation part *after* is ahead at all small rates.
#
# > **The sources differ.** The notes, as the paper, give "internal covariate shift" as what batch norm cures: the
# > layer's inputs keep moving while it learns. Santurkar and others (2018) moved them on purpose *after* batch norm, and
# > it trained as well as before. What we could measure here is the larger rate, and the reason of section 2 for it.
#
# So the slides are right to leave it open. Take *before* if you have no reason: it folds into the linear layer at
# inference (section 8).
#
# ## 7. Batch norm instead of standardizing?
#
# The notes say: with batch norm as the very first layer "you do not need to standardize your training set". The wines
# again, in their own units, a small network of 16 hidden units, thirty epochs, rates from $10^{-6}$ to 0.3:

# %%
prepared = read_study("data/inputs.csv")
rows, losses = [], {}
for kind, name in {
    "raw": "as they are",
    "standardized": "standardized",
    "batch norm first": "batch norm as first layer",
}.items():
    own = where(prepared, kind=kind)
    losses[kind] = own["test_loss"]
    rows.append(
        [
            name,
            f"{own['lr'][0]:g}",
            "{:.3f} ± {:.3f}".format(*mean_and_error(own["test_loss"])),
            "{:.1f} ± {:.1f}".format(*mean_and_error(100 * own["test_accuracy"])),
        ]
    )
print("Test part, twenty seeds ± standard error:")
print(text_table(["wines", "rate", "test loss", "accuracy, %"], rows))
gain, error = mean_and_error(losses["batch norm first"] - losses["standardized"])
print(f"\nbatch norm first − standardized: {gain:.3f} ± {error:.3f}")
assert losses["raw"].mean() > 5 * losses["standardized"].mean()
assert abs(gain) < 3 * error
assert losses["raw"].mean() > 10 * losses["batch norm first"].mean()

# %% [markdown]
# The claim holds here: 97 of 100 wines right both ways, and the losses differ by one and a half standard errors. Without
# either, at the best of nine rates, it is 57 of 100. What you give up:
#
# - The scale now comes from batches, so the inputs wobble (section 3), most where batches are small.
# - An outlier in a batch spoils *that batch*, instead of the whole training set. The running moments remember it for a
#   while.
# - Inference needs running moments that have arrived. From mean 0 to proline's 750 with $α = 0.9$ it takes some 100 steps
#   until the error is below one hundredth of a unit: $750 · 0.9^{107} < 0.01$.
#
# So it is convenient, for example when new data keep streaming in. Where you can, standardize: it is one line, exact,
# and free at inference.

# %% [markdown]
# ## 8. What it costs at inference
#
# The notes name an overhead at inference: moments to store, a normalization to compute. Look closer. At inference
# $\bar μ$ and $\bar σ$ are constants, so batch norm is a straight line in $x$. A linear layer before it is one too. Two
# in a row make one:
#
# $$γ\,\frac{(xW + b) - \bar μ}{\sqrt{\bar σ^2 + ε}} + β = x\,W' + b', \qquad
# W' = W\,\mathrm{diag}(k), \quad b' = (b - \bar μ)\,k + β, \quad k = \frac{γ}{\sqrt{\bar σ^2 + ε}} .$$
#
# **Folded** this way, batch norm costs nothing at inference. Train a network and fold it:


# %%
def folded(network):
    """Return the network with every batch norm that follows a linear layer put into that layer."""
    layers = []
    for layer in network.layers:
        if isinstance(layer, BatchNorm) and layers and isinstance(layers[-1], Linear):
            (gamma, beta), (mean, var) = layer.params, layer.buffers
            factor = gamma / np.sqrt(var + 1e-5)
            old, new = layers[-1], Linear(*layers[-1].params[0].shape, np.random.default_rng(0))
            new.params[0][...] = old.params[0] * factor
            new.params[1][...] = (old.params[1] - mean) * factor + beta
            layers[-1] = new
        else:
            layers.append(layer)
    return Sequential(*layers)


rng = np.random.default_rng(9)
network = Sequential(
    *(Linear(64, 32, rng), BatchNorm(32), ReLU()),
    *(Linear(32, 32, rng), BatchNorm(32), ReLU()),
    Linear(32, 10, rng),
)
train(network, Optimizer(sgd, network.params, lr=0.1), data, epochs=3, batch_size=32, rng=rng)
small = folded(network)
gap = np.abs(small.forward(data.x_test) - network.forward(data.x_test)).max()
print(
    "layers:",
    len(network.layers),
    "→",
    len(small.layers),
    "| largest change of a logit < 1e-9:",
    gap < 1e-9,
)
assert gap < 1e-9

times = read_study("data/inference.csv")
rows, overhead = [], {}
for width, samples in ((64, 1), (64, 256), (512, 1), (512, 256)):
    plain, normed = (
        where(times, network=name, width=width, samples=samples)["microseconds"][0]
        for name in ("plain", "batch norm")
    )
    overhead[width, samples] = normed / plain
    rows.append([width, samples, f"{normed / plain:.1f}"])
print("\nTime of ten layers with batch norm, not folded, over the time without (one machine):")
print(text_table(["width", "samples", "times"], rows))
assert min(overhead.values()) > 1

# %% [markdown]
# So both are true. As separate layers it costs: a matrix of width 64 is multiplied so fast that the extra passes over the
# activations weigh heavily; at width 512 the matrices dominate. (One run of `experiments.py` on a busy machine: trust
# the order of magnitude.) And it is avoidable, at no loss. What cannot be folded is a norm that looks at the sample
# itself, such as the next one.
#
# ## 9. Layer norm
#
# Turn the table of activations by a quarter: standardize each **sample** over its own features, instead of each feature
# over the batch.
#
# $$μ = \frac1D\sum_i x_i, \qquad σ^2 = \frac1D\sum_i (x_i - μ)^2, \qquad
# y_i = γ_i\,\frac{x_i - μ}{\sqrt{σ^2 + ε}} + β_i .$$
#
# No sample sees another. That removes at a stroke everything that was awkward: no running moments, no difference
# between training and inference, batches of one allowed. $γ$ and $β$ are as before, one a *feature*.

# %%
x = np.array([[1.0, 3.0, 5.0, 7.0], [10.0, 30.0, 50.0, 70.0], [7.0, 1.0, 3.0, 5.0]])
one, zero = np.ones(4), np.zeros(4)
by_layer, _ = layer_norm(x, one, zero)
by_batch, _, _ = batch_norm(x, one, zero, training=True)
print("layer norm, every row has mean 0:")
print(by_layer.round(2))
print("batch norm, every column has mean 0:")
print(by_batch.round(2))
alone, _ = layer_norm(x[:1], one, zero)
assert np.allclose(alone, by_layer[:1])
assert np.allclose(by_layer[0], by_layer[1], atol=1e-5)
assert np.allclose(by_layer.mean(axis=1), 0)
assert np.allclose(by_batch.mean(axis=0), 0)

# %% [markdown]
# The first two samples come out the same: the scale of a sample is gone. Batch norm keeps it. That is the price, and
# sometimes the purpose.
#
# **Backward.** Section 4 never used that the numbers along the mean were samples. Put features in their place:
#
# $$\frac{∂L}{∂x_i} = \frac1s\Bigl(\hat g_i - \frac1D\sum_j \hat g_j - \hat x_i\,\frac1D\sum_j \hat g_j\hat x_j\Bigr),
# \qquad \hat g_j = γ_j\,g_j .$$
#
# One thing is new. $γ_j$ now *varies along the sum*, so it cannot be pulled in front of the bracket. Copy batch norm's
# boxed line and you make the most common mistake of this page. $γ$ and $β$ still collect over the samples.

# %%
rng = np.random.default_rng(10)
x, g = rng.normal(1.0, 2.0, size=(3, 5)), rng.normal(size=(3, 5))
gamma, beta = np.array([1.5, -0.7, 2.0, 0.5, 1.0]), np.zeros(5)
_, cache = layer_norm(x, gamma, beta)
dx, dgamma, dbeta = layer_norm_backward(g, cache)
differences = numerical_gradient(lambda v: np.sum(g * layer_norm(v, gamma, beta)[0]), x)
x_hat, std = cache["x_hat"], cache["std"]
means = [np.mean(v, axis=1, keepdims=True) for v in (g, g * x_hat)]
copied = gamma / std * (g - means[0] - x_hat * means[1])
np.testing.assert_allclose(dx, differences, atol=1e-7)
size = np.linalg.norm(differences)
rows = [
    ["γ inside the means", f"{np.linalg.norm(dx - differences) / size:.2f}"],
    ["γ in front, as in batch norm", f"{np.linalg.norm(copied - differences) / size:.2f}"],
]
print(text_table(["∂L/∂x of layer norm", "relative error"], rows))
assert np.linalg.norm(copied - differences) / size > 0.1

# %% [markdown]
# ## 10. The neighbours
#
# All norms do the same to a set of numbers. They differ in **which numbers are in the set**.
#
# | norm | one mean and variance for | where you meet it |
# |---|---|---|
# | batch | a channel, over the batch (and positions) | convolutional networks |
# | layer | a sample, over its features | transformers, recurrent networks |
# | instance | a sample and a channel, over the positions | style transfer |
# | group | a sample and a group of channels | images in small batches |
# | RMS | a sample; a mean square, and no mean | large language models |
#
# Choose a norm and a number (the dark cell); light cells share its mean and variance. Which norms can give a batch of one
# to inference without further thought? Which one has the fewest numbers to average?

# %%
shares_explorer()

# %% [markdown]
# The family relations, checked on random pictures:

# %%
rng = np.random.default_rng(11)
x, gamma, beta = rng.normal(2.0, 3.0, size=(4, 6, 5)), rng.normal(size=6), rng.normal(size=6)
one, zero = np.ones(6), np.zeros(6)
by_instance, _ = instance_norm(x, gamma, beta)
six_groups, _ = group_norm(x, gamma, beta, groups=6)
one_group, _ = group_norm(x, one, zero, groups=1)
whole_sample, _ = layer_norm(x.reshape(4, 30), np.ones(30), np.zeros(30))
brighter, _ = instance_norm(3 * x + 5, gamma, beta)

rows_ = rng.normal(2.0, 3.0, size=(4, 6))
centred = rows_ - rows_.mean(axis=1, keepdims=True)
as_layer, _ = layer_norm(rows_, one, zero, eps=0.0)
as_rms, _ = rms_norm(centred, one, eps=0.0)
plain, stretched, moved = (rms_norm(v, one, eps=0.0)[0] for v in (rows_, 7 * rows_, rows_ + 7))
facts = {
    "group norm with as many groups as channels is instance norm": (by_instance, six_groups),
    "group norm with one group is layer norm of the whole sample": (
        one_group.reshape(4, 30),
        whole_sample,
    ),
    "instance norm forgets brightness and contrast": (by_instance, brighter),
    "RMS norm of a sample with mean 0 is layer norm": (as_layer, as_rms),
    "RMS norm forgets the scale": (plain, stretched),
}
for fact, (left, right) in facts.items():
    np.testing.assert_allclose(left, right, atol=1e-5)
    print("yes:", fact)
print("no:  RMS norm forgets a shift")
assert np.abs(plain - moved).max() > 0.1

# %% [markdown]
# RMS norm saves the mean and $β$. That it works as well as layer norm in language models says that the scale was what
# mattered there, not the shift.
#
# ## What to take with you
#
# - Standardize with the training set's moments. Look for outliers first: they hide themselves.
# - Batch norm: over the batch, $\sqrt{σ^2 + ε}$, then $γ$ and $β$. No bias before it.
# - Backward: $\frac{γ}{s}(g - \bar g - \hat x\,\overline{g\hat x})$. The shift and the stretch drop out. With two samples
#   nothing is left but rare blows.
# - Inference uses running moments, the same $ε$, and learns nothing. Forgetting to switch modes is the classic bug.
# - Small batches, or one sample at a time: layer norm or group norm. There, $γ$ stays inside the means.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("08_normalization")

# %% [markdown]
# ## Further reading
#
# - LeCun, Bottou, Orr, Müller, *Efficient BackProp*, 1998:
#   [doi:10.1007/3-540-49430-8_2](https://doi.org/10.1007/3-540-49430-8_2). Why inputs are standardized.
# - Ioffe, Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift*,
#   2015: [arXiv:1502.03167](https://arxiv.org/abs/1502.03167). Algorithm 1 and section 3 are this lesson.
# - Ba, Kiros, Hinton, *Layer Normalization*, 2016: [arXiv:1607.06450](https://arxiv.org/abs/1607.06450).
# - Ulyanov, Vedaldi, Lempitsky, *Instance Normalization: The Missing Ingredient for Fast Stylization*, 2016:
#   [arXiv:1607.08022](https://arxiv.org/abs/1607.08022).
# - Wu, He, *Group Normalization*, 2018: [arXiv:1803.08494](https://arxiv.org/abs/1803.08494). Its first figures show who
#   shares with whom, and error against batch size.
# - Zhang, Sennrich, *Root Mean Square Layer Normalization*, 2019:
#   [arXiv:1910.07467](https://arxiv.org/abs/1910.07467).
# - Santurkar, Tsipras, Ilyas, Mądry, *How Does Batch Normalization Help Optimization?*, 2018:
#   [arXiv:1805.11604](https://arxiv.org/abs/1805.11604). Not by reducing covariate shift, they find.
# - Bjorck, Gomes, Selman, Weinberger, *Understanding Batch Normalization*, 2018:
#   [arXiv:1806.02375](https://arxiv.org/abs/1806.02375). It is the larger rates, they find.
