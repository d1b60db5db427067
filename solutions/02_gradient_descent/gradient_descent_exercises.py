# %% [markdown]
# # Exercises: gradient descent
#
# You write the steps of gradient descent and the search for their length: seven short functions in
# NumPy, and answer one question in words.
#
# **Before you start** read the lesson *Gradient descent*. Plan on two and a half hours.
#
# Three rules hold everywhere. **Change nothing** that you are given: make new arrays. Keep the
# **dtype**: float32 in, float32 out. Hyper-parameters such as `lr` are plain numbers, passed by name.
#
# **The model** of exercises 2 and 3 is a linear regression with half the squared error:
#
# $$\ell_n(θ) = \tfrac12\,(x_n^\top θ - y_n)^2, \qquad L(θ) = \frac1N \sum_{n=1}^N \ell_n(θ), \qquad
# ∇\ell_n(θ) = (x_n^\top θ - y_n)\,x_n .$$
#
# | | what it is |
# |---|---|
# | `theta` | θ, the weights, shape (d,) |
# | `x` | the inputs, one sample a row, shape (N, d) |
# | `y` | the targets, shape (N,) |
# | `lr` | γ, the learning rate |
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case
# that fails, and, where it knows it, which mistake you made. Check as often as you like; the final
# grading uses other numbers. You may use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Mini-batches (5 points)
#
# Cut one epoch into mini-batches. There are `n` samples, with the indices 0 to n − 1. Return a list
# of index arrays, such that
#
# - each sample comes exactly once;
# - the order is random and comes from `rng`, a NumPy generator: another generator gives another
#   order, and the same one, started anew, gives the same;
# - each batch has `batch_size` samples, the last one what is left. No batch is empty.
#
# Helpful: `rng.permutation(n)` returns the indices in random order.
#
# **By hand.** n = 5, B = 2. If the order is 3, 0, 4, 1, 2, the batches are [3, 0], [4, 1] and [2].


# %% grade_id="minibatches" role="answer"
def minibatches(n, batch_size, rng):
    """Return the index arrays of one epoch.

    >>> batches = minibatches(5, 2, np.random.default_rng(0))
    >>> [len(batch) for batch in batches]
    [2, 2, 1]
    >>> sorted(int(i) for batch in batches for i in batch)
    [0, 1, 2, 3, 4]
    """
    ### BEGIN SOLUTION
    order = rng.permutation(n)
    return [order[first : first + batch_size] for first in range(0, n, batch_size)]
    ### END SOLUTION


# %% grade_id="test_minibatches" role="test"
check(minibatches).award()

# %% [markdown]
# ## 2. A step of gradient descent (4 points)
#
# One step of batch gradient descent for the model above. It uses all samples:
#
# $$g = \frac1N \sum_{n=1}^N (x_n^\top θ - y_n)\,x_n, \qquad θ ← θ - γ\,g .$$
#
# Return the new θ.
#
# **By hand.** One weight, θ = 1, two samples: x = 1, y = 0 and x = 2, y = 0. The gradients are
# 1 · 1 = 1 and 2 · 2 = 4, their mean is 2.5. With γ = 0.1: θ = 0.75.


# %% grade_id="gd_step" role="answer"
def gd_step(theta, x, y, *, lr):
    """One step of batch gradient descent.

    >>> theta = gd_step(np.array([1.0]), np.array([[1.0], [2.0]]), np.array([0.0, 0.0]), lr=0.1)
    >>> theta.round(6)
    array([0.75])
    """
    ### BEGIN SOLUTION
    grad = x.T @ (x @ theta - y) / len(x)
    return theta - lr * grad
    ### END SOLUTION


# %% grade_id="test_gd_step" role="test"
check(gd_step).award()

# %% [markdown]
# ## 3. An epoch of stochastic gradient descent (5 points)
#
# Now a step after every batch. `batches` is a list of index arrays, as exercise 1 makes it. A batch
# with one index is a step of plain SGD. For each batch, in the given order:
#
# $$g = \frac1{|\text{batch}|} \sum_{n \in \text{batch}} (x_n^\top θ - y_n)\,x_n, \qquad
# θ ← θ - γ\,g ,$$
#
# where θ is the one that the step before led to. Return θ after the last batch.
#
# **By hand.** The two samples above, each a batch of its own, θ = 1, γ = 0.1. First g = 1 and
# θ = 0.9. Then g = 2 · 0.9 · 2 = 3.6 and θ = 0.54.


# %% grade_id="sgd_epoch" role="answer"
def sgd_epoch(theta, x, y, batches, *, lr):
    """One epoch of mini-batch SGD.

    >>> x, y = np.array([[1.0], [2.0]]), np.array([0.0, 0.0])
    >>> sgd_epoch(np.array([1.0]), x, y, [np.array([0]), np.array([1])], lr=0.1).round(6)
    array([0.54])
    """
    ### BEGIN SOLUTION
    for batch in batches:
        grad = x[batch].T @ (x[batch] @ theta - y[batch]) / len(batch)
        theta = theta - lr * grad
    return theta
    ### END SOLUTION


# %% grade_id="test_sgd_epoch" role="test"
check(sgd_epoch).award()

# %% [markdown]
# ## 4. How noisy is a mini-batch? (4 points)
#
# `grads` holds the gradients of all N samples, one a row, shape (N, d). A batch of B of them is drawn
# at random; its mean is the mini-batch gradient. Return the variance of each entry of that mean, an
# array of shape (d,). With σ² the variance of a column of `grads`, divided by N:
#
# $$\text{with replacement: } \frac{σ^2}{B}, \qquad
# \text{without: } \frac{N - B}{N - 1} \cdot \frac{σ^2}{B} .$$
#
# `replacement` is `True` or `False`, 1 ≤ B ≤ N and N is at least 2. Compute it from the formula; no
# random numbers are needed.
#
# **By hand.** Gradients 0, 2, 4: σ² = 8/3. With B = 2: 4/3 with replacement,
# 1/2 · 4/3 = 2/3 without.


# %% grade_id="batch_variance" role="answer"
def batch_variance(grads, batch_size, *, replacement):
    """The variance of each entry of a mini-batch gradient.

    >>> grads = np.array([[0.0], [2.0], [4.0]])
    >>> batch_variance(grads, 2, replacement=True).round(6)
    array([1.333333])
    >>> batch_variance(grads, 2, replacement=False).round(6)
    array([0.666667])
    """
    ### BEGIN SOLUTION
    n = len(grads)
    variance = grads.var(axis=0) / batch_size
    return variance if replacement else variance * (n - batch_size) / (n - 1)
    ### END SOLUTION


# %% grade_id="test_batch_variance" role="test"
check(batch_variance).award()

# %% [markdown]
# ## 5. The Wolfe conditions (5 points)
#
# The next three exercises search along a line. You are given
#
# | | what it is |
# |---|---|
# | `f` | a function: takes an array like `x`, returns one number |
# | `grad_f` | its gradient: takes an array like `x`, returns one of the same shape |
# | `x` | where the step starts, shape (d,) |
# | `p` | the direction, shape (d,); always downhill: pᵀ∇f(x) < 0. It need *not* be −∇f(x) |
# | `step` | γ, above 0 |
#
# Return three truth values: whether the step γ from x along p meets
#
# $$\begin{aligned}
# \text{decrease:} \quad & f(x + γp) ≤ f(x) + c_1\,γ\;p^\top ∇f(x) \\
# \text{curvature:} \quad & p^\top ∇f(x + γp) ≥ c_2\;p^\top ∇f(x) \\
# \text{strong curvature:} \quad & |p^\top ∇f(x + γp)| ≤ c_2\;|p^\top ∇f(x)|
# \end{aligned}$$
#
# **By hand.** f(x) = x², x = 1, p = −2: the slope at x is −4. The step γ = 0.9 leads to −0.8, where f
# is 0.64 and the slope −2 · (−1.6) = 3.2. With the usual constants: 0.64 ≤ 1 − 0.00036, yes;
# 3.2 ≥ −3.6, yes; 3.2 ≤ 3.6, yes. At γ = 0.98 the slope is 3.84: the last one fails.
#
# The checks use three functions: `valley`, ½(10x₁² + 12x₂² + 16x₃²); `walled`, −Σ ln(1 − xᵢ²); and
# `wavy`, Σ (xᵢ²/20 + 1 − cos xᵢ).


# %% grade_id="wolfe" role="answer"
def wolfe(f, grad_f, x, p, step, *, c1=1e-4, c2=0.9):
    """Whether a step meets sufficient decrease, curvature and strong curvature.

    >>> def f(x):
    ...     return float(x @ x)
    >>> def grad_f(x):
    ...     return 2 * x
    >>> line = (f, grad_f, np.array([1.0]), np.array([-2.0]))
    >>> tuple(map(bool, wolfe(*line, 0.9)))
    (True, True, True)
    >>> tuple(map(bool, wolfe(*line, 0.98)))
    (True, True, False)
    """
    ### BEGIN SOLUTION
    slope, new_slope = p @ grad_f(x), p @ grad_f(x + step * p)
    return (
        f(x + step * p) <= f(x) + c1 * step * slope,
        new_slope >= c2 * slope,
        abs(new_slope) <= c2 * abs(slope),
    )
    ### END SOLUTION


# %% grade_id="test_wolfe" role="test"
check(wolfe).award()

# %% [markdown]
# ## 6. Backtracking (4 points)
#
# Try `step` first. As long as the trial γ does not meet the decrease condition of exercise 5,
# multiply it by `factor`. Return the first γ that meets it.
#
# **Mind the edge.** The function may be infinite or NaN where the trial is too long. Such a trial
# has not fallen enough. (Every comparison with NaN is false.)
#
# A search whose condition never holds goes on for ever. If the check does not come back, press ■
# above (*Interrupt the kernel*), and look at what your loop compares.
#
# **By hand.** f(x) = 50x², x = 1, p = −100, starting at γ = 1: along the line f falls only below
# γ = 0.02. Halving gives 1/2, 1/4, ..., 1/64 = 0.015625, the first one below.


# %% grade_id="backtracking" role="answer"
def backtracking(f, grad_f, x, p, *, step=1.0, c1=1e-4, factor=0.5):
    """The first of step, step·factor, step·factor², ... that lowers f enough.

    >>> def f(x):
    ...     return float(50 * x @ x)
    >>> def grad_f(x):
    ...     return 100 * x
    >>> backtracking(f, grad_f, np.array([1.0]), np.array([-100.0]))
    0.015625
    """
    ### BEGIN SOLUTION
    slope = p @ grad_f(x)
    while not f(x + step * p) <= f(x) + c1 * step * slope:
        step = step * factor
    return step
    ### END SOLUTION


# %% grade_id="test_backtracking" role="test"
check(backtracking).award()

# %% [markdown]
# ## 7. A line search for the strong Wolfe conditions (6 points)
#
# Find a γ that meets decrease *and* strong curvature. Many do; any of them is right. The bisection
# of the lesson:
#
# - `low` = 0 is the largest trial known to be too short, `high` = ∞ the smallest known to be too long.
# - Start with the trial γ = `step`.
# - The trial is **too long** if it has not fallen enough (f may be NaN there, as in exercise 6), or
#   if the slope there is above $c_2\,|p^\top∇f(x)|$: `high` = γ.
# - Else it is **too short** if the slope there is below $-c_2\,|p^\top∇f(x)|$: `low` = γ.
# - Else return it.
# - The next trial is 2γ while `high` is infinite, and the middle of `low` and `high` otherwise.
#
# All functions in the checks have such a step, and the search finds it in fewer than 50 trials.
#
# **By hand.** f(x) = x², x = 1, p = −2, c₂ = 0.1, starting at γ = 2: x = −3, f has risen, too long. γ = 1:
# x = −1, f is 1 > 1 − 0.0004, too long. γ = 1/2: x = 0, the slope is 0: right.


# %% grade_id="strong_wolfe" role="answer"
def strong_wolfe(f, grad_f, x, p, *, step=1.0, c1=1e-4, c2=0.9):
    """A step that meets the strong Wolfe conditions.

    >>> def f(x):
    ...     return float(x @ x)
    >>> def grad_f(x):
    ...     return 2 * x
    >>> strong_wolfe(f, grad_f, np.array([1.0]), np.array([-2.0]), step=2.0, c2=0.1)
    0.5
    """
    ### BEGIN SOLUTION
    slope = p @ grad_f(x)
    low, high = 0.0, np.inf
    while True:
        new_slope = p @ grad_f(x + step * p)
        if not f(x + step * p) <= f(x) + c1 * step * slope or new_slope > c2 * abs(slope):
            high = step
        elif new_slope < -c2 * abs(slope):
            low = step
        else:
            return step
        step = 2 * step if high == np.inf else (low + high) / 2
    ### END SOLUTION


# %% grade_id="test_strong_wolfe" role="test"
check(strong_wolfe).award()

# %% [markdown]
# ## 8. In your own words (6 points)
#
# A friend trains a network on 50 000 pictures, sorted by class, with batches of 50 in the order of
# the file and γ = 0.1. The loss jumps up and down within every epoch.
#
# 1. Where do the jumps come from, and what does she change first? (2 points)
# 2. She then takes batches of 500. By what factor does the *standard deviation* of her gradient
#    shrink, and how many steps does an epoch have now? Is that a good trade? (2 points)
# 3. "I will use a line search on every batch, then I need no learning rate." Give one reason why
#    this costs more than it seems, and one why the steps it finds are not good ones. (2 points)
#
# Six to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. Each batch holds one class only: its gradient is far from the mean gradient and
# pulls the network towards that class, the next class pulls it away again. (One point.) Shuffle, anew
# in every epoch. (One point.)
#
# 2. The variance falls by 10, the standard deviation by √10 ≈ 3.2. An epoch has 100 steps in the
# place of 1000. (One point for both numbers.) For the same number of samples she makes ten times
# fewer steps, each only 3.2 times less noisy: early in training that is a bad trade, unless the batch
# runs in parallel at the same speed or the rate can grow with it. (One point for a sound reason.)
#
# 3. Every trial is another forward and backward pass over the batch, two or more in the place of one;
# on all data it would be a pass over all data. (One point.) It finds the step that is good for this
# batch; the loss of all samples may rise: it fits the batch's noise, and its steps do not shrink as the
# noise begins to dominate. (One point.)

# %% [markdown]
# ## See it walk
#
# This is not graded. Your functions train together on a real task, 354 diabetes patients: try other
# batch sizes and rates. When does it diverge?

# %%
import matplotlib.pyplot as plt

from course.data import diabetes

data = diabetes()
x, y = data.x_train, data.y_train[:, 0]
for batch_size in (1, 32, len(x)):
    rng = np.random.default_rng(0)
    theta, losses = np.zeros(x.shape[1]), []
    for _ in range(30):
        losses.append(np.mean((x @ theta - y) ** 2) / 2)
        theta = sgd_epoch(theta, x, y, minibatches(len(x), batch_size, rng), lr=0.02)
    plt.plot(losses, label=f"batches of {batch_size}")
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.legend()
plt.show()
