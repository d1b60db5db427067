# %% [markdown]
# # Exercises: activations
#
# You write eleven activations with their derivatives, the gradients of a learned slope, SELU's constants and
# the count of dead units, each a few lines of Python, and answer one question in words.
#
# **Before you start** read the lesson *Activations*. Plan on three hours.
#
# **How an activation looks.** It takes an array and returns two arrays of the same shape, the value and the
# derivative:
#
# ```python
# y, slope = sigmoid(x)
# ```
#
# | | what it is |
# |---|---|
# | `x` | pre-activations, an array of any shape; the function acts on each entry |
# | `y` | f(x), shape and dtype of `x` |
# | `slope` | f'(x), shape and dtype of `x`: the derivative itself, not yet multiplied by anything |
#
# **What holds everywhere.**
#
# - **Change nothing** that you are given: `x[x < 0] = 0` writes into the caller's array. Work on a copy.
# - Keep the **dtype**: float32 in, float32 out. `np.where(x > 0, 1.0, 0.0)` is float64 whatever x is; add
#   `.astype(x.dtype)`, or start from `np.ones_like(x)`.
# - Where a formula has two sides, 0 belongs to the **left** one: "x > 0" means that.
# - **Large |x|** (thousands) must not give NaN. $e^{2000}$ overflows to ∞, and ∞/∞, ∞ − ∞ and 0 · ∞ are NaN.
#   A value that comes out right beside an overflow warning counts; the check shows you the warning.
#
# **How to check.** Run the cell below each exercise. The value and the derivative are looked at one by one, so
# you may return `y, None` at first. The check tells you what is right, the first case that fails, and, where it
# knows it, which mistake you made. Check as often as you like; the final grading uses other numbers. You may
# use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Heaviside's step (3 points)
#
# $$H(x) = \begin{cases} 1 & x > 0 \\ 0 & x ≤ 0, \end{cases} \qquad H'(x) = 0.$$
#
# At the jump there is no derivative; 0 is taken there as well.
#
# **By hand.** x = (−2, 0, 0.5): H = (0, 0, 1), H' = (0, 0, 0).


# %% grade_id="heaviside" role="answer"
def heaviside(x):
    """Return the step and its derivative.

    >>> heaviside(np.array([-2.0, 0.0, 0.5]))
    (array([0., 0., 1.]), array([0., 0., 0.]))
    """
    ### BEGIN SOLUTION
    return (x > 0).astype(x.dtype), np.zeros_like(x)
    ### END SOLUTION


# %% grade_id="test_heaviside" role="test"
check(heaviside).award()

# %% [markdown]
# ## 2. Sigmoid (4 points)
#
# $$σ(x) = \frac{1}{1 + e^{-x}} = \frac{e^x}{1 + e^x}, \qquad σ'(x) = σ(x)\,(1 - σ(x)).$$
#
# Both forms of σ are right on paper. On a computer each has a side on which its exponential overflows.
#
# **By hand.** x = ln 3: $e^{-x} = ⅓$, so σ = ¾ and σ' = ¾ · ¼ = 0.1875.


# %% grade_id="sigmoid" role="answer"
def sigmoid(x):
    """Return the logistic sigmoid and its derivative.

    >>> y, slope = sigmoid(np.array([-2000.0, 0.0, np.log(3.0), 2000.0]))
    >>> y.round(6), slope.round(6)
    (array([0.  , 0.5 , 0.75, 1.  ]), array([0.    , 0.25  , 0.1875, 0.    ]))
    """
    ### BEGIN SOLUTION
    small = np.exp(-np.abs(x))
    y = np.where(x >= 0, 1, small) / (1 + small)
    return y, y * (1 - y)
    ### END SOLUTION


# %% grade_id="test_sigmoid" role="test"
check(sigmoid).award()

# %% [markdown]
# ## 3. Tanh (4 points)
#
# $$\tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}} = 2σ(2x) - 1, \qquad \tanh'(x) = 1 - \tanh^2 x.$$
#
# NumPy has it. You may use that, or show how you do without.
#
# **By hand.** x = ln 2: $(2 - ½)/(2 + ½) = 0.6$, the derivative is $1 - 0.36 = 0.64$.


# %% grade_id="tanh" role="answer"
def tanh(x):
    """Return the hyperbolic tangent and its derivative.

    >>> y, slope = tanh(np.array([-2000.0, 0.0, np.log(2.0)]))
    >>> y.round(6), slope.round(6)
    (array([-1. ,  0. ,  0.6]), array([0.  , 1.  , 0.64]))
    """
    ### BEGIN SOLUTION
    y = np.tanh(x)
    return y, 1 - y**2
    ### END SOLUTION


# %% grade_id="test_tanh" role="test"
check(tanh).award()

# %% [markdown]
# ## 4. ReLU (3 points)
#
# $$f(x) = \max(0, x), \qquad f'(x) = \begin{cases} 1 & x > 0 \\ 0 & x ≤ 0. \end{cases}$$
#
# Python's `max` does not work on arrays; `np.maximum` goes entry by entry.
#
# **By hand.** x = (−2, 0, 3): f = (0, 0, 3), f' = (0, 0, 1).


# %% grade_id="relu" role="answer"
def relu(x):
    """Return the rectifier and its derivative.

    >>> relu(np.array([-2.0, 0.0, 3.0]))
    (array([0., 0., 3.]), array([0., 0., 1.]))
    """
    ### BEGIN SOLUTION
    return np.maximum(x, 0), (x > 0).astype(x.dtype)
    ### END SOLUTION


# %% grade_id="test_relu" role="test"
check(relu).award()

# %% [markdown]
# ## 5. Leaky ReLU (4 points)
#
# $$f(x) = \begin{cases} x & x > 0 \\ αx & x ≤ 0, \end{cases} \qquad
# f'(x) = \begin{cases} 1 & x > 0 \\ α & x ≤ 0. \end{cases}$$
#
# `negative_slope` is α ≥ 0. It may be above 1: a slope that is learned (the next exercise) can end up there.
#
# **By hand.** α = 0.1, x = (−2, 0, 3): f = (−0.2, 0, 3), f' = (0.1, 0.1, 1).


# %% grade_id="leaky_relu" role="answer"
def leaky_relu(x, *, negative_slope=0.01):
    """Return the leaky ReLU and its derivative.

    >>> y, slope = leaky_relu(np.array([-2.0, 0.0, 3.0]), negative_slope=0.1)
    >>> y.tolist(), slope.tolist()
    ([-0.2, 0.0, 3.0], [0.1, 0.1, 1.0])
    """
    ### BEGIN SOLUTION
    slope = np.where(x > 0, 1, negative_slope).astype(x.dtype)
    return x * slope, slope
    ### END SOLUTION


# %% grade_id="test_leaky_relu" role="test"
check(leaky_relu).award()

# %% [markdown]
# ## 6. PReLU learns its slope (5 points)
#
# The same function, but α is a parameter and needs a gradient. From above comes `grad`, which is ∂L/∂y:
#
# $$\frac{∂L}{∂x} = \frac{∂L}{∂y} \cdot \begin{cases} 1 & x > 0 \\ α & x ≤ 0, \end{cases} \qquad
# \frac{∂L}{∂α} = \sum \frac{∂L}{∂y} \min(x, 0).$$
#
# The sum runs over all entries that share a slope. `grad` and `x` have the shape (samples, features). `alpha`
# has the shape (), one slope for everything, or (features,), one for each feature. Return `(grad_x, grad_alpha)`;
# each has the shape of what it belongs to.
#
# **By hand.** x has the rows (−2, −2) and (1, −4), every entry of `grad` is 1, α = (0.25, 0.5). The first slope is
# used once, at −2: its gradient is −2. The second is used at −2 and −4: −6. With one common slope it is −8.


# %% grade_id="prelu_gradients" role="answer"
def prelu_gradients(grad, x, alpha):
    """Return the gradients of the loss with respect to x and alpha.

    >>> x = np.array([[-2.0, -2.0], [1.0, -4.0]])
    >>> grad_x, grad_alpha = prelu_gradients(np.ones((2, 2)), x, np.array([0.25, 0.5]))
    >>> grad_x.tolist(), grad_alpha.tolist()
    ([[0.25, 0.5], [1.0, 0.5]], [-2.0, -6.0])
    >>> float(prelu_gradients(np.ones((2, 2)), x, np.array(0.25))[1])
    -8.0
    """
    ### BEGIN SOLUTION
    shared = 0 if alpha.ndim == 1 else None
    return grad * np.where(x > 0, 1, alpha), (grad * np.minimum(x, 0)).sum(axis=shared)
    ### END SOLUTION


# %% grade_id="test_prelu_gradients" role="test"
check(prelu_gradients).award()

# %% [markdown]
# ## 7. RReLU draws its slope (5 points)
#
# $$f(x) = \begin{cases} x & x > 0 \\ ax & x ≤ 0, \end{cases} \qquad
# a \sim U(l, u) \text{ in training}, \quad a = \frac{l + u}{2} \text{ at test.}$$
#
# `rng` is a `numpy.random.Generator` in training and `None` at test. Draw **one slope for each entry** of `x`,
# whatever its sign, with **one** call of `rng.uniform` of the size `x.shape`. The derivative belongs to the same
# slopes. `lower` is l, `upper` is u.
#
# **By hand.** At test with l = 0.25, u = 0.5: a = 0.375. x = (−8, 8) gives y = (−3, 8), slope (0.375, 1).


# %% grade_id="rrelu" role="answer"
def rrelu(x, *, rng=None, lower=1 / 8, upper=1 / 3):
    """Return the randomized leaky ReLU and its derivative for the same slopes.

    >>> y, slope = rrelu(np.array([-8.0, 8.0]), lower=0.25, upper=0.5)
    >>> y.tolist(), slope.tolist()
    ([-3.0, 8.0], [0.375, 1.0])
    >>> x = np.array([-1.0, -1.0, 1.0])
    >>> y, slope = rrelu(x, rng=np.random.default_rng(0))
    >>> y.round(4).tolist(), slope.round(4).tolist()
    ([-0.2577, -0.1812, 1.0], [0.2577, 0.1812, 1.0])
    """
    ### BEGIN SOLUTION
    a = np.full(x.shape, (lower + upper) / 2) if rng is None else rng.uniform(lower, upper, x.shape)
    slope = np.where(x > 0, 1, a).astype(x.dtype)
    return x * slope, slope
    ### END SOLUTION


# %% grade_id="test_rrelu" role="test"
check(rrelu).award()

# %% [markdown]
# ## 8. ELU (4 points)
#
# $$f(x) = \begin{cases} x & x > 0 \\ α(e^x - 1) & x ≤ 0, \end{cases} \qquad
# f'(x) = \begin{cases} 1 & x > 0 \\ αe^x & x ≤ 0. \end{cases}$$
#
# `np.where` computes both sides for every entry and then chooses. Give the exponential only what it needs,
# `np.minimum(x, 0)`.
#
# **By hand.** α = 2, x = −ln 2: $e^x = ½$, f = 2 · (−½) = −1, f' = 1.


# %% grade_id="elu" role="answer"
def elu(x, *, alpha=1.0):
    """Return the exponential linear unit and its derivative.

    >>> y, slope = elu(np.array([-np.log(2.0), 0.0, 2000.0]), alpha=2.0)
    >>> y.round(6).tolist(), slope.round(6).tolist()
    ([-1.0, 0.0, 2000.0], [1.0, 2.0, 1.0])
    """
    ### BEGIN SOLUTION
    negative = np.minimum(x, 0)
    y = np.where(x > 0, x, alpha * np.expm1(negative))
    return y, np.where(x > 0, np.ones_like(x), alpha * np.exp(negative))
    ### END SOLUTION


# %% grade_id="test_elu" role="test"
check(elu).award()

# %% [markdown]
# ## 9. SELU's constants (4 points)
#
# Let s be normal with mean 0 and variance ν, and $f(s) = λ s$ for s > 0, $λα(e^s - 1)$ for s ≤ 0. We want what comes
# out to have mean 0 and variance ν again:
#
# $$λ\left(\sqrt{\tfrac{ν}{2π}} + α m_1\right) = 0, \qquad λ^2\left(\tfrac{ν}{2} + α^2 m_2\right) = ν,$$
#
# with the two moments of the left side
#
# $$m_1 = e^{ν/2}\,Φ(-\sqrt ν) - \tfrac12, \qquad
# m_2 = e^{2ν}\,Φ(-2\sqrt ν) - 2e^{ν/2}\,Φ(-\sqrt ν) + \tfrac12 .$$
#
# $Φ(z) = ½(1 + \operatorname{erf}(z/\sqrt2))$ is the normal distribution function; `import math` brings
# `math.erf`, which takes one number. `variance` is ν. Return the pair (α, λ) of plain numbers. The first equation
# gives α, the second then λ.
#
# **By hand.** ν = 1: Φ(−1) = 0.158655, so $m_1 = 1.648721 · 0.158655 - 0.5 = -0.238421$, and
# $α = 0.398942 / 0.238421 = 1.67327$.


# %% grade_id="selu_constants" role="answer"
def selu_constants(*, variance=1.0):
    """Return α and λ that keep mean 0 and this variance of a normal input.

    >>> alpha, scale = selu_constants()
    >>> round(float(alpha), 6), round(float(scale), 6)
    (1.673263, 1.050701)
    """
    ### BEGIN SOLUTION
    import math

    s = math.sqrt(variance)
    one = math.exp(variance / 2) * math.erfc(s / math.sqrt(2)) / 2
    two = math.exp(2 * variance) * math.erfc(2 * s / math.sqrt(2)) / 2
    m1, m2 = one - 1 / 2, two - 2 * one + 1 / 2
    alpha = -math.sqrt(variance / (2 * math.pi)) / m1
    return alpha, math.sqrt(variance / (variance / 2 + alpha**2 * m2))
    ### END SOLUTION


# %% grade_id="test_selu_constants" role="test"
check(selu_constants).award()

# %% [markdown]
# ## 10. SELU (4 points)
#
# $$f(x) = λ\begin{cases} x & x > 0 \\ α(e^x - 1) & x ≤ 0, \end{cases} \qquad
# f'(x) = λ\begin{cases} 1 & x > 0 \\ αe^x & x ≤ 0, \end{cases}$$
#
# with the constants of ν = 1. Take all their digits, from your `selu_constants()` or typed in:
# α = 1.6732632423543772, λ = 1.0507009873554805.
#
# **By hand.** x = 1: f = f' = 1.0507. For very negative x the value is −λα = −1.7581.


# %% grade_id="selu" role="answer"
def selu(x):
    """Return the scaled exponential linear unit and its derivative.

    >>> y, slope = selu(np.array([-2000.0, 0.0, 1.0]))
    >>> y.round(4).tolist(), slope.round(4).tolist()
    ([-1.7581, 0.0, 1.0507], [0.0, 1.7581, 1.0507])
    """
    ### BEGIN SOLUTION
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    negative = np.minimum(x, 0)
    y = scale * np.where(x > 0, x, alpha * np.expm1(negative))
    return y, scale * np.where(x > 0, np.ones_like(x), alpha * np.exp(negative))
    ### END SOLUTION


# %% grade_id="test_selu" role="test"
check(selu).award()

# %% [markdown]
# ## 11. SiLU, or Swish with β (5 points)
#
# $$f(x) = x\,σ(βx).$$
#
# Derive f' with the product rule and the chain rule; $σ' = σ(1 - σ)$. `beta` is β > 0. You may call your `sigmoid`.
#
# **By hand.** β = 1, x = ln 3: σ = ¾, f = 0.8240. The derivative is ¾ + ln 3 · ¾ · ¼ = 0.9560. At x = 0 it is ½.


# %% grade_id="silu" role="answer"
def silu(x, *, beta=1.0):
    """Return SiLU (Swish for another β) and its derivative.

    >>> y, slope = silu(np.array([-2000.0, 0.0, np.log(3.0)]))
    >>> abs(y).round(4).tolist(), abs(slope).round(4).tolist()
    ([0.0, 0.0, 0.824], [0.0, 0.5, 0.956])
    """
    ### BEGIN SOLUTION
    gate, gate_slope = sigmoid(beta * x)
    return x * gate, gate + beta * x * gate_slope
    ### END SOLUTION


# %% grade_id="test_silu" role="test"
check(silu).award()

# %% [markdown]
# ## 12. GELU (6 points)
#
# $$f(x) = x\,Φ(x), \qquad f'(x) = Φ(x) + x\,φ(x), \qquad
# φ(x) = Φ'(x) = \frac{1}{\sqrt{2π}}\,e^{-x^2/2}.$$
#
# `approximate` is "none" for that, or "tanh" for the faster form in which Φ is replaced by
#
# $$G(x) = \tfrac12\left(1 + \tanh\left(\sqrt{2/π}\,(x + 0.044715\,x^3)\right)\right).$$
#
# Its derivative is $G(x) + x\,G'(x)$: derive G'. For the exact form `math.erf` takes one number at a time;
# `np.vectorize(math.erf)` takes an array and returns float64.
#
# **By hand.** Φ(1) = 0.841345 and φ(1) = 0.241971: f(1) = 0.841345, f'(1) = 1.083315. The tanh form gives 0.841192.


# %% grade_id="gelu" role="answer"
def gelu(x, *, approximate="none"):
    """Return the Gaussian error linear unit and its derivative.

    >>> y, slope = gelu(np.array([-2000.0, 0.0, 1.0]))
    >>> abs(y).round(6).tolist(), abs(slope).round(6).tolist()
    ([0.0, 0.0, 0.841345], [0.0, 0.5, 1.083315])
    >>> float(gelu(np.array([1.0]), approximate="tanh")[0][0].round(6))
    0.841192
    """
    ### BEGIN SOLUTION
    import math

    if approximate == "tanh":
        k = math.sqrt(2 / math.pi)
        t = np.tanh(k * (x + 0.044715 * x**3))
        gate, gate_slope = (1 + t) / 2, (1 - t**2) / 2 * k * (1 + 3 * 0.044715 * x**2)
    else:
        gate = ((1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2).astype(x.dtype)
        gate_slope = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return x * gate, gate + x * gate_slope
    ### END SOLUTION


# %% grade_id="test_gelu" role="test"
check(gelu).award()

# %% [markdown]
# ## 13. Mish (5 points)
#
# $$f(x) = x \tanh(\operatorname{softplus}(x)), \qquad \operatorname{softplus}(x) = \ln(1 + e^x), \qquad
# \operatorname{softplus}'(x) = σ(x).$$
#
# Derive f'. `np.logaddexp(0, x)` is $\ln(e^0 + e^x)$ without overflow.
#
# **By hand.** x = 0: softplus = ln 2, its tanh is 0.6. f(0) = 0 and f'(0) = 0.6.


# %% grade_id="mish" role="answer"
def mish(x):
    """Return Mish and its derivative.

    >>> y, slope = mish(np.array([-2000.0, 0.0, 1.0]))
    >>> abs(y).round(4).tolist(), abs(slope).round(4).tolist()
    ([0.0, 0.0, 0.8651], [0.0, 0.6, 1.049])
    """
    ### BEGIN SOLUTION
    t = np.tanh(np.logaddexp(0, x))
    return x * t, t + x * (1 - t**2) * sigmoid(x)[0]
    ### END SOLUTION


# %% grade_id="test_mish" role="test"
check(mish).award()

# %% [markdown]
# ## 14. Dead units (3 points)
#
# A ReLU that gives 0 for **every** sample passes no gradient and cannot learn. `activations` holds the outputs of a
# layer, shape (samples, units); in a leaky layer some are negative. Return the share of its units that are exactly 0
# for every sample, one number from 0 to 1.
#
# **By hand.** Two samples of four units, (0, 1, 0, 0) and (0, 0, 2, 0): the first and the last unit are dead, 0.5.


# %% grade_id="dead_fraction" role="answer"
def dead_fraction(activations):
    """Return the share of units that are 0 for every sample.

    >>> float(dead_fraction(np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]])))
    0.5
    """
    ### BEGIN SOLUTION
    return np.mean(np.all(activations == 0, axis=0))
    ### END SOLUTION


# %% grade_id="test_dead_fraction" role="test"
check(dead_fraction).award()

# %% [markdown]
# ## 15. In your own words (6 points)
#
# A colleague has trained a network of ten hidden layers with ReLU. After a few steps at a large rate the loss stands
# still at ln 10 (ten classes), and every output is the same for every image.
#
# 1. What has happened, and why does a smaller rate *from now on* not help? Which number would you look at? (2 points)
# 2. She switches to leaky ReLU, goes on training the same weights, and the loss falls. Explain with the derivative why
#    a unit can come back. (1 point)
# 3. A friend tells her to take Mish, "whose gradient does not vanish for negative inputs", or SELU, "which normalises
#    itself". What is wrong with the first sentence, and what must she change besides the activation for the
#    second to be true? (3 points)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. A large step has pushed the weights and biases of a layer so far that its pre-activations are
# negative for every sample: all its units are dead, give 0, and only the biases behind it still act, so every
# image gets the same output. The derivative of a dead ReLU is 0 for every sample, so its weights get no
# gradient whatever the rate is, and neither does anything below a layer that is dead as a whole. Look at the
# share of dead units of each layer. (One point for dead units and how they are seen, one for the gradient that is
# 0 at any rate.)
#
# 2. The leaky ReLU has the slope α > 0 on the left: a small share of the gradient reaches the weights, which move, and
# in time the pre-activation of some samples is positive again. (One point.)
#
# 3. Mish's derivative is 0 at x ≈ −1.192, negative to the left of it, and goes to 0 for x → −∞ like x eˣ: far on the
# left it vanishes as in ReLU, only not exactly. (One point.) SELU keeps mean 0 and variance 1 only if the inputs are
# standardised and the weights have mean 0 and variance 1/fan_in (LeCun): He's 2/fan_in, right for ReLU, leaves the
# fixed point. (Two points; plain dense layers without skip connections and alpha dropout in the place of
# dropout may be named as well.)

# %% [markdown]
# ## See them all
#
# This is not graded. Your own functions: left the values, right the derivatives.

# %%
import matplotlib.pyplot as plt

x = np.linspace(-4, 4, 401)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharex=True)
yours = {"tanh": tanh, "ReLU": relu, "ELU": elu, "SELU": selu, "SiLU": silu, "GELU": gelu}
for marker, (name, activation) in zip("os^Dv*X", (yours | {"Mish": mish}).items(), strict=False):
    for ax, values in zip(axes, activation(x), strict=True):
        ax.plot(x, values, label=name, marker=marker, markevery=50)
axes[0].set(xlabel="x", ylabel="f(x)")
axes[1].set(xlabel="x", ylabel="f'(x)")
axes[0].legend()
plt.show()
