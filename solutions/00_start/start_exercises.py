# %% [markdown]
# # Exercises: start here
#
# One small function and one question in words. The point is to meet the tools: everything after this
# looks the same.
#
# **Before you start** read the lesson *Start here*. Plan on 20 minutes.
#
# **How it works.** Write your code in the place of `raise NotImplementedError()`. Run its cell, then
# the cell below it. It tells you what is right, the first case that fails, and, where it knows it,
# which mistake you made. Check as often as you like; the final grading uses other numbers. You may
# use NumPy and Python's standard library.

# %% grade_id="setup" role="readonly"
import numpy as np

from course.exercises import check

# %% [markdown]
# ## 1. The mean and the variance of a batch (3 points)
#
# A batch is an array of shape `(N, D)`: N samples, one a row, with D features each, one a column.
# For **each feature** return its mean and its variance over the samples:
#
# $$μ_d = \frac1N \sum_{n=1}^N x_{nd}, \qquad v_d = \frac1N \sum_{n=1}^N (x_{nd} - μ_d)^2.$$
#
# | | what it is |
# |---|---|
# | `x` | the batch: an array of shape `(N, D)`, float64 or float32 |
# | result | the tuple `(mean, variance)`: two arrays of shape `(D,)` |
#
# Mind the units: for lengths in metres μ is in metres, v in square metres. **Change nothing** in `x`.
# Keep the **dtype**: float32 in, float32 out. A batch may have one sample only; its variance is 0.
# In a verdict, `look_at` says which of the two results a case looks at; your function never sees it.
#
# **By hand.** Three samples of two features: (1, 10), (2, 10) and (6, 40). The means are 9/3 = 3 and
# 60/3 = 20. The distances from them are −2, −1, 3 and −10, −10, 20. The variances are
# (4 + 1 + 9)/3 = 14/3 and (100 + 100 + 400)/3 = 200.


# %% grade_id="mean_and_variance" role="answer"
def mean_and_variance(x):
    """Return the mean and the 1/N variance of each feature of a batch.

    >>> mean, variance = mean_and_variance(np.array([[1.0, 10.0], [2.0, 10.0], [6.0, 40.0]]))
    >>> mean, variance.round(3)
    (array([ 3., 20.]), array([  4.667, 200.   ]))
    """
    ### BEGIN SOLUTION
    mean = np.mean(x, axis=0)
    return mean, np.mean((x - mean) ** 2, axis=0)
    ### END SOLUTION


# %% grade_id="test_mean_and_variance" role="test"
check(mean_and_variance).award()

# %% [markdown]
# ## 2. In your own words (3 points)
#
# A friend trains a network. She shows you what TensorBoard draws: the training loss falls from epoch
# to epoch; the test loss falls until epoch 5 and rises after it; the histogram of the hidden
# activations gets wider and wider. "The training loss is lower than ever", she says, "so the network
# of the last epoch is the best."
#
# 1. Is she right? Which curve tells you, and which epoch's network would you keep? (2 points)
# 2. She computes the variance of a batch of 4 with two libraries and gets 3 and 4. Is one of them
#    broken? What would you ask? (1 point)
#
# Four to six sentences are enough.

# %% [markdown] grade_id="in_your_own_words" role="manual" points=3
# **Model answer.** 1. No. The training loss says how well the network knows the data that it was
# trained on; what counts is data it never saw, so the test loss decides. It is lowest at epoch 5, and
# I would keep that network: from there on it learns the training data by heart. (One point for the
# curve with its reason, one for the epoch. Strictly, data that chooses the epoch can no longer
# measure it: a third part is needed. Whoever says so deserves praise.)
#
# 2. Most likely neither: 3 · 4 = 12 = 4 · 3, so one divides by N = 4 and the other by N − 1 = 3. I
# would ask which of the two each library uses when nothing is said. (One point; the check that the
# numbers fit is not needed.)
