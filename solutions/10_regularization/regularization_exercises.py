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
# # Exercises: regularization
#
# You write dropout forward and backward and a network with a rate for each layer, the mean and variance of many passes
# with dropout on, an L2 penalty, momentum with both kinds of weight decay, and two small counts of parameters. Then you
# answer one question in words.
#
# **Before you start** read the lesson *Regularization*. Plan on two and a half hours.
#
# **What holds everywhere.**
#
# - A batch has one sample a row: `x` has the shape (samples, features).
# - `rate` is p, the share that is **dropped**, a number in [0, 1). A mask is a Boolean array, True where an entry is
#   **kept**.
# - Dropout is *inverted* dropout: in training what is kept is divided by 1 − p; at inference nothing happens.
# - **Change nothing** that you are given: make new arrays. Keep the **dtype**: float32 in, float32 out.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case that fails, and,
# where it knows it, which mistake you made. Check as often as you like; the final grading uses other numbers. You
# may use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Dropout, forward (4 points)
#
# In training each entry of x is dropped with probability p, on its own, and what is kept is divided by 1 − p:
#
# $$y_i = \begin{cases} x_i / (1 - p) & \text{kept} \\ 0 & \text{dropped,} \end{cases} \qquad
# \text{at inference} \quad y_i = x_i .$$
#
# `rng` says which it is. Without a generator (`rng=None`) it is inference. With one it is training: draw **once**,
# `u = rng.random(x.shape)`, and **keep an entry where u >= rate**. So the same generator gives the same mask, yours and
# ours.
#
# Return `(y, kept)`: `kept` is the mask, a Boolean array of the shape of x; at inference it is True everywhere.
#
# **By hand.** p = 0.75, x = (1, −2, 3), u = (0.9, 0.2, 0.75). The first and the third entry are kept and divided by
# 0.25: y = (4, 0, 12).


# %% grade_id="dropout_forward" role="answer"
def dropout_forward(x, *, rate, rng=None):
    """The output of inverted dropout, and which entries were kept.

    >>> x = np.array([[1.0, 2.0, 3.0, 4.0]])
    >>> y, kept = dropout_forward(x, rate=0.5, rng=np.random.default_rng(0))
    >>> y.tolist()                                # u is 0.64, 0.27, 0.04, 0.02
    [[2.0, 0.0, 0.0, 0.0]]
    >>> kept.tolist()
    [[True, False, False, False]]
    >>> y, kept = dropout_forward(x, rate=0.5)
    >>> y.tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    ### BEGIN SOLUTION
    if rng is None:
        return x.copy(), np.ones(x.shape, dtype=bool)
    kept = rng.random(x.shape) >= rate
    return x * kept / (1 - rate), kept
    ### END SOLUTION


# %% grade_id="test_dropout_forward" role="test"
check(dropout_forward).award()

# %% [markdown]
# ## 2. Dropout, backward (3 points)
#
# `grad` is ∂L/∂y. Return ∂L/∂x, of the same shape. `kept` is the mask of the forward pass, or `None`: then the forward
# pass was inference, y = x, for any rate.
#
# **By hand.** p = 0.75, ∂L/∂y = (1, 1, 2), the first and the third entry kept: ∂L/∂x = (4, 0, 8).


# %% grade_id="dropout_backward" role="answer"
def dropout_backward(grad, kept, *, rate):
    """The gradient of the input of inverted dropout.

    >>> grad, kept = np.array([[1.0, 1.0, 2.0]]), np.array([[True, False, True]])
    >>> dropout_backward(grad, kept, rate=0.75).tolist()
    [[4.0, 0.0, 8.0]]
    >>> dropout_backward(grad, None, rate=0.75).tolist()
    [[1.0, 1.0, 2.0]]
    """
    ### BEGIN SOLUTION
    return grad.copy() if kept is None else grad * kept / (1 - rate)
    ### END SOLUTION


# %% grade_id="test_dropout_backward" role="test"
check(dropout_backward).award()

# %% [markdown]
# ## 3. A network with a rate for each layer (5 points)
#
# A network of L dense layers, `weights[k]` of shape (inputs, outputs) and `biases[k]` of shape (outputs,), k = 0, ...,
# L − 1. Start with $h = x$. For each layer:
#
# 1. dropout of its input h, with the mask `masks[k]` and the rate `rates[k]`;
# 2. the dense layer, `h @ w + b`;
# 3. ReLU, max(h, 0), but **not after the last layer**.
#
# So `rates[0]` belongs to x itself, and the outputs are never dropped. `rates` has L numbers, `masks` L Boolean arrays,
# `masks[k]` of the shape of the input of layer k. `masks=None` is inference: no dropout, whatever the rates.
#
# Return the logits, the output of the last layer.
#
# **By hand.** x = (2, 1), one hidden unit with weights (1, 1) and bias −1, one output with weight 3 and bias 1. At
# inference h = 2 and the logit is 7. In training with rates (0.5, 0.2), the second input dropped and the hidden unit
# kept: the input is (4, 0), h = 3, 3 / 0.8 = 3.75, and the logit is 12.25.


# %% grade_id="dropout_network" role="answer"
def dropout_network(x, weights, biases, *, rates, masks=None):
    """The logits of a dense ReLU network with dropout of every layer's input.

    >>> x = np.array([[2.0, 1.0]])
    >>> weights = [np.array([[1.0], [1.0]]), np.array([[3.0]])]
    >>> biases = [np.array([-1.0]), np.array([1.0])]
    >>> dropout_network(x, weights, biases, rates=[0.5, 0.2])
    array([[7.]])
    >>> masks = [np.array([[True, False]]), np.array([[True]])]
    >>> dropout_network(x, weights, biases, rates=[0.5, 0.2], masks=masks)
    array([[12.25]])
    """
    ### BEGIN SOLUTION
    h = x
    for k in range(len(weights)):
        if masks is not None:
            h = h * masks[k] / (1 - rates[k])
        h = h @ weights[k] + biases[k]
        if k < len(weights) - 1:
            h = np.maximum(h, 0)
    return h
    ### END SOLUTION


# %% grade_id="test_dropout_network" role="test"
check(dropout_network).award()

# %% [markdown]
# ## 4. Many passes (4 points)
#
# A classifier has seen the same samples S times with dropout on. `logits` has the shape (passes, samples, classes). Each
# pass is a prediction of its own: its probabilities are
#
# $$p_{s,n,c} = \frac{e^{z_{s,n,c}}}{\sum_{c'} e^{z_{s,n,c'}}} .$$
#
# Return `(mean, variance)` of the **probabilities** over the passes, each of shape (samples, classes):
#
# $$μ_{n,c} = \frac1S \sum_s p_{s,n,c}, \qquad σ^2_{n,c} = \frac1S \sum_s (p_{s,n,c} - μ_{n,c})^2 .$$
#
# Note the 1/S, not 1/(S − 1). Logits can be large, 1000 or −1000: subtract each row's largest one before the exponential
# (it changes no probability).
#
# **By hand.** Two passes, one sample, two classes: the logits (0, 0) give (0.5, 0.5), and (ln 3, 0) gives (0.75, 0.25).
# The mean is (0.625, 0.375), the variance 0.125² = 0.015625 for both classes.


# %% grade_id="mc_dropout_moments" role="answer"
def mc_dropout_moments(logits):
    """Mean and variance of the classes' probabilities over the passes.

    >>> logits = np.array([[[0.0, 0.0]], [[np.log(3.0), 0.0]]])
    >>> mean, variance = mc_dropout_moments(logits)
    >>> mean.round(6).tolist(), variance.round(6).tolist()
    ([[0.625, 0.375]], [[0.015625, 0.015625]])
    """
    ### BEGIN SOLUTION
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities.mean(axis=0), probabilities.var(axis=0)
    ### END SOLUTION


# %% grade_id="test_mc_dropout_moments" role="test"
check(mc_dropout_moments).award()

# %% [markdown]
# ## 5. An L2 penalty (4 points)
#
# `loss` is a number, `params` and `grads` are lists of arrays in the same order: matrices of weights, with **two axes**,
# and biases, with one. The penalty is on the matrices only:
#
# $$L' = L + \frac{λ}{2} \sum_{W} \|W\|^2, \qquad \|W\|^2 = \sum_{ij} W_{ij}^2, \qquad
# \frac{∂L'}{∂W} = \frac{∂L}{∂W} + λW .$$
#
# `weight_decay` is λ. Return `(loss, grads)`: the new loss, and a list of the new gradients in the order given, those of
# the biases as they were. `params` may hold any number of arrays in any order.
#
# **By hand.** λ = 0.5, W = (1, 2) in one row, b = 3, the loss 1 and all gradients 0. The penalty is 0.25 · 5 = 1.25: the
# loss becomes 2.25, the gradient of W (0.5, 1), that of b stays 0.


# %% grade_id="l2_penalty" role="answer"
def l2_penalty(loss, params, grads, *, weight_decay):
    """The loss and its gradients with an L2 penalty on the matrices.

    >>> params = [np.array([[1.0, 2.0]]), np.array([3.0])]
    >>> grads = [np.zeros((1, 2)), np.zeros(1)]
    >>> loss, grads = l2_penalty(1.0, params, grads, weight_decay=0.5)
    >>> float(loss)
    2.25
    >>> grads
    [array([[0.5, 1. ]]), array([0.])]
    """
    ### BEGIN SOLUTION
    new = []
    for param, grad in zip(params, grads, strict=True):
        if param.ndim == 2:
            loss = loss + weight_decay / 2 * np.sum(param**2)
            grad = grad + weight_decay * param
        new.append(grad)
    return loss, new
    ### END SOLUTION


# %% grade_id="test_l2_penalty" role="test"
check(l2_penalty).award()

# %% [markdown]
# ## 6. Momentum with both kinds of decay (5 points)
#
# One step of momentum, as in unit 03: u is the velocity, γ the rate (`lr`), α the momentum, λ the `weight_decay`. With
# an **L2 penalty** (`decoupled=False`) the decay is a part of the gradient:
#
# $$u' = αu - γ(g + λθ), \qquad θ' = θ + u' .$$
#
# **Decoupled** (`decoupled=True`) it goes past the velocity:
#
# $$u' = αu - γg, \qquad θ' = θ - γλθ + u' .$$
#
# On every right-hand side θ is the one you were given. `grad` is g, without any penalty. Return `(theta, u)`, the new
# ones. There are no biases here: every entry of `theta` decays. The check makes several steps, and may change
# `decoupled` on the way.
#
# **By hand.** θ = 2, u = 0.1, g = 1, γ = 0.1, α = 0.5, λ = 0.5. L2: u' = 0.05 − 0.1 · (1 + 1) = −0.15, θ' = 1.85.
# Decoupled: u' = 0.05 − 0.1 = −0.05, θ' = 2 − 0.1 − 0.05 = 1.85 as well, but a velocity that is different: the next
# steps are not the same.


# %% grade_id="momentum_with_decay" role="answer"
def momentum_with_decay(theta, grad, u, *, lr, momentum=0.9, weight_decay=0.01, decoupled=False):
    """One step of momentum with an L2 penalty or with decoupled weight decay.

    >>> theta, grad, u = np.array([2.0]), np.array([1.0]), np.array([0.1])
    >>> hyper = {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.5}
    >>> new, v = momentum_with_decay(theta, grad, u, **hyper)
    >>> new.round(6), v.round(6)
    (array([1.85]), array([-0.15]))
    >>> new, v = momentum_with_decay(theta, grad, u, decoupled=True, **hyper)
    >>> new.round(6), v.round(6)
    (array([1.85]), array([-0.05]))
    """
    ### BEGIN SOLUTION
    if decoupled:
        u = momentum * u - lr * grad
        return theta - lr * weight_decay * theta + u, u
    u = momentum * u - lr * (grad + weight_decay * theta)
    return theta + u, u
    ### END SOLUTION


# %% grade_id="test_momentum_with_decay" role="test"
check(momentum_with_decay).award()

# %% [markdown]
# ## 7. Counting parameters (2 points)
#
# `sizes` is a list with the numbers of units: inputs, hidden layers, outputs. Between neighbours lies a dense layer with
# a weight for each pair of units and a bias for each of its outputs:
#
# $$P = \sum_k (n_k n_{k+1} + n_{k+1}) .$$
#
# Return P, a whole number.
#
# **By hand.** 3 inputs, 4 hidden units, 2 outputs: 3 · 4 + 4 + 4 · 2 + 2 = 26.


# %% grade_id="count_parameters" role="answer"
def count_parameters(sizes):
    """The number of weights and biases of a dense network.

    >>> count_parameters([3, 4, 2])
    26
    """
    ### BEGIN SOLUTION
    total = 0
    for k in range(len(sizes) - 1):
        total += (sizes[k] + 1) * sizes[k + 1]
    return total
    ### END SOLUTION


# %% grade_id="test_count_parameters" role="test"
check(count_parameters).award()

# %% [markdown]
# ## 8. The width for a budget (3 points)
#
# To compare deep with wide fairly, both must have about as many parameters. A network has `inputs` inputs, `layers`
# hidden layers of the same width w, and `outputs` outputs; parameters are counted as in exercise 7. Return the largest w
# with which it has **at most** `budget` parameters, a whole number. The budget is always enough for w = 1, and `layers`
# is at least 1.
#
# **By hand.** 3 inputs, 2 outputs, one hidden layer: w costs 4w + 2w + 2 = 6w + 2. A budget of 26 is met exactly by
# w = 4; with 25 it is w = 3. With two hidden layers there are (w + 1)w more: w = 3 costs 20 + 12 = 32, so with 26 it is
# w = 2.


# %% grade_id="width_for_budget" role="answer"
def width_for_budget(budget, inputs, outputs, *, layers=1):
    """The largest width of equal hidden layers within a budget of parameters.

    >>> width_for_budget(26, 3, 2), width_for_budget(25, 3, 2)
    (4, 3)
    >>> width_for_budget(26, 3, 2, layers=2)
    2
    """
    ### BEGIN SOLUTION
    width = 1
    while count_parameters([inputs] + layers * [width + 1] + [outputs]) <= budget:
        width += 1
    return width
    ### END SOLUTION


# %% grade_id="test_width_for_budget" role="test"
check(width_for_budget).award()

# %% [markdown]
# ## 9. In your own words (6 points)
#
# A friend trains a network with dropout of rate 0.5 behind each of its three hidden layers, on 300 samples.
#
# 1. His own dropout layer sets entries to 0 in training and does nothing else. On the test part the *accuracy* is fine,
#    the *loss* is high, and nearly every answer comes with a probability of 0.99. Explain why, and name two ways to put
#    it right. (2 points)
# 2. He reports: "With dropout my training loss is higher than my test loss, so the network does not overfit any more."
#    What does he compare, and what should he compare? (2 points)
# 3. He adds `weight_decay=0.01` to Adam by adding 0.01·θ to each gradient, then switches to AdamW with the same 0.01 and
#    the same rate, and finds that the weights are much larger. What has changed? How should he choose λ? (2 points)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. At inference all units are there, so each layer gets on average 1/(1 − p) = 2 times the input that
# it was trained with; after three such layers the logits are up to 8 times too large. Which logit is the largest hardly
# changes, so the accuracy does not suffer, but the softmax of large logits is near 0 and 1, and the few errors are made
# with great confidence, which costs much loss. Divide by 1 − p in training, or multiply the activations (or the weights
# behind them) by 1 − p at inference; either, not both. (One point for the explanation, one for two ways.)
#
# 2. The training loss was measured with dropout on, by a network half of whose units are missing; the test loss with all
# units. They are not the same network, so their difference says nothing about overfitting. He should measure both with
# dropout off, and look at the gap, and above all at whether the test loss is lower than without dropout. (One point for
# each half.)
#
# 3. With the penalty in the gradient Adam divides the decay by √r̂, like the rest of the gradient: where gradients are
# small (most of them are much smaller than 1) the effective decay is γλ/√r̂, many times γλ. AdamW takes off γλθ, with
# γ = 0.001 a share of 0.00001 a step. So the same number means another strength: λ has to be chosen anew for each rule,
# on data held back, over a wide, logarithmic grid. (One point for what has changed, one for the choice.)

# %% [markdown]
# ## See it work
#
# This is not graded. Your own dropout at work: the mean of a layer's output over many masks, and how much it scatters
# from mask to mask, for every rate.

# %%
import matplotlib.pyplot as plt

rng = np.random.default_rng(0)
x, w = np.maximum(rng.normal(size=(1, 50)), 0), rng.normal(0, 0.2, (50, 1))
rates = np.linspace(0, 0.9, 19)
means, deviations = [], []
for rate in rates:
    outputs = [(dropout_forward(x, rate=rate, rng=rng)[0] @ w).item() for _ in range(1000)]
    means.append(np.mean(outputs))
    deviations.append(np.std(outputs))
plt.errorbar(rates, means, deviations, marker="o", capsize=3, label="in training, ± deviation")
plt.axhline((x @ w).item(), color="black", linestyle="--", label="at inference")
plt.xlabel("rate p")
plt.ylabel("output of a unit")
plt.legend()
plt.show()
