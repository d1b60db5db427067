# %% [markdown]
# # Exercises: initialization
#
# You write the initializers with the scales that carry a signal through a deep network, predict what
# they do, both ways, and answer one question in words: eight short functions in NumPy.
#
# **Before you start** read the lesson *Initialization*. Plan on two and a half hours.
#
# **Shapes.** A dense layer computes $z = hW$, with one sample a row. So W has the shape
# (inputs, outputs). The kernel of a convolution has the shape (*kernel, channels_in, channels_out),
# for example (3, 3, 16, 32): the last two axes mean the same as in a dense layer.
#
# | | what it is |
# |---|---|
# | `shape` | the shape of W, a tuple of two to five integers |
# | `rng` | a NumPy generator; every draw must come from it |
# | `distribution` | `"normal"` or `"uniform"` |
# | `widths` | $n_0, n_1, ..., n_L$: the number of inputs, then the units of each layer |
# | `weight_variance` | $σ_1^2, ..., σ_L^2$: the variance of each layer's weights |
#
# **Random results.** You may draw in any way: `rng.normal(0, s, shape)` and
# `s * rng.standard_normal(shape)` are both right. The checks look at what all right ways have in
# common: the variance, the mean, the kind of distribution, and that the draws come from `rng`. The
# 5 % that they allow are more than six standard errors.
#
# **Change nothing** that you are given: make new arrays and lists. **How to check.** Run the cell
# below each exercise. It tells you what is right, the first case that fails, and, where it knows it,
# which mistake you made. Check as often as you like; the final grading uses other numbers. You may
# use NumPy and Python's standard library, and call your own earlier functions.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Fan-in and fan-out (3 points)
#
# *fan_in* is the number of products that one output sums up. *fan_out* is the number of outputs that
# one input reaches. In a dense layer they are the number of inputs and of outputs. In a convolution
# every position of the kernel counts:
#
# $$n_{in} = k_1 k_2 \cdots \; c_{in}, \qquad n_{out} = k_1 k_2 \cdots \; c_{out} .$$
#
# The kernel may have one, two or three axes, of different sizes. Return both numbers.
#
# **By hand.** (100, 20): 100 and 20. (3, 3, 16, 32): nine positions, so 9 · 16 = 144 and
# 9 · 32 = 288.


# %% grade_id="fans" role="answer"
def fans(shape):
    """The pair (fan_in, fan_out).

    >>> fans((100, 20)), fans((3, 3, 16, 32))
    ((100, 20), (144, 288))
    """
    ### BEGIN SOLUTION
    positions = 1
    for size in shape[:-2]:
        positions *= size
    return positions * shape[-2], positions * shape[-1]
    ### END SOLUTION


# %% grade_id="test_fans" role="test"
check(fans).award()

# %% [markdown]
# ## 2. The variance on the way forward (5 points)
#
# A network of L dense layers without biases. Weights have mean 0 and variance $σ_l^2$. Between the
# layers stands a leaky ReLU of slope a: $φ(z) = z$ for $z > 0$, else $az$. With a = 1 nothing stands
# there, with a = 0 it is ReLU. Then
#
# $$v_l = \mathrm{Var}(z_l) = n_{l-1}\,σ_l^2\,E[h_{l-1}^2], \qquad
# E[h_l^2] = \frac{1 + a^2}{2}\,v_l ,$$
#
# from $E[h_0^2]$ = `input_mean_square`, the mean square of the network's inputs. `slope` is a.
# Return $v_1, ..., v_L$, an array of shape (L,).
#
# **By hand.** Widths 10, 20, 5, weight variances 0.2 and 0.1, ReLU. $v_1 = 10 · 0.2 · 1 = 2$. ReLU
# leaves half of the mean square, 1. $v_2 = 20 · 0.1 · 1 = 2$.


# %% grade_id="forward_variance" role="answer"
def forward_variance(widths, weight_variance, *, slope=1.0, input_mean_square=1.0):
    """The variance of each layer's z, shape (L,).

    >>> forward_variance([10, 20, 5], [0.2, 0.1], slope=0.0).round(6)
    array([2., 2.])
    """
    ### BEGIN SOLUTION
    square, variances = input_mean_square, []
    for fan_in, variance in zip(widths[:-1], weight_variance, strict=True):
        v = fan_in * variance * square
        variances.append(v)
        square = (1 + slope**2) / 2 * v
    return np.array(variances)
    ### END SOLUTION


# %% grade_id="test_forward_variance" role="test"
check(forward_variance).award()

# %% [markdown]
# ## 3. The variance on the way back (5 points)
#
# The same network. Let $d_l$ be the variance of $∂L/∂z_l$. The output's, $d_L$ = `output_variance`,
# is given. One step back goes through the weights of the layer above, and through φ':
#
# $$d_{l-1} = \frac{1 + a^2}{2}\; n_l\,σ_l^2\; d_l .$$
#
# $n_l$ counts the *outputs* of layer l. Return $d_1, ..., d_L$, the first layer first, an array of
# shape (L,).
#
# **By hand.** The network of exercise 2 with $d_2 = 4$: $d_1 = \frac12 · 5 · 0.1 · 4 = 1$.


# %% grade_id="backward_variance" role="answer"
def backward_variance(widths, weight_variance, *, slope=1.0, output_variance=1.0):
    """The variance of each layer's gradient, shape (L,).

    >>> backward_variance([10, 20, 5], [0.2, 0.1], slope=0.0, output_variance=4.0).round(6)
    array([1., 4.])
    """
    ### BEGIN SOLUTION
    d = [output_variance]
    for layer in range(len(weight_variance) - 1, 0, -1):
        d.append((1 + slope**2) / 2 * widths[layer + 1] * weight_variance[layer] * d[-1])
    return np.array(d[::-1])
    ### END SOLUTION


# %% grade_id="test_backward_variance" role="test"
check(backward_variance).award()

# %% [markdown]
# ## 4. LeCun (5 points)
#
# Random weights of mean 0 and variance
#
# $$σ^2 = \frac{1}{n_{in}} .$$
#
# `"normal"`: $N(0, σ^2)$. `"uniform"`: $U(-a, a)$, with the bound that gives the same variance; a
# uniform distribution between −a and a has the variance $a^2/3$. Dense layers and kernels.
#
# **By hand.** $n_{in} = 300$: σ² = 1/300, σ = 0.0577, a = √(3/300) = 0.1.


# %% grade_id="lecun" role="answer"
def lecun(shape, rng, *, distribution="normal"):
    """Weights of variance 1/fan_in.

    >>> w = lecun((300, 200), np.random.default_rng(0), distribution="uniform")
    >>> w.shape, float(np.abs(w).max().round(3))
    ((300, 200), 0.1)
    """
    ### BEGIN SOLUTION
    fan_in, _ = fans(shape)
    if distribution == "normal":
        return rng.normal(0, np.sqrt(1 / fan_in), shape)
    bound = np.sqrt(3 / fan_in)
    return rng.uniform(-bound, bound, shape)
    ### END SOLUTION


# %% grade_id="test_lecun" role="test"
check(lecun).award()

# %% [markdown]
# ## 5. Xavier Glorot (5 points)
#
# The compromise between both directions, with a factor g on every weight:
#
# $$σ^2 = g^2\,\frac{2}{n_{in} + n_{out}} .$$
#
# `gain` is g. The bound of the uniform one follows as in exercise 4.
#
# **By hand.** $n_{in} = 400$, $n_{out} = 200$, g = 1: σ² = 2/600, a = √(6/600) = 0.1. With g = 2 all
# weights double: a = 0.2.


# %% grade_id="xavier" role="answer"
def xavier(shape, rng, *, distribution="normal", gain=1.0):
    """Weights of variance gain²·2/(fan_in + fan_out).

    >>> w = xavier((400, 200), np.random.default_rng(0), distribution="uniform", gain=2.0)
    >>> w.shape, float(np.abs(w).max().round(3))
    ((400, 200), 0.2)
    """
    ### BEGIN SOLUTION
    variance = 2 / sum(fans(shape))
    if distribution == "normal":
        return gain * rng.normal(0, np.sqrt(variance), shape)
    bound = gain * np.sqrt(3 * variance)
    return rng.uniform(-bound, bound, shape)
    ### END SOLUTION


# %% grade_id="test_xavier" role="test"
check(xavier).award()

# %% [markdown]
# ## 6. Kaiming He (5 points)
#
# For ReLU, which halves the mean square:
#
# $$σ^2 = \frac{2}{n} .$$
#
# `mode` says what n is: `"fan_in"`, the default, keeps the signal's size on the way forward;
# `"fan_out"` the gradient's on the way back; `"fan_avg"` is $(n_{in} + n_{out})/2$.
#
# **By hand.** Shape (600, 150). `"fan_in"`: σ² = 2/600, the bound is √(6/600) = 0.1. `"fan_out"`:
# √(6/150) = 0.2. `"fan_avg"`: n = 375, √(6/375) = 0.126.


# %% grade_id="he" role="answer"
def he(shape, rng, *, distribution="normal", mode="fan_in"):
    """Weights of variance 2/n.

    >>> rng = np.random.default_rng(0)
    >>> for mode in ("fan_in", "fan_out", "fan_avg"):
    ...     w = he((600, 150), rng, distribution="uniform", mode=mode)
    ...     print(np.abs(w).max().round(3))
    0.1
    0.2
    0.126
    """
    ### BEGIN SOLUTION
    fan_in, fan_out = fans(shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(2 / n), shape)
    bound = np.sqrt(6 / n)
    return rng.uniform(-bound, bound, shape)
    ### END SOLUTION


# %% grade_id="test_he" role="test"
check(he).award()

# %% [markdown]
# ## 7. Orthogonal (6 points)
#
# A random matrix that keeps lengths: where there are at least as many rows as columns, the columns
# are orthogonal and have the length g; otherwise the rows are:
#
# $$W^\top W = g^2 I \;\text{ (tall or square)}, \qquad W W^\top = g^2 I \;\text{ (wide)} .$$
#
# No direction may be preferred. The recipe: draw A from N(0, 1), factor $A = QR$, and multiply each
# column of Q by the sign of its entry on R's diagonal; draw a wide W as its transpose. The last step
# matters: without it the signs are the library's choice and the same in every draw. `shape` is
# (rows, columns), `gain` is g.
#
# Helpful: `q, r = np.linalg.qr(a)` for a tall `a`; `np.diag(r)`.
#
# **By hand.** Shape (1, 1), g = 3: the only orthogonal numbers are 1 and −1, so W is 3 or −3, each
# in half of the draws.


# %% grade_id="orthogonal" role="answer"
def orthogonal(shape, rng, *, gain=1.0):
    """A random orthogonal matrix times gain.

    >>> w = orthogonal((4, 2), np.random.default_rng(0), gain=3.0)
    >>> (np.abs(w.T @ w).round(6) + 0).tolist()
    [[9.0, 0.0], [0.0, 9.0]]
    """
    ### BEGIN SOLUTION
    tall = shape[0] >= shape[1]
    a = rng.standard_normal(shape if tall else shape[::-1])
    q, r = np.linalg.qr(a)
    q = gain * q * np.sign(np.diag(r))
    return q if tall else q.T
    ### END SOLUTION


# %% grade_id="test_orthogonal" role="test"
check(orthogonal).award()

# %% [markdown]
# ## 8. LSUV (7 points)
#
# *Layer-sequential unit variance* lets the data set the scale. Go through the layers, the first one
# first:
#
# 1. Factor the given matrix with QR, fix the signs of Q as in exercise 7, and take Q in its place. A
#    wide matrix is transposed before, and its Q back after. This is the first W.
# 2. Take the first batch, pass it through the *finished* layers below ($h ← f(hW)$ for each), and
#    measure $v = V[hW]$: one number, the variance (1/N) over all samples and units of the layer's
#    output, *before* its own activation.
# 3. If $|v - 1| ≤ τ$, the layer is finished. Otherwise $W ← W/\sqrt{v}$, and go on with step 2 on the
#    next batch. When no batch is left, the layer is finished too.
#
# Every layer starts again with the first batch. `weights` is a list of matrices, `activation` is f, a
# function such as `np.tanh`, `batches` a list of arrays (samples, inputs), `tol` is τ. Return the list
# of the new matrices. Keep the dtype: float32 in, float32 out.
#
# **By hand.** One layer, one input, one output, W = (−5): Q = −1, for R's diagonal is to be positive.
# A batch of 2 and −2: z is −2 and 2, v = 4, so W = −1/2. Then v would be 1.


# %% grade_id="lsuv" role="answer"
def lsuv(weights, activation, batches, *, tol=0.01):
    """Orthonormal matrices, rescaled on the data.

    >>> lsuv([np.array([[-5.0]])], np.tanh, [np.array([[2.0], [-2.0]])])
    [array([[-0.5]])]
    """
    ### BEGIN SOLUTION
    finished = []
    for given in weights:
        tall = given.shape[0] >= given.shape[1]
        q, r = np.linalg.qr(given if tall else given.T)
        q = q * np.sign(np.diag(r))
        w = q if tall else q.T
        for h in batches:
            for below in finished:
                h = activation(h @ below)
            v = np.var(h @ w)
            if abs(v - 1) <= tol:
                break
            w = w / np.sqrt(v)
        finished.append(w)
    return finished
    ### END SOLUTION


# %% grade_id="test_lsuv" role="test"
check(lsuv).award()

# %% [markdown]
# ## 9. In your own words (6 points)
#
# A colleague builds a network of 30 dense layers of 200 units with ReLU and wants to know how to start.
#
# 1. Her first try is `rng.normal(0, 0.01, shape)` for every layer, and her loss does not move. By what
#    factor does the variance of z change from layer to layer, and that of the gradient? What is left
#    after 30 layers? What does she get with N(0, 1) instead? Which variance do you suggest, and where
#    does its 2 come from? (3 points)
# 2. "Then I set all weights to 0, that is neutral." And: "I set all of them to 0.1, that is not 0."
#    What happens in each case? May she start the biases at 0? (2 points)
# 3. She now inserts a layer from 200 to 800 units. Can one variance keep both the signal and the
#    gradient at their size in it? What would Xavier do? (1 point)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. 0.01 is the standard deviation, so σ² = 0.0001. Forward the factor is
# n_in σ²/2 = 200 · 0.0001/2 = 1/100, backward it is n_out σ²/2, the same here. After 30 layers a share
# of about 10⁻⁶⁰ is left of the variance of the signal, and the same of the gradient's: nothing moves.
# With N(0, 1) the factor is 200/2 = 100, and it becomes 10⁶⁰. He's variance 2/n_in = 0.01 (standard
# deviation 0.1) keeps both: ReLU sets half of the values to 0, so half of the mean square is lost, and
# the 2 makes up for it. (One point for the factor 1/100 both ways and what is left, one for N(0, 1),
# one for He's variance with the reason for the 2. Who takes 0.01 for the variance gets at most half of
# the first point.)
#
# 2. With zeros every z and h is 0; the gradient of each weight is a product with an h or a weight that
# is 0, so nothing but the last bias learns. With 0.1 everywhere the units of a layer compute the same,
# get the same gradient and stay equal for ever: each layer is worth one unit. Biases may start at 0,
# because the random weights break the symmetry. (One point for the two cases, half for each; one for
# the biases with the reason.)
#
# 3. No: forward it wants 2/200, backward 2/800. Xavier takes the average of the fans, 1/500, which
# (with He's 2 for ReLU, 2/500) lets the signal shrink and the gradient grow a bit. (One point.)

# %% [markdown]
# ## See them all
#
# This is not graded. A signal on its way through thirty layers, with your weights.

# %%
import matplotlib.pyplot as plt

rng = np.random.default_rng(0)
signal = rng.normal(size=(100, 200))
starts = {
    "LeCun, ReLU": (lecun, lambda z: np.maximum(z, 0)),
    "He, ReLU": (he, lambda z: np.maximum(z, 0)),
    "Xavier, tanh": (xavier, np.tanh),
    "orthogonal, tanh": (orthogonal, np.tanh),
}
for marker, (name, (initializer, activation)) in zip("os^D", starts.items(), strict=True):
    h, sizes = signal, []
    for _ in range(30):
        z = h @ initializer((200, 200), rng)
        sizes.append(np.var(z))
        h = activation(z)
    plt.semilogy(range(1, 31), sizes, label=name, marker=marker, markevery=5)
plt.xlabel("layer")
plt.ylabel("variance of z (log)")
plt.legend()
plt.show()
