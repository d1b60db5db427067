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
# # Reuse and pretraining: layers that have learned before
#
# **Goal.** You will be able to put a new head on copied layers, freeze and release them so that nothing moves that
# should not, learn layers without any labels, and judge with fair baselines whether any of it has helped.
#
# **Before you start** you need the backward pass of a network (unit 01), momentum and Adam (unit 03) and rates chosen on
# data held back (unit 04).
#
# **Time.** About two hours with the live figures. To start, choose *Run*, *Run All Cells* in the menu above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $θ_l$ | the parameters of layer $l$, 0 the lowest; the **head** is the last layer | `network.params` |
# | $h_l$ | what layer $l$ makes of a batch, one sample a row; $h_0 = x$ | `features` |
# | donor, new task | the network that layers come from, and what they are to be used for | `donor` |
# | $k$, $j$ | how many hidden layers are copied; how many of them are released | `copied`, `released` |
# | $γ$ | the rate | `lr` |
# | $W, b, c$ | an autoencoder's weights, the bias of its code and that of its output | `W, b, c` |
# | $D(x)$, $G(z)$ | a discriminator's logit; what a generator makes of noise | `judge`, `maker` |
#
# Where the lecture notes that this course grew out of err or disagree, a note headed **The sources differ** says so
# and shows it. Here: **the notes**, a summary called *Training Deep Neural Networks*.

# %%
import matplotlib.pyplot as plt
import numpy as np

from course.data import digits
from course.diagnostics import numerical_gradient
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy_grad
from course.optimizers import Optimizer, momentum
from course.reuse import autoencoder_loss, autoencoder_loss_grad, freeze, transplant, unfreeze
from course.studies import mean_and_error, read_study, where
from course.tables import text_table
from course.widgets.reuse import (
    DEPTH,
    PRETRAINING,
    TASKS,
    accuracy,
    autoencoder_explorer,
    body,
    dense,
    few_labels,
    fit,
    gan_explorer,
    new_network,
    probe_explorer,
    release_explorer,
    schedule_explorer,
    task_of,
    turned,
)
from course.widgets.style import COLORS, line_style, use_style

use_style()
LABELS = (10, 30, 100, 500)


def with_error(values, digits=3, sign=False):
    """Write a mean over the seeds and its standard error."""
    mean, error = (round(float(value), digits) + 0.0 for value in mean_and_error(values))
    return f"{mean:{'+' if sign else ''}.{digits}f} ± {error:.{digits}f}"


def mean(values):
    return mean_and_error(values)[0]


# %% [markdown]
# ## 1. Copy, cut, freeze
#
# A network that has learned one task is a stack of functions. The lower part turns pixels into features, the head turns
# features into that task's classes. For a new task keep the lower part and replace the head:
#
# $$f_{\text{new}} = \underbrace{\text{head}}_{\text{new, random}} \circ\;
# \underbrace{h_k \circ \dots \circ h_1}_{\text{copied}} .$$
#
# `transplant` makes copies. That is not a detail: an optimizer writes into arrays, and a slice of a list of layers holds
# the donor's own.

# %%
donor, new = task_of("odd")  # three hidden layers of 64 tanh units, trained on ten digits
slice_of_it = Sequential(*donor.layers[:2])
copy_of_it = transplant(donor, 2)
rows = [
    [name, np.shares_memory(network.params[0], donor.params[0])]
    for name, network in (("a slice of its layers", slice_of_it), ("transplant", copy_of_it))
]
print(text_table(["made by", "shares the donor's arrays"], rows))
assert [row[1] for row in rows] == [True, False]

# %% [markdown]
# **Freezing** a layer means: its $θ_l$ stays, whatever comes. Three things follow.
#
# 1. The gradient still passes *through* it. With $y = \tanh(hW + b)$ and $d = g \cdot (1 - y^2)$, the layer below gets
#    $d\,W^T$ as ever. Only $∂L/∂W = h^T d$ and $∂L/∂b$ are not formed.
# 2. The optimizer must not *step*. A gradient of 0 is not enough. With momentum and weight decay,
#
#    $$u ← αu - γ(0 + λθ), \qquad θ ← θ + u,$$
#
#    an old velocity carries θ on, and the decay shrinks it. Freezing means no gradient (`None`), and that means no
#    step, no decay, and no change of the optimizer's state.
# 3. If all layers below are frozen too, $h_l$ never changes: compute it once for all images, and training the rest is
#    training a small network on features. (`fit` of this lesson does so.)
#
# Here are ten steps with a frozen lower half, once done right and once with zeros for gradients.

# %%
x, y = new.x_train[:64], new.y_train[:64]


def decayed(theta, grad, state=None, *, lr):
    """Momentum, with weight decay in the gradient."""
    return momentum(theta, grad + 0.01 * theta, state, lr=lr)


def largest_change(how):
    """Make a step with all layers, freeze the lower two hidden ones, and make ten more."""
    network = new_network(donor, DEPTH, 2, np.random.default_rng(0))
    optimizer = Optimizer(decayed, network.params, lr=0.05)
    for step in range(11):
        if step == 1:
            before = [param.copy() for param in network.params]
            if how == "frozen":
                freeze(network, range(4))
        network.backward(cross_entropy_grad(network.forward(x, training=True), y))
        grads = network.grads
        if how == "gradient 0" and step > 0:
            grads = [0 * grad if index < 4 else grad for index, grad in enumerate(grads)]
        optimizer.step(grads)
    moved = [np.abs(now - old).max() for now, old in zip(network.params, before, strict=True)]
    same = all(np.array_equal(a, b) for a, b in zip(network.params[:4], before[:4], strict=True))
    return max(moved[:4]), max(moved[4:]), same


rows = []
for how in ("frozen", "gradient 0"):
    low, high, same = largest_change(how)
    rows.append([how, f"{low:.4f}", same, high > 0.01])
print(
    text_table(["lower half", "largest change there", "every bit kept", "upper half learns"], rows)
)
assert rows[0][1:] == ["0.0000", True, True]
assert not rows[1][2]

# %% [markdown]
# The check is `array_equal`, not "nearly": a frozen layer keeps every bit, or it was not frozen. Test your own training
# code like this once; it is the most common thing to go wrong, in silence.
#
# ## 2. What does a donor know?
#
# The cheapest question to ask of a layer: what can a *linear* head make of it? Three new tasks, from near to far:
#
# - **odd or even.** The donor has learned the ten digits, on one half of the training part. The new question is whether
#   a digit of the other half is odd. Whoever can tell ten digits apart knows that, up to a sum.
# - **moved by one pixel.** The same donor. The new task is again the ten digits, of the other half, and the images have
#   moved to the right by one pixel (what leaves on the right comes back on the left).
# - **digits 5 to 9.** The donor has seen the digits 0 to 4 only. The new task is the other five.
#
# Donor and new task never share an image, and the test part is seen by neither (standardising, too, has used the
# moments of the training part alone).
#
# (A first run of the study in section 3 had the two farther tasks only, and showed next to no gain. *Odd or even* was
# added then, to see whether reuse can help on such digits at all. What came out for the other two stands there as well.)

# %%
data = digits()
for task, split in TASKS.items():
    old, other = split(data)
    assert not {row.tobytes() for row in old.x_train} & {row.tobytes() for row in other.x_train}
    assert not {row.tobytes() for row in old.x_train} & {row.tobytes() for row in data.x_test}
    sizes = [len(part) for part in (old.x_train, other.x_train, other.x_test)]
    print(f"{task:8s} donor's images {sizes[0]}, new task's {sizes[1]}, test {sizes[2]}")

# %% [markdown]
# ### See it
#
# A linear head by least squares, on the donor's layers and on layers with random weights that nobody has taught.
# *Hidden layers* 0 is a head on the pixels. Left: by the number of labels. Right: by the number of layers.
#
# 1. *odd or even*: raise *hidden layers* from 0 to 3. Which layer knows most? Do the pixels ever catch up?
# 2. *digits 5 to 9*: the same. What happens on the way up? Why are layers that have learned *worse* than random ones?
# 3. *moved by one pixel*: compare the first layer with the third.
# 4. Ten labels: change the *draw*. How much of a difference between two curves is luck?

# %%
probe_explorer()

# %% [markdown]
# The third layer of a donor is made for the donor's head. For *odd or even* that is a gift. For the digits 5 to 9 it is
# a loss: what does not help to tell 0 to 4 apart has been dropped on the way up, and no head brings it back.
#
# ## 3. Reuse against training from scratch
#
# Now fair and over seeds. The network is always the same, three hidden layers of 64, and so are the steps, 250 of
# Adam. What changes is how many layers come from the donor, $k$, and what learns:
#
# - **scratch**: nothing is copied; everything learns;
# - **frozen-k**: $k$ layers are copied and stay; what is above is new and learns;
# - **released-k**: the same for half of the steps, then the copied layers learn too, with a rate of their own;
# - **random-k**: $k$ layers stay that were never taught. What beats *scratch* but not this has not been *transferred*.
#
# Each way has its own rate for each number of labels, chosen on data held back, with other seeds. (That is generous: with
# ten labels of your own you cannot choose a rate like this. It is generous to all ways alike.) Then eight new seeds;
# each draws its own split, labels and weights.

# %%
study = read_study("data/transfer.csv")
TITLES = {"odd": "odd or even", "shifted": "moved by one pixel", "other": "digits 5 to 9"}
SHOWN = {
    "scratch": "scratch",
    "frozen-1": "frozen-1",
    "frozen-3": "frozen-3",
    "released-2": "released-2",
    "random-3": "random-3",
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained", sharey=True)
for axis, (task, title) in zip(axes, TITLES.items(), strict=True):
    for index, (way, name) in enumerate(SHOWN.items()):
        found = [where(study, task=task, way=way, labels=n)["test_accuracy"] for n in LABELS]
        means, errors = np.transpose([mean_and_error(values) for values in found])
        axis.errorbar(LABELS, means, errors, **line_style(index), capsize=3, label=name)
    axis.set(xscale="log", xlabel="labels (log)", title=title, ylim=(0.45, 1.0))
    axis.set_xticks(LABELS, map(str, LABELS))
    axis.minorticks_off()
axes[0].set_ylabel("test accuracy")
axes[2].legend(loc="lower right")
plt.show()

# %% [markdown]
# The seeds' splits differ more than the ways do. But every way has seen the same splits and labels, so look at the
# difference to *scratch*, seed by seed: its error is smaller.


# %%
def gains(task, way, reference):
    """Return the gain of one way over another for each number of labels, seed by seed."""
    pairs = [
        [where(study, task=task, way=each, labels=n) for each in (way, reference)] for n in LABELS
    ]
    assert all((one["seed"] == other["seed"]).all() for one, other in pairs)
    return [one["test_accuracy"] - other["test_accuracy"] for one, other in pairs]


WAYS = ("frozen-1", "frozen-2", "frozen-3", "released-1", "released-2", "released-3")
for task, title in TITLES.items():
    scratch = [
        mean(where(study, task=task, way="scratch", labels=n)["test_accuracy"]) for n in LABELS
    ]
    rows = [["scratch itself", *(f"{value:.3f}" for value in scratch)]]
    rows += [
        [way, *(with_error(values, sign=True) for values in gains(task, way, "scratch"))]
        for way in WAYS
    ]
    print(f"{title}: gain over scratch, mean and standard error of 8 seeds")
    print(text_table(["labels", *map(str, LABELS)], rows), end="\n\n")
near, moved, far = ([mean(g) for g in gains(task, "frozen-3", "scratch")] for task in TITLES)
assert near[1] > 0.08
assert abs(near[3]) < 0.02
assert max(moved) < 0
assert far[0] < -0.15
assert max(mean(g) for way in WAYS for g in gains("other", way, "scratch")) < 0.02
assert mean(gains("shifted", "released-2", "scratch")[0]) > 0.01

# %% [markdown]
# - **The near task gains a lot.** With 30 labels the frozen donor reaches what scratch needs far more than 100 for. With
#   500 the whole donor frozen gains next to nothing, and two or three layers released two points: labels can buy what
#   the donor knew.
# - **The moved digits gain a little**, at few labels, with two layers copied and released: three or four points, little
#   more than two standard errors. All three layers frozen lose four to nine; they are worth hardly more than random ones
#   (see below).
# - **The other digits gain nothing**, in no way and at no number of labels. Frozen layers lose, the more the higher.
#
# Is it at least *knowledge* that the frozen layers bring? Compare with layers never taught:

# %%
rows = [
    [
        TITLES[task],
        k,
        *(with_error(g, sign=True) for g in gains(task, f"frozen-{k}", f"random-{k}")),
    ]
    for task in TITLES
    for k in (1, 2, 3)
]
print("Gain of k frozen layers of a donor over k frozen layers never taught:")
print(text_table(["new task", "k", *map(str, LABELS)], rows))
known = {task: mean(gains(task, "frozen-3", "random-3")[1]) for task in TITLES}
assert known["odd"] > 0.1
assert abs(known["shifted"]) < 0.06
assert known["other"] < -0.02
first = [mean(gains("shifted", f"frozen-{k}", f"random-{k}")[2]) for k in (1, 2, 3)]
assert first[0] > first[1] > first[2]

# %% [markdown]
# On the moved digits the first layer brings most, and the third nothing. On the other digits the third is *worse than
# nothing*.
#
# > **The sources differ.** The notes promise that reusing layers means "accelerating the training process and reducing
# > the need for large amounts of labeled data", and that upper hidden layers "are less likely to be as useful as the
# > lower layers". The second is so for our two farther tasks, and the other way round for the near one, where the top
# > layer is the best. The first depends on the distance: 13 points at 30 labels for the near task, nothing for the far
# > one. And these are digits of 8 × 8 pixels: networks that have seen millions of images have lower layers that are good
# > for nearly every photograph. Ours have seen 700 digits.
#
# ## 4. How far down does it pay to release?
#
# The notes advise: freeze all reused layers, train, look; then release one or two of the top hidden layers and see
# whether it gets better. Three layers copied, $j$ of them released for the second half of the steps:

# %%
JS = {1: "top-1", 2: "top-2", 3: "released-3"}
for task, title in TITLES.items():
    frozen = [
        mean(where(study, task=task, way="frozen-3", labels=n)["test_accuracy"]) for n in LABELS
    ]
    rows = [["j = 0: all frozen", *(f"{value:.3f}" for value in frozen)]]
    rows += [
        [f"j = {j} released", *(with_error(g, sign=True) for g in gains(task, way, "frozen-3"))]
        for j, way in JS.items()
    ]
    print(f"{title}: gain over all frozen")
    print(text_table(["labels", *map(str, LABELS)], rows), end="\n\n")
assert max(mean(gains("odd", way, "frozen-3")[1]) for way in JS.values()) < 0.01
assert mean(gains("odd", "released-3", "frozen-3")[1]) < 0
assert min(mean(gains("odd", way, "frozen-3")[3]) for way in JS.values()) > 0.005
for task in ("shifted", "other"):
    for index in range(4):
        steps = [mean(gains(task, way, "frozen-3")[index]) for way in JS.values()]
        assert 0 < steps[0] < steps[2]

# %% [markdown]
# - **Near task, few labels:** do not release. At 30 labels going all the way down costs two points.
# - **Near task, many labels:** release the top layer, +1.3 points; the second and third add nothing to speak of.
# - **Far tasks:** the further down the better. The donor's layers are in the way, and all of them want to change. But
#   see section 3: that only brings back what scratch had anyway.
#
# In practice one releases layer by layer, from the top down, with rates that fall on the way down: an upper layer must
# change more, and what a lower one knows is more general. With $d$ layers between layer and head,
#
# $$γ_d = γ / \text{factor}^d \quad\text{once it is released}, \qquad 0 \text{ before.}$$
#
# ### See it
#
# 1. Press play. In which epoch does the lowest of four layers begin to learn?
# 2. *factor* 1: what is the schedule now? And with *epochs each* (from one release to the next) 1?
# 3. Six layers, factor 5: how much slower does the lowest learn than the head? Is it frozen in all but name?

# %%
schedule_explorer()

# %% [markdown]
# ## 5. The danger: a new head shakes the tree
#
# Why freeze at all in the beginning? Look at the gradient that the features get. With logits $hV$, softmax
# probabilities $p$ and one-hot labels $t$,
#
# $$\frac{∂L}{∂h} = \tfrac1N (p - t)\, V^T .$$
#
# At the start $V$ is random. So the *direction* in which the features are pulled is random, too: it makes the best of a
# head that knows nothing. And $p - t$ is at its largest just then. With Adam it is worse still: its first steps have the
# size $γ$ for every parameter, however small the gradient is.
#
# ### See it
#
# *Odd or even*, with the three layers of the donor. Blue: everything learns from the first step. Orange: the head
# alone, with the rate 0.01, until the dotted line; then everything, with the same rate as blue. Right: how far the
# features of test images have moved, in units of their length. At 1.4 they have no more to do with the donor's than two
# random vectors have with each other.
#
# 1. Raise the rate of all to 0.1. How many steps does it take until the donor is forgotten?
# 2. At 0.1: what happens to the orange curve at the release? Was the head to blame, or the rate?
# 3. Find a rate at which the orange curve does not fall at the release. Is there one at which it rises?
# 4. Lower the rate to 0.0001. Now blue keeps its features. Why is it bad all the same?

# %%
release_explorer()

# %% [markdown]
# Over eight seeds, 30 labels, 250 steps, for rates from too small to too large:

# %%
rates = read_study("data/rates.csv")
LRS = np.unique(rates["lr"])
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
found = {}
for index, (way, name) in enumerate({"at-once": "all at once", "head-first": "head first"}.items()):
    for axis, column in zip(axes, ("test_accuracy", "moved_10"), strict=True):
        values = [mean_and_error(where(rates, way=way, lr=lr)[column]) for lr in LRS]
        found[way, column] = np.array(values)[:, 0]
        means, errors = np.transpose(values)
        axis.errorbar(LRS, means, errors, **line_style(index), capsize=3, label=name)
scratch, frozen = (
    mean(where(study, task="odd", way=way, labels=30)["test_accuracy"])
    for way in ("scratch", "frozen-3")
)
for value, name, style in ((frozen, "never released", "-."), (scratch, "scratch", ":")):
    axes[0].axhline(value, color=COLORS[6], linestyle=style, linewidth=1.3, label=name)
axes[0].set(xscale="log", xlabel="rate of all layers (log)", ylabel="test accuracy, 30 labels")
axes[1].set(xscale="log", xlabel="rate of all layers (log)", ylabel="features moved after 10 steps")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
plt.show()
rows = [
    [
        f"{lr:g}",
        *(
            f"{found[way, c][i]:.3f}"
            for way in ("at-once", "head-first")
            for c in ("moved_10", "test_accuracy")
        ),
    ]
    for i, lr in enumerate(LRS)
]
print(text_table(["rate", "at once: moved", "accuracy", "head first: moved", "accuracy"], rows))
print(f"never released: {frozen:.3f}; scratch: {scratch:.3f}")
once, head = found["at-once", "test_accuracy"], found["head-first", "test_accuracy"]
assert head.max() > once.max() + 0.02
assert abs(once[-1] - scratch) < 0.03
assert abs(head[-1] - scratch) < 0.03
assert (np.diff(found["at-once", "moved_10"]) > 0).all()

# %% [markdown]
# - **Head first beats all at once** by about five points, each at its best rate. At its best rate *all at once* is
#   between scratch and the donor: half of the knowledge is gone.
# - **From 0.03 on there is no transfer left**: both are where scratch is. Training the head first does not save you from
#   a rate that is too large. It is the rate that destroys, and the random head that makes even a moderate one bad.
# - The best released rate is the smallest one here, and it is no better than never to release. With 30 labels there is
#   nothing to gain (section 4).
#
# The damage is done early: at a rate of 0.01 ten steps have moved the features by 0.9 of their length.
#
# ## 6. No donor at all: an autoencoder
#
# Suppose that nobody has a network for anything near, and that labels are dear, and images cheap. Then let a network
# **restore its input** through a code $h$. The image is the label:
#
# $$h = \tanh(xW + b), \qquad \hat x = hV + c, \qquad L = \frac{1}{BD}\sum_{n,j} (\hat x_{nj} - x_{nj})^2 .$$
#
# If $h$ has fewer numbers than $x$, it must keep what images have in common. Often the weights are **tied**, $V = W^T$:
# half of the parameters. For the gradients take the decoder's side first, $g = ∂L/∂\hat x = \frac{2}{BD}(\hat x - x)$,
# and send it back through the code:
#
# $$d = \frac{∂L}{∂(xW + b)} = (g V^T) \cdot (1 - h^2) .$$
#
# With its own $V$: $∂L/∂V = h^T g$ and $∂L/∂W = x^T d$. A tied $W$ acts at two places, so its gradient has two terms.
# The first has the shape of $W$, the second that of $W^T$:
#
# $$\frac{∂L}{∂W} = x^T d + (h^T g)^T = x^T d + g^T h .$$

# %%
rng = np.random.default_rng(0)
x, W, b, c = (
    rng.normal(size=(5, 4)),
    rng.normal(size=(4, 2)),
    rng.normal(size=2),
    rng.normal(size=4),
)
h = np.tanh(x @ W + b)
g = 2 * (h @ W.T + c - x) / x.size
d = (g @ W) * (1 - h**2)
measured = numerical_gradient(lambda w: float(autoencoder_loss(x, w, b, c)), W)
terms = {"as encoder, xᵀd": x.T @ d, "as decoder, gᵀh": g.T @ h, "both": x.T @ d + g.T @ h}
rows = [
    [name, f"{value[0, 0]:.4f}", np.allclose(value, measured, atol=1e-8)]
    for name, value in terms.items()
]
rows.append(["central differences", f"{measured[0, 0]:.4f}", ""])
print(text_table(["gradient of a tied W", "first entry", "right"], rows))
assert [row[2] for row in rows[:3]] == [False, False, True]
np.testing.assert_allclose(autoencoder_loss_grad(x, W, b, c)[0], terms["both"])

# %% [markdown]
# An autoencoder with as many units as pixels could learn to hand them on, and nothing else. Two ways out: a narrow code,
# or damage. A **denoising** autoencoder sees an image of which some pixels are erased, and must restore the *whole* one.
# For that it has to know which pixels go together.
#
# ### See it
#
# A tied autoencoder from 64 pixels to 32 units and back. The pixels that are erased are set to 0, which is each pixel's
# mean (inputs are standardised).
#
# 1. Press play: what does it learn in the first epoch, what later?
# 2. *Erased now* 0.5: which of the two does better, the one that learned from whole images or the one that learned from
#    half erased ones? And at 0?
# 3. Raise *erased now* until both fail. What do they draw then?

# %%
autoencoder_explorer()

# %% [markdown]
# **Deep** autoencoders can be learned in two ways. *Greedy*: layer 1 restores $x$; then layer 2 restores $h_1$, layer 3
# $h_2$, each with a small decoder that is thrown away. *End to end*: all layers down and up at once. Around 2006 the
# first made deep networks trainable at all; today's initializations (unit 07) have made it unnecessary.
#
# ## 7. Tasks that label themselves
#
# Three more ways to teach layers from images alone.
#
# - **Rotations.** Turn each image by 0, 1, 2 or 3 quarter turns. Which was it? To know, one must know what is up in a
#   digit.
# - **Halves.** Put the upper half of one image on the lower half of the same or of another one. Do they belong together?
# - **A GAN.** A generator $G$ makes images from noise, a discriminator $D$ gives a logit for "real". $D$ learns to tell
#   apart, $G$ to be taken for real. Afterwards we keep $D$'s lower layers.
#
# The two losses of a GAN, per sample, with $σ(D)$ the probability of "real":
#
# $$L_D = -\ln σ(D(x)) - \ln(1 - σ(D(G(z)))), \qquad L_G = -\ln σ(D(G(z))) .$$
#
# Why not let $G$ minimise $\ln(1 - σ(D))$, the exact opposite of what $D$ wants? Both fall when $D$ rises. Look at the
# slopes in the logit. With $σ' = σ(1-σ)$:
#
# $$\frac{d}{dD}\bigl(-\ln σ\bigr) = -(1 - σ), \qquad \frac{d}{dD} \ln(1 - σ) = -σ .$$
#
# At the start $D$ wins easily: $D(G(z))$ is far below 0, $σ ≈ 0$. The second slope is then 0: just when $G$ has most to
# learn, it hears nothing. The first is −1. It is called the **non-saturating** loss.
#
# ### See it
#
# In the first epoch only $D$ learns; then both.
#
# 1. Epoch 1: read the two slopes at the green line. By which factor do they differ?
# 2. Press play. Where do the two lines go, and what would it mean if they met?
# 3. Last epoch: change the *draw*. Are these digits yet? What do they have of digits, and what is missing?

# %%
gan_explorer()

# %% [markdown]
# ## 8. Did it help? Few labels, again
#
# Six kinds of pretraining, for the same three hidden layers of 64. What they saw: **all 1438 images of the training
# part, no label, and nothing of the test part**, for 40 epochs of batches of 32 (greedy: for each layer). Where rates
# were chosen, they saw only what was kept of the training part. Then ten digits from 10 to 500 labels, as in section 3:
# a head on *frozen* layers, or layers *released* in the second half of the steps. The baselines: from scratch; the same
# layers frozen and never taught; and a plain softmax regression on the *pixels*, without any hidden layer.
#
# One caution: the pretraining's own rate and length were set once, the same for all (half the rate for the GAN), and not
# tuned. A method that does badly here might do better with care; a GAN is known to need it.

# %%
taught = read_study("data/pretraining.csv")
NAMES = {
    "greedy": "autoencoder, greedy",
    "end-to-end": "autoencoder, end to end",
    "denoising": "autoencoder, denoising",
    "rotations": "rotations",
    "halves": "halves",
    "gan": "GAN's discriminator",
}
SCRATCH, PIXELS, UNTAUGHT = ("none", "at-once"), ("pixels", "frozen"), ("none", "frozen")


def scores(source, way, labels):
    return where(taught, source=source, way=way, labels=labels)["test_accuracy"]


def gained(one, other):
    """Return the gain of one source and way over another by number of labels, seed by seed."""
    return [scores(*one, n) - scores(*other, n) for n in LABELS]


rows = [
    [name, *(with_error(scores(*key, n)) for n in LABELS)]
    for name, key in (("scratch", SCRATCH), ("pixels", PIXELS), ("never taught, frozen", UNTAUGHT))
]
print("Baselines, test accuracy:")
print(text_table(["labels", *map(str, LABELS)], rows), end="\n\n")
for way in ("frozen", "released"):
    rows = [
        [name, *(with_error(g, sign=True) for g in gained((source, way), SCRATCH))]
        for source, name in NAMES.items()
    ]
    print(f"{way}: gain over scratch")
    print(text_table(["labels", *map(str, LABELS)], rows), end="\n\n")

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4.0), layout="constrained", sharey=True)
for axis, way in zip(axes, ("frozen", "released"), strict=True):
    for index, (source, name) in enumerate(NAMES.items()):
        values = [mean_and_error(g) for g in gained((source, way), SCRATCH)]
        means, errors = np.transpose(values)
        axis.errorbar(LABELS, means, errors, **line_style(index), capsize=3, label=name)
    values = [mean(g) for g in gained(PIXELS, SCRATCH)]
    axis.plot(LABELS, values, color=COLORS[6], linestyle=":", linewidth=1.5, label="pixels")
    axis.axhline(0, color=COLORS[6], linewidth=1)
    axis.set(xscale="log", xlabel="labels (log)", title=way)
    axis.set_xticks(LABELS, map(str, LABELS))
    axis.minorticks_off()
axes[0].set_ylabel("gain over scratch")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
plt.show()
best = [mean(g) for g in gained(("denoising", "released"), SCRATCH)]
assert best[0] > 0.08
assert best[2] > 0.02
assert best[3] < 0.01
assert mean(gained(("denoising", "frozen"), PIXELS)[1]) > 0.04
for labels, gain in zip(LABELS, gained(("rotations", "released"), SCRATCH), strict=True):
    assert mean(gain) < 0.01, labels
assert mean(gained(("rotations", "frozen"), UNTAUGHT)[2]) < -0.03
assert (
    mean(gained(("gan", "frozen"), PIXELS)[2]) < 0 < mean(gained(("gan", "released"), SCRATCH)[0])
)
for source in NAMES:
    assert max(mean(g) for g in gained((source, "released"), SCRATCH)[3:]) < 0.01

# %% [markdown]
# **What helped.**
#
# - The *denoising* autoencoder, clearly: 12 points at 10 labels, 9 at 30, 4 at 100.
# - The *greedy* one: about half of that at 10 and 30 labels.
# - *Halves* and the *GAN*: 8 points at 10 labels, the GAN 5 at 30, and little or nothing from 100 on. Frozen, from 100
#   labels on, they are worse than the bare pixels.
#
# **What did not.**
#
# - *Nothing* helps at 500 labels.
# - The plain autoencoder trained *end to end*: from two points below scratch to two above. Its code has as many numbers as
#   there are pixels, so it may just hand them on; and when we erase pixels, the very same network is the best of all.
# - *Rotations* do harm. Released they are below scratch, and frozen, from 30 labels on, even below layers that were never
#   taught.
# - And look at the *pixels*: with 10 and 30 labels a softmax regression beats the deep network from scratch, by three
#   points and two standard errors. A pretraining that is only compared with scratch looks better than it is.
#
# Why do rotations fail? Look at what is needed to solve the task. Let the same network see only the rim of the images,
# and then let a small one see no more than four numbers: the sums of the top row, the bottom row, and the left and
# right columns.

# %%
images, turns = turned(data.x_train)
test_images, test_turns = turned(data.x_test)
rim = np.zeros((8, 8))
rim[[0, -1]] = rim[:, [0, -1]] = 1


def sums(x):
    """Return the sums along the four sides."""
    x = x.reshape(-1, 8, 8)
    return np.stack([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]]).sum(axis=2).T / 5


def recognised(layers, inputs, test_inputs):
    """Train a network on the turns and return its test accuracy."""
    network, rng = Sequential(*layers), np.random.default_rng(0)
    fit(network, inputs, turns, lr=0.003, steps=1200, rng=rng)
    return accuracy(network, test_inputs, test_turns)


rng = np.random.default_rng(0)
seen = {
    "all 64 pixels": recognised([*body(rng), dense(4, rng)], images, test_images),
    "the 28 pixels of the rim": recognised(
        [*body(rng), dense(4, rng)], images * rim.ravel(), test_images * rim.ravel()
    ),
    "four sums": recognised(
        [Linear(4, 64, rng), ReLU(), dense(4, rng)], sums(images), sums(test_images)
    ),
}
rows = [[name, value > 0.95] for name, value in seen.items()]
print(text_table(["what the network sees", "recognises over 95 % of the turns"], rows))
assert min(seen.values()) > 0.95

# %% [markdown]
# Four sums are enough. These digits fill the height of their frame and not its width, so a glance at the margins tells
# how the image was turned, and nobody needs to look at the digit. Such a **shortcut** is the usual way for an auxiliary
# task to fail: a network learns what the task asks for, not what we had in mind. Photographs have no such margins, and
# there rotations work (see the reading list).
#
# Greedy or end to end? Seed by seed:

# %%
rows = [
    [way, *(with_error(g, sign=True) for g in gained(("greedy", way), ("end-to-end", way)))]
    for way in ("frozen", "released")
]
print("Gain of greedy over end to end, both without damage:")
print(text_table(["labels", *map(str, LABELS)], rows))
assert mean(gained(("greedy", "frozen"), ("end-to-end", "frozen"))[1]) > 0.03

# %% [markdown]
# > **The sources differ.** The notes say that greedy layer-wise pretraining "has been largely replaced by more efficient
# > approaches that train the entire model in one go". Replaced it is. In our small study it is the better one all the same,
# > at 10 and 30 labels. It had more steps, though: 40 epochs for each layer, against 40 for the whole network (a step of
# > one layer is cheaper). What beats both is another *task*, the denoising one, in one go.
# >
# > The notes also name a third way, an auxiliary task whose labels are easy to get, whose "lower layers will learn feature
# > detectors that will likely be reusable". *Likely* is the word to test: of our two, one helps at few labels and one does
# > harm.
#
# One seed again, live: three layers learned greedily from the images, and a head from 30 labels.

# %%
stored = where(taught, source="greedy", way="frozen", labels=30, seed=0)
learned = PRETRAINING["greedy"](data.x_train, np.random.default_rng([0, 2]))
kept = [param.copy() for param in learned.params]
rng = np.random.default_rng([0, 1])
network = new_network(learned, DEPTH, 10, rng)
freeze(network, range(2 * DEPTH))
chosen = few_labels(data.y_train, 30, np.random.default_rng([0, 30]))
lr = float(stored["lr"][0])
fit(network, data.x_train[chosen], data.y_train[chosen], lr=lr, steps=250, rng=rng)
reached = accuracy(network, data.x_test, data.y_test)
print("agrees with the file:", abs(reached - stored["test_accuracy"][0]) < 0.05)
print("frozen layers kept every bit:", all(map(np.array_equal, kept, network.params)))
assert abs(reached - stored["test_accuracy"][0]) < 0.05
assert all(map(np.array_equal, kept, network.params))
unfreeze(network)
assert network.frozen == set()

# %% [markdown]
# ## What to take with you
#
# - Frozen means: no gradient, no step, no decay, no change of the optimizer's state; the gradient still passes through.
#   Check it bit for bit. Copy arrays, do not slice them.
# - How much reuse brings depends on how near the tasks are and how many labels there are. For far tasks the upper layers
#   are in the way, and may be worse than random ones.
# - Head first, frozen; then release from the top with lower rates, and only as far as held-back data say. With few labels
#   and a near task: not at all. A large rate forgets the donor within ten steps.
# - Without labels a denoising autoencoder was the best of six on these digits, up to some hundred labels. At 500 nothing
#   helped. An auxiliary task can be solved by a shortcut and teach nothing.
# - Compare with scratch *at its own best rate*, with frozen random layers, and with a simple model on the inputs. Keep the
#   test part out of every pretraining.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("11_reuse")

# %% [markdown]
# ## Further reading
#
# - Yosinski, Clune, Bengio, Lipson, *How transferable are features in deep neural networks?*, 2014:
#   [arXiv:1411.1792](https://arxiv.org/abs/1411.1792). Layer by layer, near and far tasks, on photographs.
# - Howard, Ruder, *Universal Language Model Fine-tuning for Text Classification*, 2018:
#   [arXiv:1801.06146](https://arxiv.org/abs/1801.06146). Rates by layer, the factor 2.6, releasing one by one.
# - Kumar et al., *Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution*, 2022:
#   [arXiv:2202.10054](https://arxiv.org/abs/2202.10054). Section 5, with proofs: the head first.
# - Hinton, Salakhutdinov, *Reducing the Dimensionality of Data with Neural Networks*, 2006:
#   [doi:10.1126/science.1127647](https://doi.org/10.1126/science.1127647). Layer by layer, then all together.
# - Bengio, Lamblin, Popovici, Larochelle, *Greedy Layer-Wise Training of Deep Networks*, 2006:
#   [doi:10.7551/mitpress/7503.003.0024](https://doi.org/10.7551/mitpress/7503.003.0024). With autoencoders.
# - Erhan et al., *Why Does Unsupervised Pre-training Help Deep Learning?*, JMLR 2010:
#   [jmlr.org/papers/v11/erhan10a.html](https://jmlr.org/papers/v11/erhan10a.html). A study over many seeds.
# - Vincent, Larochelle, Bengio, Manzagol, *Extracting and Composing Robust Features with Denoising Autoencoders*, 2008:
#   [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# - Gidaris, Singh, Komodakis, *Unsupervised Representation Learning by Predicting Image Rotations*, 2018:
#   [arXiv:1803.07728](https://arxiv.org/abs/1803.07728). Where rotations do work.
# - Doersch, Gupta, Efros, *Unsupervised Visual Representation Learning by Context Prediction*, 2015:
#   [arXiv:1505.05192](https://arxiv.org/abs/1505.05192). Shortcuts, and how to find them.
# - Goodfellow et al., *Generative Adversarial Nets*, 2014: [arXiv:1406.2661](https://arxiv.org/abs/1406.2661). Both
#   losses of the generator.
# - Radford, Metz, Chintala, *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks*,
#   2015: [arXiv:1511.06434](https://arxiv.org/abs/1511.06434). A discriminator's layers as features.
# - Oliver et al., *Realistic Evaluation of Deep Semi-Supervised Learning Algorithms*, 2018:
#   [arXiv:1804.09170](https://arxiv.org/abs/1804.09170). Strong baselines, and why rates need labels.
