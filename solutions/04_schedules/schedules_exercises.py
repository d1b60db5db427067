# %% [markdown]
# # Exercises: schedules
#
# You write eight schedules, a plateau rule, the choice after a range test and early stopping, each
# a few lines of Python, and answer one question in words.
#
# **Before you start** read the lesson *Schedules*. Plan on two and a half hours.
#
# **How every schedule looks.** It takes the number of steps *already done* and returns the rate of
# the next one. It remembers nothing, and any t may be asked for:
#
# ```python
# rate = schedule(t, lr=0.1, ...)
# ```
#
# | | what it is |
# |---|---|
# | `t` | steps done, from 0; training starts at t = 0. A fraction where t counts epochs |
# | `lr` | γ₀, a rate: a plain number |
# | `steps`, `every`, `s` | times, in the unit of t |
# | `k` | a decay in one unit of t |
#
# Two rules hold everywhere. The result is **one number**. **Change nothing** that you are given:
# lists, dicts and arrays belong to the caller.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case
# that fails, and, where it knows it, which mistake you made. Check as often as you like; the final
# grading uses other numbers. You may use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Step decay (4 points)
#
# Every n steps the rate is multiplied by a factor f:
#
# $$γ_t = γ_0\, f^{⌊t/n⌋}.$$
#
# $⌊x⌋$ is x rounded down. `factor` is f, the share that is kept; `every` is n. The first n steps
# are t = 0, 1, ..., n − 1, so the first reduced rate is that of t = n.
#
# **By hand.** γ₀ = 0.8, f = 0.5, n = 10. At t = 9 it is 0.8 still, at t = 10 it is 0.4, at t = 20 it
# is 0.2.


# %% grade_id="step" role="answer"
def step(t, *, lr, factor=0.5, every):
    """The rate of step decay at step t.

    >>> [step(t, lr=0.8, every=10) for t in (0, 9, 10, 20)]
    [0.8, 0.8, 0.4, 0.2]
    """
    ### BEGIN SOLUTION
    return lr * factor ** (t // every)
    ### END SOLUTION


# %% grade_id="test_step" role="test"
check(step).award()

# %% [markdown]
# ## 2. Piecewise constant (4 points)
#
# A list of rates, each for its own stretch of steps:
#
# $$γ_t = γ^{(i)} \quad\text{for } b_i ≤ t < b_{i+1}, \qquad b_0 = 0.$$
#
# `lrs` holds $γ^{(0)}, γ^{(1)}, ...$, `boundaries` holds $b_1, b_2, ...$: growing steps, counted from
# the start, one fewer than there are rates. At a boundary the new rate holds already.
#
# **By hand.** `lrs=[0.1, 0.03, 0.01]`, `boundaries=[100, 150]`. At t = 99 the rate is 0.1, at
# t = 100 it is 0.03, from t = 150 on 0.01.


# %% grade_id="piecewise_constant" role="answer"
def piecewise_constant(t, *, lrs, boundaries):
    """The rate of a piecewise constant schedule at step t.

    >>> rates = {"lrs": [0.1, 0.03, 0.01], "boundaries": [100, 150]}
    >>> [piecewise_constant(t, **rates) for t in (0, 99, 100, 150)]
    [0.1, 0.1, 0.03, 0.01]
    """
    ### BEGIN SOLUTION
    for lr, boundary in zip(lrs, boundaries, strict=False):
        if t < boundary:
            return lr
    return lrs[-1]
    ### END SOLUTION


# %% grade_id="test_piecewise_constant" role="test"
check(piecewise_constant).award()

# %% [markdown]
# ## 3. Exponential decay (3 points)
#
# The same share is lost at each step:
#
# $$γ_t = γ_0\, e^{-kt}.$$
#
# k is a decay a step. The rate halves every $\ln(2)/k$ steps.
#
# **By hand.** γ₀ = 0.1, k = ln(2)/50. After 100 steps the rate has halved twice: 0.025.


# %% grade_id="exponential" role="answer"
def exponential(t, *, lr, k):
    """The rate of exponential decay at step t.

    >>> round(float(exponential(100, lr=0.1, k=np.log(2) / 50)), 6)
    0.025
    """
    ### BEGIN SOLUTION
    return lr * np.exp(-k * t)
    ### END SOLUTION


# %% grade_id="test_exponential" role="test"
check(exponential).award()

# %% [markdown]
# ## 4. 1/t decay (3 points)
#
# $$γ_t = \frac{γ_0}{1 + kt}.$$
#
# After 1/k steps the rate is half of γ₀, after 3/k a quarter.
#
# **By hand.** γ₀ = 0.6, k = 0.01. At t = 100 the rate is 0.6/2 = 0.3, at t = 300 it is 0.6/4 = 0.15.


# %% grade_id="inverse_time" role="answer"
def inverse_time(t, *, lr, k):
    """The rate of 1/t decay at step t.

    >>> [round(inverse_time(t, lr=0.6, k=0.01), 6) for t in (0, 100, 300)]
    [0.6, 0.3, 0.15]
    """
    ### BEGIN SOLUTION
    return lr / (1 + k * t)
    ### END SOLUTION


# %% grade_id="test_inverse_time" role="test"
check(inverse_time).award()

# %% [markdown]
# ## 5. Power schedule (3 points)
#
# $$γ_t = \frac{γ_0}{(1 + t/s)^c}.$$
#
# s is a time: after s steps the bracket is 2. c is a pure number; with c = 1 this is 1/t decay.
#
# **By hand.** γ₀ = 0.8, s = 100, c = 2. At t = 100 the bracket is 2 and the rate 0.8/4 = 0.2; at
# t = 300 it is 0.8/16 = 0.05.


# %% grade_id="power" role="answer"
def power(t, *, lr, s, c=1.0):
    """The rate of a power schedule at step t.

    >>> [round(power(t, lr=0.8, s=100, c=2), 6) for t in (0, 100, 300)]
    [0.8, 0.2, 0.05]
    """
    ### BEGIN SOLUTION
    return lr / (1 + t / s) ** c
    ### END SOLUTION


# %% grade_id="test_power" role="test"
check(power).award()

# %% [markdown]
# ## 6. Cosine decay (4 points)
#
# From γ₀ down to γ_min along half a cosine, in T steps:
#
# $$γ_t = γ_{min} + \frac{γ_0 - γ_{min}}{2}\left(1 + \cos\frac{πt}{T}\right) \quad\text{for } t ≤ T,$$
#
# and $γ_t = γ_{min}$ afterwards. `steps` is T, `lr_min` is γ_min.
#
# **By hand.** γ₀ = 0.1, γ_min = 0.02, T = 100. At t = 50 the cosine is 0 and the rate is
# 0.02 + 0.04 = 0.06. At t = 150 it is 0.02.


# %% grade_id="cosine" role="answer"
def cosine(t, *, lr, steps, lr_min=0.0):
    """The rate of cosine decay at step t.

    >>> [round(float(cosine(t, lr=0.1, steps=100, lr_min=0.02)), 6) for t in (0, 50, 100, 150)]
    [0.1, 0.06, 0.02, 0.02]
    """
    ### BEGIN SOLUTION
    share = min(t / steps, 1)
    return lr_min + (lr - lr_min) / 2 * (1 + np.cos(np.pi * share))
    ### END SOLUTION


# %% grade_id="test_cosine" role="test"
check(cosine).award()

# %% [markdown]
# ## 7. Warm-up (5 points)
#
# Any schedule s with a ramp before it:
#
# $$γ_t = \begin{cases} γ_{start} + (s(0) - γ_{start})\, t/T & t < T \\ s(t - T) & t ≥ T. \end{cases}$$
#
# `schedule` is s, a function of t; `steps` is T; `lr_start` is γ_start, the rate at t = 0. The
# schedule's own clock starts when the warm-up is over, so the rate does not jump at t = T.
#
# The check uses two schedules. `one_over_one_plus_t_over_ten(t)` is 0.8/(1 + t/10), and
# `six_tenths_minus_a_hundredth_of_t(t)` is 0.6 − 0.01 t, or 0.1 where that is larger.
#
# **By hand.** s(t) = 0.4 − 0.01 t, T = 4, γ_start = 0. The rates are 0, 0.1, 0.2, 0.3, then s(0) = 0.4,
# then s(1) = 0.39.


# %% grade_id="warmup" role="answer"
def warmup(t, schedule, *, steps, lr_start=0.0):
    """The rate at step t of a schedule with a linear warm-up before it.

    >>> def falling(t):
    ...     return 0.4 - 0.01 * t
    >>> [round(warmup(t, falling, steps=4), 6) for t in range(6)]
    [0.0, 0.1, 0.2, 0.3, 0.4, 0.39]
    """
    ### BEGIN SOLUTION
    if t >= steps:
        return schedule(t - steps)
    return lr_start + (schedule(0) - lr_start) * t / steps
    ### END SOLUTION


# %% grade_id="test_warmup" role="test"
check(warmup).award()

# %% [markdown]
# ## 8. 1cycle (6 points)
#
# Three straight lines: up to a high peak, back, and far down.
#
# $$\frac{γ_0}{d} \;\xrightarrow{\;rT \text{ steps}\;}\; γ_0 \;\xrightarrow{\;rT\;}\; \frac{γ_0}{d}
# \;\xrightarrow{\;(1-2r)T\;}\; \frac{γ_0}{d\,e}$$
#
# `lr` is γ₀, the *peak*; `steps` is T; `rise` is r; `div_factor` is d and `final_div_factor` is e.
# After T steps the rate stays at its last value.
#
# **By hand.** γ₀ = 0.5, T = 100, r = 0.4, d = 10, e = 100. The corners: 0.05 at t = 0, 0.5 at t = 40,
# 0.05 at t = 80, 0.0005 at t = 100. Half-way up, at t = 20, the rate is 0.275.


# %% grade_id="one_cycle" role="answer"
def one_cycle(t, *, lr, steps, rise=0.45, div_factor=25.0, final_div_factor=1e4):
    """The rate of the 1cycle schedule at step t.

    >>> cycle = {"lr": 0.5, "steps": 100, "rise": 0.4, "div_factor": 10, "final_div_factor": 100}
    >>> [round(float(one_cycle(t, **cycle)), 6) for t in (0, 20, 40, 80, 90, 100, 101)]
    [0.05, 0.275, 0.5, 0.05, 0.02525, 0.0005, 0.0005]
    """
    ### BEGIN SOLUTION
    first = lr / div_factor
    corners = [0, rise * steps, 2 * rise * steps, steps]
    return np.interp(t, corners, [first, lr, first, first / final_div_factor])
    ### END SOLUTION


# %% grade_id="test_one_cycle" role="test"
check(one_cycle).award()

# %% [markdown]
# ## 9. Plateau (6 points)
#
# This schedule looks at training: where a metric has stopped improving, it cuts the rate. After each
# epoch it is shown the newest metric, here a loss.
#
# - The metric **improves** if $m < m_{best} - δ$. The first one always does. Then $m_{best} = m$, and
#   the count of bad updates is 0.
# - Otherwise the count grows by 1. When it reaches the patience p, the rate becomes
#   $\max(γf, γ_{min})$ and the count starts again at 0.
#
# `factor` is f, `patience` is p, `min_delta` is δ, an amount and not a share of the best; `lr_min` is
# γ_min. The state is `{"lr": rate now, "best": best metric so far, "bad": bad updates in a row}`, or
# `None` before the first metric; `lr` is the rate to begin with, used only then. A bad update leaves
# $m_{best}$ as it is. Return the rate to go on with and the new state.
#
# **By hand.** γ = 0.1, f = 0.5, p = 2. Losses 1.0, 0.8, 0.9, 0.8: the third is bad, the fourth is not
# *lower* than the best and bad too. That makes two, the rate is cut to 0.05.


# %% grade_id="plateau" role="answer"
def plateau(metric, state=None, *, lr, factor=0.1, patience=10, min_delta=0.0, lr_min=0.0):
    """The rate to go on with, and the state, after one more metric.

    >>> state = None
    >>> for loss in (1.0, 0.8, 0.9, 0.8):
    ...     rate, state = plateau(loss, state, lr=0.1, factor=0.5, patience=2)
    ...     print(rate, state["best"], state["bad"])
    0.1 1.0 0
    0.1 0.8 0
    0.1 0.8 1
    0.05 0.8 0
    """
    ### BEGIN SOLUTION
    if state is None:
        state = {"lr": lr, "best": float("inf"), "bad": 0}
    rate, best, bad = state["lr"], state["best"], state["bad"]
    if metric < best - min_delta:
        best, bad = metric, 0
    else:
        bad = bad + 1
    if bad >= patience:
        rate, bad = max(rate * factor, lr_min), 0
    return rate, {"lr": rate, "best": best, "bad": bad}
    ### END SOLUTION


# %% grade_id="test_plateau" role="test"
check(plateau).award()

# %% [markdown]
# ## 10. Reading a range test (4 points)
#
# A range test has tried growing rates, one after the other, and has written down the loss at each.
# Choose **a tenth of the rate with the lowest loss**. Where training diverged, the last losses are
# infinite or NaN (not a number); they are never the lowest.
#
# `rates` and `losses` are arrays of shape (n,). The rates grow by some factor, which need not be 10.
#
# **By hand.** Rates 0.01, 0.1, 1, 10 with losses 2.3, 1.1, 0.6, NaN: lowest at 1, so choose 0.1.


# %% grade_id="choose_rate" role="answer"
def choose_rate(rates, losses):
    """The rate that a range test suggests.

    >>> rates, losses = np.array([0.01, 0.1, 1.0, 10.0]), np.array([2.3, 1.1, 0.6, np.nan])
    >>> float(choose_rate(rates, losses))
    0.1
    """
    ### BEGIN SOLUTION
    return rates[np.nanargmin(losses)] / 10
    ### END SOLUTION


# %% grade_id="test_choose_rate" role="test"
check(choose_rate).award()

# %% [markdown]
# ## 11. Early stopping (5 points)
#
# After each epoch it is shown the validation loss and the parameters θ. It keeps the parameters of
# the best epoch, and says when to stop: after p epochs in a row without improvement. An epoch
# improves as in exercise 9, if $m < m_{best} - δ$; the first one always does.
#
# The state is `{"best": lowest loss, "theta": its parameters, "bad": bad epochs in a row}`, or `None`
# before the first epoch. Return whether to stop, `True` or `False`, and the new state.
#
# **By hand.** p = 2, losses 0.9, 0.5, 0.6, 0.7: stop after the fourth, and keep the parameters of the
# second.


# %% grade_id="early_stopping" role="answer"
def early_stopping(metric, theta, state=None, *, patience=10, min_delta=0.0):
    """Whether to stop after one more epoch, and what to remember.

    >>> state = None
    >>> for epoch, loss in enumerate((0.9, 0.5, 0.6, 0.7), start=1):
    ...     stop, state = early_stopping(loss, np.array([float(epoch)]), state, patience=2)
    ...     print(stop, state["best"], state["theta"], state["bad"])
    False 0.9 [1.] 0
    False 0.5 [2.] 0
    False 0.5 [2.] 1
    True 0.5 [2.] 2
    """
    ### BEGIN SOLUTION
    if state is None or metric < state["best"] - min_delta:
        return False, {"best": metric, "theta": theta.copy(), "bad": 0}
    bad = state["bad"] + 1
    return bad >= patience, {"best": state["best"], "theta": state["theta"], "bad": bad}
    ### END SOLUTION


# %% grade_id="test_early_stopping" role="test"
check(early_stopping).award()

# %% [markdown]
# ## 12. Bring the best weights back (4 points)
#
# Now the whole loop. Epoch e changes the parameters, θ ← θ + `updates[e]`; then their validation loss
# is `losses[e]`. Stop after p epochs in a row without a loss *lower* than the best before; if that
# never happens, train all epochs.
#
# `theta` has shape (n,), `updates` has shape (epochs, n), `losses` is a list. Return the parameters of
# the best epoch, with the dtype of `theta`, and the number of epochs *trained*. You may call your
# `early_stopping`.
#
# **By hand.** θ = 0, every update is 1, losses 0.9, 0.5, 0.6, 0.7, 0.4, p = 2. It stops after four
# epochs; the best was the second, with θ = 2. The 0.4 is never seen.


# %% grade_id="best_weights" role="answer"
def best_weights(theta, updates, losses, *, patience):
    """The parameters of the best epoch, and the number of epochs trained.

    >>> theta, updates = np.zeros(2), np.ones((5, 2))
    >>> best_weights(theta, updates, [0.9, 0.5, 0.6, 0.7, 0.4], patience=2)
    (array([2., 2.]), 4)
    """
    ### BEGIN SOLUTION
    best, bad, epochs = float("inf"), 0, 0
    for update, loss in zip(updates, losses, strict=True):
        theta = theta + update
        epochs += 1
        if loss < best:
            best, best_theta, bad = loss, theta, 0
        else:
            bad += 1
        if bad >= patience:
            break
    return best_theta, epochs
    ### END SOLUTION


# %% grade_id="test_best_weights" role="test"
check(best_weights).award()

# %% [markdown]
# ## 13. In your own words (6 points)
#
# A colleague trains with batches of 32, momentum 0.9 and the rate 0.05, cut to a tenth after 30 epochs
# and again after 45 of 60. She gets a new machine, takes batches of 1024 and asks you for advice.
#
# 1. Why may she want a larger rate now, and why may that rate fail in the first steps? What helps, and
#    how would you find out how large the rate may be? (3 points)
# 2. Just after each cut her loss drops within an epoch, then it is level again. A friend says: "So cut
#    right at the start!" Explain the drop, and why he is wrong. (2 points)
# 3. She picks the best epoch by the test accuracy. What is the objection, and what do you suggest?
#    (1 point)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. A larger batch has less noise in its gradient and makes fewer steps an epoch, so
# each step may, and should, go farther. At random weights the curvature is large and changes fast: a
# rate that is fine later makes the first steps jump and the loss run away. Warm-up, a ramp over some
# tens or hundreds of steps, helps. A range test finds the size: raise the rate from very small by a
# factor at each step until the loss runs away, take about a tenth of the rate with the lowest loss,
# start from new weights. (One point each: why larger, why it fails with the ramp, range test with new
# weights.)
#
# 2. At a constant rate the loss settles on a floor where the noise of the gradients balances the pull
# to the minimum; the floor is proportional to the rate, so a cut lowers it and the loss falls quickly
# to the new floor. Cut at the start and the floor is low, but the way there is ten times slower: the
# large rate is needed for the distance, the small one for the precision. (One point each.)
#
# 3. The test accuracy has then been used to choose, and is too good: hold back a validation part for
# early stopping and use the test part once, at the end. (One point.)

# %% [markdown]
# ## See them all
#
# This is not graded. Your schedules side by side; the dots mark every hundredth step.

# %%
import matplotlib.pyplot as plt

steps = np.arange(601)
yours = {
    "step": [step(t, lr=0.1, every=150) for t in steps],
    "1/t": [inverse_time(t, lr=0.1, k=0.02) for t in steps],
    "exponential": [exponential(t, lr=0.1, k=0.005) for t in steps],
    "cosine": [cosine(t, lr=0.1, steps=600) for t in steps],
    "1cycle": [one_cycle(t, lr=0.1, steps=600) for t in steps],
}
for marker, (name, rates) in zip("os^Dv", yours.items(), strict=True):
    plt.plot(steps, rates, label=name, marker=marker, markevery=100)
plt.xlabel("step t")
plt.ylabel("rate γ")
plt.legend()
plt.show()
