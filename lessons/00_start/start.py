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
# # Start here
#
# **Goal.** In half an hour you will know that your computer is ready for this course, how to read what a check
# says about your code, and how to watch a network while it trains.
#
# **Before you start** you need a little Python and NumPy: functions, arrays, `x.mean()`. Nothing about networks
# yet.
#
# **Time.** 20 to 30 minutes.
#
# A notebook is made of cells. Click into one and press *Shift* and *Enter* together: it runs, and the next one
# is chosen. To run all cells, choose *Run*, *Run All Cells* in the menu above. You cannot break anything: if a
# notebook behaves strangely, choose *Kernel*, *Restart Kernel and Run All Cells*.

# %% [markdown]
# ## 1. Is everything here?
#
# Run this cell first. If it says `No module named 'course'`, the notebook does not run in the Python that you
# installed the course into. Close JupyterLab and start it from the course's folder:
# `.venv/bin/jupyter lab` (on Windows `.venv\Scripts\jupyter lab`).

# %%
import importlib.util
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from course.checking import judge
from course.environment import check_environment
from course.exercises import PUBLIC_SEED
from course.exercises.start import DOUBLED
from course.tables import text_table
from course.widgets.start import EPOCHS, RATES, batch_explorer, digits_run, run_explorer
from course.widgets.style import COLORS, use_style

use_style()
print("The course is here.")

# %% [markdown]
# Now the versions. Each part is compared with what the course accepts, and with what it was tested with. A newer
# version than the tested one nearly always works; if something looks odd later, look here first.

# %%
environment = check_environment()
assert environment.ready, str(environment)
environment

# %% [markdown]
# Two packages are *optional*: **torch** (PyTorch), which a few later cells compare our results with, and
# **tensorboard**, which section 5 uses. Without them those cells say so and the rest works. To install one, put
# its line into a cell and run it:
#
# - `%pip install tensorboard` (small),
# - `%pip install torch` (large; on Linux without a GPU,
#   `%pip install torch --index-url https://download.pytorch.org/whl/cpu` is much smaller).
#
# A package can be installed and still not work. So we let torch compute something small: the derivative of $x^2$
# at $x = 3$, which is 6.

# %%
HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_TENSORBOARD = importlib.util.find_spec("tensorboard") is not None

if HAS_TORCH:
    import torch

    x = torch.tensor(3.0, requires_grad=True)
    (x**2).backward()
    assert x.grad.item() == 6.0
    print("torch works: the derivative of x² at 3 is 6")
else:
    print("torch is not installed: that is fine. To install it: %pip install torch")

# %% [markdown]
# ## 2. Do the live figures answer?
#
# Most lessons have figures with sliders. Here is the first one. If you see a picture with three sliders below it,
# and the picture changes *while* you drag, all is well. If you see only the words `<live figure: ...>`, this
# JupyterLab belongs to another Python: start it as in section 1.
#
# The figure shows a **batch**: $N$ samples, each a point with two numbers, its *features*. The cross is the batch's
# mean $μ$; its arms reach as far as the root of the variance $v$, for each feature on its own:
#
# $$μ = \frac1N \sum_{n=1}^N x_n, \qquad v = \frac1N \sum_{n=1}^N (x_n - μ)^2 .$$
#
# 1. Move one sample to the right. What happens to the mean, and what to the variance? Does feature 2 care?
# 2. Do it again with $N = 40$. Why does the cross now move so little?
# 3. Make $N$ small. Where do the two curves on the right part, and which of them is lower?

# %%
batch_explorer()

# %% [markdown]
# ### N or N − 1?
#
# The two curves differ in one thing. Dividing the sum of squares by $N$ describes *this batch*. Dividing by
# $N-1$ estimates the variance of *all there is*, of which the batch is a sample: the batch's own mean lies a
# little too close to its samples, so the sum is too small, on average by the factor $(N-1)/N$.
#
# **In this course a variance is the 1/N one**, because that is what networks use when they normalise a batch.
# The libraries differ in what they do when you say nothing:

# %%
import statistics

numbers = [1.0, 2.0, 3.0, 6.0]
rows = [
    ["np.var(x)", f"{np.var(numbers):.4f}", "N"],
    ["np.var(x, ddof=1)", f"{np.var(numbers, ddof=1):.4f}", "N - 1"],
    ["statistics.pvariance(x)", f"{statistics.pvariance(numbers):.4f}", "N"],
    ["statistics.variance(x)", f"{statistics.variance(numbers):.4f}", "N - 1"],
]
if HAS_TORCH:
    tensor = torch.tensor(numbers)
    rows.append(["torch.var(x)", f"{torch.var(tensor).item():.4f}", "N - 1"])
    rows.append(
        ["torch.var(x, correction=0)", f"{torch.var(tensor, correction=0).item():.4f}", "N"]
    )
by = {"N": 14 / 4, "N - 1": 14 / 3}  # the mean is 3, the squared distances are 4, 1, 0 and 9
for _, value, divisor in rows:
    assert abs(float(value) - by[divisor]) < 1e-4
print("The variance of 1, 2, 3 and 6:")
print(text_table(["", "result", "divided by"], rows))

# %% [markdown]
# How much does it matter? Draw many batches of size $N$ from a normal distribution of variance 1 and average
# their 1/N variances. Theory says $(N-1)/N$. The ± is the standard error of the average: about two times out of
# three, the theory should lie within it.

# %%
rng = np.random.default_rng(0)
rows = []
for size in (2, 4, 8, 32):
    variances = rng.standard_normal((100_000, size)).var(axis=1)
    mean, error = variances.mean(), variances.std() / np.sqrt(len(variances))
    assert abs(mean - (size - 1) / size) < 4 * error
    rows.append([size, f"{mean:.3f}", f"{error:.3f}", f"{(size - 1) / size:.3f}"])
print(text_table(["N", "measured", "±", "(N - 1)/N"], rows))

# %% [markdown]
# For a batch of 2 it is a factor of two, for a batch of 32 three per cent. Small enough to overlook, and large
# enough to fail a check.
#
# ## 3. What a check says
#
# In an assignment you write a function, and the cell below it calls `check`. It plays many cases against your
# function, here on your computer, as often as you like. Then it tells you what it saw.
#
# Let us look at everything that it can say. The exercise is a toy: **`doubled(x)` returns $2x$ for an array.**
# It has no place in the grades, so instead of `check` we call this:


# %%
def try_check(function):
    return judge(DOUBLED, function, PUBLIC_SEED)


# %% [markdown]
# **Not attempted.** So an exercise is handed out. Delete the line with `raise` when your code is there.


# %%
def doubled(x):
    raise NotImplementedError()


verdict = try_check(doubled)
assert verdict.status == "not_attempted"
verdict

# %% [markdown]
# **It crashed.** You see the error, and of the way to it only the lines that *you* wrote. Read the last line first.


# %%
def doubled(x):
    return 2 * x.numbers


verdict = try_check(doubled)
assert verdict.status == "crashed"
verdict

# %% [markdown]
# **Wrong type or shape.** The right numbers in the wrong box. It says what was expected and what came. Here
# a list came; a frequent cousin is an array of shape `(3, 1)` in the place of `(3,)`.


# %%
def doubled(x):
    return [2 * number for number in x]


verdict = try_check(doubled)
assert verdict.status == "wrong_type"
verdict

# %% [markdown]
# **Wrong value.** You get the first case that fails: what went in, what should come out, what did come out. Do this
# one case with pencil and paper, or copy the input into a cell of your own. Nearly always that finds the error.


# %%
def doubled(x):
    return 2 * x + 1


verdict = try_check(doubled)
assert verdict.status == "wrong_value"
assert verdict.mistake is None
verdict

# %% [markdown]
# **A mistake with a name.** Some mistakes are made every year. Where your results match one of them, number by
# number, the check names it and says what a teacher would say. It names nothing when it is not sure.


# %%
def doubled(x):
    return x**2


verdict = try_check(doubled)
assert verdict.mistake.name == "squared"
verdict

# %% [markdown]
# **Partly right.** An exercise has parts, each with its points. The list at the end says which you have already.


# %%
def doubled(x):
    return np.maximum(2 * x, 0)


verdict = try_check(doubled)
assert verdict.status == "partly_right"
assert verdict.points == 2
verdict

# %% [markdown]
# Here the part that is missing has one point. Two small parts come with most exercises: *float32 in, float32 out*
# (networks compute in float32, and a function that turns its numbers into float64 makes everything after it slower),
# and *changes nothing that it is given*.
#
# **Right values, but it changes its inputs.** `x *= 2` writes into the array that belongs to the caller, who may
# still need it. `2 * x` makes a new one.


# %%
def doubled(x):
    x *= 2
    return x


verdict = try_check(doubled)
assert verdict.status == "changed_inputs"
assert verdict.points == 2.5
verdict

# %% [markdown]
# **Not allowed here.** Exercises allow NumPy and what comes with Python, unless they say more. Nothing was run.


# %%
def doubled(x):
    from scipy.linalg import blas

    return blas.dscal(2.0, x.copy())


verdict = try_check(doubled)
assert verdict.status == "not_allowed"
verdict

# %% [markdown]
# **Right.** It does not matter *how* you got there: loops, other formulas and another order of the sums all count, as
# long as the numbers agree to rounding.


# %%
def doubled(x):
    return x + x


verdict = try_check(doubled)
assert verdict.status == "right"
assert verdict.points == verdict.max_points == 3
verdict

# %% [markdown]
# Now break it yourself: change the last function above, run its cell and see what it says. (The line with `assert` will
# complain, because it expects a right answer. Delete it.)
#
# The final grading works in the same way, with other numbers than those you see. A function that works for any input
# has nothing to fear from that.
#
# ## 4. Watching a run
#
# The slides say it well: training a large network is long, complex and sometimes confusing, and the first step to
# understand it is to *look*. (**The slides** are lecture 5, *Training neural networks*, of Gilles Louppe's course
# *Deep Learning*; this course grew out of them and of other notes.) What is there to look at?
#
# - **Losses and metrics.** The *loss* is the number that training makes smaller; the *accuracy* is the share of right
#   answers. Both on the data it trains on and on data that it never saw.
# - **Histograms**: how the numbers inside the network are spread. Its *weights* are what it learns, its *activations* what
#   its units give out, and the *gradients* say how the weights are about to change.
# - **Images**: data, or weights drawn as pixels. Each hidden unit here has a weight for each pixel of a digit. They
#   start at random and look like noise; what has *changed* since the start shows the strokes that a unit looks for.
# - **The computational graph**: which operation feeds which.
#
# Here is a real run, computed when the figure appears: 1438 handwritten digits of 8 × 8 pixels, a hidden layer of 32
# units, 12 passes (*epochs*) over the data. The *rate* says how far each step goes. What rates do is the topic of the
# next units; here you learn to see it.
#
# 1. Press play. Where does the test loss stop following the training loss?
# 2. Choose the rate 0.001. Everything looks healthy. What is wrong?
# 3. Choose 1.8 and the histogram of the weights, and go slowly from epoch 0. When could you have known that this run is
#    lost? Which picture says it first?

# %%
run_explorer()

# %% [markdown]
# ## 5. The same run in TensorBoard
#
# A figure like this one is made for one network. For your own runs there are tools. The best known is
# **TensorBoard**: while it trains, your program writes numbers into an *event file*; TensorBoard reads the file and
# draws, also while the run goes on.
#
# What is written is up to you. Each entry has a *tag* (its name), a *step* (here the epoch) and a value. A tag is for
# one kind of value only: the weights are the histogram `weights/hidden`, so their picture is called `changes/hidden`.
# (When we wrote this lesson, both had the same tag. Every picture was in the file, and TensorBoard showed none.)
#
# These lines log an epoch:


# %%
def log_epoch(epoch, seen):
    for tag, value in seen.scalars.items():
        log.scalar(tag, value, step=epoch)
    for tag, values in seen.histograms.items():
        log.histogram(tag, values, step=epoch)
    for tag, picture in seen.images.items():
        log.image(tag, picture, step=epoch)


# %% [markdown]
# Now train, three times, with a folder for each run. TensorBoard then shows the runs side by side. The files go into the
# folder `runs` beside this notebook; each time you run this cell, they are made anew.

# %%
RUNS = Path("runs")
MISSING = "tensorboard is not installed. To install it: %pip install tensorboard"

if HAS_TENSORBOARD:
    from course.training import TensorBoard

    runs = {}
    for rate in RATES:
        shutil.rmtree(RUNS / f"rate_{rate}", ignore_errors=True)
        with TensorBoard(RUNS / f"rate_{rate}") as log:
            runs[rate] = digits_run(float(rate), log_epoch)
        print(f"runs/rate_{rate}: {len(runs[rate]) - 1} epochs")
else:
    print(MISSING)

# %% [markdown]
# ### The computational graph
#
# The graph is that of a torch module, so this part needs torch. The same network in torch is one line. TensorBoard
# finds its graph by sending one input through and writing down which operations it meets.

# %%
if HAS_TENSORBOARD and HAS_TORCH:
    module = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    with TensorBoard(RUNS / "rate_0.1") as log:
        log.graph(module, torch.zeros(1, 64))
    print("The graph is written.")
else:
    print("This needs tensorboard and torch: %pip install tensorboard torch")

# %% [markdown]
# ### Reading it back
#
# Never trust a log that you have not read back once. TensorBoard brings a reader for its files. What comes out must be
# what went in, to the seven digits of the float32 that the file keeps:

# %%
if HAS_TENSORBOARD:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(run):
        """Read a run's event files; 0 means all entries, where only a few are kept otherwise."""
        return EventAccumulator(
            str(RUNS / run), {"histograms": 0, "images": 0, "scalars": 0}
        ).Reload()

    events = read("rate_0.1")
    tags = events.Tags()
    print("scalars:   ", ", ".join(sorted(tags["scalars"])))
    print("histograms:", ", ".join(sorted(tags["histograms"])))
    print("images:    ", ", ".join(sorted(tags["images"])))
    print("graph:     ", "yes" if tags["graph"] else "no")

    for tag in tags["scalars"]:
        logged = [event.value for event in events.Scalars(tag)]
        np.testing.assert_allclose(logged, [seen.scalars[tag] for seen in runs["0.1"]], rtol=1e-6)
        assert [event.step for event in events.Scalars(tag)] == list(range(EPOCHS + 1))
else:
    print(MISSING)

# %%
if HAS_TENSORBOARD:
    rows = []
    for epoch in (0, 1, 2, 4, 8, 12):
        losses = [events.Scalars(tag)[epoch].value for tag in ("loss/train", "loss/test")]
        accuracy = events.Scalars("accuracy/test")[epoch].value
        spread = events.Histograms("activations/hidden")[epoch].histogram_value
        assert spread.num == runs["0.1"][epoch].histograms["activations/hidden"].size
        size = np.sqrt(spread.sum_squares / spread.num)
        rows.append([epoch, *(f"{loss:.2f}" for loss in losses), f"{accuracy:.2f}", f"{size:.2f}"])
    print("From the event file, rate 0.1:")
    header = ["epoch", "training loss", "test loss", "accuracy", "size of activations"]
    print(text_table(header, rows))
    assert float(rows[-1][1]) < float(rows[-1][2]) < float(rows[0][2])
    assert float(rows[-1][3]) >= 0.94
else:
    print(MISSING)

# %% [markdown]
# The *size* is the root of the mean square. It grows as the network learns: it becomes surer of itself. The training loss
# ends far below the test loss: the network knows its own data better than new data.
#
# ### The figures, drawn from the file
#
# This is what TensorBoard shows, drawn here by hand from the event files only. Compare it with the live figure above: the
# same numbers came a different way.

# %%
if HAS_TENSORBOARD:
    from io import BytesIO

    figure, axes = plt.subplots(2, 2, figsize=(9.4, 7.2), layout="constrained")
    (curves, heights), (first, last) = axes

    for index, rate in enumerate(RATES):
        loss = [event.value for event in read(f"rate_{rate}").Scalars("loss/train")]
        look = {
            "color": COLORS[index],
            "linestyle": ("--", "-", ":")[index],
            "marker": "os^"[index],
        }
        curves.plot(loss, **look, label=f"rate_{rate}")
    curves.set(
        yscale="log", ylim=(1e-2, 1e4), xlabel="step", ylabel="loss (log)", title="loss/train"
    )
    curves.legend(loc="upper right")

    for event in events.Histograms("activations/hidden"):
        spread = event.histogram_value
        counts = np.log10(np.maximum(spread.bucket, 1))
        base, tone = 2 * (EPOCHS - event.step), 0.75 * (1 - event.step / EPOCHS)
        order = {"zorder": 3 + event.step}
        heights.fill_between(spread.bucket_limit, base, base + counts, color=str(0.95), **order)
        heights.plot(spread.bucket_limit, base + counts, color=str(tone), linewidth=1, **order)
    heights.set(xlabel="activation", ylabel="epoch", title="activations/hidden")
    heights.set_yticks(range(0, 2 * EPOCHS + 1, 8), range(EPOCHS, -1, -4))

    for panel, event in (
        (first, events.Images("changes/hidden")[1]),
        (last, events.Images("changes/hidden")[-1]),
    ):
        pixels = plt.imread(BytesIO(event.encoded_image_string), format="png")
        panel.imshow(np.rot90(pixels))
        panel.set(xticks=[], yticks=[], title=f"changes/hidden, step {event.step}")
        panel.set(xlabel="each square is one hidden unit", ylabel="32 units")
    plt.show()
    shown = len(events.Images("changes/hidden"))
    print(
        f"{len(events.Histograms('activations/hidden'))} histograms and {shown} images in the file"
    )
else:
    print(MISSING)

# %% [markdown]
# And the graph, as boxes. Each is an operation; the parameters come in from the side.

# %%
if HAS_TENSORBOARD and HAS_TORCH:
    nodes = {node.name: node for node in events.Graph().node}
    # From the output back to the input: the one way that is no parameter.
    name, path = next(name for name in nodes if name.startswith("output/")), []
    while name is not None:
        node = nodes[name]
        path.insert(0, node)
        sources = [source for source in node.input if nodes[source].op != "prim::GetAttr"]
        name = sources[0] if sources else None
    rows = []
    for node in path:
        takes = [
            source.split("/")[-2] for source in node.input if nodes[source].op == "prim::GetAttr"
        ]
        rows.append([node.name.split("/")[-2], node.op, " and ".join(sorted(takes)) or "-"])
    print(text_table(["part", "operation", "parameters"], rows))
    operations = [node.op for node in path]
    assert operations[1:-1] == ["aten::linear", "aten::relu", "aten::linear"]

    figure, axes = plt.subplots(figsize=(9.4, 1.8), layout="constrained")
    for place, (part, operation, _) in enumerate(rows):
        text = f"{part}\n{operation.split('::')[-1]}" if "::" in operation else part
        box = {"boxstyle": "round,pad=0.6", "facecolor": "white", "edgecolor": COLORS[0]}
        axes.text(place, 0, text, ha="center", va="center", fontsize=11, bbox=box)
        if place:
            arrow = {"arrowstyle": "->", "linewidth": 1.8}
            axes.annotate("", (place - 0.38, 0), (place - 0.62, 0), arrowprops=arrow)
    axes.set(xlim=(-0.5, len(rows) - 0.5), ylim=(-1, 1))
    axes.axis("off")
    plt.show()
else:
    print("This needs tensorboard and torch: %pip install tensorboard torch")

# %% [markdown]
# ### TensorBoard itself
#
# Open a terminal (in JupyterLab: *File*, *New*, *Terminal*), go to the folder of this notebook and say
#
# ```bash
# tensorboard --logdir runs
# ```
#
# It prints an address, usually <http://localhost:6006>; open it in your browser. Nothing leaves your computer. If the
# terminal does not know the command, write the environment's path before it, as with JupyterLab: `.venv/bin/tensorboard`
# in the course's folder. *Ctrl* and *C* in the terminal end it.
#
# To see it here in the notebook instead, set the switch to `True` and run the cell:

# %%
SHOW_TENSORBOARD = False

if SHOW_TENSORBOARD:
    from IPython import get_ipython

    shell = get_ipython()
    shell.run_line_magic("load_ext", "tensorboard")
    shell.run_line_magic("tensorboard", f"--logdir {RUNS}")

# %% [markdown]
# What you will find there:
#
# - **Time series**, the first page, has everything: losses, histograms and pictures, a card each. On the left you choose
#   runs. Switch `rate_1.8` off, or the other losses lie flat on the axis: its loss is millions of times higher.
# - **Scalars.** The bright line is *smoothed*; the pale one behind it is what was logged. Put *Smoothing* on the left to 0
#   before you believe a curve. *Horizontal axis* chooses steps or time.
# - **Images.** Each card has a slider for the epoch. *Show actual image size* shows the real pixels.
# - **Graphs.** Choose the run `rate_0.1`. You see three boxes: input, `Sequential`, output. A double click on
#   `Sequential` opens it, and there are the layers of the table above.
# - **Distributions** and **Histograms** show the same data twice: from above with its percentiles over the epochs, and as
#   mountains one behind the other, the last epoch in front. Look at `gradients/hidden` of `rate_0.1`: the gradients shrink
#   as there is less to learn.
#
# ## What to take with you
#
# - A variance here is the 1/N one. Say so when you report one, and look up what your library does.
# - Read a verdict from the top: what it is, the named mistake if there is one, the first case that fails. Do that case
#   by hand.
# - Look at every run: two losses, a histogram, and one number you can read back. A falling loss alone does not say that
#   the rate is right.
#
# ## Common mistakes
#
# The assignment of this unit is a warm-up. These are the mistakes that its check knows.

# %%
from course.exercises import common_mistakes

common_mistakes("00_start")

# %% [markdown]
# ## Further reading
#
# - Harris et al., *Array programming with NumPy*, 2020: [doi:10.1038/s41586-020-2649-2](https://doi.org/10.1038/s41586-020-2649-2).
#   Axes, shapes and broadcasting in ten pages.
# - Kluyver et al., *Jupyter Notebooks: a publishing format for reproducible computational workflows*, 2016:
#   [doi:10.3233/978-1-61499-649-8-87](https://doi.org/10.3233/978-1-61499-649-8-87).
# - Abadi et al., *TensorFlow: A system for large-scale machine learning*, 2016:
#   [arXiv:1605.08695](https://arxiv.org/abs/1605.08695). Section 9 tells of TensorBoard.
# - Chan, Golub, LeVeque, *Algorithms for Computing the Sample Variance: Analysis and Recommendations*, 1983:
#   [doi:10.1080/00031305.1983.10483115](https://doi.org/10.1080/00031305.1983.10483115). Why the mean of the squares minus
#   the square of the mean can go badly wrong for numbers far from 0.
# - Ioffe, Szegedy, *Batch Normalization*, 2015: [arXiv:1502.03167](https://arxiv.org/abs/1502.03167). The 1/N variance in
#   a network, and where the 1/(N − 1) one is used after all.
