# %% [markdown]
# # Exercises: normalization
#
# You write eight functions, each a few lines of Python: standardizing, batch norm forward and
# backward, layer norm forward and backward, RMS norm. Then you answer one question in words.
#
# **Before you start** read the lesson *Normalization*. Plan on two and a half hours; the backward
# passes are the heart of it.
#
# | | what it is |
# |---|---|
# | `x` | a batch, shape (samples, features): a row is a sample |
# | `gamma`, `beta` | γ and β, shape (features,): the scale and shift to train |
# | `eps` | ε, a small number that is added to a variance, *inside* the root |
# | `grad` | g, the gradient ∂L/∂y of the output, shape of `x` |
#
# Three rules hold everywhere. **Every variance is the 1/N one**: in NumPy leave `ddof` at 0.
# **Change nothing** that you are given: arrays and dicts belong to the caller. Keep the **dtype**:
# float32 in, float32 out.
#
# **How to check.** Run the cell below each exercise. It tells you what is right, the first case
# that fails, and, where it knows it, which mistake you made. Check as often as you like; the final
# grading uses other numbers. You may use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. Standardize (5 points)
#
# Bring every feature to mean 0 and standard deviation 1:
#
# $$μ = \frac1N\sum_n x_n, \qquad σ = \sqrt{\frac1N\sum_n (x_n - μ)^2}, \qquad
# z_n = \frac{x_n - μ}{σ}.$$
#
# - Without `moments` this is the *training set*: measure μ and σ, scale with them, and return both
#   z and `{"mean": μ, "std": σ}`, each of shape (features,).
# - With `moments` this is new data: scale it with those, measure nothing, and return them as they are.
# - A feature whose σ is 0 has nothing to scale: divide it by 1. In the moments its σ stays 0.
#
# **By hand.** Train on [[1, 7], [3, 7]]: μ = [2, 7], σ = [1, 0], z = [[−1, 0], [1, 0]]. The new sample
# [4, 8] becomes [(4 − 2)/1, (8 − 7)/1] = [2, 1].


# %% grade_id="standardize" role="answer"
def standardize(x, moments=None):
    """The scaled samples z, and the moments that scaled them.

    >>> z, moments = standardize(np.array([[1.0, 7.0], [3.0, 7.0]]))
    >>> z
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> standardize(np.array([[4.0, 8.0]]), moments)[0]
    array([[2., 1.]])
    """
    ### BEGIN SOLUTION
    if moments is None:
        moments = {"mean": x.mean(axis=0), "std": x.std(axis=0)}
    std = moments["std"]
    return (x - moments["mean"]) / np.where(std == 0, 1, std), moments
    ### END SOLUTION


# %% grade_id="test_standardize" role="test"
check(standardize).award()

# %% [markdown]
# ## 2. Batch norm in training (5 points)
#
# For each feature, over the batch:
#
# $$μ = \frac1N\sum_n x_n, \qquad σ^2 = \frac1N\sum_n (x_n - μ)^2, \qquad
# \hat x_n = \frac{x_n - μ}{\sqrt{σ^2 + ε}}, \qquad y_n = γ\hat x_n + β.$$
#
# Return y, shape of `x`, and μ and σ², each of shape (features,): σ² as it is, without ε.
#
# **By hand.** x = [[1], [3]]: μ = 2, σ² = 1. With ε = 0, x̂ = [[−1], [1]]; with γ = 2 and β = 5,
# y = [[3], [7]].


# %% grade_id="batch_norm_train" role="answer"
def batch_norm_train(x, gamma, beta, *, eps=1e-5):
    """The normalized batch, its mean and its variance.

    >>> y, mean, var = batch_norm_train(
    ...     np.array([[1.0], [3.0]]), np.array([2.0]), np.array([5.0]), eps=0.0
    ... )
    >>> y.T, mean, var
    (array([[3., 7.]]), array([2.]), array([1.]))
    """
    ### BEGIN SOLUTION
    mean, var = x.mean(axis=0), x.var(axis=0)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, mean, var
    ### END SOLUTION


# %% grade_id="test_batch_norm_train" role="test"
check(batch_norm_train).award()

# %% [markdown]
# ## 3. Running moments (4 points)
#
# While training goes on, follow the moments of the batches:
#
# $$\bar μ ← α\bar μ + (1 - α)\,μ, \qquad \bar σ^2 ← α\bar σ^2 + (1 - α)\,σ^2.$$
#
# `momentum` is α, the share that is *kept*. `running` is `{"mean": μ̄, "var": σ̄²}`, each of shape
# (features,), or `None` before the first batch: then start from mean 0 and variance 1, in the dtype of
# `x`. Return the new running moments. With `training=False` the batch is one to predict for: it
# teaches nothing, so return what was there.
#
# **By hand.** α = 0.9, the first batch is [[1], [3]] with μ = 2 and σ² = 1: the mean becomes
# 0.9·0 + 0.1·2 = 0.2, the variance 0.9·1 + 0.1·1 = 1.


# %% grade_id="running_moments" role="answer"
def running_moments(x, running=None, *, training, momentum=0.9):
    """The running moments after one more batch.

    >>> x = np.array([[1.0], [3.0]])
    >>> running = running_moments(x, training=True)
    >>> running["mean"].round(6), running["var"].round(6)
    (array([0.2]), array([1.]))
    >>> running_moments(10 * x, running, training=False)["mean"].round(6)
    array([0.2])
    """
    ### BEGIN SOLUTION
    if running is None:
        running = {"mean": np.zeros_like(x[0]), "var": np.ones_like(x[0])}
    if not training:
        return running
    mean = momentum * running["mean"] + (1 - momentum) * x.mean(axis=0)
    var = momentum * running["var"] + (1 - momentum) * x.var(axis=0)
    return {"mean": mean, "var": var}
    ### END SOLUTION


# %% grade_id="test_running_moments" role="test"
check(running_moments).award()

# %% [markdown]
# ## 4. Batch norm at inference (3 points)
#
# The running moments take the place of the batch's:
#
# $$y_n = γ\,\frac{x_n - \bar μ}{\sqrt{\bar σ^2 + ε}} + β.$$
#
# `running` is as in exercise 3. Return y, shape of `x`.
#
# **By hand.** μ̄ = 1, σ̄² = 4, ε = 0, γ = 2, β = 5. The single sample x = 7 becomes
# 2·(7 − 1)/2 + 5 = 11.


# %% grade_id="batch_norm_inference" role="answer"
def batch_norm_inference(x, gamma, beta, running, *, eps=1e-5):
    """The batch, normalized with the running moments.

    >>> running = {"mean": np.array([1.0]), "var": np.array([4.0])}
    >>> x, gamma, beta = np.array([[7.0]]), np.array([2.0]), np.array([5.0])
    >>> batch_norm_inference(x, gamma, beta, running, eps=0.0)
    array([[11.]])
    """
    ### BEGIN SOLUTION
    x_hat = (x - running["mean"]) / np.sqrt(running["var"] + eps)
    return gamma * x_hat + beta
    ### END SOLUTION


# %% grade_id="test_batch_norm_inference" role="test"
check(batch_norm_inference).award()

# %% [markdown]
# ## 5. Batch norm, backward (7 points)
#
# How does batch normalization combine with backpropagation? The lesson derives it. Your turn: given
# g = ∂L/∂y of a *training* batch, find the three gradients.
#
# - y = γ x̂ + β, and all samples use the same γ and β. So $\frac{∂L}{∂β}$ and $\frac{∂L}{∂γ}$ are sums
#   over the batch.
# - x_n reaches the loss in three ways: directly, through μ, and through σ². Follow the lesson's steps,
#   or derive $\frac{∂L}{∂x_n}$ yourself; every algebraic form of the right answer is accepted.
#
# Return ∂L/∂x of shape (samples, features), ∂L/∂γ and ∂L/∂β of shape (features,). There is no need
# for a cache: compute x̂ again from `x`. It can be done in well under 15 lines.
#
# **By hand.** x = [[−1], [1]], γ = 1, ε = 0, so x̂ = x. For g = [[1], [0]]: ∂L/∂β = 1, ∂L/∂γ = −1. A
# batch of two is always mapped to −1 and 1, whatever it was, so ∂L/∂x = 0.
#
# **Check yourself.** In every feature ∂L/∂x adds up to 0 over the batch: a shift of all samples changes
# no output.


# %% grade_id="batch_norm_backward" role="answer"
def batch_norm_backward(grad, x, gamma, *, eps=1e-5):
    """The gradients of x, gamma and beta.

    >>> x, gamma = np.array([[-1.0], [1.0]]), np.array([1.0])
    >>> dx, dgamma, dbeta = batch_norm_backward(np.array([[1.0], [0.0]]), x, gamma, eps=0.0)
    >>> bool(np.allclose(dx, 0)), dgamma, dbeta
    (True, array([-1.]), array([1.]))
    """
    ### BEGIN SOLUTION
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    through_mean = grad.mean(axis=0)
    through_variance = x_hat * (grad * x_hat).mean(axis=0)
    dx = gamma / std * (grad - through_mean - through_variance)
    return dx, (grad * x_hat).sum(axis=0), grad.sum(axis=0)
    ### END SOLUTION


# %% grade_id="test_batch_norm_backward" role="test"
check(batch_norm_backward).award()

# %% [markdown]
# ## 6. Layer norm (4 points)
#
# The same, along each sample instead of over the batch:
#
# $$μ = \frac1D\sum_i x_i, \qquad σ^2 = \frac1D\sum_i (x_i - μ)^2, \qquad
# y_i = γ_i\,\frac{x_i - μ}{\sqrt{σ^2 + ε}} + β_i.$$
#
# `x` has the shape (..., features): one, two or more axes before the last, and it is always the
# *last* one that is normalized. γ and β have one entry a feature. Return y, shape of `x`.
#
# **By hand.** x = [1, 3], ε = 0: μ = 2, σ = 1, x̂ = [−1, 1]. The sample [10, 30] gives the same x̂: the
# scale of a sample is gone.


# %% grade_id="layer_norm" role="answer"
def layer_norm(x, gamma, beta, *, eps=1e-5):
    """Every sample, normalized over its own features.

    >>> x = np.array([[1.0, 3.0], [10.0, 30.0]])
    >>> layer_norm(x, np.array([1.0, 2.0]), np.array([0.0, 5.0]), eps=0.0)
    array([[-1.,  7.],
           [-1.,  7.]])
    """
    ### BEGIN SOLUTION
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta
    ### END SOLUTION


# %% grade_id="test_layer_norm" role="test"
check(layer_norm).award()

# %% [markdown]
# ## 7. Layer norm, backward (6 points)
#
# The steps of exercise 5 along a sample instead of over the batch, with one difference to think about:
# γ is no longer the same for all that share a mean. Write ĝ = γ g for the gradient of x̂ first.
#
# `x` and `grad` have the shape (..., features). Return ∂L/∂x, shape of `x`, and ∂L/∂γ and ∂L/∂β of
# shape (features,): sums over all samples and positions.
#
# **By hand.** x = [[−1, 1]], ε = 0, so x̂ = x. For g = [[3, 5]] and any γ: ∂L/∂γ = [−3, 5], ∂L/∂β = [3, 5].
# Two features are always mapped to −1 and 1, so ∂L/∂x = 0.


# %% grade_id="layer_norm_backward" role="answer"
def layer_norm_backward(grad, x, gamma, *, eps=1e-5):
    """The gradients of x, gamma and beta.

    >>> x, gamma = np.array([[-1.0, 1.0]]), np.array([1.0, 2.0])
    >>> dx, dgamma, dbeta = layer_norm_backward(np.array([[3.0, 5.0]]), x, gamma, eps=0.0)
    >>> bool(np.allclose(dx, 0)), dgamma, dbeta
    (True, array([-3.,  5.]), array([3., 5.]))
    """
    ### BEGIN SOLUTION
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
    g = grad * gamma
    through_mean = g.mean(axis=-1, keepdims=True)
    through_variance = x_hat * (g * x_hat).mean(axis=-1, keepdims=True)
    samples = tuple(range(x.ndim - 1))
    dx = (g - through_mean - through_variance) / std
    return dx, (grad * x_hat).sum(axis=samples), grad.sum(axis=samples)
    ### END SOLUTION


# %% grade_id="test_layer_norm_backward" role="test"
check(layer_norm_backward).award()

# %% [markdown]
# ## 8. RMS norm (4 points)
#
# Layer norm without the mean and without β, as many language models have it:
#
# $$y_i = γ_i\,\frac{x_i}{\sqrt{\frac1D\sum_j x_j^2 + ε}}.$$
#
# `x` has the shape (..., features); the last axis is normalized. Return y, shape of `x`.
#
# **By hand.** x = [1, 7], ε = 0: the mean square is (1 + 49)/2 = 25, its root 5, so with γ = 1
# y = [0.2, 1.4].


# %% grade_id="rms_norm" role="answer"
def rms_norm(x, gamma, *, eps=1e-5):
    """Every sample, divided by the root of its mean square.

    >>> rms_norm(np.array([[1.0, 7.0]]), np.array([1.0, 10.0]), eps=0.0)
    array([[ 0.2, 14. ]])
    """
    ### BEGIN SOLUTION
    return gamma * x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps)
    ### END SOLUTION


# %% grade_id="test_rms_norm" role="test"
check(rms_norm).award()

# %% [markdown]
# ## 9. In your own words (6 points)
#
# A colleague has trained a network with batch norm, in batches of 64. Now he serves it.
#
# 1. He sends customers' images one at a time, and every answer is the same. Sent 64 at a time the
#    answers are good, but the answer to one image changes with the other 63. What has he forgotten,
#    and why does each of the two things happen? (2 points)
# 2. "Then I will leave out γ and β, they only undo the normalization." What are they for, and which
#    bias in his network is really of no use? (2 points)
# 3. On a small device he can only train with batches of 2. Why is that bad for batch norm, and what
#    would you take instead? (2 points)
#
# Eight to twelve sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=6
# **Model answer.** 1. The network still runs in training mode: it normalizes with the moments of the
# batch it is given. In a batch of one, x minus its own mean is 0, so the layer's output is β whatever
# the image was. In a batch of 64 the mean and variance depend on the other images, so the answer does
# too. He must switch to inference, where the running moments of the training are used. (One point for
# the mode and the running moments, one for both explanations.)
#
# 2. Without γ and β every feature would have mean 0 and variance 1 for ever: a sigmoid would stay in
# its straight part, a ReLU would cut off about half of everything. γ and β let training choose the mean
# and the spread, now as two parameters that do not depend on the layers before. (One point.) The bias
# of the linear layer just before batch norm is of no use: the mean is subtracted, so it cancels, and
# its gradient is 0. β takes its place. (One point.)
#
# 3. The mean and variance of two samples are a very noisy estimate: with two samples each x̂ is −1 or 1
# and only the order is left. The gradient that gets back to x is almost always 0, and huge when the two
# happen to be nearly equal. Besides, the running moments used at inference fit badly to what training
# saw. Take a normalization that does not look at the batch: layer
# norm, or group norm for images. (One point for why, one for the way out.)

# %% [markdown]
# ## See them all
#
# This is not graded. Your batch norm and layer norm on the same batch of four samples with three
# features of very different size: who shares a mean with whom?

# %%
x = np.array([[1.0, 20.0, 300.0], [2.0, 30.0, 100.0], [3.0, 10.0, 400.0], [4.0, 40.0, 200.0]])
one, zero = np.ones(3), np.zeros(3)
print("batch norm: every column has mean 0\n", batch_norm_train(x, one, zero)[0].round(2))
print("layer norm: every row has mean 0\n", layer_norm(x, one, zero).round(2))
