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
# # Exercises: residual networks
#
# You write a residual block and its gradients, a whole stack forward and backward, the split of a gradient into its
# direct term and the rest, and two small formulas about variances. Then you answer one question in words.
#
# **Before you start** read the lesson *Residual networks*. Plan on two and a half hours.
#
# **What holds everywhere.**
#
# - A batch has one sample a row: `x` has the shape (samples, features). A dense layer is `x @ w + b`.
# - Levels are counted like this: $z_0$ is the input of the stack, block k leads from $z_k$ to
#   $z_{k+1} = z_k + s\,F_k(z_k)$, and $z_L$ is the output. So there are L blocks, k = 0, ..., L − 1, and L + 1
#   levels.
# - `scale` is s, a plain number. It multiplies the branch, never the direct path.
# - **Change nothing** that you are given: make new arrays. Keep the **dtype**: float32 in, float32 out.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case that fails, and,
# where it knows it, which mistake you made. Check as often as you like; the final grading uses other numbers. You
# may use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. A block, forward (4 points)
#
# The branch is a small network: linear, ReLU, linear. The block adds what it gives to its own input:
#
# $$y = x + s\,F(x), \qquad F(x) = \max(xW_1 + b_1,\, 0)\,W_2 + b_2 .$$
#
# `x` has the shape (samples, features), `w1` (features, hidden), `b1` (hidden,), `w2` (hidden, features), `b2`
# (features,). Nothing comes after the sum.
#
# **By hand.** x = (1, −2). The hidden values before the ReLU are 1 and −2, after it 1 and 0. With
# W₂ = (3 0; 0 3) and b₂ = (0, 1) the branch gives (3, 1), and y = (1, −2) + (3, 1) = (4, −1). With s = 0.5 it is
# (2.5, −1.5).


# %% grade_id="residual_forward" role="answer"
def residual_forward(x, w1, b1, w2, b2, *, scale=1.0):
    """The output of a residual block for a batch.

    >>> x, w1, b1 = np.array([[1.0, -2.0]]), np.eye(2), np.zeros(2)
    >>> w2, b2 = 3 * np.eye(2), np.array([0.0, 1.0])
    >>> residual_forward(x, w1, b1, w2, b2)
    array([[ 4., -1.]])
    >>> residual_forward(x, w1, b1, w2, b2, scale=0.5)
    array([[ 2.5, -1.5]])
    """
    ### BEGIN SOLUTION
    h = np.maximum(x @ w1 + b1, 0)
    return x + scale * (h @ w2 + b2)
    ### END SOLUTION


# %% grade_id="test_residual_forward" role="test"
check(residual_forward).award()

# %% [markdown]
# ## 2. A block, backward (6 points)
#
# `grad` is ∂L/∂y, of the shape of x; the other arguments are those of the forward pass. x reaches y on two paths,
# so two gradients arrive at x:
#
# $$\frac{∂L}{∂x} = \underbrace{\frac{∂L}{∂y}}_{\text{direct}} +
# \underbrace{s\,J_F^T\,\frac{∂L}{∂y}}_{\text{through the branch}} .$$
#
# The parameters lie in the branch: only the second path reaches them. Inside, it is the backward pass of a network
# with one hidden ReLU layer that gets $s\,∂L/∂y$ from behind. The slope of the ReLU is 1 where its input is
# greater than 0, else 0.
#
# Return `(grad_x, grads)`. `grads` is a dict with the keys `"w1"`, `"b1"`, `"w2"`, `"b2"`, each of the shape of
# its parameter. Gradients of the samples add up.
#
# **By hand.** The block of exercise 1 with s = 1 and ∂L/∂y = (1, 1). Through W₂: (3, 3). The second unit was off:
# (3, 0). Through W₁: (3, 0). Add the direct path: ∂L/∂x = (4, 1).


# %% grade_id="residual_backward" role="answer"
def residual_backward(grad, x, w1, b1, w2, b2, *, scale=1.0):
    """The gradients of a block's input, and of its parameters.

    >>> x, w1, b1 = np.array([[1.0, -2.0]]), np.eye(2), np.zeros(2)
    >>> w2, b2 = 3 * np.eye(2), np.array([0.0, 1.0])
    >>> grad_x, grads = residual_backward(np.ones((1, 2)), x, w1, b1, w2, b2)
    >>> grad_x
    array([[4., 1.]])
    >>> grads["w2"]
    array([[1., 1.],
           [0., 0.]])
    >>> grads["b1"]
    array([3., 0.])
    """
    ### BEGIN SOLUTION
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    grad_f = scale * grad
    grad_z = (grad_f @ w2.T) * (z > 0)
    grads = {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad_f,
        "b2": grad_f.sum(axis=0),
    }
    return grad + grad_z @ w1.T, grads
    ### END SOLUTION


# %% grade_id="test_residual_backward" role="test"
check(residual_backward).award()

# %% [markdown]
# ## 3. A stack, forward (5 points)
#
# Now the branches are given: `branch(k, z)` returns $F_k(z)$. Start at level l and go up to level m:
#
# $$z_{k+1} = z_k + s\,F_k(z_k), \quad k = l, ..., m-1, \qquad\text{so}\qquad
# z_m = z_l + s\sum_{k=l}^{m-1} F_k(z_k) .$$
#
# `z` is $z_l$, `first` is l, `last` is m. Return the list $[z_l, z_{l+1}, ..., z_m]$: the backward pass will need
# all of them. The check's branches are `mixing_branch`, $\tanh(zW_k)$, and `rolling_branch`,
# $\sin(\frac{k+1}{2} z')$ where $z'$ has the features of z moved on by one.
#
# **By hand.** $F_k(z) = kz$, from $z_1 = 1$ to level 3: $z_2 = 1 + 1·1 = 2$, $z_3 = 2 + 2·2 = 6$.


# %% grade_id="residual_stack" role="answer"
def residual_stack(z, branch, *, first, last, scale=1.0):
    """All activations from level first to level last, in a list.

    >>> def times(k, z):
    ...     return k * z
    >>> residual_stack(np.array([[1.0]]), times, first=1, last=3)
    [array([[1.]]), array([[2.]]), array([[6.]])]
    """
    ### BEGIN SOLUTION
    levels = [z.copy()]
    for k in range(first, last):
        levels.append(levels[-1] + scale * branch(k, levels[-1]))
    return levels
    ### END SOLUTION


# %% grade_id="test_residual_stack" role="test"
check(residual_stack).award()

# %% [markdown]
# ## 4. The direct term and the rest (5 points)
#
# One sample. $g_L = ∂L/∂z_L$ has arrived at the output; `jacobians[k]` is the matrix $J_k = ∂F_k/∂z_k$ with the
# entries $∂F_{k,i}/∂z_{k,j}$ in row i and column j. The scale is 1. Passing one block,
#
# $$g_k = g_{k+1} + J_k^T g_{k+1} .$$
#
# Add that up from the output down to level l:
#
# $$g_l = \underbrace{g_L}_{\text{direct}} + \underbrace{\sum_{k=l}^{L-1} J_k^T g_{k+1}}_{\text{rest}} .$$
#
# `grad` is $g_L$, shape (n,); `jacobians` is a list of L arrays of shape (n, n); `first` is l, from 0 to L. Return
# `(direct, rest)`.
#
# **By hand.** One number, L = 2, $J_0 = 3$, $J_1 = 2$, $g_2 = 1$. Block 1 gives 2·1 = 2, so $g_1 = 3$. Block 0
# gives 3·3 = 9, so $g_0 = 12$. At level 0 the direct term is 1 and the rest 2 + 9 = 11; at level 1 they are 1
# and 2.


# %% grade_id="split_gradient" role="answer"
def split_gradient(grad, jacobians, *, first=0):
    """The direct term of the gradient at level first, and the rest of it.

    >>> split_gradient(np.array([1.0]), [np.array([[3.0]]), np.array([[2.0]])])
    (array([1.]), array([11.]))
    >>> split_gradient(np.array([1.0]), [np.array([[3.0]]), np.array([[2.0]])], first=1)
    (array([1.]), array([2.]))
    """
    ### BEGIN SOLUTION
    arriving, rest = grad, np.zeros_like(grad)
    for k in range(len(jacobians) - 1, first - 1, -1):
        term = jacobians[k].T @ arriving
        rest = rest + term
        arriving = arriving + term
    return grad.copy(), rest
    ### END SOLUTION


# %% grade_id="test_split_gradient" role="test"
check(split_gradient).award()

# %% [markdown]
# ## 5. A stack, backward (6 points)
#
# Now with the branches' parameters $θ_k$, a batch, and a scale. `levels` is the list $[z_0, ..., z_L]$ of the
# forward pass, `grad` is ∂L/∂z_L, of the shape of $z_L$. You are given a function that goes back through one
# branch:
#
# ```python
# grad_z, grad_theta = branch_backward(k, z, grad)
# ```
#
# `z` is the *input* of branch k, `grad` the gradient of its *output*; it returns $J_k^T$ times that gradient, and
# the gradient of $θ_k$. What enters branch k from behind is $s\,∂L/∂z_{k+1}$, for $θ_k$ first acts on $z_{k+1}$.
#
# Return `(grad_z, grads)`: ∂L/∂z_0, and the list of the gradients of $θ_0, ..., θ_{L-1}$, in this order.
#
# **By hand.** $F_k(z) = θ_k z$ with $θ = (3, 2)$, s = 1 and $z_0 = 1$: $z_1 = 4$, $z_2 = 12$. With ∂L/∂z_2 = 1:
# $θ_1$ gets $z_1·1 = 4$, then $g_1 = 1 + 2 = 3$; $θ_0$ gets $z_0·3 = 3$, then $g_0 = 3 + 9 = 12$.


# %% grade_id="stack_backward" role="answer"
def stack_backward(grad, levels, branch_backward, *, scale=1.0):
    """The gradients of the stack's input, and of the parameters of all its branches.

    >>> def times_theta_backward(k, z, grad):
    ...     return (3.0, 2.0)[k] * grad, (z * grad).sum(axis=0)
    >>> levels = [np.array([[1.0]]), np.array([[4.0]]), np.array([[12.0]])]
    >>> stack_backward(np.array([[1.0]]), levels, times_theta_backward)
    (array([[12.]]), [array([3.]), array([4.])])
    """
    ### BEGIN SOLUTION
    grads = []
    for k in range(len(levels) - 2, -1, -1):
        through_branch, grad_theta = branch_backward(k, levels[k], scale * grad)
        grads.append(grad_theta)
        grad = grad + through_branch
    return grad, grads[::-1]
    ### END SOLUTION


# %% grade_id="test_stack_backward" role="test"
check(stack_backward).award()

# %% [markdown]
# ## 6. Variances (4 points)
#
# Let a block be $z_{k+1} = a\,z_k + s\,F_k(z_k)$, with $z_k$ and $F_k(z_k)$ uncorrelated, as they nearly are at
# random weights. Then their variances add:
#
# $$v_{k+1} = a^2\,v_k + s^2\,\operatorname{Var}[F_k] .$$
#
# - An ordinary branch passes on a multiple of what it sees: $\operatorname{Var}[F_k] = c_k v_k$. The number $c_k$
#   is its *gain*.
# - A branch that normalizes its input first gives the same variance whatever $v_k$ is:
#   $\operatorname{Var}[F_k] = c_k$. That is `normalized=True`.
#
# `variance` is $v_0$, `gains` the list of $c_0, ..., c_{L-1}$, `shortcut` is a, `scale` is s. Return an array of
# shape (L + 1,), or a list, with $v_0, ..., v_L$.
#
# **By hand.** $v_0 = 1$, two blocks of gain 1. Unscaled: 1, 2, 4. With $s^2 = 0.5$: 1, 1.5, 2.25. Normalized and
# unscaled: 1, 2, 3.


# %% grade_id="stack_variances" role="answer"
def stack_variances(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    """The variances of all levels of a stack.

    >>> stack_variances(1.0, [1.0, 1.0])
    array([1., 2., 4.])
    >>> stack_variances(1.0, [1.0, 1.0], scale=0.5**0.5).round(6)
    array([1.  , 1.5 , 2.25])
    >>> stack_variances(1.0, [1.0, 1.0], normalized=True)
    array([1., 2., 3.])
    """
    ### BEGIN SOLUTION
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variances[-1]
        variances.append(shortcut**2 * variances[-1] + scale**2 * branch)
    return np.array(variances)
    ### END SOLUTION


# %% grade_id="test_stack_variances" role="test"
check(stack_variances).award()

# %% [markdown]
# ## 7. How much may a branch add? (3 points)
#
# Now the other way round. L blocks $z_{k+1} = z_k + s\,F_k(z_k)$, all with the same gain c, none normalized. Over
# the whole stack the variance shall grow exactly `growth` times:
#
# $$(1 + s^2 c)^L = \text{growth} .$$
#
# Return s, one positive number. `blocks` is L, at least 1; `gain` is c; `growth` is greater than 1.
#
# **By hand.** L = 2, c = 1, growth 4: each block doubles, $1 + s^2 = 2$, so s = 1. With c = 4 it is s = 0.5.


# %% grade_id="branch_scale" role="answer"
def branch_scale(blocks, *, gain=1.0, growth=2.0):
    """The scale of the branches with which the variance grows so many times.

    >>> round(float(branch_scale(2, growth=4.0)), 6)
    1.0
    >>> round(float(branch_scale(2, gain=4.0, growth=4.0)), 6)
    0.5
    """
    ### BEGIN SOLUTION
    return np.sqrt((growth ** (1 / blocks) - 1) / gain)
    ### END SOLUTION


# %% grade_id="test_branch_scale" role="test"
check(branch_scale).award()

# %% [markdown]
# ## 8. In your own words (6 points)
#
# A friend stacks 50 blocks x + F(x), without any normalization. At the start each branch has a gain near 1.
#
# 1. He has read: "With skip connections the gradient at layer l depends directly on the gradient at layer L, so it
#    can neither vanish nor explode." Which half of the conclusion does the direct term support, and which half is
#    wrong? Use the expansion of the gradient. (2 points)
# 2. His first loss is of the order of ten million. Explain the number, and name two remedies. (2 points)
# 3. He writes a ReLU after every sum, so that the network "is non-linear". What does that do to the direct path,
#    forward and backward? (2 points)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. $g_l = g_L + \sum_k J_k^T g_{k+1}$: the first term is the same at every depth, so a gradient
# does not vanish merely because the network is deep; it would take a rest that cancels the direct term, for all
# samples. But the rest depends on the depth, on the parameters and on the blocks above. In a stack of unscaled
# blocks it grows by about a constant factor a block, so the gradient can very well explode. (One point for each
# half.)
#
# 2. With uncorrelated summands variances add: a branch with a gain near 1 doubles the variance at each block, so
# after 50 blocks it is about $2^{50}$ times, the values themselves $2^{25} ≈ 3·10^7$ times as large; the loss is
# proportional to the logits. Remedies: scale the branches, by about $1/\sqrt L$ or with a learned factor that
# starts at 0; start their last layers at 0; normalize at the start of each branch, or after the sum. (One point
# for the explanation, one for two remedies.)
#
# 3. Forward, values can no longer become negative, so each block can only add to what is left. Backward, the
# gradient of the direct path is multiplied by the ReLU's slope: it is cut off wherever the sum was negative, and
# the expansion with its undisturbed direct term no longer holds. The network is non-linear already, by the ReLUs
# in the branches. (One point for forward, one for backward.)

# %% [markdown]
# ## See it work
#
# This is not graded. Your own functions show what the lesson says: the norm of the gradient at each level of a
# stack of 32 blocks, once with s = 1 and once with your `branch_scale`.

# %%
import matplotlib.pyplot as plt

blocks, width = 32, 40
rng = np.random.default_rng(0)
weights = rng.normal(0, 1 / np.sqrt(width), (blocks, width, width))


def dense_branch(k, z):
    return np.tanh(z @ weights[k])


def dense_backward(k, z, grad):
    below = grad * (1 - np.tanh(z @ weights[k]) ** 2)
    return below @ weights[k].T, z.T @ below


z = rng.normal(size=(20, width))
for marker, scale in zip("os", (1.0, branch_scale(blocks)), strict=True):
    levels = residual_stack(z, dense_branch, first=0, last=blocks, scale=scale)
    norms = []
    for level in range(blocks + 1):
        arriving, _ = stack_backward(
            np.ones_like(z),
            levels[level:],
            lambda k, z, grad, level=level: dense_backward(k + level, z, grad),
            scale=scale,
        )
        norms.append(np.linalg.norm(arriving))
    plt.semilogy(norms, marker=marker, markevery=4, label=f"s = {scale:.2f}")
plt.xlabel("level k")
plt.ylabel("‖∂L/∂z_k‖ (log)")
plt.legend()
plt.show()
