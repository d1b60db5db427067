# %% [markdown]
# # Exercises: optimizers
#
# You write seven update rules, each about five lines of NumPy, and answer one question in words.
#
# **Before you start** read the lesson *Optimizers* up to section 10. Plan on two hours.
#
# **How every rule looks.** It takes the parameters θ, their gradient g and what it remembered from
# the step before. It returns the new θ and what to remember for the next step:
#
# ```python
# theta, state = rule(theta, grad, state, lr=0.1)
# ```
#
# | | what it is |
# |---|---|
# | `theta` | θ, the parameters: a NumPy array of any shape, float64 or float32 |
# | `grad` | g, the gradient at θ: same shape and dtype |
# | `state` | a dict, or `None` at the first step; each exercise names its keys |
# | `lr`, ... | hyper-parameters: plain numbers, passed by name |
#
# Three rules hold everywhere. Products, quotients and roots are **element by element**. **Change
# nothing** that you are given: make new arrays. Keep the **dtype**: float32 in, float32 out.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case
# that fails, and, where it knows it, which mistake you made. Check as often as you like; the final
# grading uses other numbers. You may use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Momentum (5 points)
#
# The step is a velocity that remembers earlier gradients:
#
# $$u_t = α\,u_{t-1} - γ\,g_t, \qquad θ_{t+1} = θ_t + u_t.$$
#
# `lr` is γ, `momentum` is α. The state is `{"u": u}`, with the shape of θ; at the first step
# $u_0 = 0$.
#
# **By hand.** θ = 1, g = 2 in both steps, γ = 0.1, α = 0.5. First $u = -0.2$, θ = 0.8. Then
# $u = 0.5 \cdot (-0.2) - 0.2 = -0.3$, θ = 0.5.


# %% grade_id="momentum" role="answer"
def momentum(theta, grad, state=None, *, lr, momentum=0.9):
    """One step of gradient descent with momentum.

    >>> theta, state = momentum(np.array([1.0]), np.array([2.0]), lr=0.1, momentum=0.5)
    >>> theta, state = momentum(theta, np.array([2.0]), state, lr=0.1, momentum=0.5)
    >>> theta.round(6), state["u"].round(6)
    (array([0.5]), array([-0.3]))
    """
    ### BEGIN SOLUTION
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + u, {"u": u}
    ### END SOLUTION


# %% grade_id="test_momentum" role="test"
check(momentum).award()

# %% [markdown]
# ## 2. Nesterov momentum (5 points)
#
# The form that training loops use, with the gradient at θ:
#
# $$u_t = α\,u_{t-1} - γ\,g_t, \qquad θ_{t+1} = θ_t + α\,u_t - γ\,g_t.$$
#
# The step uses the *new* velocity $u_t$. The names and the state are those of exercise 1.
#
# **By hand.** θ = 1, g = 2, γ = 0.1, α = 0.5, at rest. $u = -0.2$, and
# θ = $1 + 0.5 \cdot (-0.2) - 0.2 = 0.7$: half a velocity further than momentum's 0.8.


# %% grade_id="nesterov" role="answer"
def nesterov(theta, grad, state=None, *, lr, momentum=0.9):
    """One step of Nesterov momentum, with the gradient at theta.

    >>> theta, state = nesterov(np.array([1.0]), np.array([2.0]), lr=0.1, momentum=0.5)
    >>> theta.round(6), state["u"].round(6)
    (array([0.7]), array([-0.2]))
    """
    ### BEGIN SOLUTION
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + momentum * u - lr * grad, {"u": u}
    ### END SOLUTION


# %% grade_id="test_nesterov" role="test"
check(nesterov).award()

# %% [markdown]
# ## 3. AdaGrad (4 points)
#
# Every parameter has a rate of its own, which shrinks with the squared gradients it has seen:
#
# $$r_t = r_{t-1} + g_t^2, \qquad θ_{t+1} = θ_t - \frac{γ}{δ + \sqrt{r_t}}\,g_t.$$
#
# `eps` is δ; it is added to the root, not under it. The state is `{"r": r}`, with $r_0 = 0$.
# Mind the units: r is a gradient squared, δ a gradient, γ a distance in θ.
#
# **By hand.** θ = 1, g = 3 then 4, γ = 0.1, δ = 0. First r = 9 and the step is
# $0.1 \cdot 3/3 = 0.1$. Then r = 25 and the step is $0.1 \cdot 4/5 = 0.08$: θ = 0.82.


# %% grade_id="adagrad" role="answer"
def adagrad(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    """One step of AdaGrad.

    >>> theta, state = adagrad(np.array([1.0]), np.array([3.0]), lr=0.1, eps=0.0)
    >>> theta, state = adagrad(theta, np.array([4.0]), state, lr=0.1, eps=0.0)
    >>> theta.round(6), state["r"]
    (array([0.82]), array([25.]))
    """
    ### BEGIN SOLUTION
    r = np.zeros_like(theta) if state is None else state["r"]
    r = r + grad**2
    return theta - lr / (eps + np.sqrt(r)) * grad, {"r": r}
    ### END SOLUTION


# %% grade_id="test_adagrad" role="test"
check(adagrad).award()

# %% [markdown]
# ## 4. RMSProp (4 points)
#
# AdaGrad with a memory that fades, so that its steps do not die out:
#
# $$r_t = ρ\,r_{t-1} + (1 - ρ)\,g_t^2, \qquad θ_{t+1} = θ_t - \frac{γ}{δ + \sqrt{r_t}}\,g_t.$$
#
# `rho` is ρ, the share of the old average that is kept. The state is `{"r": r}`, with $r_0 = 0$.
#
# **By hand.** θ = 1, g = 4, γ = 0.1, ρ = 0.75, δ = 0. $r = 0.25 \cdot 16 = 4$ and the step is
# $0.1 \cdot 4/2 = 0.2$: θ = 0.8.


# %% grade_id="rmsprop" role="answer"
def rmsprop(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    """One step of RMSProp.

    >>> theta, state = rmsprop(np.array([1.0]), np.array([4.0]), lr=0.1, rho=0.75, eps=0.0)
    >>> theta.round(6), state["r"]
    (array([0.8]), array([4.]))
    """
    ### BEGIN SOLUTION
    r = np.zeros_like(theta) if state is None else state["r"]
    r = rho * r + (1 - rho) * grad**2
    return theta - lr / (eps + np.sqrt(r)) * grad, {"r": r}
    ### END SOLUTION


# %% grade_id="test_rmsprop" role="test"
check(rmsprop).award()

# %% [markdown]
# ## 5. Adam (6 points)
#
# Two fading averages, of the gradient and of its square. Both start at 0 and are corrected for it:
#
# $$\begin{aligned}
# s_t &= β_1 s_{t-1} + (1 - β_1)\,g_t, & \hat s_t &= \frac{s_t}{1 - β_1^t}, \\
# r_t &= β_2 r_{t-1} + (1 - β_2)\,g_t^2, & \hat r_t &= \frac{r_t}{1 - β_2^t}, \\
# θ_{t+1} &= θ_t - γ\,\frac{\hat s_t}{δ + \sqrt{\hat r_t}}.
# \end{aligned}$$
#
# t counts the steps and is 1 at the first. The state is `{"t": t, "s": s, "r": r}`: the number of
# steps done, and the averages *before* correction.
#
# **By hand.** θ = 1, g = 4, γ = 0.1, β₁ = 0.5, β₂ = 0.75, δ = 0. $s = 2$, $\hat s = 2/0.5 = 4$;
# $r = 4$, $\hat r = 4/0.25 = 16$; the step is $0.1 \cdot 4/4 = 0.1$: θ = 0.9.


# %% grade_id="adam" role="answer"
def adam(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """One step of Adam.

    >>> hyper = dict(lr=0.1, beta1=0.5, beta2=0.75, eps=0.0)
    >>> theta, state = adam(np.array([1.0]), np.array([4.0]), **hyper)
    >>> theta.round(6), state["t"], state["s"], state["r"]
    (array([0.9]), 1, array([2.]), array([4.]))
    """
    ### BEGIN SOLUTION
    if state is None:
        state = {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat = s / (1 - beta1**t)
    r_hat = r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}
    ### END SOLUTION


# %% grade_id="test_adam" role="test"
check(adam).award()

# %% [markdown]
# ## 6. Nadam (5 points)
#
# Adam, with the average of g as it will be one step later. With $s_t$, $r_t$ and $\hat r_t$ as in
# exercise 5 and a constant β₁:
#
# $$θ_{t+1} = θ_t - \frac{γ}{δ + \sqrt{\hat r_t}}
#   \left(β_1\,\frac{s_t}{1 - β_1^t} + (1 - β_1)\,\frac{g_t}{1 - β_1^t}\right).$$
#
# The state is that of Adam.
#
# **By hand.** The numbers of exercise 5: the bracket is
# $0.5 \cdot 4 + 0.5 \cdot 4/0.5 = 6$, and the step is $0.1 \cdot 6/4 = 0.15$: θ = 0.85.


# %% grade_id="nadam" role="answer"
def nadam(theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """One step of Nadam with constant beta1.

    >>> hyper = dict(lr=0.1, beta1=0.5, beta2=0.75, eps=0.0)
    >>> theta, state = nadam(np.array([1.0]), np.array([4.0]), **hyper)
    >>> theta.round(6), state["t"]
    (array([0.85]), 1)
    """
    ### BEGIN SOLUTION
    if state is None:
        state = {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    ahead = (beta1 * s + (1 - beta1) * grad) / (1 - beta1**t)
    r_hat = r / (1 - beta2**t)
    return theta - lr * ahead / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}
    ### END SOLUTION


# %% grade_id="test_nadam" role="test"
check(nadam).award()

# %% [markdown]
# ## 7. AdamW (5 points)
#
# Adam, and beside it a decay of the weights that the averages never see. With $\hat s_t$ and
# $\hat r_t$ as in exercise 5:
#
# $$θ_{t+1} = θ_t - γ\,λ\,θ_t - γ\,\frac{\hat s_t}{δ + \sqrt{\hat r_t}}.$$
#
# `weight_decay` is λ; both terms start from the *old* θ. The state is that of Adam.
#
# **By hand.** The numbers of exercise 5 with θ = 1, λ = 0.5: the decay is
# $0.1 \cdot 0.5 \cdot 1 = 0.05$ and Adam's step 0.1: θ = 0.85.


# %% grade_id="adamw" role="answer"
def adamw(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2):
    """One step of AdamW.

    >>> hyper = dict(lr=0.1, beta1=0.5, beta2=0.75, eps=0.0, weight_decay=0.5)
    >>> theta, state = adamw(np.array([1.0]), np.array([4.0]), **hyper)
    >>> theta.round(6), state["t"]
    (array([0.85]), 1)
    """
    ### BEGIN SOLUTION
    if state is None:
        state = {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    step = lr * (s / (1 - beta1**t)) / (eps + np.sqrt(r / (1 - beta2**t)))
    return theta - lr * weight_decay * theta - step, {"t": t, "s": s, "r": r}
    ### END SOLUTION


# %% grade_id="test_adamw" role="test"
check(adamw).award()

# %% [markdown]
# ## 8. In your own words (6 points)
#
# A friend trains the same network three times, with momentum, with AdaGrad and with Adam, all at
# γ = 0.01. One run crawls from the start, one is fast at first and then hardly moves, one goes well.
#
# 1. Which rule is likely behind which run, and why? (3 points)
# 2. She now multiplies the loss by 1000 and changes nothing else. What happens to the three runs?
#    Give the reason from the formulas, and say where δ matters. (3 points)
#
# Five to ten sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. The step of momentum is proportional to the gradient, at most γ/(1 − α) = 0.1
# times it; where gradients are small, it crawls. AdaGrad's first steps have the length γ for every
# parameter, but r only grows and the step falls like 1/√t: fast, then hardly moving. Adam divides by
# a root that forgets: its steps keep a length of about γ whatever the size of g. (One point for
# each rule with its reason. Another assignment with a sound reason counts too.)
#
# 2. All gradients grow 1000 times. Momentum's steps grow 1000 times as well and it most likely
# diverges; it would need γ/1000. In AdaGrad and Adam the factor cancels: s and √r both grow by
# 1000, so the paths stay the same. δ does not grow: it matters less than before, and mattered only
# where the root was of its size. (One point for momentum, one for the two others, one for δ.)

# %% [markdown]
# ## See it walk
#
# This is not graded. Your Adam goes down Rosenbrock's curved valley; the star is the minimum. Try
# other rules and rates: with a rate of 0.01, how far do 1600 steps go?

# %%
import matplotlib.pyplot as plt

from course.surfaces import ROSENBROCK, descend

points, diverged = descend(adam, ROSENBROCK, start=(-1.5, 2.0), steps=1600, lr=0.05)
x, y = np.meshgrid(np.linspace(-2, 2, 200), np.linspace(-1, 3, 200))
plt.contour(x, y, np.log10(ROSENBROCK.value(x, y) + 1e-3), levels=20, cmap="Greys")
plt.plot(*points.T, color="#0072b2")
plt.plot(1, 1, "*", color="#d55e00", markersize=14)
plt.xlabel("θ₁")
plt.ylabel("θ₂")
plt.show()
