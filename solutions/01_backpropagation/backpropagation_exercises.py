# %% [markdown]
# # Exercises: backpropagation
#
# You write eight short functions, from a single neuron to all gradients of a network with a hidden
# layer, and answer one question in words. At the end your own functions learn to read digits.
#
# **Before you start** read the lesson *Backpropagation* up to section 7. Plan on two and a half
# hours.
#
# **What holds everywhere.**
#
# - A batch has one sample a row: `x` has the shape (samples, features).
# - Labels are integers from 0, shape (samples,). Everything else is float64 or float32.
# - **Change nothing** that you are given: make new arrays. Keep the **dtype**: float32 in,
#   float32 out.
# - A loss is the **mean** over the samples of the batch.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case
# that fails, and, where it knows it, which mistake you made. Check as often as you like; the final
# grading uses other numbers. You may use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. The perceptron (4 points)
#
# One sample x, its class y (the number −1 or +1), weights w and bias b. The perceptron predicts
# sign(w·x + b) and learns only from its mistakes:
#
# $$(w, b) ← \begin{cases} (w + γ\,y\,x,\; b + γ\,y) & \operatorname{sign}(w · x + b) ≠ y \\
# (w, b) & \text{else.} \end{cases}$$
#
# sign(0) = 0 is neither class: a sample of either class on the boundary counts as a mistake. `lr` is
# γ, the length of a step; the lesson's rule has γ = 1. `w` and `x` have the shape (features,), `b`
# the shape ().
#
# **By hand.** w = (1, 0), b = 0, x = (2, 1), y = −1, γ = 0.5. Then w·x + b = 2, predicted +1:
# wrong. The new w is (1, 0) − 0.5·(2, 1) = (0, −0.5), the new b is −0.5.


# %% grade_id="perceptron_step" role="answer"
def perceptron_step(w, b, x, y, *, lr=1.0):
    """Return w and b after one sample.

    >>> w, b = np.array([1.0, 0.0]), np.array(0.0)
    >>> w, b = perceptron_step(w, b, np.array([2.0, 1.0]), -1, lr=0.5)
    >>> w.tolist(), float(b)
    ([0.0, -0.5], -0.5)
    """
    ### BEGIN SOLUTION
    if np.sign(w @ x + b) == y:
        return w, b
    return w + lr * y * x, b + lr * y
    ### END SOLUTION


# %% grade_id="test_perceptron_step" role="test"
check(perceptron_step).award()

# %% [markdown]
# ## 2. Softmax with temperature (5 points)
#
# K numbers become K probabilities:
#
# $$p_k = \frac{e^{z_k/T}}{\sum_j e^{z_j/T}}.$$
#
# `x` holds the logits z and has the shape (classes,) or (samples, classes); the classes lie along
# the **last** axis, and each sample is a distribution of its own. `temperature` is T > 0. The
# result has the shape of `x`.
#
# Logits may be large: $e^{1000}$ overflows. Adding the same number to all logits of a sample
# changes nothing (why?), so subtract the sample's largest first. With `keepdims=True`, `max` and
# `sum` keep the axis that they run along, so that their result lines up with the rows of `x`.
#
# **By hand.** z = (0, ln 3), T = 1: the powers are 1 and 3, p = (0.25, 0.75). With T = 0.5 the
# powers are 1 and 9, p = (0.1, 0.9).


# %% grade_id="softmax" role="answer"
def softmax(x, *, temperature=1.0):
    """Return the probabilities of the classes, which lie along the last axis.

    >>> z = np.array([0.0, np.log(3.0)])
    >>> softmax(z).round(6), softmax(z, temperature=0.5).round(6)
    (array([0.25, 0.75]), array([0.1, 0.9]))
    """
    ### BEGIN SOLUTION
    powers = np.exp((x - x.max(axis=-1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)
    ### END SOLUTION


# %% grade_id="test_softmax" role="test"
check(softmax).award()

# %% [markdown]
# ## 3. Cross-entropy (4 points)
#
# The mean negative log-likelihood of the right classes, from the logits:
#
# $$L = -\frac1B \sum_{n=1}^B \ln p_{n\,y_n}, \qquad
# \ln p_{nk} = z_{nk} - \ln \sum_j e^{z_{nj}}.$$
#
# `logits` has the shape (B, classes), `labels` the shape (B,). Return one number, with the dtype of
# the logits: `float(...)` is a float64.
#
# Do not go through the probabilities: a p of $e^{-1000}$ rounds to 0, and ln 0 = −∞, although
# ln p = −1000 is a harmless number. To add a tiny number to p, or to clip p, is no way out: that
# changes every loss a little and the large ones a lot. With m, the largest logit of the sample,
# $\ln \sum_j e^{z_j} = m + \ln \sum_j e^{z_j - m}$.
#
# **By hand.** Two classes, logits (0, 0) with label 1: p = ½, −ln p = 0.6931. A second sample with
# logits (0, −1000) and label 1: −ln p = 1000. The mean is 500.3466.


# %% grade_id="cross_entropy" role="answer"
def cross_entropy(logits, labels):
    """Return the mean of −ln p of the right classes.

    >>> loss = cross_entropy(np.array([[0.0, 0.0], [0.0, -1000.0]]), np.array([1, 1]))
    >>> round(float(loss), 4)
    500.3466
    """
    ### BEGIN SOLUTION
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()
    ### END SOLUTION


# %% grade_id="test_cross_entropy" role="test"
check(cross_entropy).award()

# %% [markdown]
# ## 4. The gradient of the cross-entropy (4 points)
#
# The simplest gradient of the course:
#
# $$\frac{∂L}{∂z_{nk}} = \frac1B \bigl( p_{nk} - [k = y_n] \bigr),$$
#
# where $[k = y_n]$ is 1 for the right class and 0 for the others. The result has the shape of
# `logits`. You may call your `softmax`.
#
# **By hand.** One sample, logits (0, ln 3), label 1: p = (0.25, 0.75), the gradient is
# (0.25, −0.25).


# %% grade_id="cross_entropy_grad" role="answer"
def cross_entropy_grad(logits, labels):
    """Return the gradient of the cross-entropy with respect to the logits.

    >>> cross_entropy_grad(np.array([[0.0, np.log(3.0)]]), np.array([1])).round(6)
    array([[ 0.25, -0.25]])
    """
    ### BEGIN SOLUTION
    grad = softmax(logits)
    grad[np.arange(len(labels)), labels] -= 1
    return grad / len(labels)
    ### END SOLUTION


# %% grade_id="test_cross_entropy_grad" role="test"
check(cross_entropy_grad).award()

# %% [markdown]
# ## 5. A dense layer, forward (3 points)
#
# $$y = xW + b.$$
#
# `x` has the shape (samples, fan_in), `w` (fan_in, fan_out), `b` (fan_out,); the result has the
# shape (samples, fan_out). No activation: that is a step of its own.
#
# **By hand.** x = (1, 2), W with the rows (1, 0) and (0, 3), b = (10, 20): y = (11, 26).


# %% grade_id="linear_forward" role="answer"
def linear_forward(x, w, b):
    """Return the output of a dense layer for a batch.

    >>> w = np.array([[1.0, 0.0], [0.0, 3.0]])
    >>> linear_forward(np.array([[1.0, 2.0]]), w, np.array([10.0, 20.0]))
    array([[11., 26.]])
    """
    ### BEGIN SOLUTION
    return x @ w + b
    ### END SOLUTION


# %% grade_id="test_linear_forward" role="test"
check(linear_forward).award()

# %% [markdown]
# ## 6. A dense layer, backward (4 points)
#
# From above comes `grad`, which is ∂L/∂y, of shape (samples, fan_out). The layer answers three
# questions: how does L depend on its input, its weights, its bias?
#
# $$\frac{∂L}{∂x} = \frac{∂L}{∂y} W^T, \qquad \frac{∂L}{∂W} = x^T \frac{∂L}{∂y}, \qquad
# \frac{∂L}{∂b} = \sum_n \frac{∂L}{∂y_n}.$$
#
# Return the tuple `(grad_x, grad_w, grad_b)`. Each has the shape of `x`, `w` and b. The 1/B of the
# loss is in `grad` already.
#
# **By hand.** The x and W of exercise 5 and grad = (1, −1): grad_x = (1·1 − 1·0, 1·0 − 1·3) =
# (1, −3), grad_w has the rows (1, −1) and (2, −2), grad_b = (1, −1).


# %% grade_id="linear_backward" role="answer"
def linear_backward(grad, x, w):
    """Return the gradients with respect to x, w and b.

    >>> w = np.array([[1.0, 0.0], [0.0, 3.0]])
    >>> grads = linear_backward(np.array([[1.0, -1.0]]), np.array([[1.0, 2.0]]), w)
    >>> [g.tolist() for g in grads]
    [[[1.0, -3.0]], [[1.0, -1.0], [2.0, -2.0]], [1.0, -1.0]]
    """
    ### BEGIN SOLUTION
    return grad @ w.T, x.T @ grad, grad.sum(axis=0)
    ### END SOLUTION


# %% grade_id="test_linear_backward" role="test"
check(linear_backward).award()

# %% [markdown]
# ## 7. The numerical gradient (4 points)
#
# How do you know that a gradient is right? Ask the function itself:
#
# $$\frac{∂f}{∂x_i} ≈ \frac{f(x + h\,e_i) - f(x - h\,e_i)}{2h}.$$
#
# $e_i$ is 1 at entry i and 0 elsewhere: **one** entry moves, the others stay. `f` takes an array
# like `x` and returns a number; `x` may have any shape, and the result has the same.
# `np.ndindex(x.shape)` goes through all entries.
#
# **By hand.** f(x) = x₁²·x₂ at (3, 5) with h = 1: (4²·5 − 2²·5)/2 = 30 and (3²·6 − 3²·4)/2 = 9.


# %% grade_id="numerical_gradient" role="answer"
def numerical_gradient(f, x, *, h=1e-5):
    """Return the gradient of f at x by central differences.

    >>> numerical_gradient(lambda x: x[0] ** 2 * x[1], np.array([3.0, 5.0]), h=1.0)
    array([30.,  9.])
    """
    ### BEGIN SOLUTION
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        grad[index] = (f(above) - f(below)) / (2 * h)
    return grad
    ### END SOLUTION


# %% grade_id="test_numerical_gradient" role="test"
check(numerical_gradient).award()

# %% [markdown]
# ## 8. Two layers, all gradients (6 points)
#
# Now put it together. A hidden layer with ReLU, an output layer, the cross-entropy of its logits:
#
# $$z_1 = xW_1 + b_1, \qquad h = \max(z_1, 0), \qquad z_2 = hW_2 + b_2, \qquad
# L = \text{cross-entropy}(z_2, \text{labels}).$$
#
# Return the loss and a dict with the gradients: `loss, {"w1": ..., "b1": ..., "w2": ..., "b2": ...}`,
# each of the shape of its parameter. Go backward through the same four steps; the ReLU passes a
# gradient on where $z_1 > 0$ and stops it elsewhere, also at $z_1 = 0$. `np.maximum` takes the
# larger one entry by entry; Python's `max` does not.
#
# You may call everything that you have written above; then this takes about six lines.
#
# **By hand.** x = 2, W₁ = (1, −1), b₁ = 0: z₁ = (2, −2), h = (2, 0). W₂ = 0, b₂ = 0: z₂ = (0, 0),
# p = (½, ½). With label 0, L = ln 2 and ∂L/∂z₂ = (−½, ½). So ∂L/∂W₂ has the rows (−1, 1) and
# (0, 0), and ∂L/∂W₁ is 0, because W₂ is.


# %% grade_id="mlp_gradients" role="answer"
def mlp_gradients(x, labels, w1, b1, w2, b2):
    """Return the loss and the gradients of all parameters.

    >>> w1, b1, w2, b2 = np.array([[1.0, -1.0]]), np.zeros(2), np.zeros((2, 2)), np.zeros(2)
    >>> loss, grads = mlp_gradients(np.array([[2.0]]), np.array([0]), w1, b1, w2, b2)
    >>> round(float(loss), 6), grads["w2"].tolist(), grads["b2"].tolist()
    (0.693147, [[-1.0, 1.0], [0.0, 0.0]], [-0.5, 0.5])
    """
    ### BEGIN SOLUTION
    z1 = linear_forward(x, w1, b1)
    h = np.maximum(z1, 0)
    z2 = linear_forward(h, w2, b2)
    grad_h, grad_w2, grad_b2 = linear_backward(cross_entropy_grad(z2, labels), h, w2)
    _, grad_w1, grad_b1 = linear_backward(grad_h * (z1 > 0), x, w1)
    grads = {"w1": grad_w1, "b1": grad_b1, "w2": grad_w2, "b2": grad_b2}
    return cross_entropy(z2, labels), grads
    ### END SOLUTION


# %% grade_id="test_mlp_gradients" role="test"
check(mlp_gradients).award()

# %% [markdown]
# ## 9. In your own words (6 points)
#
# A friend predicts how warm it will be tomorrow, in degrees Celsius. Her network ends in a tanh, her
# loss is the mean squared error, and it will not go below 240.
#
# 1. Why? What are two ways out, and what does each change? (3 points)
# 2. She replaced the tanh. Now her gradient check fails for weights and bias of the *first* of two
#    layers and passes for those of the second. Where will you look for the bug, and why can it not
#    be in the loss? (3 points)
#
# Five to ten sentences are enough.

# %% [markdown] grade_id="backpropagation_in_words" role="manual" points=6
# **Model answer.** 1. A tanh gives numbers between −1 and 1, and most temperatures lie outside. The
# best it can do is to answer 1 or −1; the squared distance to the targets stays. On the way there
# the unit saturates: its slope 1 − tanh² goes to 0 and the gradient with it. Way out: no activation
# at the output, which is what a squared error (a normal distribution) goes with; or bring the
# targets into the range, for example by standardising and scaling, and transform the predictions
# back. Standardising alone is not enough: targets beyond ±1 remain. (One point for the range, one
# for each way out. A mention of saturation can replace one of them.)
#
# 2. Backward, the gradient passes the loss first, then the last layer, and so on. An error at the
# loss would spoil everything behind it, so all layers would fail. What is right for the second
# layer's parameters is right up to the second layer's output. The bug lies in what only the first
# layer's gradient passes: the second layer's gradient of its *input* (grad @ Wᵀ), the derivative of
# the hidden activation (its mask), or the first layer's own xᵀ @ grad. (One point for the order of
# the backward pass, one for why not the loss, one for naming at least two places.)

# %% [markdown]
# ## Check yourself, as professionals do
#
# This is not graded. Your numerical gradient looks at your network's gradients, entry by entry. The
# largest relative difference should be below one in a million. Turn a sign in `mlp_gradients` on
# purpose and run both cells again: does it notice?

# %%
rng = np.random.default_rng(0)
x, labels = rng.normal(size=(6, 4)), np.array([0, 2, 1, 0, 2, 1])
params = {
    "w1": rng.normal(size=(4, 5)),
    "b1": rng.normal(size=5),
    "w2": rng.normal(size=(5, 3)),
    "b2": rng.normal(size=3),
}
_, grads = mlp_gradients(x, labels, **params)
for name, param in params.items():
    rest = {other: value for other, value in params.items() if other != name}
    estimate = numerical_gradient(
        lambda moved, name=name, rest=rest: mlp_gradients(x, labels, **rest, **{name: moved})[0],
        param,
    )
    difference = np.abs(grads[name] - estimate).max() / np.abs(estimate).max()
    print(f"{name}: largest difference {difference:.0e} of the largest entry")

# %% [markdown]
# ## Your network reads digits
#
# This is not graded. Real handwritten digits, 64 pixels each, and nothing but your own functions:
# mini-batches of about 32 in random order, a step against the gradient, twenty rounds. At least
# 95 % of the digits that it has never seen should be read right. Then change the rate, the hidden
# units or the batch size.

# %%
import matplotlib.pyplot as plt

from course.data import digits

data, rng = digits(), np.random.default_rng(0)
hidden, lr, epochs = 32, 0.3, 20
params = {
    "w1": rng.normal(0.0, np.sqrt(2 / 64), (64, hidden)),
    "b1": np.zeros(hidden),
    "w2": rng.normal(0.0, np.sqrt(2 / hidden), (hidden, 10)),
    "b2": np.zeros(10),
}


def scores(x):
    """Return the logits of the network as it is now."""
    h = np.maximum(linear_forward(x, params["w1"], params["b1"]), 0)
    return linear_forward(h, params["w2"], params["b2"])


accuracy = []
for _ in range(epochs):
    order = rng.permutation(len(data.x_train))
    for batch in np.array_split(order, len(order) // 32):
        _, grads = mlp_gradients(data.x_train[batch], data.y_train[batch], **params)
        params = {name: param - lr * grads[name] for name, param in params.items()}
    accuracy.append(np.mean(scores(data.x_test).argmax(axis=1) == data.y_test))

plt.plot(range(1, epochs + 1), 100 * np.array(accuracy), "o-", color="#0072b2")
plt.axhline(95, color="#d55e00", linestyle="--", label="95 %")
plt.xlabel("epoch")
plt.ylabel("test accuracy, %")
plt.legend()
plt.show()
print(f"{100 * accuracy[-1]:.1f} % of the test digits are read right")
