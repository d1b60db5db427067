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
# # Unstable gradients: why depth is hard, and what clipping can do
#
# **Goal.** You will be able to say from a matrix's eigenvalues what many layers do to a gradient in the long run,
# and why the first layers of the run may do the opposite. You will measure which layers of a network learn and
# which stand still, and clip a gradient in two ways, knowing which of them turns it.
#
# **Before you start** you need the backward pass (unit 01), gradient descent with a learning rate $γ$ (units 02 and
# 03), and from linear algebra: $Jv = λv$ says that $J$ only stretches the eigenvector $v$, by $λ$.
#
# **Time.** About two hours with the live figures. To start, choose *Run*, *Run All Cells* in the menu above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $z_l$ | the signal above layer $l$; $z_0$ is the input, $z_L$ the output | `z` |
# | $g_l = ∂\mathcal L/∂z_l$ | the gradient there, a column | `grad` |
# | $J_l = ∂z_{l+1}/∂z_l$ | a layer's Jacobian: entry $ij$ is $∂z_{l+1,i}/∂z_{l,j}$ | `J` |
# | $λ_i$, $ρ = \max_i \lvert λ_i\rvert$ | eigenvalues of $J$; its **spectral radius** | `spectral_radius(J)` |
# | $\lVert J\rVert$ | the most by which $J$ stretches a vector, its largest singular value | `np.linalg.norm(J, 2)` |
# | $c$ | the limit of a clipping | `max_norm`, `clip_value` |
#
# This course grew out of lecture notes, which students copy from. Where they err or disagree, a note headed
# **The sources differ** says so and shows it. Three matter here: **the Murphy notes**, a summary of section 13.4 of
# Murphy's *Probabilistic Machine Learning*; **the notes**, a summary called *Training Deep Neural Networks*; and
# **the second slides**, *Training Neural Networks* of a machine learning engineering course.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch

from course import activations
from course.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from course.data import digits
from course.diagnostics import layer_norms, numerical_gradient, spectral_radius
from course.losses import cross_entropy_grad
from course.studies import mean_and_error, read_study, where
from course.tables import text_table
from course.widgets.style import COLORS, line_style, use_style
from course.widgets.unstable_gradients import (
    KINDS,
    clipping_explorer,
    deep_network,
    depth_explorer,
    jacobian,
    measure,
    oscillation_explorer,
    power_explorer,
    power_norms,
    turning_matrix,
)

use_style()


def angle_between(a, b):
    """Return the angle between two vectors in degrees."""
    cosine = np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))


# %% [markdown]
# ## 1. A gradient is a product
#
# One layer maps $z_l$ to $z_{l+1}$. Move entry $j$ of $z_l$ a little: *every* entry $i$ of $z_{l+1}$ moves, by
# $J_{ij}$ each. The loss feels all of that:
#
# $$\frac{∂\mathcal L}{∂z_{l,j}} = \sum_i \frac{∂\mathcal L}{∂z_{l+1,i}}\, J_{l,ij}
# \qquad\Longleftrightarrow\qquad g_l = J_l^T\, g_{l+1} .$$
#
# Put the equation into itself, from layer $l$ up to the output:
#
# $$g_l = J_l^T\, J_{l+1}^T \cdots J_{L-1}^T\; g_L .$$
#
# One factor for each layer in between. Products of many factors have a habit: with factors below 1 they
# **vanish**, with factors above 1 they **explode**. The rest of this lesson is about what "below 1" means for a
# matrix, for a network, and what to do about it.
#
# > **The sources differ.** The Murphy notes write $J\,g$ for one step and $J^{L-l}\,g_L$ for many. With gradients as
# > columns it is $J^T$ (as rows: $gJ$). Unit 01 showed it for one layer. Through many equal layers, against
# > differences of the loss:

# %%
rng = np.random.default_rng(1)
J, g = rng.standard_normal((4, 4)) / 2, rng.standard_normal(4)
rows = []
for layers in (1, 5, 20):
    power = np.linalg.matrix_power(J, layers)

    def loss(z, power=power):
        return g @ (power @ z)

    truth = numerical_gradient(loss, rng.standard_normal(4))
    transposed, plain = power.T @ g, power @ g
    np.testing.assert_allclose(transposed, truth, rtol=1e-6, atol=1e-8 * np.abs(truth).max())
    angle = angle_between(plain, truth)
    ratio = np.linalg.norm(plain) / np.linalg.norm(truth)
    rows.append([layers, "right", f"{angle:.0f}° off", f"{ratio:.2f}"])
    assert angle > 20
print("Against differences of the loss:")
print(text_table(["layers", "Jᵀ ... Jᵀ g", "J ... J g: direction", "length / right one"], rows))
assert np.isclose(spectral_radius(J), spectral_radius(J.T))

# %% [markdown]
# The radius of $J$ and $J^T$ is the same, so sentences about growth survive the slip. The gradient does not.
#
# ## 2. Equal layers: the eigenvalues decide
#
# Let all layers be the same $J$, as in a recurrent network, which applies one layer again and again. Then
# $g_0 = (J^T)^L g_L$. Write the gradient in eigenvectors of $J^T$ (its eigenvalues are those of $J$):
#
# $$g_L = a_1 v_1 + a_2 v_2 + \dots \quad\Rightarrow\quad
# (J^T)^k g_L = a_1 λ_1^k\, v_1 + a_2 λ_2^k\, v_2 + \dots$$
#
# Each part goes its own way, multiplied by its own $λ$ at every layer. After many layers the largest $|λ|$ has
# outgrown all others. It is the **spectral radius** $ρ$, and the length behaves like $ρ^k$. How much is that?

# %%
rows = []
for radius in (0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 1.5):
    rows.append([radius, *(f"{radius**k:.2g}" for k in (10, 50, 100))])
print("ρ to the power k:")
print(text_table(["ρ", "k = 10", "50", "100"], rows))

rng = np.random.default_rng(0)
J = rng.standard_normal((6, 6))
J *= 1.1 / spectral_radius(J)
gradients = [rng.standard_normal(6)]
for _ in range(400):
    gradients.append(J.T @ gradients[-1])
lengths = np.linalg.norm(gradients, axis=1)
rate = (lengths[400] / lengths[200]) ** (1 / 200)
print(f"\na random J with ρ = 1.1: measured growth {rate:.3f} for each layer")
assert abs(rate - 1.1) < 0.003

# %% [markdown]
# A tenth more or less than 1 is a factor of a hundred after 50 layers and of ten thousand after 100. There is no safe side:
# only $ρ$ very near 1 keeps a gradient alive.
#
# *Can* explode, say the Murphy notes, and that is well put: a gradient without any part along $v_1$ does not feel
# $λ_1$. Such luck does not last. Below, $J$ is symmetric with the eigenvalues 1.1 and 0.5, and $g$ has no part along
# the first eigenvector. In exact arithmetic it would shrink for ever. Rounding puts a part of about $10^{-17}$ back:

# %%
turn = np.linalg.qr(np.random.default_rng(2).standard_normal((2, 2)))[0]
J = turn @ np.diag([1.1, 0.5]) @ turn.T
gradients = [turn[:, 1]]
for _ in range(600):
    gradients.append(J.T @ gradients[-1])
lengths = np.linalg.norm(gradients, axis=1)
low = int(np.argmin(lengths))
np.testing.assert_allclose(lengths[20], 0.5**20, rtol=1e-3)
assert 20 < low < 100
assert lengths[600] > 1e3
print(f"after 20 layers the length is 2^-20 = {0.5**20:.1e}, as promised;")
print("somewhere between 20 and 100 it turns, and after 600 layers it is above 1000")

# %% [markdown]
# ## 3. Complex eigenvalues: the gradient swings
#
# $J$ is real but not symmetric, so eigenvalues may come in complex pairs $λ = ρ\,e^{\pm iω}$. What does a power do?
#
# $$λ^k = ρ^k e^{\pm iωk} = ρ^k\,(\cos ωk \pm i \sin ωk) .$$
#
# The size follows $ρ^k$ as before. The angle grows by $ω$ with each layer: a part of the gradient **rotates** in a
# plane, and each of its entries swings like a cosine. A full turn takes $2π/ω$ layers. A negative eigenvalue is the
# case $ω = π$: the sign flips at every layer.
#
# Measure it: count how often the first entry changes its sign in 600 layers. Two changes make a period.

# %%
rows = []
for degrees in (15, 30, 90, 150, 180):
    J = turning_matrix(1.0, np.deg2rad(degrees), shear=2.0)
    grad, entries = np.array([0.6, 0.8]), []
    for _ in range(600):
        entries.append(grad[0])
        grad = J.T @ grad
    changes = sum(a * b < 0 for a, b in pairwise(entries))
    predicted, measured = 360 / degrees, 2 * 600 / changes
    np.testing.assert_allclose(measured, predicted, rtol=0.03)
    np.testing.assert_allclose(spectral_radius(J), 1.0)
    rows.append([f"{degrees}°", f"{predicted:.1f}", f"{measured:.1f}"])
print("Layers for a full turn:")
print(text_table(["angle ω", "360° / ω", "measured"], rows))

# %% [markdown]
# So two layers that lie half a turn apart get gradients of opposite sign from the same loss.
#
# ### See it
#
# A $2 \times 2$ Jacobian with the eigenvalues $ρ e^{\pm iω}$. Left: the gradient layer by layer, from the star on.
# Right: its first entry.
#
# 1. Move $ω$ from 0 to 180°. Where are the swings fastest? What happens at exactly 180°?
# 2. Move $ρ$ across 1. Which picture changes, which does not?
# 3. Now raise the *shear*. The eigenvalues stay where they are, the readout says so. What happens to the
#    first steps? That is the next section.

# %%
oscillation_explorer()

# %% [markdown]
# ## 4. Before the long run: matrices that are not normal
#
# Take the smallest example, a unit that feeds another:
#
# $$J = \begin{pmatrix} a & b \\ 0 & a \end{pmatrix} .$$
#
# It is triangular, so its eigenvalues stand on the diagonal: $ρ = a$. Multiply it out:
#
# $$J^2 = \begin{pmatrix} a^2 & 2ab \\ 0 & a^2 \end{pmatrix}, \quad
# J^3 = \begin{pmatrix} a^3 & 3a^2b \\ 0 & a^3 \end{pmatrix}, \quad\dots\quad
# J^k = \begin{pmatrix} a^k & k\,a^{k-1}b \\ 0 & a^k \end{pmatrix} .$$
#
# In the corner stands $k\,a^{k-1} b$: the factor $k$ grows, $a^{k-1}$ shrinks. The derivative of
# $\ln k + (k-1)\ln a$ is $\frac1k + \ln a$, so the corner is largest at $k = -1/\ln a$. For $a = 0.9$ that is 9.5:
# **for nine layers the gradient grows, although every eigenvalue is 0.9.**

# %%
a, b = 0.9, 5.0
norms = power_norms(np.array([[a, b], [0.0, a]]), 150)
rows = [[k, f"{a**k:.2g}", f"{k * a ** (k - 1) * b:.2g}", f"{norms[k]:.2g}"] for k in (1, 5, 9, 10)]
rows += [[k, f"{a**k:.2g}", f"{k * a ** (k - 1) * b:.2g}", f"{norms[k]:.2g}"] for k in (50, 150)]
print("a = 0.9, b = 5:")
print(text_table(["k", "ρᵏ", "corner", "‖Jᵏ‖"], rows))
assert np.argmax(norms) in (9, 10)
assert norms.max() > 19
assert norms[150] < 1e-3

# %% [markdown]
# Where does it come from? Make the two eigenvalues slightly different, and there are two eigenvectors at a small
# angle. Then a short vector can be the *difference* of two long ones: $g = a_1 v_1 + a_2 v_2$ with large
# $a_1 \approx -a_2$. The long parts shrink at different rates (or turn at different speeds), no longer cancel, and
# what they hid comes out.
#
# When the eigenvectors are at right angles, nothing can hide. Such matrices are called **normal**; you recognise them
# by $JJ^T = J^TJ$. Symmetric matrices are normal, rotations are. With right angles lengths add by Pythagoras,
#
# $$\lVert (J^T)^k g\rVert^2 = |a_1|^2|λ_1|^{2k} + |a_2|^2|λ_2|^{2k} + \dots \;\le\; ρ^{2k}\,\lVert g\rVert^2 ,$$
#
# so $\lVert J^k\rVert = ρ^k$ from the first layer on. For all others $ρ^k$ is only the rate in the end. Gelfand's
# formula says what holds for every matrix:
#
# $$ρ^k \;\le\; \lVert J^k\rVert \;\le\; \lVert J\rVert^k, \qquad \lim_{k\to∞} \lVert J^k\rVert^{1/k} = ρ .$$

# %%
RADIUS, K = 0.9, np.arange(201)
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
rows, peaks = [], {}
for index, (kind, title) in enumerate(KINDS.items()):
    draws = [power_norms(jacobian(kind, draw), 200) * RADIUS**K for draw in range(20)]
    axes.plot(K, draws[0], **line_style(index) | {"markevery": 20}, label=title)
    peaks[kind] = float(np.median([norms.max() for norms in draws]))
    end = np.median([norms[200] / RADIUS**200 for norms in draws])
    at = np.median([norms.argmax() for norms in draws])
    rows.append([title, f"{peaks[kind]:.1f}", f"{at:.0f}", f"{end:.1f}"])
    assert all((norms >= RADIUS**K * (1 - 1e-9)).all() for norms in draws)
axes.plot(K, RADIUS**K, color="black", linewidth=1, label="ρᵏ")
axes.set(yscale="log", xlabel="layers k", ylabel="‖Jᵏ‖ (log)", title="All have the radius 0.9")
figure.legend(loc="outside right upper", handlelength=3.2)
plt.show()
print("Random 12 × 12 matrices with ρ = 0.9, medians of 20 draws:")
print(text_table(["J is", "largest ‖Jᵏ‖", "at k", "‖J²⁰⁰‖ / ρ²⁰⁰"], rows))
assert np.isclose(peaks["symmetric"], 1)
assert np.isclose(peaks["orthogonal"], 1)
assert 1.2 < peaks["gaussian"] < 3
assert peaks["triangular"] > 20

norms = 0.9**1000 * power_norms(jacobian("triangular"), 1000)[1000]
print(f"\ntriangular, draw 0: ‖Jᵏ‖^(1/k) at k = 1000 is {norms ** (1 / 1000):.2f}")

# %% [markdown]
# Look at the right end of the figure: all lines run parallel to $ρ^k$ there. The triangular one keeps a head start of
# some powers of ten. The rate is right, the size is not.
#
# > **The sources differ.** The Murphy notes: "If $λ > 1$, the gradient can explode, if $λ < 1$ the gradient can
# > vanish", with $λ$ for the radius. Both are sentences about $k \to ∞$. With a radius of 0.9 the median of our triangular matrices
# > still multiplies some gradient by about sixty on the way. A network has a finite number of layers: look at
# > $\lVert J^k\rVert$ as well as at $ρ$.
#
# A sure sign on either side comes from the norm: $\lVert J\rVert < 1$ makes every gradient vanish, from the first
# layer on. And without $ρ > 1$ no gradient can grow exponentially for ever.
#
# ### See it
#
# Left: all eigenvalues in the complex plane, with the circle of radius $ρ$. Right: the norms.
#
# 1. Go through the four kinds at $ρ = 0.9$. For which ones do the solid and the dashed line differ?
# 2. For each kind find the $ρ$ at which the norm after 80 layers is nearest to 1. Is it always 1?
# 3. Choose *triangular* and change the draw. How much does the hump change, and how much the slope at the end?
# 4. The dotted line is $\lVert J\rVert^k$, the bound that one reads off a single layer. When is it of use?

# %%
power_explorer()

# %% [markdown]
# ## 5. Real layers: the slope joins in
#
# A layer of a network is a linear map and an activation: $h_{l+1} = φ(W h_l)$. Its Jacobian has two factors,
#
# $$J_l = \mathrm{diag}(φ'(z))\, W, \qquad g_l = W^T\,\big(φ'(z) \odot g_{l+1}\big), \qquad z = W h_l .$$
#
# The slope $φ'$ multiplies every entry on its way back. How large can it be?
#
# - Sigmoid: $σ' = σ(1-σ)$, at most $\tfrac14$, at $z = 0$.
# - tanh: $\tanh' = 1 - \tanh^2$, at most 1, at $z = 0$.
# - ReLU: 1 or 0.
#
# Far from 0 the sigmoid and tanh are flat: they are **saturated**, and a saturated unit passes on almost nothing.

# %%
z = np.linspace(-8, 8, 401)
figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharex=True)
for ax, name in zip(axes, ("sigmoid", "tanh"), strict=True):
    slope = getattr(activations, f"{name}_grad")(z)
    ax.plot(z, getattr(activations, name)(z), color=COLORS[0], label="φ(z)")
    ax.plot(z, slope, color=COLORS[1], linestyle="--", label="slope φ′(z)")
    flat = slope < slope.max() / 10
    ax.fill_between(
        z, -1, 1, where=flat, color="black", alpha=0.08, label="below a tenth of its top"
    )
    ax.set(xlabel="z", title=name, ylim=(-1.05, 1.05))
axes[0].set_ylabel("value")
axes[1].legend(loc="lower right")
plt.show()
rows = []
for size in (0.0, 1.0, 2.0, 5.0, 10.0):
    slopes = [f(np.array(size)) for f in (activations.sigmoid_grad, activations.tanh_grad)]
    rows.append([f"{size:g}", *(f"{slope:.2g}" for slope in slopes)])
print(text_table(["|z|", "slope of sigmoid", "slope of tanh"], rows))
print(f"\nten sigmoids at their steepest: (1/4)^10 = {0.25**10:.1e}")

# %% [markdown]
# Ten sigmoid layers lose six powers of ten in the *best* case, unless the weights make up for it with
# $\lVert W\rVert > 4$. But large weights make large $|z|$, and large $|z|$ is flat: weights alone do not rescue a sigmoid.
#
# > **The sources differ.** The Murphy notes write $∂\mathcal L/∂x = W^T h(1-h)$ for a sigmoid layer with output $h$, and
# > $W^T\,\mathbb 1(z>0)$ for ReLU. The upstream gradient is missing: it is $W^T\,(h(1-h) \odot g)$. Without it every loss would
# > have the same gradient:

# %%
rng = np.random.default_rng(4)
W, x = rng.standard_normal((3, 4)), rng.standard_normal(4)
h = activations.sigmoid(W @ x)
rows = []
for name, g in {"L = h₁ + h₂ + h₃": np.ones(3), "L = h₁ − 2h₂": np.array([1.0, -2.0, 0.0])}.items():
    truth = numerical_gradient(lambda x, g=g: g @ activations.sigmoid(W @ x), x)
    with_g, without = W.T @ (h * (1 - h) * g), W.T @ (h * (1 - h))
    np.testing.assert_allclose(with_g, truth, rtol=1e-7)
    off = np.linalg.norm(without - truth) / np.linalg.norm(truth)
    rows.append([name, "right", "right" if off < 1e-7 else f"off by {100 * off:.0f} %"])
print(text_table(["loss", "with the factor g", "without"], rows))
assert [row[2] == "right" for row in rows] == [True, False]

# %% [markdown]
# ## 6. Measured: ten layers and the digits
#
# Now a real network with real data: the digits, ten hidden layers of 32 units, a linear output. For each choice of
# activation and first weights we send all training samples through and back once, and take the norm of
# $∂\mathcal L/∂W$ of every layer. No training yet. (In your own work: `layer_norms(network, x, loss_grad)`.)

# %%
data = digits()
SETTINGS = {
    "sigmoid, N(0,1)": ("sigmoid", "normal"),
    "sigmoid, Xavier": ("sigmoid", "xavier"),
    "tanh, N(0,1)": ("tanh", "normal"),
    "tanh, Xavier": ("tanh", "xavier"),
    "ReLU, N(0,1)": ("relu", "normal"),
    "ReLU, He": ("relu", "he"),
}
SHOWN = (1, 3, 5, 7, 9, 11)
signals = {}
figure, axes = plt.subplots(figsize=(8.4, 3.8), layout="constrained")
for index, (name, (activation, start)) in enumerate(SETTINGS.items()):
    network = deep_network(activation, start, 1.0, 10, 32, np.random.default_rng(0))
    signals[name] = measure(network, data.x_train, data.y_train)
    axes.plot(range(1, 12), signals[name].gradients, **line_style(index), label=name)
axes.set(yscale="log", xlabel="layer (11 is the output layer)", ylabel="norm of ∂L/∂W (log)")
figure.legend(loc="outside right upper", handlelength=3.2)
plt.show()
rows = [
    [name, *(f"{seen.gradients[layer - 1]:.1e}" for layer in SHOWN)]
    for name, seen in signals.items()
]
print("Norm of ∂L/∂W:")
print(text_table(["layer", *map(str, SHOWN)], rows))
first_to_last = {name: seen.gradients[0] / seen.gradients[-1] for name, seen in signals.items()}
assert first_to_last["sigmoid, Xavier"] < 1e-4
assert first_to_last["tanh, N(0,1)"] > 10
assert 0.1 < first_to_last["tanh, Xavier"] < 10
assert 0.1 < first_to_last["ReLU, He"] < 10
assert signals["ReLU, N(0,1)"].gradients.min() > 1e4

# %% [markdown]
# - *Sigmoid, Xavier*: almost a factor of four lost for each layer. The first layer gets two millionths of the last one's gradient.
# - *Sigmoid, N(0,1)*: the large weights make up for part of the slope. It still vanishes, more slowly.
# - *tanh, N(0,1)*: it **explodes** towards the input, a hundredfold. The weights stretch more than the saturated units lose.
# - *ReLU, N(0,1)*: level, and in the millions everywhere. $∂\mathcal L/∂W$ is the signal from below times the gradient from
#   above. The signal explodes on its way up, the gradient on its way down; their product is large in every layer.
# - *tanh, Xavier* and *ReLU, He*: level. Unit 07 derives these first weights from exactly this wish.
#
# > **The sources differ.** The notes explain the trouble of sigmoid and N(0,1) like this: the outputs' variance
# > is much greater than the inputs' at each layer, and "keeps increasing after each layer until the activation
# > function saturates at the top layers". A sigmoid's output lies between 0 and 1, so its variance can never exceed
# > $\tfrac14$. What can grow is the variance of $z$, *before* the activation. Measured:

# %%
rows = []
for name in ("sigmoid, N(0,1)", "tanh, N(0,1)"):
    activation = SETTINGS[name][0]
    network = deep_network(activation, "normal", 1.0, 10, 32, np.random.default_rng(0))
    h, variances = data.x_train, []
    for layer in network.layers[:-1]:
        h = layer.forward(h)
        variances.append(float(np.var(h)))
    before, after = variances[0::2], variances[1::2]
    rows.append([f"{name}: z", *(f"{before[layer]:.1f}" for layer in (0, 1, 4, 9))])
    rows.append(["    output", *(f"{after[layer]:.2f}" for layer in (0, 1, 4, 9))])
    assert max(before[1:]) < before[0]
    assert max(after) <= (0.25 if activation == "sigmoid" else 1.0)
print("Variance over samples and units (the pixels have 0.95):")
print(text_table(["hidden layer", "1", "2", "5", "10"], rows))
slopes = {name: signals[name].slopes for name in ("sigmoid, N(0,1)", "tanh, N(0,1)")}
assert slopes["sigmoid, N(0,1)"][0] < slopes["sigmoid, N(0,1)"][1:].min()
print(f"\nmean slope, sigmoid: {slopes['sigmoid, N(0,1)'][0]:.2f} in hidden layer 1, ", end="")
print(f"at least {slopes['sigmoid, N(0,1)'][1:].min():.2f} above")
assert abs(np.var(data.x_train) - 0.95) < 0.02

# %% [markdown]
# Nothing keeps increasing. The variance of $z$ is largest in the *first* layer, where 64 pixels come in, and level after that;
# it is the first layer that saturates most, and all layers do. (With ReLU and N(0,1) the variance does keep increasing, to
# $10^{12}$ in the tenth layer: nothing holds it.)
#
# ### See it
#
# The same measurement, live, with 100 samples.
#
# 1. *sigmoid*: can you find first weights and a multiplier for which ten layers get equal gradients?
# 2. *none (linear)*, Xavier: move *times* through 1. This is section 2 with ten random factors.
# 3. *tanh*, Xavier: raise *times*. Watch gradients and slopes together: who wins, the weights or the saturation?
# 4. Set *hidden layers* to 1, then to 20, for each choice. Which networks do not care?

# %%
depth_explorer()

# %% [markdown]
# ## 7. Layers that learn at different speeds
#
# Vanishing and exploding are two cases of one thing, as the second slides and the notes say: **unstable
# gradients**; the layers of one network learn at very different speeds. One rate $γ$ serves them all.
#
# How far does each layer get? We trained eight hidden layers of 32 units, momentum 0.9, 8 epochs, each network at its own
# best rate on held-back data. For each weight matrix: the gradient at the start beside the last layer's, and the way
# it has gone at the end, $\lVert W - W_0\rVert / \lVert W_0\rVert$. `experiments.py` beside this notebook wrote the table.

# %%
layers, scores = read_study("data/layers.csv"), read_study("data/speeds.csv")
networks = list(dict.fromkeys(layers["network"].tolist()))
numbers = np.unique(layers["layer"])
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.9), layout="constrained")
ways, losses = {}, {}
rows = []
for index, name in enumerate(networks):
    own = where(layers, network=name)
    means = []
    for axes, column in ((left, "ratio"), (right, "way")):
        points = [mean_and_error(where(own, layer=number)[column]) for number in numbers]
        mean, error = np.transpose(points)
        axes.errorbar(numbers, mean, error, **line_style(index), label=name)
        means.append(mean)
    ways[name] = means[1]
    result = where(scores, network=name)
    losses[name] = mean_and_error(result["train_loss"])
    accuracy, error = mean_and_error(100 * result["test_accuracy"])
    rows.append(
        [
            name,
            f"{result['lr'][0]:g}",
            f"{means[0][0]:.1e}",
            f"{means[1][0]:.2g}",
            f"{means[1][-1]:.2g}",
            f"{losses[name][0]:.2f} ± {losses[name][1]:.2f}",
            f"{accuracy:.1f} ± {error:.1f}",
        ]
    )
left.set(yscale="log", xlabel="layer", ylabel="gradient / last layer's (log)", title="at the start")
right.set(yscale="log", xlabel="layer", ylabel="way gone (log)", title="after training")
left.legend()
plt.show()
print("Mean over 10 seeds ± standard error (normal: N(0,1)):")
header = ["", "rate", "gradient 1st/last", "way: 1st", "last", "train loss", "test accuracy, %"]
print(text_table(header, rows))
spread = {name: max(way) / min(way) for name, way in ways.items()}
assert abs(losses["sigmoid Xavier"][0] - np.log(10)) < 0.01
assert spread["sigmoid Xavier"] > 1000
assert 2 < spread["sigmoid normal"] < 6
assert losses["sigmoid normal"][0] < 1.5
assert max(spread["tanh Xavier"], spread["ReLU He"]) < 5
assert losses["tanh Xavier"][0] < losses["ReLU He"][0] < 0.2

# %% [markdown]
# - **Sigmoid, Xavier learns nothing in these 8 epochs**, at the best of five rates. Its loss is $\ln 10 = 2.303$, that of guessing. The first layer has moved by three
#   hundred-thousandths of its length, the last by more than a tenth: thousands of times as far.
# - **tanh and ReLU with fitting first weights** get gradients of one size in all layers. Their ways still differ by a factor of
#   two to four: the first layer, which sees the pixels, and the last one move most.
# - **Sigmoid, N(0,1) is the surprise.** The first layer's gradient was a sixtieth of the last one's. Yet the ways
#   differ by a factor of four only, and the network does learn, slowly. The gradients at the start are a warning, not
#   a verdict: while the upper layers learn, the lower ones get more.
#
# > **The sources differ.** The second slides: small gradients make lower layers hard to update, "training does not
# > converge". One of our two sigmoid networks is like that, the other is not.
#
# ## 8. Clipping: two algorithms
#
# Against explosions there is a simple remedy: when a gradient is too large, make it smaller. There are two ways.
#
# **By norm.** Keep the direction, shorten to the length $c$:
#
# $$g ← g\,\min\left(1, \frac{c}{\lVert g\rVert}\right).$$
#
# The factor is one positive number for all entries, so the direction is the same. If $\lVert g\rVert ≤ c$ it is 1 and nothing
# happens. For a network, $\lVert g\rVert$ runs over **all** parameters together: the *global* norm.
#
# **By value.** Cut every entry on its own:
#
# $$g_i ← \min(c, \max(-c, g_i)).$$
#
# Large entries shrink and small ones stay. So the proportions change, and the direction turns. It still leads down: the
# product of old and new, $\sum_i g_i \cdot \mathrm{clip}(g_i) = \sum_i |g_i| \min(|g_i|, c)$, has no negative term.
#
# > **The sources differ.** The notes introduce clipping by norm ("scale the gradient vector so that its norm equals
# > the threshold") and end with "this optimizer will clip every component of the gradient vector to a value
# > between −1.0 and 1.0". Those are two algorithms. Take their limit 1 and three gradients:

# %%
rows = []
for grad in (np.array([0.9, 100.0]), np.array([3.0, 4.0]), np.array([0.9, 0.9])):
    by_norm, by_value = clip_by_norm(grad, max_norm=1.0), clip_by_value(grad, clip_value=1.0)
    row = [f"({grad[0]:g}, {grad[1]:g})"]
    for clipped in (by_norm, by_value):
        turned = angle_between(grad, clipped)
        row.append(f"({clipped[0]:.3f}, {clipped[1]:.3f}), {abs(turned):.0f}°")
    rows.append(row)
    assert angle_between(grad, by_norm) < 1e-4
    assert grad @ by_value > 0
print("Clipped at 1, and by how much it has turned:")
print(text_table(["g", "by norm", "by value"], rows))
assert rows[0][2].endswith("41°")

# %% [markdown]
# (0.9, 100) points almost along one axis. Cut by value it becomes nearly the diagonal. The third gradient shows the other
# difference: by value it passes, although it is longer than 1. In $n$ dimensions a gradient cut at $c$ may still be
# $c\sqrt n$ long.
#
# ### See it
#
# Left: one gradient, the circle of radius $c$ and the square. Both clippings in one figure: the triangle lies on
# $g$'s own line, always. Right: by how many degrees each one turns $g$, for all directions.
#
# 1. Turn $g$ around. At which directions does the square not turn it? Why just there?
# 2. Make $c$ larger until nothing is clipped. Which of the two stops first?
# 3. For which direction is the turn largest? Try $c$ = 0.2 and a long $g$: what do nearly all directions become?

# %%
clipping_explorer()

# %% [markdown]
# ### In a network
#
# The same with thousands of entries: the gradient of a ReLU network with eight hidden layers, whose first weights are
# 1.3 times He's, so that it explodes. The limits are chosen so that all clipped gradients have the same length, half
# of the original one.


# %%
def long_vector(grads):
    return np.concatenate([grad.ravel() for grad in grads])


network = deep_network("relu", "he", 1.3, 8, 32, np.random.default_rng(0))
x, y = data.x_train[:32], data.y_train[:32]
network.backward(cross_entropy_grad(network.forward(x), y))
grads, flat = network.grads, long_vector(network.grads)
norm = np.linalg.norm(flat)


def limit_for(clip, low, high):
    """Return the limit at which a clipping halves the length, by bisection."""
    for _ in range(60):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if np.linalg.norm(clip(middle)) < norm / 2 else (low, middle)
    return low


WAYS = {
    "by the global norm": lambda c: long_vector(clip_by_global_norm(grads, max_norm=c)[0]),
    "each array by its own norm": lambda c: long_vector(
        [clip_by_norm(grad, max_norm=c) for grad in grads]
    ),
    "by value": lambda c: clip_by_value(flat, clip_value=c),
}
angles = {}
for name, clip in WAYS.items():
    clipped = clip(limit_for(clip, 1e-6 * norm, norm))
    np.testing.assert_allclose(np.linalg.norm(clipped), norm / 2, rtol=1e-6)
    angles[name] = angle_between(flat, clipped)
rows = [[name, f"{angle:.0f}°"] for name, angle in angles.items()]
print(f"{len(flat)} entries, shortened to half the length:")
print(text_table(["", "turned by"], rows))
assert angles["by the global norm"] < 1e-3
assert 5 < angles["each array by its own norm"] < angles["by value"] < 60

# %% [markdown]
# Clipping each array by its own norm is a third algorithm: each layer keeps its direction, the step of the whole network
# does not, because loud layers lose and quiet ones do not.
#
# ### A small number in torch
#
# > **The sources differ**, and so do programs. `torch.nn.utils.clip_grad_norm_` scales by $c/(\lVert g\rVert + 10^{-6})$. The
# > number guards against a division by 0, which $\min(1, \cdot)$ with a test does as well. The length ends at
# > $c\,\frac{\lVert g\rVert}{\lVert g\rVert + 10^{-6}}$, a little below $c$:

# %%
rows = []
for length, limit in ((5.0, 1.0), (2e-3, 1e-3), (2e-6, 1e-6)):
    grad = length * np.array([0.6, 0.8])
    ours = np.linalg.norm(clip_by_norm(grad, max_norm=limit)) / limit
    parameter = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    parameter.grad = torch.tensor(grad)
    torch.nn.utils.clip_grad_norm_([parameter], limit)
    torchs = float(parameter.grad.norm()) / limit
    np.testing.assert_allclose(torchs, length / (length + 1e-6), rtol=1e-9)
    np.testing.assert_allclose(ours, 1.0, rtol=1e-12)
    rows.append([f"{length:g}", f"{limit:g}", f"{ours:.7f}", f"{torchs:.7f}"])
print("Length after clipping, in units of c:")
print(text_table(["‖g‖", "c", "g·min(1, c/‖g‖)", "torch"], rows))

# %% [markdown]
# Invisible at usual sizes, a third of the length where gradients are of the size of the small number.
#
# ## 9. Does clipping help?
#
# A test: the exploding ReLU network from above (He's weights times 1.3, eight hidden layers), plain gradient descent, 5 epochs.
# Four ways: no clipping, by norm at 1, by value at 1 as the notes have it, and by value at 0.03. Seven rates each, three
# seeds, on held-back data; then ten fresh seeds at the best rate of each.

# %%
tried, runs = read_study("data/clip_rates.csv"), read_study("data/clipping.csv")
hows, rates = list(dict.fromkeys(tried["clipping"].tolist())), np.unique(tried["lr"])
figure, axes = plt.subplots(figsize=(8.4, 3.8), layout="constrained")
rows, usable, accuracies, medians = [], {}, {}, {}
for index, how in enumerate(hows):
    points = [
        mean_and_error(np.minimum(where(tried, clipping=how, lr=lr)["validation_loss"], 1e3))
        for lr in rates
    ]
    mean, error = np.transpose(points)
    axes.errorbar(rates, mean, error, **line_style(index), label=how)
    usable[how] = rates[mean < 1.5]
    own = where(runs, clipping=how)
    accuracies[how] = mean_and_error(100 * own["test_accuracy"])
    medians[how] = float(np.median(own["train_loss"]))
    rows.append(
        [
            how,
            f"{min(usable[how]):g} to {max(usable[how]):g}",
            f"{own['lr'][0]:g}",
            f"{np.sum(np.isinf(own['train_loss']))} of {len(own)}",
            f"{medians[how]:.2f}",
            f"{accuracies[how][0]:.1f} ± {accuracies[how][1]:.1f}",
        ]
    )
axes.axhline(np.log(10), color="black", linestyle=":", linewidth=1.5, label="guessing")
axes.set(xscale="log", yscale="log", ylim=(0.1, 2e3), xlabel="rate γ (log)")
axes.set(ylabel="validation loss (log)", title="1000 stands for: diverged")
figure.legend(loc="outside right upper", handlelength=3.2)
plt.show()
print("Usable rates: validation loss below 1.5. The rest: 10 seeds at the best rate.")
header = ["clipping", "usable rates", "best", "diverged", "median train loss"]
print(text_table([*header, "test accuracy, %"], rows))
assert max(usable["none"]) == 0.1
assert max(usable["norm 1"]) == max(usable["value 0.03"]) == 1.0
assert np.isinf(where(runs, clipping="none")["train_loss"]).sum() == 1
assert all(np.isfinite(where(runs, clipping=how)["train_loss"]).all() for how in hows[1:])
assert accuracies["none"][0] < 80 < 85 < min(accuracies[how][0] for how in hows[1:])

# %% [markdown]
# - **Without clipping the best rate stands next to the cliff.** At 0.1 all three seeds of the choice trained; at 0.3 all
#   diverged. And of ten fresh seeds at 0.1 one diverged, and others are far behind.
# - **With clipping nothing diverges.** By norm, every rate from 0.1 to 1 is usable, and the test accuracy is higher.
#   The price stands on the left of the figure: small rates become too small, for a clipped step is at most $γc$ long.
# - **By value is not worse.** The limit 0.03 has the lowest loss and the highest test accuracy of the four, though it
#   turns the gradient. The limit 1 of the notes helps as well; its usable rates end at 0.3. That the direction
#   turns is geometry. That turning it makes training worse is a claim, and this experiment does not support it. (The
#   limits were not tuned, and it is one network and one data set. How would you go on?)
#
# ### What clipping cannot do
#
# The factor is at most 1: clipping never lengthens anything. A vanishing gradient passes untouched, bit for bit.

# %%
network = deep_network("sigmoid", "xavier", 1.0, 10, 32, np.random.default_rng(0))
network.backward(cross_entropy_grad(network.forward(data.x_train), data.y_train))
clipped, norm = clip_by_global_norm(network.grads, max_norm=1.0)
assert all(np.array_equal(a, b) for a, b in zip(network.grads, clipped, strict=True))
seen = layer_norms(network, data.x_train, lambda out: cross_entropy_grad(out, data.y_train))
assert seen.parameters[0] < 1e-4
print(f"global norm {norm:.2f} < 1: nothing is clipped, the first layer keeps its", end=" ")
print(f"{seen.parameters[0]:.0e}")

# %% [markdown]
# Against vanishing other means exist, and each has its unit: activations that do not saturate (06), first weights
# that fit (07), normalization layers (08), residual connections (09).
#
# ## What to take with you
#
# - A gradient deep down is a product of Jacobians, transposed. Products vanish or explode.
# - $ρ$ is the rate in the long run. Before that, a matrix that is not normal can do the opposite.
# - Complex eigenvalues make gradients swing, with period $2π/ω$.
# - Measure the gradient of every layer before you blame the optimizer.
# - Clip by the global norm: the direction stays. By value it turns. Neither helps against vanishing.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("05_unstable_gradients")

# %% [markdown]
# ## Further reading
#
# - Bengio, Simard, Frasconi, *Learning long-term dependencies with gradient descent is difficult*, 1994:
#   [doi:10.1109/72.279181](https://doi.org/10.1109/72.279181). The problem, in recurrent networks.
# - Pascanu, Mikolov, Bengio, *On the difficulty of training recurrent neural networks*, 2013:
#   [arXiv:1211.5063](https://arxiv.org/abs/1211.5063). Norm and radius as conditions, and clipping by norm.
# - Glorot, Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010:
#   [proceedings.mlr.press/v9/glorot10a](https://proceedings.mlr.press/v9/glorot10a.html). Saturation and gradients,
#   layer by layer.
# - Trefethen, Trefethen, Reddy, Driscoll, *Hydrodynamic stability without eigenvalues*, 1993:
#   [doi:10.1126/science.261.5121.578](https://doi.org/10.1126/science.261.5121.578). Transient growth of non-normal
#   operators, where it was first taken seriously.
# - Saxe, McClelland, Ganguli, *Exact solutions to the nonlinear dynamics of learning in deep linear neural
#   networks*, 2014: [arXiv:1312.6120](https://arxiv.org/abs/1312.6120). Deep linear networks and orthogonal first
#   weights.
# - Pennington, Schoenholz, Ganguli, *Resurrecting the sigmoid in deep learning through dynamical isometry*, 2017:
#   [arXiv:1711.04735](https://arxiv.org/abs/1711.04735). What orthogonal weights can do for tanh.
# - Zhang, He, Sra, Jadbabaie, *Why gradient clipping accelerates training*, 2020:
#   [arXiv:1905.11881](https://arxiv.org/abs/1905.11881).
