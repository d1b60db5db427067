# %% [markdown]
# # Exercises: unstable gradients
#
# You send a gradient back through a stack of equal layers, predict from the eigenvalues how it
# grows and how fast it swings, measure what the layers of a network get, and clip in two ways. Each
# function is a few lines of Python; at the end one question waits for words.
#
# **Before you start** read the lesson *Unstable gradients*. Plan on two hours.
#
# | | what it is |
# |---|---|
# | `J` | a layer's Jacobian, shape (n, n): entry [i, j] is $∂z_{l+1,i}/∂z_{l,j}$, so $z_{l+1} = J z_l$ |
# | `grad`, `grads` | one gradient, an array of any shape; a list of them |
# | `layers`, `steps` | how many; 0 is possible |
#
# Two rules hold everywhere. Where a result is an array, its **dtype** is that of the input: float32
# in, float32 out. **Change nothing** that you are given: arrays and lists belong to the caller.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case
# that fails, and, where it knows it, which mistake you made. Check as often as you like; the final
# grading uses other numbers. You may use NumPy, its `np.linalg` too, and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Back through equal layers (4 points)
#
# A stack of L linear layers, all with the same Jacobian: $z_{l+1} = J z_l$ for l = 0, ..., L − 1. You
# are given the gradient at the output, $g_L = ∂\mathcal L/∂z_L$. The chain rule takes it down:
#
# $$g_l = J^T g_{l+1}.$$
#
# `grad` is $g_L$, shape (n,); `layers` is L. Return all of them in one array of shape (L + 1, n):
# row l is $g_l$. So row 0 belongs to the input, and the last row is `grad` itself.
#
# **By hand.** $J = \begin{pmatrix} 1 & 2 \\ 0 & 1 \end{pmatrix}$, $g_2 = (1, 0)$. Then
# $g_1 = J^T g_2 = (1, 2)$ and $g_0 = J^T g_1 = (1, 4)$.


# %% grade_id="equal_layers_backward" role="answer"
def equal_layers_backward(grad, J, *, layers):
    """The gradients at the input of each layer, and at the output, one a row.

    >>> equal_layers_backward(np.array([1.0, 0.0]), np.array([[1.0, 2.0], [0.0, 1.0]]), layers=2)
    array([[1., 4.],
           [1., 2.],
           [1., 0.]])
    """
    ### BEGIN SOLUTION
    rows = [grad]
    for _ in range(layers):
        rows.append(J.T @ rows[-1])
    return np.array(rows[::-1])
    ### END SOLUTION


# %% grade_id="test_equal_layers_backward" role="test"
check(equal_layers_backward).award()

# %% [markdown]
# ## 2. The spectral radius (4 points)
#
# $$ρ(J) = \max_i |λ_i|.$$
#
# $λ_i$ are the eigenvalues of J, real or complex; $|a + bi| = \sqrt{a^2 + b^2}$. J is a square array of
# float64, in general not symmetric. Return one number.
#
# **By hand.** $J = \begin{pmatrix} 0 & -2 \\ 2 & 0 \end{pmatrix}$ has the eigenvalues $±2i$: the radius is
# 2. $J = \begin{pmatrix} 0.5 & 10 \\ 0 & -0.7 \end{pmatrix}$ is triangular, so its eigenvalues stand on the
# diagonal: the radius is 0.7.


# %% grade_id="spectral_radius" role="answer"
def spectral_radius(J):
    """The largest modulus of an eigenvalue.

    >>> round(float(spectral_radius(np.array([[0.0, -2.0], [2.0, 0.0]]))), 6)
    2.0
    >>> round(float(spectral_radius(np.array([[0.5, 10.0], [0.0, -0.7]]))), 6)
    0.7
    """
    ### BEGIN SOLUTION
    return np.max(np.abs(np.linalg.eigvals(J)))
    ### END SOLUTION


# %% grade_id="test_spectral_radius" role="test"
check(spectral_radius).award()

# %% [markdown]
# ## 3. How powers really grow (4 points)
#
# The radius is a promise for the long run. What happens before? Measure it:
#
# $$\|J^k\|_2 \quad\text{for } k = 0, 1, ..., K.$$
#
# $\|A\|_2$ is the **spectral norm**, the most by which A stretches a vector: its largest singular
# value. $J^0$ is the identity, `np.eye(n, dtype=J.dtype)`: `np.eye(n)` alone is float64 whatever J is.
# `steps` is K. Return an array of shape (K + 1,): entry k is $\|J^k\|_2$.
#
# **By hand.** $J = \begin{pmatrix} 0 & 3 \\ 0 & 0 \end{pmatrix}$ has the radius 0. Yet
# $\|J^0\| = 1$ and $\|J\| = 3$; from $J^2 = 0$ on the norm is 0.


# %% grade_id="power_norms" role="answer"
def power_norms(J, *, steps):
    """The spectral norms of J to the power 0, 1, ..., steps.

    >>> power_norms(np.array([[0.0, 3.0], [0.0, 0.0]]), steps=2)
    array([1., 3., 0.])
    """
    ### BEGIN SOLUTION
    powers = [np.linalg.matrix_power(J, k) for k in range(steps + 1)]
    return np.array([np.linalg.norm(power, 2) for power in powers])
    ### END SOLUTION


# %% grade_id="test_power_norms" role="test"
check(power_norms).award()

# %% [markdown]
# ## 4. The period of an oscillation (4 points)
#
# After many layers one eigenvalue is left: the one of largest modulus (or a complex pair of it). Write it as
# $λ = ρ\,e^{iω}$. Each layer turns the gradient by the angle ω, so a full turn takes
#
# $$P = \frac{2π}{|ω|} \text{ layers}, \qquad ω \in (-π, π].$$
#
# A positive eigenvalue has ω = 0 and does not turn: return infinity, `np.inf`. A negative one has ω = π: the sign
# flips with each layer, P = 2. Return one number. In a pair, both have the same P.
#
# **By hand.** $J = \begin{pmatrix} 0 & -2 \\ 2 & 0 \end{pmatrix}$: $λ = ±2i$, $ω = ±π/2$, P = 4 layers.


# %% grade_id="rotation_period" role="answer"
def rotation_period(J):
    """The number of layers in which the leading eigenvalue makes a full turn.

    >>> round(float(rotation_period(np.array([[0.0, -2.0], [2.0, 0.0]]))), 6)
    4.0
    >>> round(float(rotation_period(np.array([[-1.0, 5.0], [0.0, 0.5]]))), 6)
    2.0
    >>> float(rotation_period(np.array([[1.0, 5.0], [0.0, -0.5]])))
    inf
    """
    ### BEGIN SOLUTION
    values = np.linalg.eigvals(J)
    angle = abs(np.angle(values[np.argmax(np.abs(values))]))
    return 2 * np.pi / angle if angle > 0 else np.inf
    ### END SOLUTION


# %% grade_id="test_rotation_period" role="test"
check(rotation_period).award()

# %% [markdown]
# ## 5. Clip by value (3 points)
#
# Every entry on its own, to the interval from −c to c:
#
# $$g_i ← \min(c, \max(-c, g_i)).$$
#
# `grad` has any shape; `clip_value` is c > 0. An entry that has overflowed to ±∞ becomes ±c. Python's
# `min` and `max` do not work on arrays; `np.minimum` and `np.maximum` go entry by entry.
#
# **By hand.** c = 1: (0.9, −100) becomes (0.9, −1).


# %% grade_id="clip_by_value" role="answer"
def clip_by_value(grad, *, clip_value):
    """The gradient with every entry cut to [-clip_value, clip_value].

    >>> clip_by_value(np.array([0.9, -100.0]), clip_value=1.0)
    array([ 0.9, -1. ])
    """
    ### BEGIN SOLUTION
    return np.clip(grad, -clip_value, clip_value)
    ### END SOLUTION


# %% grade_id="test_clip_by_value" role="test"
check(clip_by_value).award()

# %% [markdown]
# ## 6. Clip by the global norm (5 points)
#
# All gradients of a network together, as if they were one long vector:
#
# $$\|g\| = \sqrt{\textstyle\sum_k \sum_i g_{k,i}^2}, \qquad g_k ← g_k \cdot \min\left(1, \frac{c}{\|g\|}\right).$$
#
# `grads` is a list of arrays $g_k$ of any shapes; `max_norm` is c > 0. Return two things: the list of the
# clipped gradients, and ‖g‖ **before** clipping, one number (one wants to watch it). If all entries are 0
# there is nothing to shorten: return zeros, and the norm 0.
#
# **By hand.** Two arrays, (3) and (4), c = 1. ‖g‖ = √(9 + 16) = 5, the factor is 1/5: (0.6) and (0.8).


# %% grade_id="clip_by_global_norm" role="answer"
def clip_by_global_norm(grads, *, max_norm):
    """The clipped gradients, and the norm of all before clipping.

    >>> clipped, norm = clip_by_global_norm([np.array([3.0]), np.array([4.0])], max_norm=1.0)
    >>> [grad.round(6) for grad in clipped], float(norm)
    ([array([0.6]), array([0.8])], 5.0)
    """
    ### BEGIN SOLUTION
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    factor = max_norm / norm if norm > max_norm else 1
    return [grad * factor for grad in grads], norm
    ### END SOLUTION


# %% grade_id="test_clip_by_global_norm" role="test"
check(clip_by_global_norm).award()

# %% [markdown]
# ## 7. Which layers get how much? (4 points)
#
# Measure the layers against the last one, which stands next to the loss:
#
# $$r_l = \frac{\|∂\mathcal L/∂θ_l\|}{\|∂\mathcal L/∂θ_L\|}, \qquad
# \|∂\mathcal L/∂θ_l\| = \sqrt{\text{sum of the squares of all entries of all arrays of layer } l}.$$
#
# `grads` holds one list for each layer, the first layer first, and in it the arrays of that layer: weights and
# bias, only weights, or more. Return an array of shape (layers,), whose last entry is therefore 1. A layer may
# have the gradient 0; the last layer's is never 0.
#
# **By hand.** Layer 1 has weights (3) and bias (4): norm 5. Layer 2 has weights (6) and bias (8): norm 10.
# The ratios are (0.5, 1).


# %% grade_id="gradient_ratios" role="answer"
def gradient_ratios(grads):
    """The norm of each layer's gradient divided by the last layer's.

    >>> first, last = [np.array([[3.0]]), np.array([4.0])], [np.array([[6.0]]), np.array([8.0])]
    >>> gradient_ratios([first, last]).round(6)
    array([0.5, 1. ])
    """
    ### BEGIN SOLUTION
    norms = [np.sqrt(sum(np.sum(grad**2) for grad in layer)) for layer in grads]
    return np.array(norms) / norms[-1]
    ### END SOLUTION


# %% grade_id="test_gradient_ratios" role="test"
check(gradient_ratios).award()

# %% [markdown]
# ## 8. In your own words (6 points)
#
# A friend trains a recurrent network, the same layer 50 times in a row. He tells you three things.
#
# 1. "The spectral radius of my matrix is 0.9, so no gradient can explode." In his first training steps gradients
#    grow by a factor of thirty. How can both be true? What would you measure? (2 points)
# 2. "I clip every entry to [−1, 1], that keeps the direction, because all entries are treated alike." Give him a
#    gradient of two entries that shows what happens to the direction, and say what he should do. (2 points)
# 3. "Another network of mine has sigmoids and twelve layers, and its first layers do not learn. I shall clip there
#    too." What will clipping do for him? Explain where the gradient was lost and name two remedies. (2 points)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. The radius is the rate in the long run: ‖Jᵏ‖ behaves like ρᵏ for large k. If J is not normal,
# eigenvectors stand at small angles and the norm can first grow by orders of magnitude although ρ < 1. (He also sees
# the Jacobian at one point; during training it changes.) Measure ‖Jᵏ‖₂ for k up to 50, or the gradient's norm at each
# step. (One point for the transient growth with its condition, one for the measurement.)
#
# 2. For example (0.9, 100): its direction is nearly that of the second axis; clipped it is (0.9, 1), nearly the
# diagonal. Small entries stay, large ones shrink, so the proportions change. Clip by the norm: one factor for all
# entries. (One point each.)
#
# 3. Nothing: clipping only shortens what is too long. The backward pass multiplies by σ′ ≤ 1/4 at every layer (and by
# far less where units are saturated), so the factors make the product shrink with depth. Remedies: activations
# that do not saturate, an initialization that fits, normalization layers, skip connections. (One point for "nothing"
# with the reason, one for two remedies.)

# %% [markdown]
# ## See it
#
# This is not graded. Your functions at work: the norms of the powers of a J that is not normal beside ρᵏ, and the
# length of one gradient on its way down.

# %%
import matplotlib.pyplot as plt

J = np.array([[0.8, 4.0], [-0.1, 0.8]])
k = np.arange(31)
radius, norms = spectral_radius(J), power_norms(J, steps=30)
rows = equal_layers_backward(np.array([1.0, 1.0]), J, layers=30)
plt.semilogy(k, norms, "o-", label="norm of the power k")
plt.semilogy(k, radius**k, "--", label="radius to the power k")
plt.semilogy(k, np.linalg.norm(rows[::-1], axis=1), "s:", label="length of one gradient")
plt.xlabel("layers below the output, k")
plt.ylabel("size (log)")
plt.title(f"radius {radius:.2f}, period {rotation_period(J):.1f} layers")
plt.legend()
plt.show()
