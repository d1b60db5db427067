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
# # Schedules: a learning rate that changes
#
# **Goal.** You will be able to write the common schedules from memory, say why a rate is lowered and why it
# is sometimes raised first, find a good first rate with a range test, and stop a training at the right epoch
# with the right weights in hand.
#
# **Before you start** you need gradient descent with its largest rate $2/h$ (units 02 and 03), momentum, and
# the idea that a mini-batch gives a noisy gradient whose average is right.
#
# **Time.** About two hours with the live figures. To start, choose *Run*, *Run All Cells* in the menu above.
#
# | symbol | meaning | in code |
# |---|---|---|
# | $t$ | steps already done, from 0 | `t` |
# | $γ_t$, $γ_0$ | the rate of step $t$; the rate that a schedule starts from or peaks at | `lr` |
# | $T$ | length of a schedule or of the warm-up, in steps | `steps` |
# | $k$ | a decay, in 1/steps | `k` |
# | $h$, $σ$ | curvature; standard deviation of a gradient's noise | `curvatures`, `noise` |
#
# This course grew out of lecture notes, which students copy from. Where they err or disagree, a note headed
# **The sources differ** says so and shows it. Three of them matter here: **the slides**, lecture 5 of Gilles
# Louppe's course *Deep Learning*; **the notes**, a summary called *Training Deep Neural Networks*; and **the
# second slides**, on training in practice.

# %%
import matplotlib.pyplot as plt
import numpy as np

from course import optimizers, schedulers
from course.data import batches, digits
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy, cross_entropy_grad, mse
from course.optimizers import Optimizer
from course.schedulers import EarlyStopping, Plateau, range_test
from course.studies import mean_and_error, read_study, where
from course.tables import text_table
from course.training import train
from course.widgets.schedules import (
    early_stopping_explorer,
    expected_losses,
    overfitting_run,
    range_test_explorer,
    schedule_explorer,
)
from course.widgets.style import COLORS, line_style, use_style

use_style()

# %% [markdown]
# ## 1. One rate, two wishes
#
# Take one direction with curvature $h$: $L(θ) = \tfrac12 hθ^2$. A mini-batch gives the gradient $hθ + ε$,
# with noise $ε$ of mean 0 and variance $σ^2$. One step of gradient descent is
#
# $$θ_{t+1} = (1 - γh)\,θ_t - γ ε_t .$$
#
# Square it and take the mean over the noise. The mixed term vanishes, for $ε$ has mean 0 and knows nothing of
# $θ$. With $m_t$ for the mean of $θ_t^2$:
#
# $$m_{t+1} = \underbrace{(1 - γh)^2\, m_t}_{\text{the way shrinks}} + \underbrace{γ^2σ^2}_{\text{the noise adds}} .$$
#
# Two wishes stand against each other. The first term wants a *large* rate: the distance shrinks fast. The second
# wants a *small* one. Where both balance, $m$ no longer changes:
#
# $$m_∞ = \frac{γσ^2}{h\,(2 - γh)} \approx \frac{γσ^2}{2h} .$$
#
# That is the **floor**. It is proportional to the rate. A rate ten times smaller gives a floor ten times lower,
# and takes ten times as many steps to get there.

# %%
H, NOISE, FAR = 1.0, 1.0, 100.0
rng = np.random.default_rng(0)
rows = []
for lr in (0.5, 0.05, 0.005):
    floor = lr * NOISE**2 / (H * (2 - lr * H))
    exact = 2 * expected_losses(np.full(3000, lr), NOISE, np.array([H]), np.array([FAR**0.5]))
    arrived = int(np.argmax(exact < 2 * floor))
    theta = np.full(4000, FAR**0.5)  # 4000 walks at once
    for _ in range(arrived):
        theta = (1 - lr * H) * theta - lr * NOISE * rng.standard_normal(len(theta))
    measured = np.mean(theta**2)
    np.testing.assert_allclose(measured, exact[arrived], rtol=0.15)
    np.testing.assert_allclose(exact[-1], floor, rtol=1e-3)
    rows.append([lr, f"{floor:.4f}", arrived])
print("Mean of θ², from 100, with h = σ = 1:")
print(text_table(["rate", "floor", "steps until within twice the floor"], rows))
assert rows[1][2] > 10 * rows[0][2]

# %% [markdown]
# ## 2. Cut the rate and the floor falls
#
# So begin with a large rate, and lower it when the floor is reached. The simplest way is **step decay**: every
# $n$ steps multiply by a factor $f$,
#
# $$γ_t = γ_0 f^{⌊t/n⌋} .$$
#
# The slides show it for a residual network: at each cut the loss drops, then it is level again. Here is the same
# picture where we know the answer: a quadratic with curvatures 1 and 20.

# %%
t = np.arange(600)
rates = np.array([schedulers.step(float(s), lr=0.05, factor=0.1, every=200) for s in t])
early = np.array([schedulers.step(float(s), lr=0.05, factor=0.1, every=15) for s in t])
curves = {
    "cut every 200 steps": expected_losses(rates, 1.0),
    "never cut": expected_losses(np.full(600, 0.05), 1.0),
    "small from the start": expected_losses(np.full(600, 0.0005), 1.0),
    "cut every 15 steps": expected_losses(early, 1.0),
}
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for index, (name, losses) in enumerate(curves.items()):
    axes.plot(losses, **line_style(index) | {"markevery": 60}, label=name)
axes.set(yscale="log", xlabel="step t", ylabel="mean loss (log)", title="γ₀ = 0.05, factor 0.1")
figure.legend(loc="outside right upper", handlelength=3.2)
plt.show()
rows = [
    [name, *(f"{losses[s]:.4f}" for s in (100, 199, 250, 600))] for name, losses in curves.items()
]
print(text_table(["mean loss", "t = 100", "199", "250", "600"], rows))
cut, never, small, hasty = curves.values()
assert cut[250] < cut[199] / 3
assert cut[600] < never[600] / 5
assert small[600] > 100 * cut[600]
assert hasty[600] > 100 * cut[600]

# %% [markdown]
# The two lowest rows are the warning. A small rate from the start never arrives, and a schedule that cuts too
# early freezes on the way. The large rate is for the distance, the small one for the precision.
#
# ### See it
#
# Left: the rate; right: the loss it produces on the same quadratic. Thin: one noisy run. Dashed: the mean of
# all runs, from the formula of section 1. Dotted: what the constant rate $γ_0$ would do.
#
# 1. *constant*: move $γ_0$. Watch the floor and the speed. Where does it diverge, and why just there?
# 2. *step*: set the factor so that the last third is worth its steps. Then cut too early.
# 3. *exponential* and *1/t*: give both the same last rate. Which one has spent more steps at high rates?
# 4. *plateau*: it looks at the noisy loss, so each *draw no.* gets other cuts. Set patience to 1: what does
#    noise do to it?
# 5. Set *noise* to 0. Does any schedule still beat the constant rate?

# %%
schedule_explorer()

# %% [markdown]
# ## 3. Which schedule is best?
#
# In our one direction the question has an exact answer. At each step choose the $γ$ that makes $m_{t+1}$
# smallest: set the derivative of $(1-γh)^2 m + γ^2σ^2$ to zero.
#
# $$-2h(1-γh)\,m + 2γσ^2 = 0 \quad\Rightarrow\quad γ_t = \frac{h m_t}{h^2 m_t + σ^2}, \qquad
# m_{t+1} = \frac{σ^2 m_t}{h^2 m_t + σ^2} .$$
#
# Turn the second fraction upside down: $\frac{1}{m_{t+1}} = \frac{1}{m_t} + \frac{h^2}{σ^2}$. Each step adds the
# same amount, so $\frac1{m_t} = \frac1{m_0} + t\,\frac{h^2}{σ^2}$. Put that into $γ_t$, written as
# $\frac{1}{γ_t} = h + \frac{σ^2}{h m_t}$:
#
# $$\frac{1}{γ_t} = \underbrace{h + \frac{σ^2}{h m_0}}_{1/γ_0} + h t
# \quad\Rightarrow\quad γ_t = \frac{γ_0}{1 + kt}, \qquad k = hγ_0 .$$
#
# **The best schedule is 1/t decay**, and the theory names both its numbers. (A greedy choice is the best one
# overall here, because a smaller $m_{t+1}$ never hurts later.)

# %%
h, noise, m0, STEPS = 2.0, 3.0, 25.0, 400
m, greedy = m0, []
for _ in range(STEPS):
    greedy.append(h * m / (h**2 * m + noise**2))
    m = (1 - greedy[-1] * h) ** 2 * m + greedy[-1] ** 2 * noise**2
first = 1 / (h + noise**2 / (h * m0))
law = [schedulers.inverse_time(t, lr=first, k=h * first) for t in range(STEPS)]
np.testing.assert_allclose(greedy, law, rtol=1e-9)
np.testing.assert_allclose(1 / m, 1 / m0 + STEPS * h**2 / noise**2, rtol=1e-9)


def end_of(schedule, **hyper):
    """Return the mean of θ² after all steps of a schedule."""
    rates = np.array([schedule(t, **hyper) for t in range(STEPS)])
    return 2 / h * expected_losses(rates, noise, np.array([h]), np.array([m0**0.5]))[-1]


GRID = np.geomspace(5e-3, 0.5, 25)
DECAYS = np.geomspace(1e-3, 0.1, 25)
best = {
    "1/t, by the theory": end_of(schedulers.inverse_time, lr=first, k=h * first),
    "1/t, k ten times larger": end_of(schedulers.inverse_time, lr=first, k=10 * h * first),
    "constant, best of 25 rates": min(end_of(schedulers.constant, lr=lr) for lr in GRID),
    "cosine, best of 25 rates": min(end_of(schedulers.cosine, lr=lr, steps=STEPS) for lr in GRID),
    "exponential, best of 25 decays": min(
        end_of(schedulers.exponential, lr=first, k=k) for k in DECAYS
    ),
}
lowest = best["1/t, by the theory"]
np.testing.assert_allclose(lowest, m, rtol=1e-9)
rows = [[name, f"{end:.4f}", f"{end / lowest:.2f}"] for name, end in best.items()]
print(f"Mean of θ² after {STEPS} steps, h = 2, σ = 3:")
print(text_table(["", "end", "times the best"], rows))
assert min(best.values()) == lowest
assert best["cosine, best of 25 rates"] < 2 * lowest
assert best["1/t, k ten times larger"] > 50 * lowest

# %% [markdown]
# Two lessons. A cosine that knows neither $h$ nor $σ$ ends within a factor of two of the best, if its one number is
# tuned. And 1/t with a
# wrong $k$ fails badly, for $k$ must be $hγ_0$, and a network has thousands of different $h$. That is why 1/t is
# in the theorems and cosine in the training scripts.
#
# ## 4. The family
#
# | name | $γ_t$ | numbers to choose |
# |---|---|---|
# | step | $γ_0 f^{⌊t/n⌋}$ | $f$, $n$ |
# | piecewise constant | $γ^{(i)}$ for $b_i ≤ t < b_{i+1}$ | rates, boundaries |
# | exponential | $γ_0 e^{-kt}$ | $k$ |
# | 1/t | $γ_0/(1 + kt)$ | $k$ |
# | power | $γ_0/(1 + t/s)^c$ | $s$, $c$ |
# | cosine | $γ_{min} + \frac{γ_0-γ_{min}}{2}(1 + \cos\frac{πt}{T})$ | $T$, $γ_{min}$ |
# | 1cycle | $γ_0/d → γ_0 → γ_0/d → γ_0/(de)$, straight lines | $T$, $r$, $d$, $e$ |
# | plateau | $γ ← γf$ when the metric stalls | $f$, patience |
#
# To compare the smooth ones, let all of them start at 1 and end at 0.01.

# %%
END = 1000
family = {
    "exponential": lambda t: schedulers.exponential(t, lr=1.0, k=np.log(100) / END),
    "1/t": lambda t: schedulers.inverse_time(t, lr=1.0, k=99 / END),
    "power, c = 2": lambda t: schedulers.power(t, lr=1.0, s=END / 9, c=2.0),
    "cosine": lambda t: schedulers.cosine(t, lr=1.0, steps=END, lr_min=0.01),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.4), layout="constrained")
t = np.arange(0, END + 1, 10.0)
for index, (name, schedule) in enumerate(family.items()):
    values = [schedule(s) for s in t]
    left.plot(t, values, **line_style(index) | {"markevery": 12}, label=name)
    right.plot(t, values, **line_style(index) | {"markevery": 12}, label=name)
left.set(xlabel="step t", ylabel="rate γ")
right.set(xlabel="step t", ylabel="rate γ (log)", yscale="log")
left.legend()
plt.show()
SHARES = (0, 0.1, 0.25, 0.5, 0.75, 1)
rows = [[name, *(f"{s(END * share):.3f}" for share in SHARES)] for name, s in family.items()]
print(text_table(["share of the steps", *map(str, SHARES)], rows))
at_a_tenth = {name: schedule(0.1 * END) for name, schedule in family.items()}
assert at_a_tenth["1/t"] < 0.1 < 0.25 < at_a_tenth["power, c = 2"] < 0.3
assert at_a_tenth["exponential"] > 0.6
assert np.isclose(family["exponential"](600) / family["exponential"](500), 0.01**0.1)

# %% [markdown]
# > **The sources differ.** The notes say that exponential scheduling "drops very quickly in the beginning and
# > slows down", and that power scheduling "decreases slowly". Between the same two ends it is the other way
# > round: after a tenth of the steps 1/t (a power schedule with $c = 1$) is down to 0.09, the exponential one
# > still at 0.63. An exponential loses the same *share* at each step, a straight line on the right. What is true:
# > after the end 1/t goes on ever more slowly and the exponential one does not.
#
# ### How far can a schedule go?
#
# Under a gradient of constant size 1, the walk covers the sum of all rates. For 1/t that sum grows like
# $\frac{γ_0}{k}\ln(1+kt)$, without limit. For exponential decay it is a geometric series with a finite sum,
# $γ_0/(1 - e^{-k})$. If the minimum lies farther away, that schedule never gets there, however long you train.
# Robbins and Monro's conditions for stochastic descent say it in two lines:
#
# $$\sum_t γ_t = ∞ \;\text{(any distance can be covered)}, \qquad
# \sum_t γ_t^2 < ∞ \;\text{(the noise dies out)} .$$

# %%
LR, K = 0.1, 0.01
rows = []
for name, schedule in {
    "constant": lambda t: LR,
    "exponential": lambda t: schedulers.exponential(t, lr=LR, k=K),
    "1/t": lambda t: schedulers.inverse_time(t, lr=LR, k=K),
    "power, c = 0.5": lambda t: schedulers.power(t, lr=LR, s=1 / K, c=0.5),
}.items():
    rates = np.array([schedule(t) for t in range(20_000)])
    sums = [rates[:n].sum() for n in (200, 2_000, 20_000)]
    squares = [(rates[:n] ** 2).sum() for n in (200, 2_000, 20_000)]
    rows.append([name, *(f"{s:.1f}" for s in sums), *(f"{s:.2f}" for s in squares)])
    if name == "exponential":
        np.testing.assert_allclose(sums[-1], LR / (1 - np.exp(-K)), rtol=1e-9)
    if name == "1/t":
        np.testing.assert_allclose(sums[-1], LR / K * np.log(1 + K * 2e4), rtol=0.01)
print("Sum of the rates and of their squares after so many steps:")
header = ["", "Σγ: 200", "2000", "20000", "Σγ²: 200", "2000", "20000"]
print(text_table(header, rows))

# %% [markdown]
# Only 1/t meets both conditions: the first sum keeps growing, the second has settled. The constant rate and the
# power ½ fail the second, exponential decay the first. The conditions speak about infinitely many steps, though;
# with a fixed budget $T$ a schedule that fails them may well be the better one, as cosine shows.
#
# ## 5. Warm-up: raise it first
#
# Everything so far lowered the rate. In the *first* steps there can be a reason to do the opposite: from random
# weights the loss can be curved far more than later, and then a rate that will soon be fine makes the first steps
# jump. **Warm-up** climbs evenly to where the schedule begins:
#
# $$γ_t = γ_{start} + (s(0) - γ_{start})\,\frac{t}{T} \quad (t < T), \qquad γ_t = s(t - T) \quad (t ≥ T).$$
#
# The second slides recommend it with large batches. They come together for a reason: a large batch makes few steps
# an epoch and has little noise, so one wants the largest rate that can be borne.
#
# We test it. A network of three hidden layers of 64 units, the digits, momentum 0.9, batches of 512: 3 steps an
# epoch, 30 epochs. Each rate is tried on ten seeds, without warm-up and with one of 30 steps. `experiments.py`
# beside this notebook wrote the table.


# %%
runs = read_study("data/warmup.csv")
tried = np.unique(runs["lr"])
GOOD = 0.9
rows, trained, accuracy = [], {}, {}
figure, axes = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
for index, (warm, name) in enumerate({0: "without warm-up", 30: "30 steps of warm-up"}.items()):
    per_rate = [where(runs, warm=warm, lr=lr)["test_accuracy"] for lr in tried]
    trained[warm] = [int(np.sum(values > GOOD)) for values in per_rate]
    means, errors = np.transpose([mean_and_error(values) for values in per_rate])
    accuracy[warm] = means
    axes.errorbar(tried, 100 * means, 100 * errors, **line_style(index), capsize=4, label=name)
    rows.append([name, *(f"{n} of 10" for n in trained[warm])])
axes.set(xlabel="rate γ₀", ylabel="test accuracy, %", title="Batches of 512, mean of 10 seeds")
axes.legend()
plt.show()
assert trained[0][:3] == trained[30][:3] == [10, 10, 10]
assert (sum(trained[0][3:]), sum(trained[30][3:])) == (12, 24)
print("Runs that end above 90 % test accuracy:")
print(text_table(["rate", *(f"{lr:g}" for lr in tried)], rows))

# %% [markdown]
# The answer has two halves. Up to 0.3 warm-up changes nothing: all runs end well without it. From 0.4 on it rescues
# runs: 24 of 30 end well instead of 12. So it widens the range of rates that work, and it is not needed at a rate
# that works anyway.
#
# ### Why does it help?
#
# The largest rate that momentum bears along a direction of curvature $h$ is $2(1+α)/h$ (unit 03). The steepest
# curvature of a network can be measured: multiply the Hessian again and again onto a vector, and the vector turns
# towards the steepest direction. The product is a difference of two gradients,
# $Hv ≈ (g(θ + εv) - g(θ - εv))/2ε$.


# %%
def deep_network(rng):
    layers = [Linear(64, 64, rng), ReLU()]
    for _ in range(2):
        layers += [Linear(64, 64, rng), ReLU()]
    return Sequential(*layers, Linear(64, 10, rng))


def steepest(network, x, y, rng, turns=15, eps=1e-4):
    """Return the largest curvature of the loss at the network's weights."""
    v = [rng.standard_normal(p.shape) for p in network.params]
    at = [p.copy() for p in network.params]
    for _ in range(turns):
        norm = np.sqrt(sum(np.sum(a * a) for a in v))
        v = [a / norm for a in v]
        grads = []
        for sign in (1, -1):
            for p, here, a in zip(network.params, at, v, strict=True):
                p[...] = here + sign * eps * a
            network.backward(cross_entropy_grad(network.forward(x), y))
            grads.append([g.copy() for g in network.grads])
        v = [(plus - minus) / (2 * eps) for plus, minus in zip(*grads, strict=True)]
    for p, here in zip(network.params, at, strict=True):
        p[...] = here
    return float(np.sqrt(sum(np.sum(a * a) for a in v)))


data = digits(seed=0)
some = slice(0, 500)
LARGE, PEAK, WARM = 512, 0.5, 30
rng = np.random.default_rng(0)
network = deep_network(rng)
optimizer = Optimizer(optimizers.momentum, network.params, lr=PEAK)
rows, curvature, done = [], [], 0
while done <= WARM:
    if done in (0, 15, 30):
        sharp = steepest(network, data.x_train[some], data.y_train[some], np.random.default_rng(1))
        lr = PEAK * done / WARM
        curvature.append(sharp)
        rows.append([done, f"{lr:g}", f"{sharp:.0f}", f"{2 * 1.9 / sharp:.1f}"])
    for batch in batches(len(data.x_train), LARGE, rng):
        optimizer.hyper["lr"] = PEAK * min(1, done / WARM)
        output = network.forward(data.x_train[batch])
        network.backward(cross_entropy_grad(output, data.y_train[batch]))
        optimizer.step(network.grads)
        done += 1
print("During a warm-up of 30 steps to 0.5, seed 0:")
print(text_table(["step", "rate", "steepest curvature h", "2(1 + α)/h"], rows))
assert 15 < curvature[0] < 35
assert curvature[0] > 2.5 * curvature[2]
assert 3.8 / curvature[0] < 0.3 < 3.8 / curvature[2]

# %% [markdown]
# At the random weights the formula allows a rate of about 0.15 only. During the warm-up the curvature falls to less
# than half, and the rate that can be borne grows with the ramp. The formula is not the whole truth: without warm-up
# 0.2 and 0.3 lie above the edge as well, and yet those runs end well. They jump to a flatter place by themselves.
# From 0.4 on some of them jump too far.
#
# ## 6. 1cycle: up, down, out
#
# Smith's **1cycle** makes a warm-up out of half of the training: from $γ_0/d$ up to a high peak $γ_0$, back, and
# in a last phase far below:
#
# $$\frac{γ_0}{d} \;\xrightarrow{\;rT \text{ steps}\;}\; γ_0 \;\xrightarrow{\;rT\;}\; \frac{γ_0}{d}
# \;\xrightarrow{\;(1-2r)T\;}\; \frac{γ_0}{d\,e}$$
#
# Mind two differences when you read code. Here, as in Smith's report, the lines are straight and there are three phases;
# `torch.optim.lr_scheduler.OneCycleLR` by default has two, along cosines, and lowers the momentum while the rate is
# high. And $γ_0$ is the *peak*, which makes the mean rate about half of it:

# %%
T = 1000
cycle = np.array([schedulers.one_cycle(t, lr=1.0, steps=T) for t in range(T + 1)])
corners = [float(cycle[round(share * T)]) for share in (0, 0.45, 0.9, 1)]
np.testing.assert_allclose(corners, [1 / 25, 1, 1 / 25, 1 / 25e4], rtol=1e-9)
rows = [["rate / peak", *(f"{value:.6f}" for value in corners), f"{cycle.mean():.2f}"]]
print(text_table(["", "t = 0", "rT", "2rT", "T", "mean"], rows))
assert abs(cycle.mean() - 0.47) < 0.01

# %% [markdown]
# ## 7. The range test: how large may the peak be?
#
# All schedules leave one number open, $γ_0$. A **range test** finds it in one short training: begin with a rate far
# too small, multiply it again and again, and watch the loss.
#
# The second slides give the coarse form: start at $10^{-6}$, multiply by 10, train a few epochs at each rate; "once
# training diverges you have gone too far". The notes give the fine form: raise the rate exponentially over a few
# hundred steps. Here are both on the network of unit 03 with momentum.


# %%
def small_network(rng):
    return Sequential(Linear(64, 32, rng), ReLU(), Linear(32, 10, rng))


def trainer(rng, steps, rule=optimizers.momentum):
    """Return what trains this many steps at a rate and returns the loss afterwards."""
    network = small_network(rng)
    optimizer = Optimizer(rule, network.params, lr=0.0)
    order = (batch for _ in range(10**6) for batch in batches(len(data.x_train), 64, rng))

    def train_step(lr):
        optimizer.hyper["lr"] = lr
        with np.errstate(over="ignore", invalid="ignore"):
            for _, batch in zip(range(steps), order, strict=False):
                output = network.forward(data.x_train[batch])
                network.backward(cross_entropy_grad(output, data.y_train[batch]))
                optimizer.step(network.grads)
            return cross_entropy(network.forward(data.x_train), data.y_train)

    return train_step


coarse = range_test(trainer(np.random.default_rng(0), steps=46))  # two epochs at each rate
fine = range_test(trainer(np.random.default_rng(0), steps=1), steps=100)
figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.6), layout="constrained", sharey=True)
for ax, seen, name in zip(
    axes, (coarse, fine), ("× 10, two epochs each", "100 steps"), strict=True
):
    ax.plot(seen.rates, np.minimum(seen.losses, 1e3), **line_style(0) | {"markersize": 4})
    ax.axvline(
        seen.suggested, color=COLORS[1], linestyle="--", label=f"chosen: {seen.suggested:.1g}"
    )
    ax.set(xscale="log", yscale="log", ylim=(0.003, 100), xlabel="rate γ (log)", title=name)
    ax.legend(loc="upper left")
axes[0].set_ylabel("loss of the training part (log)")
plt.show()
shown = [f"{loss:.2f}" if loss < 100 else "diverged" for loss in coarse.losses]
rows = [[f"{lr:.0e}", loss] for lr, loss in zip(coarse.rates, shown, strict=True)]
print(text_table(["rate", "loss"], rows))
assert coarse.diverged
assert fine.diverged
assert np.isclose(coarse.suggested, 0.01)
assert 0.03 < fine.suggested < 0.3

# %% [markdown]
# The chosen rate is a **tenth of the rate with the lowest loss**. Why not that rate itself? The test arrives there
# with weights that smaller rates have prepared, and what grows at a rate beyond the edge was tiny at first: the
# lowest point lies past the edge. The coarse form spends longer at each rate and gives instability time to
# show, so it chooses a smaller one.
#
# **Afterwards start from new weights.** The test has spoiled the old ones:

# %%
spoiled = trainer(np.random.default_rng(0), steps=1)
test = range_test(spoiled, steps=100)
going_on = [spoiled(test.suggested) for _ in range(46)][-1]
anew = trainer(np.random.default_rng(0), steps=46)(test.suggested)
print(f"Loss after two epochs at the chosen rate: {anew:.1f} from new weights,")
print("several times as much with the weights that the test left behind.")
assert 0.06 < anew < 0.1
assert going_on > 2 * anew

# %% [markdown]
# ### See it
#
# Left: one range test. Right: what each rate really does from new weights. The dash-dotted line is the chosen
# rate in both.
#
# 1. *Divide by* 1: where does the line stand at the right?
# 2. Go through the optimizers. For which of them is 10 too cautious, for which is 1 a disaster?
# 3. *Batch size* 8: a test of single noisy steps. Does the choice still hold?

# %%
range_test_explorer()

# %% [markdown]
# > **The sources differ.** The notes say to "pick the rate just before the learning curve starts to spike back
# > up". The second slides only say when you have gone too far. We read 30 fine tests in three ways, and trained ten
# > epochs with each rate from new weights:

# %%
read_off = read_study("data/range_test.csv")
WAYS = {
    "tenth": "a tenth of the lowest point",
    "lowest": "the lowest point",
    "edge": "just before it runs away",
}
RULES = {"sgd": "gradient descent", "momentum": "momentum", "adam": "Adam"}
rows, failed, middle = [], {}, {}
for way, name in WAYS.items():
    row = [name]
    for rule in RULES:
        losses = where(read_off, rule=rule, way=way)["train_loss"]
        failed[way, rule] = int(np.sum(losses > 0.5))
        middle[way, rule] = np.median(losses)
        end = f"{middle[way, rule]:.3f}" if middle[way, rule] < 100 else "overflow"
        row.append(f"{end}, {failed[way, rule]} failed")
    rows.append(row)
print("Median training loss of ten seeds, and runs that end above 0.5:")
print(text_table(["rate read at", *RULES.values()], rows))
assert sum(failed["tenth", rule] for rule in RULES) == 0
assert failed["edge", "momentum"] == failed["edge", "adam"] == failed["lowest", "momentum"] == 10
assert middle["lowest", "sgd"] < middle["tenth", "sgd"] / 10

# %% [markdown]
# Just before the spike is too late: with momentum and with Adam it fails in every run. The tenth never fails. But it
# is not always the best: plain gradient descent, which has no memory, gets twenty times lower at the lowest point
# itself in the same ten epochs. Read the test as an order of magnitude, then try its neighbours.
#
# ## 8. Plateau: let the loss decide
#
# The schedules so far know only the time. **Performance scheduling** looks: after $p$ updates in a row without
# improvement ($m < m_{best} - δ$), cut, $γ ← \max(γf, γ_{min})$, and start counting again.

# %%
rate_of = Plateau(0.1, factor=0.5, patience=2)
rows = []
for loss in (1.0, 0.8, 0.9, 0.8, 0.85, 0.7, 0.75, 0.71):
    rows.append([loss, f"{rate_of.update(loss):g}", rate_of.best])
print(text_table(["loss", "rate afterwards", "best"], rows))
assert [row[1] for row in rows] == ["0.1", "0.1", "0.1", "0.05", "0.05", "0.05", "0.05", "0.025"]

# %% [markdown]
# Read three things off the table. 0.8 for the second time is not an improvement. 0.85 is bad but the count began
# anew at the cut. The comparison is always with the best, never with the loss before. Frameworks count
# differently: `torch`'s `ReduceLROnPlateau` cuts after patience + 1 bad updates, Keras's as here.
#
# ## 9. Early stopping
#
# How many epochs? The second slides answer in two words: early stopping. Watch the loss on data that training does
# not see. While the network learns what is general it falls; when it begins to learn the noise it rises. Stop after
# $p$ epochs in a row without improvement, and **bring back the weights of the best epoch**: by then you have gone
# $p$ epochs too far.
#
# The diabetes data are easy to overfit: 266 patients to train on, 88 held back, a network with 769
# weights.

# %%
watched, network, data_all = overfitting_run(seed=0, patience=10)
full, _, _ = overfitting_run(seed=0)
held = data_all.hold_back(0.25)
restored = mse(network.forward(held.x_test), held.y_test)
stopped = len(watched.test_loss) - 1
figure, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
axes.plot(full.train_loss, color=COLORS[0], label="training part")
axes.plot(full.test_loss, color=COLORS[1], linestyle="--", label="validation part")
axes.axvline(watched.best_epoch, color=COLORS[2], linestyle="-.", label="brought back")
axes.axvline(stopped, color="black", linestyle=":", label="stopped")
axes.set(xlabel="epoch", ylabel="mean squared error", ylim=(0, 1.6))
axes.legend(ncols=2)
plt.show()
weights = sum(p.size for p in network.params)
print(f"{weights} weights; best epoch {watched.best_epoch}, stopped after {stopped}")
print(f"validation loss: {watched.test_loss[-1]:.2f} at the stop, {restored:.2f} brought back")
np.testing.assert_allclose(restored, watched.test_loss.min(), rtol=1e-9)
np.testing.assert_allclose(watched.test_loss, full.test_loss[: stopped + 1], rtol=1e-6)
assert weights == 769
assert stopped == watched.best_epoch + 10
assert full.train_loss[-1] < full.test_loss[-1] / 2

# %% [markdown]
# One line goes wrong in many programs. `best = theta` copies nothing: it gives the same array a second name, and
# the optimizer, which writes into that array, changes your "best" along with it.

# %%
theta = np.zeros(3)
by_name, by_copy = theta, theta.copy()
stopping = EarlyStopping([theta], patience=2)
for loss in (0.9, 0.5, 0.6, 0.7):
    theta += 1.0  # an epoch of training, in place
    if loss == 0.5:
        by_name, by_copy = theta, theta.copy()
    stop = stopping.update(loss)
print("stop:", stop, "| by name:", by_name, "| by copy:", by_copy)
stopping.restore()
print("restored:", theta)
assert stop
assert np.array_equal(by_copy, [2, 2, 2])
assert np.array_equal(theta, by_copy)

# %% [markdown]
# ### See it
#
# Dotted: what training would have done after the stop. How small may patience be before a run stops at a bump? What
# does a larger $δ$ change: the stop, the weights, or both?

# %%
early_stopping_explorer()

# %% [markdown]
# ### Does it pay?
#
# The validation part chose the epoch, so it is no judge any more. The judge is a test part that nothing has seen.
# Twenty seeds:

# %%
stops = read_study("data/early_stopping.csv")
rows, gain = [], {}
until_the_end = where(stops, patience=0)["test_loss"]
for patience, name in {0: "60 epochs", 10: "patience 10", 3: "patience 3"}.items():
    part = where(stops, patience=patience)
    mean, error = mean_and_error(part["test_loss"])
    gain[patience] = mean_and_error(until_the_end - part["test_loss"])
    better = int(np.sum(part["test_loss"] < until_the_end))
    rows.append(
        [name, f"{part['epochs'].mean():.0f}", f"{mean:.3f} ± {error:.3f}", f"{better} of 20"]
    )
print("Test loss, mean of 20 seeds ± standard error:")
print(text_table(["", "epochs", "test loss", "better than 60 epochs"], rows))
assert gain[10][0] > 3 * gain[10][1]
assert gain[3][0] > 2 * gain[3][1]

# %% [markdown]
# It pays: one part in seven of the loss is saved, in 19 of 20 seeds, and two thirds of the epochs. Patience 3 stops at
# the first bump more often; it saves more time and loses a little of the gain. (60 epochs are our own choice: train
# longer and early stopping gains more.)
#
# ## 10. Real data: the schedules compared
#
# The notes say that 1cycle "often leads to faster and more stable training than other schedules". Let us see, on
# the digits, with the network of unit 03 and momentum, 15 epochs. Every schedule gets the best of six peak rates
# (chosen on four other seeds) and the same twenty seeds. The plateau rule needs a validation part to look at: a fifth
# of the training part is held back for it. The others get the same part, and all are judged on it.

# %%
compared, tried = read_study("data/schedules.csv"), read_study("data/rates.csv")
NAMES = {
    "constant": "constant",
    "step": "step, 0.2 twice",
    "exponential": "exponential",
    "inverse_time": "1/t",
    "power": "power, c = ½",
    "cosine": "cosine",
    "one_cycle": "1cycle",
    "plateau": "plateau",
}
epochs = np.unique(compared["epoch"])
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.2), layout="constrained")
rows, results = [], {}
for index, (key, name) in enumerate(NAMES.items()):
    own = where(compared, schedule=key)
    lr = float(own["lr"][0])
    curve = [mean_and_error(where(own, epoch=epoch)["train_loss"]) for epoch in epochs]
    means, errors = np.transpose(curve)
    test = mean_and_error(where(own, epoch=epochs[-1])["test_loss"])
    right_share = mean_and_error(where(own, epoch=epochs[-1])["test_accuracy"])
    spread = np.std(where(own, epoch=epochs[-1])["test_loss"], ddof=1)
    results[key] = {"loss": means, "test": test, "accuracy": right_share, "spread": spread}
    left.errorbar(epochs, means, errors, **line_style(index) | {"markersize": 4}, label=name)
    right.errorbar(
        test[0],
        name,
        xerr=test[1],
        color=COLORS[index],
        marker=line_style(index)["marker"],
        markersize=8,
        capsize=4,
    )
    by_rate = {
        rate: where(tried, schedule=key, lr=rate)["validation_loss"].mean()
        for rate in np.unique(tried["lr"])
    }
    assert lr == min(by_rate, key=by_rate.get)
    rows.append(
        [
            name,
            f"{lr:g}",
            f"{means[1]:.3f}",
            f"{means[5]:.3f}",
            f"{means[15]:.4f}",
            f"{test[0]:.3f} ± {test[1]:.3f}",
            f"{100 * right_share[0]:.1f} ± {100 * right_share[1]:.1f}",
        ]
    )
left.set(yscale="log", xlabel="epoch", ylabel="training loss (log)", title="Training")
left.set_xticks(range(0, 16, 5))
left.legend(ncols=2)
right.set(xlabel="validation loss after 15 epochs", title="Validation")
right.invert_yaxis()
plt.show()
print("Mean over 20 seeds (± standard error):")
header = [
    "",
    "peak",
    "train loss, epoch 1",
    "epoch 5",
    "epoch 15",
    "validation loss",
    "accuracy, %",
]
print(text_table(header, rows))

own = where(compared, schedule="one_cycle", epoch=15)["test_loss"]
wins = {
    key: int(np.sum(own < where(compared, schedule=key, epoch=15)["test_loss"]))
    for key in NAMES
    if key != "one_cycle"
}
print("\n1cycle has the lower validation loss in so many of 20 seeds:")
print(text_table(["against", "seeds"], [[NAMES[key], n] for key, n in wins.items()]))
ends = {key: result["loss"][15] for key, result in results.items()}
assert sorted(ends, key=ends.get)[0] == "one_cycle"
assert ends["one_cycle"] < min(end for key, end in ends.items() if key != "one_cycle") / 2
assert max(results, key=lambda key: results[key]["loss"][1]) == "one_cycle"
assert results["one_cycle"]["spread"] > results["constant"]["spread"]
assert max(wins[key] for key in ("constant", "step", "cosine", "plateau")) <= 14
assert wins["exponential"] == wins["inverse_time"] == 18

# %% [markdown]
# What came out, and what did not:
#
# - **1cycle trains deepest**: its training loss after 15 epochs is less than half of the next one. It bore a peak of
#   0.1, five times the best constant rate.
# - **It is not faster on the way**: after the first epoch it is last. Its low rates at the start are its price.
# - **"More stable" we did not see**: the validation loss spreads over the seeds as much as at a constant rate.
# - **On the validation part there is little in it.** 1cycle leads, but against constant, step, cosine and plateau it
#   wins 13 or 14 of 20 seeds: a coin would do that too often. It beats exponential and 1/t decay in 18 of 20.
# - **1/t is the last one.** Falling to a hundredth, it spends too few steps at high rates (section 4). The schedule
#   that was best in one direction is the worst here.
# - **Plateau is constant here.** With two epochs of patience it hardly ever cut: the loss still improved.
# - The peaks differ by a factor of ten. Comparing schedules at one common rate would have told us about that rate.
#
# ### One seed, live
#
# Seed 0 again, three of the schedules, computed now and compared with the file.

# %%
SEED, EPOCHS, BATCH = 0, 15, 32
held = digits(SEED).hold_back()
steps = EPOCHS * -(-len(held.x_train) // BATCH)
LIVE = {
    "constant": lambda lr: lambda t: lr,
    "cosine": lambda lr: lambda t: schedulers.cosine(t, lr=lr, steps=steps),
    "one_cycle": lambda lr: lambda t: schedulers.one_cycle(t, lr=lr, steps=steps),
}
rows = []
for key, make in LIVE.items():
    stored = where(compared, schedule=key, seed=SEED)
    lr = float(stored["lr"][0])
    rng = np.random.default_rng(SEED)
    network = small_network(rng)
    optimizer = Optimizer(optimizers.momentum, network.params, lr=lr)
    seen = train(
        network, optimizer, held, epochs=EPOCHS, batch_size=BATCH, rng=rng, schedule=make(lr)
    )
    np.testing.assert_allclose(seen.train_loss[:2], stored["train_loss"][:2], rtol=0.01)
    np.testing.assert_allclose(seen.train_loss, stored["train_loss"], rtol=0.2)
    rows.append([NAMES[key], *(f"{seen.train_loss[e]:.2f}" for e in (0, 1, 2, 5)), "agrees"])
print("Training loss, seed 0:")
print(text_table(["", "before", "epoch 1", "2", "5", "with the file"], rows))

# %% [markdown]
# ## What to take with you
#
# - A constant rate ends on a floor proportional to it. Large for the distance, small for the precision.
# - In one direction 1/t is the best schedule, if its $k$ is the curvature times $γ_0$. In many directions there is no
#   one $k$.
# - Warm-up widens the range of rates that work. It is no help at a rate that works without it.
# - Range test: a tenth of the rate with the lowest loss, then new weights.
# - Early stopping: validation part, patience, a *copy* of the best weights, and a test part for the judgement.
#
# ## Common mistakes
#
# These are the mistakes that the exercises of this unit recognise by their numbers, with what a teacher would
# say. Read them before you start the assignment, and again when a check names one.

# %%
from course.exercises import common_mistakes

common_mistakes("04_schedules")

# %% [markdown]
# ## Further reading
#
# - Robbins, Monro, *A Stochastic Approximation Method*, 1951:
#   [doi:10.1214/aoms/1177729586](https://doi.org/10.1214/aoms/1177729586). The two conditions of section 4.
# - Prechelt, *Early Stopping - But When?*, 1998:
#   [doi:10.1007/3-540-49430-8_3](https://doi.org/10.1007/3-540-49430-8_3). How patient to be.
# - Senior et al., *An Empirical Study of Learning Rates in Deep Neural Networks for Speech Recognition*, 2013:
#   [doi:10.1109/ICASSP.2013.6638963](https://doi.org/10.1109/ICASSP.2013.6638963). Power, exponential and
#   performance scheduling compared.
# - Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017:
#   [arXiv:1506.01186](https://arxiv.org/abs/1506.01186). The range test.
# - Loshchilov, Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, 2017:
#   [arXiv:1608.03983](https://arxiv.org/abs/1608.03983). The cosine.
# - Goyal et al., *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017:
#   [arXiv:1706.02677](https://arxiv.org/abs/1706.02677). Warm-up for large batches.
# - Smith, *A Disciplined Approach to Neural Network Hyper-parameters: Part 1*, 2018:
#   [arXiv:1803.09820](https://arxiv.org/abs/1803.09820). 1cycle.
# - Gilmer et al., *A Loss Curvature Perspective on Training Instability in Deep Learning*, 2021:
#   [arXiv:2110.04369](https://arxiv.org/abs/2110.04369). Warm-up and the steepest curvature, as in section 5.
# - Bottou, Curtis, Nocedal, *Optimization Methods for Large-Scale Machine Learning*, 2018:
#   [doi:10.1137/16M1080173](https://doi.org/10.1137/16M1080173). Section 1 in full, with proofs.
