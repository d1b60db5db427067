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
# # Backpropagation: from one neuron to a network that reads
#
# **Goal.** You will be able to say what a neuron computes, which loss belongs to which output, and to
# derive, with pencil and paper, how a gradient finds its way back through a network. You will know how to
# test a gradient that you wrote, and what a network can represent, with the conditions that are often left out.
#
# **Before you start** you need matrix products, derivatives and the chain rule for one variable. Nothing
# about networks is assumed.
#
# **Time.** About two and a half hours with the live figures; section 9 can wait. To start, choose *Run*, *Run
# All Cells* in the menu above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $x$ | input: a batch has one sample a row | `x` |
# | $W$, $b$ | weights and bias of a layer | `w`, `b` |
# | $z$ | what a layer computes before its activation | `z` |
# | $h$ | what it gives after the activation | `h` |
# | $\hat y$, $p$ | the network's output; probabilities | `y`, `p` |
# | $L$ | loss | `loss` |
# | $g = ∂L/∂\,\cdot$ | gradient, of the shape of what it belongs to | `grad` |
# | $B$ | samples in a batch | `len(x)` |
#
# Where the lecture notes that this course grew out of err or disagree, a note headed **The sources differ** says
# so and shows it. Here: **the second slides** are *Training Neural Networks* of a machine learning engineering
# course (CAI 4104/6108, 2024), and **the Murphy notes** are a summary of section 13.4 of Murphy's *Probabilistic
# Machine Learning*.

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np
from sklearn.svm import SVC

from course import activations, optimizers
from course.data import batches, diabetes, digits
from course.diagnostics import check_gradient, numerical_gradient
from course.layers import Activation, Linear, ReLU, Sequential
from course.losses import (
    bce_with_logits,
    cross_entropy,
    cross_entropy_grad,
    mse,
    mse_grad,
)
from course.optimizers import Optimizer
from course.studies import mean_and_error, read_study, where
from course.tables import text_table
from course.training import train
from course.widgets.backpropagation import (
    central_difference,
    forward_difference,
    hat_network,
    interpolating_network,
    loss_and_gradient,
    output_and_loss,
    perceptron,
    perceptron_walk,
    secant,
    softmax_and_gradient,
    two_species,
)
from course.widgets.style import COLORS, line_style, use_style

use_style()

# %% [markdown]
# ## 1. One neuron
#
# A neuron weighs its inputs, adds a bias and applies a function:
#
# $$\hat y = f(z), \qquad z = w · x + b = w_1 x_1 + \dots + w_d x_d + b .$$
#
# The points with $z = 0$ form a line (in many dimensions a hyperplane). It stands at a right angle on $w$, and its
# distance from the origin is $|b|/\|w\|$. On the side to which $w$ points $z$ is positive, on the other negative. So
# $w$ sets the direction of the boundary and $b$ moves it.
#
# The function $f$ decides what comes out:

# %%
z = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
functions = {
    "identity": activations.identity,
    "sigmoid": activations.sigmoid,
    "Heaviside": activations.heaviside,
    "sign": activations.sign,
}
rows = [[name, *(f"{value:.2f}" for value in f(z))] for name, f in functions.items()]
print(text_table(["f", *(f"z = {value:g}" for value in z)], rows))
assert activations.heaviside(np.zeros(1)) == activations.sign(np.zeros(1)) == 0

# %% [markdown]
# > **The sources differ.** The second slides define the Heaviside step as 0 for $z ≤ 0$ and 1 "otherwise
# > ($z ≥ 1$)", which says nothing about $z = 0.5$. Meant is $z > 0$. What happens *at* 0 is a convention; here
# > $H(0) = 0$ and $\operatorname{sign}(0) = 0$.
#
# ### The perceptron
#
# With a step for $f$ the neuron says yes or no: it is Rosenblatt's **perceptron**. Its derivative is 0 wherever it
# exists, so no gradient can teach it. It has a rule of its own. With classes $y = ±1$: go through the samples;
# if $\operatorname{sign}(w·x + b) = y$, do nothing; else
#
# $$w ← w + y\,x, \qquad b ← b + y .$$
#
# Why does this help? After the step, $y\,(w·x + b)$ has grown by $\|x\|^2 + 1$: the sample is less wrong than before.
# A sample on the boundary counts as wrong, otherwise weights of 0 would never start.
#
# **The theorem** (Novikoff 1962): if some line separates the classes, the perceptron finds one, after at most
# $(R/m)^2$ steps. $R$ is the largest length of $(x, 1)$, and $m$ the smallest distance to a separating
# boundary through the origin of those extended points. Here are two species of iris, by the length and width of their
# sepals, and the same data moved away from the origin by 3 in both directions:

# %%
rows = []
for shift in (0.0, 3.0):
    x, y = two_species("setosa")
    walk = perceptron_walk(x + shift, y)
    extended = np.column_stack([x + shift, np.ones(len(x))])
    best = SVC(kernel="linear", C=1e6).fit(
        np.vstack([y[:, None] * extended, -y[:, None] * extended]), np.repeat([1, -1], len(x))
    )
    direction = best.coef_[0] / np.linalg.norm(best.coef_)
    margin = np.min(y * (extended @ direction))
    bound = np.max(np.sum(extended**2, axis=1)) / margin**2
    steps = len(walk.weights) - 1
    assert walk.finished
    assert steps <= bound
    rows.append([f"{shift:g}", steps, f"{margin:.3f}", f"about {round(bound, -1):.0f}"])
print("Iris, setosa against versicolor:")
print(text_table(["moved by", "steps", "largest margin", "bound (R/margin)²"], rows))

overlapping = perceptron_walk(*two_species("virginica"))
assert not overlapping.finished
print("\nvirginica against versicolor: no line separates them, it never stops")

# %% [markdown]
# (The largest margin is found by a support vector machine.) The bound is loose, but it says what makes the task
# hard: a small margin, and data that lie far away.
#
# ### See it
#
# 1. Press play. What does one update do to the line, and to the samples that were right before?
# 2. Put *data moved by* to 0. How many updates are needed now?
# 3. Set the bias to *stays 0*: the boundary must pass through the origin. Does it still find a line?
# 4. Choose *virginica*. Watch the number of errors: does it settle?

# %%
perceptron()

# %% [markdown]
# > **The sources differ.** The second slides say of the perceptron: "no bias term". That is a choice, and it costs:
# > without a bias the walk on setosa and versicolor never ends. Or give every sample an input that is
# > always 1; then the bias is one of the weights.

# %%
x, y = two_species("setosa")
assert perceptron_walk(x, y).finished
assert not perceptron_walk(x, y, bias=False, updates=2000).finished

extended = np.column_stack([x, np.ones(len(x))])
with_bias = perceptron_walk(x, y)
with_ones = perceptron_walk(extended, y, bias=False)
assert with_ones.finished
np.testing.assert_allclose(with_ones.weights[-1], [*with_bias.weights[-1], with_bias.biases[-1]])
print("without a bias: not finished after 2000 updates")
print(f"an input of 1 in its place: finished after {len(with_ones.weights) - 1} updates")

# %% [markdown]
# And what one line cannot do, one neuron cannot do. The four points of XOR, $(0,0) → -1$, $(1,1) → -1$,
# $(0,1) → +1$, $(1,0) → +1$, have no separating line: the two conditions for $+1$ add up to $w_1 + w_2 + 2b > 0$, the
# two for $-1$ to $w_1 + w_2 + 2b < 0$. We need more than one layer, and then a way to tell the first layer what to do.
# That way is backpropagation.
#
# ## 2. Layers
#
# A **dense layer** is many neurons that look at the same inputs. For a whole batch it is one matrix product:
#
# $$Z = XW + b, \qquad Z_{no} = \sum_i X_{ni} W_{io} + b_o ,$$
#
# with $X$ of shape $(B, \text{fan-in})$, $W$ of shape $(\text{fan-in}, \text{fan-out})$ and one bias for each unit.
# Each column of $W$ is one neuron. A **network** is layers with activations between them. Without those it would be
# pointless: $(XW_1)W_2 = X(W_1W_2)$ is one layer again.
#
# The second slides recommend the *funnel*: from many inputs to few outputs in steps, for example 100-64-32-16-10. How
# many parameters is that?

# %%
sizes = (100, 64, 32, 16, 10)
rng = np.random.default_rng(0)
layers, rows = [], []
for fan_in, fan_out in itertools.pairwise(sizes):
    layers += [Linear(fan_in, fan_out, rng), ReLU()]
    rows.append([f"{fan_in} → {fan_out}", fan_in * fan_out, fan_out, fan_in * fan_out + fan_out])
funnel = Sequential(*layers[:-1])
total = sum(row[-1] for row in rows)
print(text_table(["layer", "weights", "biases", "together"], rows))
print(f"\n{total} parameters in all; the first layer has {100 * rows[0][-1] / total:.0f} % of them")
assert total == sum(param.size for param in funnel.params) == 9242

h = rng.standard_normal((32, 100))
for layer in funnel.layers:
    h = layer.forward(h)
assert h.shape == (32, 10)

# %% [markdown]
# ## 3. Where losses come from
#
# Let the network give not a number but a **distribution** $p(y \mid x; θ)$. Good parameters are those under which the
# data we have seen are likely. The samples are independent, so their probabilities multiply. Take minus the logarithm, and
# the product becomes a sum, the **negative log-likelihood**:
#
# $$\mathrm{NLL}(θ) = -\log \prod_n p(y_n \mid x_n; θ) = -\sum_n \log p(y_n \mid x_n; θ) .$$
#
# The logarithm is no matter of taste. The product of 2000 probabilities of 0.5 is too small for a computer:

# %%
p = np.full(2000, 0.5)
assert np.prod(p) == 0.0
np.testing.assert_allclose(-np.sum(np.log(p)), 2000 * np.log(2))
print(f"product: {np.prod(p)}    minus the sum of the logarithms: {-np.sum(np.log(p)):.1f}")

# %% [markdown]
# Each kind of target has its distribution, and each distribution its loss. Put the formula of $p$ into $-\log p$:
#
# | target | distribution | $-\log p$ of one sample | loss |
# |---|---|---|---|
# | a number | normal, mean $\hat y$, variance $σ^2$ | $\frac{(\hat y - y)^2}{2σ^2} + \log\sqrt{2πσ^2}$ | mean squared error |
# | yes or no, $y ∈ \{0, 1\}$ | Bernoulli, $p$ | $-y \log p - (1-y) \log(1-p)$ | binary cross-entropy |
# | several yes-or-no questions | independent Bernoullis | the sum of these | binary cross-entropy ("multi-label") |
# | one class of $K$ | categorical, $p_1 … p_K$ | $-\log p_y$ | cross-entropy |
#
# So the squared error is no arbitrary choice: it says "errors are normal, all of the same spread". Constants and a
# factor do not move the minimum. We check the first row, and that minimising the second gives what one expects: for a
# coin that shows heads 7 times in 10 throws, $p = 0.7$.

# %%
rng = np.random.default_rng(1)
y, guess, sigma = rng.normal(size=50), rng.normal(size=50), 0.8
density = np.exp(-((guess - y) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)
from_mse = len(y) * (mse(guess, y) / (2 * sigma**2) + np.log(np.sqrt(2 * np.pi * sigma**2)))
np.testing.assert_allclose(-np.sum(np.log(density)), from_mse)

throws = np.array([1.0] * 7 + [0.0] * 3)
grid = np.linspace(0.01, 0.99, 99)
nll = [-np.sum(throws * np.log(p) + (1 - throws) * np.log(1 - p)) for p in grid]
best = grid[np.argmin(nll)]
assert np.isclose(best, 0.7)
print(f"coin, 7 heads of 10: the likelihood is largest at p = {best:.2f}")

# %% [markdown]
# ### Softmax
#
# A network gives any real numbers, the **logits** $z$. To be probabilities they must be positive and add up to 1:
#
# $$p_k = \frac{e^{z_k/T}}{\sum_j e^{z_j/T}} .$$
#
# $T$ is the **temperature**, 1 in training. $T → 0$ gives everything to the largest logit, $T → ∞$ the same to
# each. Adding a constant to all logits changes nothing, since $e^c$ cancels. That is used to compute it: subtract the
# largest logit, and nothing overflows.
#
# ### The gradient that everyone should know
#
# Let $y$ be the right class and $L = -\log p_y = -z_y + \log \sum_j e^{z_j}$, with $T = 1$. Differentiate by $z_k$. The first term
# gives $-1$ if $k = y$, else 0. The second gives $e^{z_k}/\sum_j e^{z_j} = p_k$. Together:
#
# $$\boxed{\frac{∂L}{∂z_k} = p_k - [k = y]}$$
#
# What the network believes, minus what is true. It adds up to 0 over the classes; no entry is beyond ±1, and it
# vanishes only when the network is right and sure.
#
# ### See it
#
# The bars to the right are the gradient (at a temperature $T$ it is $(p - y)/T$). Descent moves each logit against its bar.
#
# 1. Lower the logit of the right class. How far can the loss rise, and how far the gradient?
# 2. Make the right class sure. What is left of the gradient?
# 3. Turn the temperature up, then down. Does the order of the classes ever change?

# %%
softmax_and_gradient()

# %% [markdown]
# One more trap. $\log p$ of a class that is far behind must not go through $p$: in float64 $e^{-800}$ is 0, and its
# logarithm $-∞$. From the logits it is a harmless number:

# %%
z = np.array([[0.0, -800.0]])
with np.errstate(divide="ignore"):
    through_p = np.log(activations.softmax(z))[0, 1]
direct = activations.log_softmax(z)[0, 1]
print(f"log p through p: {through_p}    from the logits: {direct}")
assert through_p == -np.inf
assert direct == -800.0

# %% [markdown]
# ## 4. Output and loss belong together
#
# | task | last activation | loss | $∂L/∂z$ |
# |---|---|---|---|
# | a number | none (linear) | mean squared error | $2(\hat y - y)$ |
# | yes or no; several such questions | sigmoid | binary cross-entropy | $p - y$ |
# | one of $K$ classes | softmax | cross-entropy | $p - y$ |
#
# In each row the gradient is the *error*, up to a factor. That is no accident: the activation undoes exactly the
# curvature of the logarithm. Take another pair and this is lost. Four ways to get it wrong:
#
# ### A sigmoid with the squared error
#
# $L = (p - y)^2$ has $∂L/∂z = 2(p - y)\,p(1-p)$. The factor $p(1-p)$ is tiny where the unit is sure, also where it is
# sure and *wrong*. Start at a wrong answer and count the steps of gradient descent (rate 1) until the unit
# changes its mind:

# %%
rows = []
for start in (-2.0, -5.0, -8.0):
    counts = []
    for pair in ("sigmoid", "sigmoid_mse"):
        z, steps = np.array([start]), 0
        while z[0] < 0:
            z = z - loss_and_gradient(pair, z, 1.0)[2]
            steps += 1
        counts.append(steps)
    rows.append([f"{start:g}", f"{activations.sigmoid(np.array(start)):.4f}", *counts])
print("Steps until the output passes 0.5, target 1:")
print(text_table(["start z", "output", "cross-entropy", "squared error"], rows))
assert rows[-1][2] < 10 < 1000 < rows[-1][3]

# %% [markdown]
# ### See it
#
# Left the loss of one sample, right its slope, against $z$. Choose *sigmoid output, MSE* and move $z$ from 8 to −8. Where is
# the slope largest? Now the cross-entropy. Then *tanh output, MSE* with the target at 2: what is the lowest
# loss in sight, and what is the slope there?

# %%
output_and_loss()

# %% [markdown]
# ### A tanh with the squared error
#
# A tanh never leaves $(-1, 1)$. For a target of $1.5$ the best it can do is 1, and the loss stays at $0.25$. In general
# the loss cannot fall below the mean of $\max(|y| - 1, 0)^2$. Real data: how ill 354 diabetes patients are a year later,
# standardised. The same network with two outputs:

# %%
data = diabetes()
beyond = np.maximum(np.abs(data.y_train) - 1, 0)
floor = np.mean(beyond**2)


def fit(y, *last, seed=0):
    """Train 10-32-1 with these last layers on targets y; return the training loss."""
    rng = np.random.default_rng(seed)
    network = Sequential(Linear(10, 32, rng), ReLU(), Linear(32, 1, rng), *last)
    optimizer = Optimizer(optimizers.adam, network.params, lr=0.03)
    for _ in range(600):
        network.backward(mse_grad(network.forward(data.x_train), y))
        optimizer.step(network.grads)
    return mse(network.forward(data.x_train), y).item()


linear, squashed = fit(data.y_train), fit(data.y_train, Activation(activations.tanh))
third = 9 * fit(data.y_train / 3, Activation(activations.tanh))
print(f"{100 * np.mean(beyond > 0):.0f} % of the targets lie outside (-1, 1)")
print(f"no tanh output can come below {floor:.3f}")
rows = [
    ["linear", "below" if linear < floor else "above"],
    ["tanh", "below" if squashed < floor else "above"],
    ["tanh, targets divided by 3", "below" if third < floor else "above"],
]
print(text_table(["output", "training loss against that floor"], rows))
assert linear < floor < squashed
assert third < floor
assert np.max(np.abs(data.y_train)) / 3 < 1

# %% [markdown]
# > **The sources differ.** The second slides list "regression with MSE, tanh output" as a plain *fail*. It fails for
# > targets outside $(-1, 1)$. With all targets inside, as in the last row, it works (the loss is given in the
# > old units). Generators of images, scaled to ±1, use it every day.
#
# ### A softmax too many
#
# `cross_entropy` here, like torch's, takes *logits*. Hand it probabilities and it applies the softmax a second time.
# Probabilities lie between 0 and 1, so at best one "logit" is 1 and nine are 0: the loss cannot fall below
# $-\log \frac{e}{e + 9} = 1.461$. Nothing crashes, and the network even learns:

# %%
rows, ends = [], {}
for name, extra in {"logits": [], "probabilities": [Activation(activations.softmax)]}.items():
    rng = np.random.default_rng(0)
    network = Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 10, rng), *extra)
    optimizer = Optimizer(optimizers.sgd, network.params, lr=0.3)
    seen = train(network, optimizer, digits(), epochs=10, batch_size=32, rng=rng)
    ends[name] = seen.train_loss[-1]
    rows.append([name, *(f"{loss:.1f}" for loss in seen.train_loss[[0, 1, 10]])])
print("Training loss on the digits, cross_entropy given ...")
print(text_table(["", "before", "epoch 1", "epoch 10"], rows))
lowest = np.log(1 + 9 / np.e)
assert np.isclose(lowest, 1.461, atol=5e-4)
assert lowest < ends["probabilities"] < 1.1 * lowest
assert ends["logits"] < 0.1

# %% [markdown]
# A training loss that settles near 1.46 for ten classes is this bug, and now you will recognise it.
#
# ### A softmax for several labels
#
# A picture can show a cat *and* a dog. A softmax must share one probability between them: with $p = (½, ½)$ it is at
# its best, and each answer still costs $\ln 2$. Two sigmoids answer two questions.

# %%
share = np.linspace(0.001, 0.999, 999)
with_softmax = -(np.log(share) + np.log(1 - share)) / 2
with_sigmoids = bce_with_logits(np.array([10.0, 10.0]), np.array([1.0, 1.0]))
print(f"both labels true, loss a label: softmax at best {with_softmax.min():.4f}")
print(f"two sigmoids with logits of 10: {with_sigmoids:.5f}")
np.testing.assert_allclose(with_softmax.min(), np.log(2), rtol=1e-5)
assert with_sigmoids < 1e-4

# %% [markdown]
# > **The sources differ.** The second slides allow any loss "as long as it's differentiable". The absolute error
# > and the ReLU are not differentiable at one point, and work. What is needed is a derivative *almost everywhere*
# > that says something: the share of wrong answers is flat wherever it has a derivative, and teaches nothing.
#
# ## 5. The chain rule, by hand
#
# The smallest network with a hidden unit: $z = wx + b$, $h = \max(z, 0)$, $\hat y = vh + c$, $L = (\hat y - y)^2$.
#
# Take $x = 2$, $w = 0.5$, $b = 0$, $v = 3$, $c = -1$, $y = 1$. **Forward**, and keep every number:
#
# $$z = 1, \quad h = 1, \quad \hat y = 2, \quad L = 1 .$$
#
# **Backward**, from the loss to the input. At each step multiply what has arrived from above by one local derivative:
#
# $$\begin{aligned}
# \frac{∂L}{∂\hat y} &= 2(\hat y - y) = 2 \\
# \frac{∂L}{∂v} &= \frac{∂L}{∂\hat y}\,h = 2, \qquad \frac{∂L}{∂c} = \frac{∂L}{∂\hat y} = 2, \qquad
# \frac{∂L}{∂h} = \frac{∂L}{∂\hat y}\,v = 6 \\
# \frac{∂L}{∂z} &= \frac{∂L}{∂h}\,[z > 0] = 6 \\
# \frac{∂L}{∂w} &= \frac{∂L}{∂z}\,x = 12, \qquad \frac{∂L}{∂b} = \frac{∂L}{∂z} = 6, \qquad
# \frac{∂L}{∂x} = \frac{∂L}{∂z}\,w = 3
# \end{aligned}$$
#
# Look at what happened. $∂L/∂z$ was computed once and used three times. And every local derivative needed a number from the
# forward pass ($h$, $z$, $x$): that is why those are kept. This is all of backpropagation; the rest is
# bookkeeping.
#
# > **The sources differ.** The Murphy notes write the gradient of a sigmoid layer as $W^T z(1-z)$. That is the local
# > part alone: what arrives from above, $∂L/∂\hat y$, is missing as a factor.
#
# Is our arithmetic right? Move one number a little and see how much the loss moves:


# %%
def tiny_loss(values):
    x, w, b, v, c = values
    return (v * max(w * x + b, 0.0) + c - 1.0) ** 2


by_hand = {"x": 3.0, "w": 12.0, "b": 6.0, "v": 2.0, "c": 2.0}
values = np.array([2.0, 0.5, 0.0, 3.0, -1.0])
moved = numerical_gradient(tiny_loss, values)
rows = [
    [name, f"{hand:g}", f"{slope:.4f}"]
    for (name, hand), slope in zip(by_hand.items(), moved, strict=True)
]
print(text_table(["", "by hand", "by moving it"], rows))
np.testing.assert_allclose(moved, list(by_hand.values()), rtol=1e-8)

# %% [markdown]
# ## 6. The same with matrices
#
# ### A dense layer
#
# $Y_{no} = \sum_i X_{ni} W_{io} + b_o$. From above comes $G = ∂L/∂Y$, of the shape of $Y$. Which outputs does $W_{io}$
# touch? Column $o$ of every sample, each with the factor $X_{ni}$. Sum over all ways in which it acts:
#
# $$\frac{∂L}{∂W_{io}} = \sum_n X_{ni}\, G_{no} \quad⟹\quad \frac{∂L}{∂W} = X^T G .$$
#
# In the same way $b_o$ acts on column $o$ of every sample with the factor 1, and $X_{ni}$ on all outputs of sample $n$ with
# the factors $W_{io}$:
#
# $$\frac{∂L}{∂b} = \sum_n G_n, \qquad \frac{∂L}{∂X} = G\,W^T .$$
#
# The shapes leave no other choice, which is a good way to remember them. Note the **sum over the samples**: what is used
# $B$ times gets $B$ gradients. The $1/B$ of a mean loss is in $G$ already.
#
# ### An activation
#
# $h = f(z)$ acts on each entry alone: $∂L/∂z = G · f'(z)$, entry by entry. For ReLU, $f'(z)$ is 1 where $z > 0$ and 0
# elsewhere: a mask, made in the *forward* pass.
#
# ### The network
#
# Two layers and a cross-entropy:
#
# | forward | backward, from the bottom of this table to the top |
# |---|---|
# | $Z_1 = XW_1 + b_1$ | $∂W_1 = X^T G_1$, $\;∂b_1 = \sum_n G_1$ |
# | $H = \max(Z_1, 0)$ | $G_1 = G_H · [Z_1 > 0]$ |
# | $Z_2 = HW_2 + b_2$ | $∂W_2 = H^T G_2$, $\;∂b_2 = \sum_n G_2$, $\;G_H = G_2 W_2^T$ |
# | $L = \text{cross-entropy}(Z_2, y)$ | $G_2 = (P - Y)/B$ |
#
# The layers of this course have exactly these two methods, `forward` and `backward`. You will write them yourself in
# the assignment. Here we ask whether they agree with another program, torch's automatic differentiation:

# %%
import torch

rng = np.random.default_rng(2)
x, labels = rng.standard_normal((6, 5)), np.array([0, 2, 1, 1, 0, 2])
network = Sequential(Linear(5, 4, rng), ReLU(), Linear(4, 3, rng))

logits = network.forward(x)
network.backward(cross_entropy_grad(logits, labels))

theirs = [torch.tensor(param, requires_grad=True) for param in network.params]
w1, b1, w2, b2 = theirs
output = torch.relu(torch.tensor(x) @ w1 + b1) @ w2 + b2
torch.nn.functional.cross_entropy(output, torch.tensor(labels)).backward()
rows = []
for name, ours, leaf in zip(("W1", "b1", "W2", "b2"), network.grads, theirs, strict=True):
    np.testing.assert_allclose(ours, leaf.grad.numpy(), rtol=1e-9, atol=1e-14)
    rows.append([name, ours.shape, "agrees"])
print(text_table(["gradient of", "shape", "with torch"], rows))

# %% [markdown]
# ### What it costs
#
# Count multiplications. A dense layer needs fan-in · fan-out of them for a sample going forward. Going back it makes two
# such products, $X^TG$ and $GW^T$; the first layer can leave out the second. The alternative is to move every parameter a
# little, twice: $2P$ forward passes.

# %%
sizes = (64, 32, 10)
forward = sum(a * b for a, b in itertools.pairwise(sizes))
backward = 2 * forward - sizes[0] * sizes[1]
parameters = forward + sum(sizes[1:])
rows = [
    ["forward", forward],
    ["forward and backward", forward + backward],
    ["differences, all parameters", 2 * parameters * forward],
]
print("Multiplications a sample, network 64-32-10:")
print(text_table(["", "multiplications"], rows))
print(f"\nbackpropagation is {2 * parameters * forward / (forward + backward):.0f} times cheaper")
assert backward < 2 * forward

# %% [markdown]
# All 2410 derivatives for the price of about two forward passes: this is why networks can be trained at all.
#
# > **The sources differ.** The Murphy notes write one step back as $J\,g$, with $J = ∂z_{l+1}/∂z_l$. With gradients as columns
# > it is $J^T g$. For one layer $z' = \tanh(Az)$ and a loss $c·z'$, against differences:

# %%
rng = np.random.default_rng(3)
A, c, z = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(3)
J = (1 - np.tanh(A @ z) ** 2)[:, None] * A
truth = numerical_gradient(lambda z: c @ np.tanh(A @ z), z)
rows = []
for name, gradient in {"Jᵀ g": J.T @ c, "J g": J @ c}.items():
    off = np.linalg.norm(gradient - truth) / np.linalg.norm(truth)
    rows.append([name, "right" if off < 1e-8 else f"off by {100 * off:.0f} %"])
print(text_table(["step back", "against differences"], rows))
assert [row[1] == "right" for row in rows] == [True, False]

# %% [markdown]
# ## 7. Is my gradient right?
#
# A wrong gradient does not crash. Often it even trains. Here the same network learns the digits with a bug planted in its
# backward pass, two seeds each:


# %%
class FlippedBias(Linear):
    def backward(self, grad):
        below = super().backward(grad)
        self.grads[1] = -self.grads[1]
        return below


class MaskForgotten(ReLU):
    def backward(self, grad):
        return grad


class AveragedTwice(Linear):
    def backward(self, grad):
        below = super().backward(grad)
        self.grads = [g / len(grad) for g in self.grads]
        return below


bugs = {
    "right": (Linear, ReLU),
    "sign of a bias gradient": (FlippedBias, ReLU),
    "ReLU's mask forgotten": (Linear, MaskForgotten),
    "averaged over the batch twice": (AveragedTwice, ReLU),
}
rows, reached = [], {}
for name, (first, hidden) in bugs.items():
    accuracy = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        network = Sequential(first(64, 32, rng), hidden(), Linear(32, 10, rng))
        optimizer = Optimizer(optimizers.sgd, network.params, lr=0.3)
        seen = train(network, optimizer, digits(seed), epochs=10, batch_size=32, rng=rng)
        accuracy.append(seen.test_accuracy[-1])
    reached[name] = np.mean(accuracy)
    rows.append([name, "above 90 %" if min(accuracy) > 0.9 else "below"])
print(text_table(["backward pass", "test accuracy"], rows))
assert {row[1] for row in rows} == {"above 90 %"}
np.testing.assert_allclose(list(reached.values()), [0.963, 0.962, 0.951, 0.935], atol=0.012)

# %% [markdown]
# More than nine of ten digits read right, with every bug (about 96, 96, 95 and 93 to 94 %). So "it learns" proves nothing.
# What does: asking the function itself, with the **central difference**
#
# $$\frac{∂f}{∂x_i} ≈ \frac{f(x + h e_i) - f(x - h e_i)}{2h} .$$
#
# Why both sides? Expand: $f(x ± h) = f ± hf' + \frac{h^2}{2}f'' ± \frac{h^3}{6}f''' + \dots$ In the difference of the two
# the even terms cancel and the error is $\frac{h^2}{6}f'''$. One side alone leaves $\frac{h}{2}f''$.
#
# And how small an $h$? Too small is bad as well: both values are rounded to about $ε = 2·10^{-16}$ of their size, and the
# difference is divided by $2h$. The sum of both errors, about $h^2 + ε/h$, is smallest near $h = ε^{1/3} ≈ 6·10^{-6}$.

# %%
point = 0.3
true_slope = np.cos(point) + 1.5 * np.cos(3 * point)
errors = {
    power: [
        abs(quotient(point, 10.0**-power) - true_slope)
        for quotient in (forward_difference, central_difference)
    ]
    for power in range(1, 13)
}
rows = [
    [f"1e-{power}", *(f"1e{round(np.log10(error)):+d}" for error in errors[power])]
    for power in (1, 2, 3)
]
print("Error of the slope of sin x + ½ sin 3x at 0.3, to the nearest power of ten:")
print(text_table(["h", "forward", "central"], rows))
np.testing.assert_allclose(errors[2][0] / errors[3][0], 10, rtol=0.05)
np.testing.assert_allclose(errors[2][1] / errors[3][1], 100, rtol=0.05)

best_forward, best_central = (min(errors, key=lambda power: errors[power][i]) for i in (0, 1))
assert 7 <= best_forward <= 9
assert 5 <= best_central <= 6
assert errors[best_central][1] < errors[best_forward][0] / 5
assert errors[12][1] > 1e4 * errors[best_central][1]
print("\nof 1e-1 ... 1e-12, forward is best near 1e-8 and central near 1e-5")

# %% [markdown]
# ### See it
#
# Left the two secants, right their errors against $h$. Make $h$ smaller, step by step: the central error falls twice as
# fast on the logarithmic scale. Where does it turn, and why do both rise then? Move $x$: what changes at a point where the
# curve is straight?

# %%
secant()

# %% [markdown]
# ### The check finds the bugs
#
# Compare each gradient with its difference, relative to the larger of the two. In float64 a right one agrees to seven digits
# or more; a turned sign is off by 2. The check says which parameter is wrong, and that tells where to look.


# %%
def check_all(network, x, labels):
    """Return for each parameter how far its gradient is from the central differences."""
    worst = []
    for index, param in enumerate(network.params):
        here = param.copy()

        def loss_at(value, param=param):
            param[...] = value
            return cross_entropy(network.forward(x), labels)

        def gradient_at(value, param=param, index=index):
            param[...] = value
            network.backward(cross_entropy_grad(network.forward(x), labels))
            return network.grads[index]

        worst.append(check_gradient(loss_at, gradient_at, here).worst)
        param[...] = here
    return worst


rng = np.random.default_rng(4)
x, labels = rng.standard_normal((8, 6)), rng.integers(0, 3, 8)
rows = []
for name, (first, hidden) in bugs.items():
    rng = np.random.default_rng(5)
    network = Sequential(first(6, 5, rng), hidden(), Linear(5, 3, rng))
    worst = check_all(network, x, labels)
    rows.append([name, *("ok" if error < 1e-6 else f"off by {error:.2f}" for error in worst)])
print(text_table(["backward pass", "W1", "b1", "W2", "b2"], rows))
assert rows[0][1:] == ["ok"] * 4
assert rows[1][1:] == ["ok", "off by 2.00", "ok", "ok"]
assert all(row[3:] == ["ok", "ok"] for row in rows)
assert all(row[1] != "ok" for row in rows[2:])

# %% [markdown]
# Use it on a small network with random numbers, in float64, away from the kinks of the ReLU; then train the large one.
#
# ## 8. Mini-batches: a network that reads
#
# The whole algorithm, as it stands in every framework:
#
# 1. take a **mini-batch**: a few samples in random order;
# 2. **forward**: compute the output and keep what each layer will need;
# 3. **loss**: how wrong is it, and the gradient at the output;
# 4. **backward**: from the last layer to the first, gradients of all parameters;
# 5. **step**: a little against the gradient, $θ ← θ - γ\,∂L/∂θ$;
# 6. repeat. Once through all samples is an **epoch**.
#
# Backpropagation is step 4: it computes gradients. Gradient descent is step 5: it uses them. Two different things.

# %%
SEEDS, EPOCHS = range(3), 20
accuracies = []
for seed in SEEDS:
    data, rng = digits(seed), np.random.default_rng(seed)
    network = Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 10, rng))
    for _ in range(EPOCHS):
        for batch in batches(len(data.x_train), 32, rng):
            x, labels = data.x_train[batch], data.y_train[batch]
            logits = network.forward(x)
            network.backward(cross_entropy_grad(logits, labels))
            for param, grad in zip(network.params, network.grads, strict=True):
                param -= 0.3 * grad
    guesses = network.forward(data.x_test).argmax(axis=1)
    accuracies.append(np.mean(guesses == data.y_test))
assert min(accuracies) > 0.95
np.testing.assert_allclose(np.mean(accuracies), 0.97, atol=0.01)
print(f"test accuracy of each of {len(SEEDS)} seeds: above 95 %")

# %% [markdown]
# A dozen lines, two layers, and about 97 % of the digits that it has never seen. Some of those that the last one
# reads wrong (the pixels are standardised, so grey is a pixel's mean):

# %%
wrong = np.flatnonzero(guesses != data.y_test)[:8]
figure, axes = plt.subplots(1, 8, figsize=(9, 1.7), layout="constrained")
for ax in axes:
    ax.set_axis_off()
for ax, index in zip(axes, wrong, strict=False):
    ax.imshow(data.x_test[index].reshape(8, 8), cmap="gray_r", vmin=-3, vmax=3)
    ax.set_title(f"is {data.y_test[index]}, read {guesses[index]}", fontsize=10)
plt.show()

# %% [markdown]
# ### Is the funnel better?
#
# "Make the network look like a funnel", say the second slides. A fair test has the same number of parameters in each shape, a rate
# chosen for each shape on held-back training data, and many seeds. `experiments.py` beside this notebook did that and
# wrote the table that is read here. Error bars are standard errors over 20 seeds.


# %%
def count(shape):
    sizes = [int(size) for size in shape.split("-")]
    return sum(a * b + b for a, b in itertools.pairwise(sizes))


runs = read_study("data/shapes.csv")
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.8), layout="constrained")
rows, final = [], {}
for index, name in enumerate(dict.fromkeys(runs["name"])):
    mine = where(runs, name=name)
    epochs = np.unique(mine["epoch"])
    means, errors = np.transpose(
        [mean_and_error(where(mine, epoch=epoch)["train_loss"]) for epoch in epochs]
    )
    left.errorbar(epochs, means, errors, **line_style(index) | {"markersize": 4}, label=name)
    final[name] = 100 * where(mine, epoch=epochs[-1])["test_accuracy"]
    mean, error = mean_and_error(final[name])
    style = {"color": COLORS[index], "marker": line_style(index)["marker"], "capsize": 4}
    right.errorbar(mean, name, xerr=error, markersize=8, **style)
    shape, lr = str(mine["shape"][0]), float(mine["lr"][0])
    rows.append([name, shape, count(shape), f"{lr:g}", f"{mean:.1f} ± {error:.1f}"])
left.set(yscale="log", xlabel="epoch", ylabel="training loss (log)", title="Training")
left.legend()
left.set_xticks(range(0, 21, 5))
right.set(xlabel="test accuracy, %", title="Test after 20 epochs")
right.invert_yaxis()
plt.show()
print(text_table(["", "shape", "parameters", "rate", "test accuracy, %"], rows))

print("\nAgainst the funnel, seed by seed, percentage points:")
gaps = {name: mean_and_error(final[name] - final["funnel"]) for name in final if name != "funnel"}
print(text_table(["", "difference"], [[n, f"{m:+.1f} ± {e:.1f}"] for n, (m, e) in gaps.items()]))
assert gaps["one hidden layer"][0] > 4 * gaps["one hidden layer"][1]
assert all(abs(gaps[name][0]) < 2 * gaps[name][1] for name in ("rectangle", "widening"))
assert max(count(str(shape)) for shape in runs["shape"]) < 2800

# %% [markdown]
# > **The sources differ.** The second slides have two rules of thumb: the funnel, and "for the same number of
# > parameters, more hidden layers is better than wider layers". On these digits neither shows. The single hidden layer is
# > better by more than a percentage point, and among three shapes with two hidden layers the funnel is not ahead. Small
# > pictures of digits are an easy task; on hard ones depth pays. A rule of thumb is where to begin, not where to end.
#
# Seed 0 of the funnel again, computed now and compared with the file:

# %%
rng, data = np.random.default_rng(0), digits(0)
network = Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 16, rng), ReLU(), Linear(16, 10, rng))
stored = where(runs, name="funnel", seed=0)
optimizer = Optimizer(optimizers.sgd, network.params, lr=float(stored["lr"][0]))
seen = train(network, optimizer, data, epochs=20, batch_size=32, rng=rng)
np.testing.assert_allclose(seen.train_loss[:2], stored["train_loss"][:2], rtol=0.01)
np.testing.assert_allclose(seen.test_accuracy[-1], stored["test_accuracy"][-1], atol=0.012)
print("agrees with the file")

# %% [markdown]
# ## 9. What can a network represent?
#
# One hidden layer is enough, if it is wide enough. That is not hard to see: we can *build* the network. In one dimension a
# hidden unit $\max(x - k, 0)$ is 0 up to the knot $k$ and then rises. A sum of such units is a line with a bend at each knot:
#
# $$\hat f(x) = f(k_0) + \sum_i w_i \max(x - k_i, 0) .$$
#
# To pass through the points $(k_i, f(k_i))$, let $w_i$ be the *change of slope* at $k_i$. No training, no luck. How good is it?
# Between two knots at a distance $d$ a line deviates from $f$ by at most $\frac{d^2}{8} \max|f''|$. For $\sin 2πx$ on
# $[-1, 1]$ with $n$ units, $d = 2/n$:

# %%
fine = np.linspace(-1, 1, 4001)
rows = []
for n in (8, 16, 32, 64, 128):
    knots = np.linspace(-1, 1, n + 1)
    w, b, start = interpolating_network(knots, np.sin(2 * np.pi * knots))
    built = activations.relu(fine[:, None] + b) @ w + start
    error = np.abs(built - np.sin(2 * np.pi * fine)).max()
    bound = (2 * np.pi) ** 2 * (2 / n) ** 2 / 8
    assert error <= bound
    rows.append([n, f"{error:.4f}", f"{bound:.4f}"])
print("A network built by hand for sin 2πx:")
print(text_table(["hidden units", "largest error", "bound"], rows))
assert 3.8 < float(rows[-2][1]) / float(rows[-1][1]) < 4.2

# %% [markdown]
# Twice the units, a quarter of the error. This is a **universal approximation theorem** for one dimension.
#
# > **The sources differ.** The second slides say that networks "can approximately represent *any function*". Three
# > conditions are missing: the target is **continuous**, the inputs come from a **compact** set (closed and bounded), and the
# > layer is **wide enough** for the error you want. Also the activation must not be a polynomial. And the theorem
# > says that such weights *exist*, not that training finds them.
#
# ### See it
#
# 1. Choose *sine*, move the number of units. What is the slope of the right picture?
# 2. Choose *a jump*. How small does the largest error get?
# 3. Choose *√|x|*: continuous, but its slope is infinite at 0. Does the error fall? As fast?
# 4. Move *shown up to*: the network was built on $[-1, 1]$. What does it know about the rest?

# %%
hat_network()

# %% [markdown]
# A jump cannot be approximated by something continuous: next to it one of the two sides is off by half its height at least.
# Here the jump is 2 high, and more units do not help:

# %%
near = np.linspace(0.3 - 1e-9, 0.3 + 1e-9, 2)
rows = []
for n in (8, 64, 512):
    knots = np.linspace(-1, 1, n + 1)
    w, b, start = interpolating_network(knots, np.where(knots > 0.3, 1.0, -1.0))
    built = activations.relu(near[:, None] + b) @ w + start
    error = np.abs(built - np.array([-1.0, 1.0])).max()
    assert error > 0.99
    rows.append([n, "at least 1"])
print(text_table(["hidden units", "error beside the jump"], rows))

# %% [markdown]
# ### Narrow and deep
#
# There is a second theorem: layers of a bounded width, but as many as needed. Narrow, but not too narrow: for $d$ inputs
# and ReLU the width must be at least $d + 1$. With a width of 1 every layer is a monotone function of the one before, so the whole
# network can only rise or only fall. $|x|$ does both; the best monotone function is off by ½.

# %%
line = np.linspace(-1, 1, 201)[:, None]
smallest = np.inf
for seed in range(200):
    rng = np.random.default_rng(seed)
    network = Sequential(
        *(layer for _ in range(4) for layer in (Linear(1, 1, rng), ReLU())), Linear(1, 1, rng)
    )
    for param in network.params:
        param[...] = rng.normal(size=param.shape)
    rises = np.diff(network.forward(line)[:, 0])
    assert np.all(rises >= -1e-12) or np.all(rises <= 1e-12)
    smallest = min(smallest, np.abs(network.forward(line) - np.abs(line)).max())
print("200 random networks of width 1: all monotone")
assert smallest >= 0.5

# %% [markdown]
# Depth can be worth a lot. Fold the interval $[0, 1]$ in the middle with two units, $g(x) = 2\max(x, 0) - 4\max(x - ½, 0)$, and fold the
# result again: after $m$ layers there are $2^m$ straight pieces. One hidden layer needs a unit for each piece. Yarotsky
# builds $x^2$ from these folds:
#
# $$x^2 ≈ x - \sum_{s=1}^{m} \frac{g_s(x)}{4^s}, \qquad g_s = g(g(\dots g(x))), \qquad \text{error } 4^{-(m+1)} .$$


# %%
def folded(x):
    return 2 * activations.relu(x) - 4 * activations.relu(x - 0.5)


x = np.linspace(0, 1, 2**14 + 1)
rows = []
for m in (1, 2, 4, 6):
    wave, square = x, x
    for s in range(1, m + 1):
        wave = folded(wave)
        square = square - wave / 4**s
    error = np.abs(square - x**2).max()
    np.testing.assert_allclose(error, 4.0 ** -(m + 1), rtol=1e-6)
    knots = np.linspace(0, 1, 2**m + 1)
    w, b, start = interpolating_network(knots, knots**2)
    wide = np.abs(activations.relu(x[:, None] + b) @ w + start - x**2).max()
    np.testing.assert_allclose(wide, error, rtol=1e-6)
    rows.append([m, 2 * m, 2**m, f"{error:.6f}"])
print("x² on [0, 1], the same error with:")
print(text_table(["folds", "folding units, deep", "units, one layer", "largest error"], rows))

# %% [markdown]
# (The deep network also carries $x$ and the sum along, two more units a layer.) The deep one grows by two units where the wide
# one doubles.
#
# ### To exist is not to be found
#
# What does training make of it? Networks of one hidden layer and of several layers of 6 units learn $\sin 2πx$ from 101 points, Adam, 2000
# steps, ten seeds each (from `experiments.py`). The line is the network that we built by hand.

# %%
sines = read_study("data/sines.csv")
figure, axes = plt.subplots(figsize=(7.4, 4.2), layout="constrained")
rows, learnt = [], {}
for index, kind in enumerate(("wide", "narrow")):
    mine = where(sines, kind=kind)
    shapes = list(dict.fromkeys(str(shape) for shape in mine["shape"]))
    scores = [mean_and_error(where(mine, shape=shape)["rms_error"]) for shape in shapes]
    means, errors = np.transpose(scores)
    label = {"wide": "one hidden layer, trained", "narrow": "layers of 6 units, trained"}[kind]
    axes.errorbar(
        [count(s) for s in shapes], means, errors, **line_style(index), capsize=3, label=label
    )
    for shape, mean, error in zip(shapes, means, errors, strict=True):
        learnt[shape] = mean
        short = shape if shape.count("-") < 4 else f"1-(6 × {shape.count('-') - 1})-1"
        rows.append([short, count(shape), f"{mean:.3f} ± {error:.3f}"])
built = []
for n in (4, 8, 16, 32, 64):
    knots = np.linspace(-1, 1, n + 1)
    w, b, start = interpolating_network(knots, np.sin(2 * np.pi * knots))
    network_error = activations.relu(fine[:, None] + b) @ w + start - np.sin(2 * np.pi * fine)
    built.append((3 * n + 1, np.sqrt(np.mean(network_error**2))))
axes.plot(*np.transpose(built), **line_style(2), label="one hidden layer, built by hand")
axes.set(
    xscale="log", yscale="log", xlabel="parameters (log)", ylabel="root mean square error (log)"
)
axes.legend(loc="lower left")
plt.show()
print("sin 2πx, mean of 10 seeds ± standard error:")
print(text_table(["shape", "parameters", "root mean square error"], rows))

wide = [learnt[f"1-{n}-1"] for n in (2, 4, 8, 16, 32, 64)]
assert wide == sorted(wide, reverse=True)
np.testing.assert_allclose(
    [learnt["1-32-1"] / built[3][1], learnt["1-64-1"] / built[4][1]], [4, 13], rtol=0.1
)
deep = {depth: learnt["-".join(["1", *["6"] * depth, "1"])] for depth in (1, 2, 4, 8)}
assert deep[1] > 2 * deep[2]
assert deep[4] > 0.1
deepest = where(sines, shape="1-6-6-6-6-6-6-6-6-1")["rms_error"]
np.testing.assert_allclose([deepest.min(), deepest.max()], [0.011, 0.62], rtol=0.02)
assert deepest.min() == where(sines, kind="narrow")["rms_error"].min()

# %% [markdown]
# What came out:
#
# - **Wider is better**, at every step from 2 to 64 units. But training does not find the network that exists: with 32 units it is 4
#   times worse than the one built by hand, with 64 units 13 times.
# - **Deeper is better only at first.** A second layer of 6 units more than halves the error, at four layers the gain is within the
#   error bars, and at eight there is none. There the best of ten seeds reaches 0.011, better than any other narrow one, and the worst 0.62:
#   it learnt next to nothing (a network that always says 0 has 0.71). What can go wrong on the way to the first layers of a deep
#   network, and what helps, is the subject of units 05 to 09.
#
# One seed of it, live:

# %%
rng = np.random.default_rng(0)
x = np.linspace(-1, 1, 101)[:, None]
network = Sequential(Linear(1, 16, rng), ReLU(), Linear(16, 1, rng))
network.params[1][:] = rng.uniform(-1.0, 1.0, 16)
optimizer = Optimizer(optimizers.adam, network.params, lr=0.01)
for _ in range(2000):
    network.backward(mse_grad(network.forward(x), np.sin(2 * np.pi * x)))
    optimizer.step(network.grads)
error = network.forward(np.linspace(-1, 1, 2001)[:, None])[:, 0]
error = error - np.sin(2 * np.pi * np.linspace(-1, 1, 2001))
stored = where(sines, shape="1-16-1", seed=0)
np.testing.assert_allclose(np.sqrt(np.mean(error**2)), stored["rms_error"][0], rtol=0.2)
print("1-16-1, seed 0: agrees with the file")

# %% [markdown]
# ## What to take with you
#
# - A loss is minus the logarithm of a likelihood. It fixes the last activation; together they make the gradient $p - y$.
# - Backward: what arrives from above, times the local derivative, layer by layer; sum where a value was used more than once.
# - A gradient has the shape of what it belongs to.
# - "It learns" is no proof. Check gradients with central differences, $h$ near $10^{-5}$, in float64.
# - A wide layer can represent any continuous function on a compact set. Whether training finds it is another matter.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("01_backpropagation")

# %% [markdown]
# ## Further reading
#
# - Rosenblatt, *The Perceptron: a probabilistic model for information storage and organization in the brain*, 1958:
#   [doi:10.1037/h0042519](https://doi.org/10.1037/h0042519).
# - Novikoff, *On convergence proofs on perceptrons*, 1962. A short modern proof: Mohri and Rostamizadeh, *Perceptron Mistake
#   Bounds*, 2013: [arXiv:1305.0208](https://arxiv.org/abs/1305.0208).
# - Rumelhart, Hinton, Williams, *Learning representations by back-propagating errors*, 1986:
#   [doi:10.1038/323533a0](https://doi.org/10.1038/323533a0). Four pages that started it.
# - Bridle, *Probabilistic Interpretation of Feedforward Classification Network Outputs*, 1990:
#   [doi:10.1007/978-3-642-76153-9_28](https://doi.org/10.1007/978-3-642-76153-9_28). The softmax and its loss.
# - Cybenko, *Approximation by superpositions of a sigmoidal function*, 1989:
#   [doi:10.1007/BF02551274](https://doi.org/10.1007/BF02551274).
# - Leshno, Lin, Pinkus, Schocken, *Multilayer feedforward networks with a nonpolynomial activation function can approximate any
#   function*, 1993: [doi:10.1016/S0893-6080(05)80131-5](https://doi.org/10.1016/S0893-6080(05)80131-5).
# - Hanin, Sellke, *Approximating Continuous Functions by ReLU Nets of Minimal Width*, 2017:
#   [arXiv:1710.11278](https://arxiv.org/abs/1710.11278). Why narrow means at least $d + 1$.
# - Yarotsky, *Error bounds for approximations with deep ReLU networks*, 2017:
#   [arXiv:1610.01145](https://arxiv.org/abs/1610.01145). The folds of section 9.
# - Baydin, Pearlmutter, Radul, Siskind, *Automatic Differentiation in Machine Learning: a Survey*, 2018:
#   [arXiv:1502.05767](https://arxiv.org/abs/1502.05767).
