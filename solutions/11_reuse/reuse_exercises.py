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
# # Exercises: reuse and pretraining
#
# You send a gradient through frozen layers, make a step that leaves them alone, release layers with rates of their
# own, put several heads on one donor, and learn layers without labels: an autoencoder's gradients, a greedy loop, and
# the batch of an auxiliary task. Then you answer one question in words.
#
# **Before you start** read the lesson *Reuse and pretraining*. Plan on two and a half hours.
#
# **What holds everywhere.**
#
# - A batch has one sample a row: `x` has the shape (samples, features).
# - A **layer** is a dict of arrays: `"w"` of shape (fan_in, fan_out) and `"b"` of shape (fan_out,). It computes
#   `x @ w + b`. A **network** is a list of layers; number 0 is the lowest, next to the input, and the last one is the
#   head. After every layer **but the head** comes a tanh; the head is linear.
# - `frozen` is a list of the numbers of the layers that do not learn, in any order. It may be empty, and may hold any
#   layers, not only the lowest.
# - **Change nothing** that you are given: make new arrays. Keep the **dtype**: float32 in, float32 out.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case that fails, and,
# where it knows it, which mistake you made. Check as often as you like; the final grading uses other numbers. You
# may use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Backward through frozen layers (5 points)
#
# With $h_0 = x$ the network computes
#
# $$h_{k+1} = \tanh(h_k W_k + b_k) \quad\text{for the hidden layers}, \qquad y = h_m W_m + b_m \quad\text{for the head}.$$
#
# `grad` is ∂L/∂y, of the shape of y. Run the network forward, then go back:
#
# $$\frac{∂L}{∂W_k} = h_k^T d_k, \qquad \frac{∂L}{∂b_k} = \sum_n d_{k,n}, \qquad
# d_m = \frac{∂L}{∂y}, \qquad d_{k-1} = (d_k W_k^T) \cdot (1 - h_k^2) .$$
#
# A frozen layer is passed like any other, but it gets no gradient of its own. Return `(grad_x, grads)`: `grad_x` is
# ∂L/∂x, of the shape of x. `grads` is a list with one entry for each layer, from the lowest to the head: a dict
# with the keys `"w"` and `"b"`, and `None` for a frozen layer. The gradients of the samples add up.
#
# **By hand.** Two layers of one unit, w₀ = 2, w₁ = 3, both biases 0, x = 0, layer 1 frozen, ∂L/∂y = 1. Then h₁ =
# tanh 0 = 0. Layer 1 gets None, and 1 · 3 = 3 comes back through it. The slope of the tanh is 1 − 0² = 1, so d₀ = 3:
# w₀ gets x · 3 = 0, b₀ gets 3, and ∂L/∂x = 3 · 2 = 6.


# %% grade_id="frozen_backward" role="answer"
def frozen_backward(grad, x, layers, frozen):
    """The gradient of the input, and those of the layers, None for a frozen one.

    >>> low = {"w": np.array([[2.0]]), "b": np.zeros(1)}
    >>> head = {"w": np.array([[3.0]]), "b": np.zeros(1)}
    >>> grad_x, grads = frozen_backward(np.ones((1, 1)), np.zeros((1, 1)), [low, head], [1])
    >>> grad_x
    array([[6.]])
    >>> grads[0]["b"], grads[1]
    (array([3.]), None)
    """
    ### BEGIN SOLUTION
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in range(len(layers) - 1, -1, -1):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k not in frozen:
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads
    ### END SOLUTION


# %% grade_id="test_frozen_backward" role="test"
check(frozen_backward).award()

# %% [markdown]
# ## 2. A step that leaves frozen layers alone (5 points)
#
# A layer that learns makes a step of momentum with weight decay, for each of its arrays θ (w and b alike):
#
# $$u ← α\,u - γ\,(g + λ\,θ), \qquad θ ← θ + u .$$
#
# A frozen layer makes no step at all. Its arrays *and* its velocities come back as they were, bit for bit: no
# decay, no coasting, and a velocity that waits until the layer is released. A step times 0 is a step, too: it makes
# NaN of a NaN, and 0.0 of a −0.0.
#
# `layers` is the network, `velocities` a list of the same structure that holds u. `grads` has one entry for each layer:
# a dict of the gradients g, or `None`. For a frozen layer there may be a gradient all the same. Ignore it, whatever it
# holds, NaN or ∞ included. A layer that learns always has a gradient. `lr` is γ, `momentum` is α, `weight_decay` is λ.
# Return `(layers, velocities)`, two new lists; a frozen layer's arrays in them may be those that you were given.
#
# **By hand.** θ = 1, u = 0.5, g = 2, γ = 0.1, α = 0.5, λ = 1. It learns: u = 0.25 − 0.1 · (2 + 1) = −0.05 and
# θ = 0.95. It is frozen: u = 0.5 and θ = 1.


# %% grade_id="frozen_step" role="answer"
def frozen_step(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    """The layers and their velocities after one step.

    >>> def layer(value):
    ...     return {"w": np.array([[value]]), "b": np.array([value])}
    >>> given = [layer(1.0), layer(1.0)], [None, layer(2.0)], [layer(0.5), layer(0.5)]
    >>> layers, velocities = frozen_step(*given, [0], lr=0.1, momentum=0.5, weight_decay=1.0)
    >>> layers[0]["b"], velocities[0]["b"]
    (array([1.]), array([0.5]))
    >>> layers[1]["b"].round(6), velocities[1]["b"].round(6)
    (array([0.95]), array([-0.05]))
    """
    ### BEGIN SOLUTION
    new_layers, new_velocities = [], []
    for k, (layer, velocity) in enumerate(zip(layers, velocities, strict=True)):
        if k not in frozen:
            velocity = {
                key: momentum * velocity[key] - lr * (grads[k][key] + weight_decay * layer[key])
                for key in layer
            }
            layer = {key: layer[key] + velocity[key] for key in layer}
        new_layers.append(layer)
        new_velocities.append(velocity)
    return new_layers, new_velocities
    ### END SOLUTION


# %% grade_id="test_frozen_step" role="test"
check(frozen_step).award()

# %% [markdown]
# ## 3. Rates by layer, released one by one (4 points)
#
# A new head on copied layers. In epoch 0 only the head learns. After every `every` epochs one more layer is released,
# from the top down, until all learn; a released layer goes on learning. Rates fall on the way down: d layers below the
# head (the head has d = 0),
#
# $$γ_d = \begin{cases} \text{lr} / \text{factor}^{\,d} & \text{if the layer is released} \\ 0 & \text{if not.}
# \end{cases}$$
#
# So in epoch e the number of released layers is 1 + ⌊e / every⌋, at most all. `layers` is the number of layers, the
# head among them; `epoch`, counted from 0, and `every`, at least 1, are whole numbers; `factor` is at least 1. Return a
# list (or an array) of `layers` rates: entry 0 is that of the lowest layer, the last is that of the head. The rate of a
# layer that is not released is exactly 0.
#
# **By hand.** Three layers, lr = 0.4, factor 2, every 5 epochs. Epochs 0 to 4: 0, 0, 0.4. Epochs 5 to 9: 0, 0.2, 0.4.
# From epoch 10 on: 0.1, 0.2, 0.4.


# %% grade_id="layer_rates" role="answer"
def layer_rates(layers, epoch, *, lr, factor=2.6, every=1):
    """The rate of each layer in this epoch, from the lowest layer to the head.

    >>> layer_rates(3, 4, lr=0.4, factor=2.0, every=5)
    [0.0, 0.0, 0.4]
    >>> layer_rates(3, 5, lr=0.4, factor=2.0, every=5)
    [0.0, 0.2, 0.4]
    """
    ### BEGIN SOLUTION
    released = 1 + epoch // every
    depths = range(layers - 1, -1, -1)
    return [lr / factor**depth if depth < released else 0.0 for depth in depths]
    ### END SOLUTION


# %% grade_id="test_layer_rates" role="test"
check(layer_rates).award()

# %% [markdown]
# ## 4. One donor, several tasks (6 points)
#
# `donor` is a trained network. `classes` is a list of whole numbers: entry t is the number of outputs of task t. For
# each task, in this order, make a network of `count` + 1 layers:
#
# 1. **copies** of the donor's lowest `count` layers (1 ≤ count < number of the donor's layers),
# 2. on top a new head. Its weights are `rng.standard_normal((fan_in, classes[t]))`, divided by $\sqrt{\text{fan\_in}}$
#    and then brought to the donor's dtype; fan_in is the width of the last copied layer's output. Its bias is 0.
#    Nothing else is drawn, and the heads are drawn in the order of the tasks.
#
# Then train it: make `steps` steps of gradient descent with **all** layers, $θ ← θ - \text{lr} \cdot g$, for every
# w and b. You are given the gradients: `gradients(t, network)` returns a list of dicts like the network's own, for the
# network as it stands. `steps` may be 0.
#
# Return the list of the trained networks, one for each task. All tasks start from the donor as you were given it, and
# it still stands like that at the end. Careful: `donor[:count]`, `list(...)` and `dict(...)` copy no array, and `-=`
# writes into the array itself.
#
# **By hand.** A donor of two layers, w₀ = 1; count = 1, two tasks, lr = 0.5, one step. Let the gradient of every
# number be 1. Then w₀ = 0.5 in the first network, 0.5 in the second (not 0), and still 1 in the donor.


# %% grade_id="networks_from_donor" role="answer"
def networks_from_donor(donor, classes, rng, gradients, *, count, lr, steps):
    """A trained network for each task, all from one donor.

    >>> def ones(task, network):
    ...     return [{key: np.ones_like(a) for key, a in layer.items()} for layer in network]
    >>> donor = [{"w": np.ones((1, 1)), "b": np.zeros(1)}, {"w": np.ones((1, 3)), "b": np.zeros(3)}]
    >>> rng = np.random.default_rng(0)
    >>> first, second = networks_from_donor(donor, [2, 4], rng, ones, count=1, lr=0.5, steps=1)
    >>> first[0]["w"], second[0]["w"], donor[0]["w"]
    (array([[0.5]]), array([[0.5]]), array([[1.]]))
    >>> second[1]["w"].shape, second[1]["b"]
    ((1, 4), array([-0.5, -0.5, -0.5, -0.5]))
    """
    ### BEGIN SOLUTION
    networks = []
    for task, outputs in enumerate(classes):
        below = donor[count - 1]["w"]
        w = rng.standard_normal((below.shape[1], outputs)) / np.sqrt(below.shape[1])
        network = [{key: array.copy() for key, array in layer.items()} for layer in donor[:count]]
        network.append({"w": w.astype(below.dtype), "b": np.zeros(outputs, below.dtype)})
        for _ in range(steps):
            for layer, grads in zip(network, gradients(task, network), strict=True):
                for key in layer:
                    layer[key] -= lr * grads[key]
        networks.append(network)
    return networks
    ### END SOLUTION


# %% grade_id="test_networks_from_donor" role="test"
check(networks_from_donor).award()

# %% [markdown]
# ## 5. An autoencoder (6 points)
#
# Tied weights: the decoder uses $W^T$. With `keep` the encoder does not see all of x: `keep` has the shape of x and
# holds 0 where an entry is erased and 1 elsewhere. Where `keep is None` the encoder sees x. What is to be restored is
# always the whole x:
#
# $$\tilde x = x \cdot \text{keep}, \qquad h = \tanh(\tilde x W + b), \qquad \hat x = h W^T + c, \qquad
# L = \frac{1}{BD} \sum_{n,j} (\hat x_{nj} - x_{nj})^2 .$$
#
# The mean is over all BD entries, erased or not. Backward:
#
# $$g = \frac{2}{BD}(\hat x - x), \quad d = (g W) \cdot (1 - h^2), \quad
# \frac{∂L}{∂c} = \sum_n g_n, \quad \frac{∂L}{∂b} = \sum_n d_n, \quad
# \frac{∂L}{∂W} = \underbrace{\tilde x^T d}_{\text{as encoder}} + \underbrace{g^T h}_{\text{as decoder}} .$$
#
# `x` has the shape (B, D), `w` (D, units), `b` (units,), `c` (D,). Return `(loss, grads)`: a number, and a dict with
# the keys `"w"`, `"b"`, `"c"`, each of the shape of its parameter. The loss has the dtype of x, too: leave it as NumPy
# gives it, since `float(...)` makes a float64 of it.
#
# **By hand.** x = (0.5, −1), W a column of zeros, b = 0, c = (0, 0). So h = 0, x̂ = (0, 0), and
# L = (0.25 + 1)/2 = 0.625. g = (−0.5, 1), which is c's gradient; d = 0; W gets 0 + gᵀ · 0 = 0.


# %% grade_id="autoencoder_grads" role="answer"
def autoencoder_grads(x, w, b, c, *, keep=None):
    """The loss of a tied autoencoder, and the gradients of its parameters.

    >>> x, w = np.array([[0.5, -1.0]]), np.zeros((2, 1))
    >>> loss, grads = autoencoder_grads(x, w, np.zeros(1), np.zeros(2))
    >>> float(loss), grads["c"]
    (0.625, array([-0.5,  1. ]))
    >>> autoencoder_grads(x, w, np.ones(1), np.zeros(2))[1]["w"].round(3)
    array([[-0.381],
           [ 0.762]])
    """
    ### BEGIN SOLUTION
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / error.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads
    ### END SOLUTION


# %% grade_id="test_autoencoder_grads" role="test"
check(autoencoder_grads).award()

# %% [markdown]
# ## 6. Layer by layer (5 points)
#
# Greedy pretraining. Layer 0 learns as an autoencoder of x. When it is done, its code takes the place of x, and
# layer 1 learns as an autoencoder of that; and so on.
#
# `start` is the list of the layers to begin with, lowest first; here a layer has three arrays, `"w"`, `"b"`, `"c"`.
# You are given `gradients(h, layer)`, which returns a dict with the gradients of all three for an autoencoder of h. They
# need not be those of exercise 5 (some come with weight decay): take what it returns. The layers may have any widths.
# With $h_0 = x$, for layer l = 0, 1, ... :
#
# 1. make `steps` steps of gradient descent on the whole of $h_l$: $θ ← θ - \text{lr} \cdot g$ for w, b and c, with new
#    gradients before each step (`steps` may be 0);
# 2. with the trained layer $h_{l+1} = \tanh(h_l W_l + b_l)$.
#
# Return `(layers, codes)`: the list of the trained layers, with all three arrays each, and the list of
# $h_1, h_2, ...$, one for each layer.
#
# **By hand.** One layer of one unit, w = 1, b = 0, c = 0, x = 0, lr = 0.5, one step, and let every gradient be 1.
# Then w = 0.5, b = −0.5, c = −0.5, and the code is tanh(0 · 0.5 − 0.5) = −0.462.


# %% grade_id="greedy_layers" role="answer"
def greedy_layers(x, start, gradients, *, lr, steps):
    """The layers, trained one after another, and the codes that they give.

    >>> def ones(h, layer):
    ...     return {key: np.ones_like(array) for key, array in layer.items()}
    >>> start = [{"w": np.ones((1, 1)), "b": np.zeros(1), "c": np.zeros(1)}]
    >>> layers, codes = greedy_layers(np.zeros((1, 1)), start, ones, lr=0.5, steps=1)
    >>> layers[0]["w"], codes[0].round(3)
    (array([[0.5]]), array([[-0.462]]))
    """
    ### BEGIN SOLUTION
    h, layers, codes = x, [], []
    for layer in start:
        for _ in range(steps):
            grads = gradients(h, layer)
            layer = {key: layer[key] - lr * grads[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes
    ### END SOLUTION


# %% grade_id="test_greedy_layers" role="test"
check(greedy_layers).award()

# %% [markdown]
# ## 7. A task that labels itself (3 points)
#
# By how many quarter turns was the image rotated? Nobody has to label that: we turn the images ourselves.
#
# `images` has the shape (n, side²): each row is a square image, row after row of its pixels. Return `(x, turns)`:
#
# - `x` of the shape (4n, side²): first all n images as they are, in their order, then all n after one quarter turn,
#   then all after two, then all after three;
# - `turns`, integers of the shape (4n,): how many quarter turns each row of x has made.
#
# A quarter turn goes against the clock: the top row becomes the left column, read from the bottom up.
#
# **By hand.** One image with the pixels 1 2 / 3 4 is the row 1 2 3 4. After a quarter turn it is 2 4 / 1 3: the top row
# 1 2 stands on the left, 1 at the bottom. After two it is 4 3 / 2 1, after three 3 1 / 4 2.


# %% grade_id="rotation_batch" role="answer"
def rotation_batch(images):
    """All images in all four rotations, and the number of their quarter turns.

    >>> x, turns = rotation_batch(np.array([[1.0, 2.0, 3.0, 4.0]]))
    >>> x
    array([[1., 2., 3., 4.],
           [2., 4., 1., 3.],
           [4., 3., 2., 1.],
           [3., 1., 4., 2.]])
    >>> turns
    array([0, 1, 2, 3])
    """
    ### BEGIN SOLUTION
    side = round(images.shape[1] ** 0.5)
    square = images.reshape(-1, side, side)
    turned = [np.rot90(square, turns, axes=(1, 2)) for turns in range(4)]
    return np.concatenate(turned).reshape(-1, side * side), np.repeat(np.arange(4), len(images))
    ### END SOLUTION


# %% grade_id="test_rotation_batch" role="test"
check(rotation_batch).award()

# %% [markdown]
# ## 8. In your own words (6 points)
#
# A clinic has 60 labelled X-ray images of a rare disease to train with, 40 more to test with, and 50 000 unlabelled ones.
# A colleague takes a large network that was trained on photographs of animals, replaces its head, and trains everything
# with the rate the network was once trained with. The result is no better than training from scratch. She concludes:
# "Transfer does not work for us."
#
# 1. What has probably happened to the copied layers in the first steps, and why just then? Say what she should try
#    instead, step by step. (2 points)
# 2. Name one reason why reuse may not help even when it is done right, and an experiment that would show it. (2 points)
# 3. She also wants to pretrain on the 50 000 images, "on all we have, the 40 test images included, they have no labels
#    anyway". What is wrong with it? And which baselines must the result be compared with before anyone says that the
#    pretraining helped? (2 points)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. The new head is random, so at first the gradients that it sends down say nothing useful, and the
# loss is high; with a large rate the copied layers move far before the head has learned anything. What they knew is
# gone, and it is training from scratch with another start. Better: freeze the copied layers and train the head alone
# until it stands; then release the top layers with a much smaller rate; release more only if data held back say that it
# helps. (One point for what happens, one for the remedy.)
#
# 2. The tasks may lie too far apart: what separates animals may not be what shows the disease, above all in the upper
# layers, which are the donor's own task. An experiment: keep only the lowest layers, frozen, and compare with random
# frozen layers of the same number; if the donor's are no better than random ones, there is nothing to transfer. Another
# reason: with more labels training from scratch catches up; repeat with fewer and more labels. (One point for a reason,
# one for an experiment with a control.)
#
# 3. The pretraining would see the test images: the layers would fit just those images, and the test no longer says how
# new patients will fare. Labels or not, the test part stays out of everything that learns or chooses. Baselines: the
# same network from scratch, with a rate of its own, chosen on data held back; frozen random layers; a simple model on
# the pixels or on the photographs' features; all over several seeds, with error bars. (One point for the leak, one for
# the baselines.)

# %% [markdown]
# ## See it work
#
# This is not graded. Your own functions on real digits: a donor of one hidden layer learns as an autoencoder, without
# labels, and then a head on its frozen layer learns from 50 labels.

# %%
import matplotlib.pyplot as plt

from course.data import digits

data, rng = digits(), np.random.default_rng(0)
layer = {"w": rng.normal(0, 0.125, (64, 32)), "b": np.zeros(32), "c": np.zeros(64)}
losses = []
for _ in range(150):
    loss, grads = autoencoder_grads(data.x_train, layer["w"], layer["b"], layer["c"])
    layer = {key: layer[key] - 3.0 * grads[key] for key in layer}
    losses.append(loss)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
axes[0].plot(losses, marker="o", markevery=20)
axes[0].set(xlabel="step", ylabel="error of the restored digits", ylim=(0, None))

head = {"w": 0.1 * rng.normal(size=(32, 10)), "b": np.zeros(10)}
network = [{"w": layer["w"], "b": layer["b"]}, head]
velocities = [{key: np.zeros_like(a) for key, a in part.items()} for part in network]
x, y = data.x_train[:50], data.y_train[:50]
right = []
for _ in range(60):
    logits = np.tanh(x @ network[0]["w"] + network[0]["b"]) @ network[1]["w"] + network[1]["b"]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    grad = (p / p.sum(axis=1, keepdims=True) - np.eye(10)[y]) / len(x)
    _, grads = frozen_backward(grad, x, network, [0])
    network, velocities = frozen_step(network, grads, velocities, [0], lr=0.3)
    hidden = np.tanh(data.x_test @ network[0]["w"] + network[0]["b"])
    scores = hidden @ network[1]["w"] + network[1]["b"]
    right.append(np.mean(scores.argmax(axis=1) == data.y_test))
axes[1].plot(right, marker="s", markevery=10)
axes[1].set(xlabel="step of the head", ylabel="test accuracy, 50 labels", ylim=(0, 1))
plt.show()
print("the frozen layer is the autoencoder's own:", np.array_equal(network[0]["w"], layer["w"]))
