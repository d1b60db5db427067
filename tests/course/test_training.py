"""The training loop makes the steps it says, records them, and ends when the loss overflows."""

import io
import itertools
import json
import sys
from functools import partial

import matplotlib.image
import numpy as np
import pytest
import torch

from course._numbers import values_of
from course.data import Split, batches, diabetes, digits
from course.layers import BatchNorm, Dropout, Linear, ReLU, RReLU, Sequential, TorchModule, walk
from course.losses import cross_entropy, cross_entropy_grad, mse, mse_grad
from course.optimizers import Optimizer, adam, adamw, lion, momentum, nadam, sgd
from course.schedulers import Plateau, cosine
from course.training import History, TensorBoard, train


def network(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(Linear(64, 8, rng), ReLU(), Linear(8, 10, rng))


def test_it_is_the_loop_written_out():
    data = digits()
    ours, theirs = network(), network()
    seen = train(
        ours,
        Optimizer(adam, ours.params, lr=0.01),
        data,
        epochs=2,
        batch_size=100,
        rng=np.random.default_rng(7),
    )
    optimizer, rng = Optimizer(adam, theirs.params, lr=0.01), np.random.default_rng(7)
    losses = [cross_entropy(theirs.forward(data.x_train), data.y_train)]
    for _ in range(2):
        for batch in batches(len(data.x_train), 100, rng):
            logits = theirs.forward(data.x_train[batch])
            theirs.backward(cross_entropy_grad(logits, data.y_train[batch]))
            optimizer.step(theirs.grads)
        losses.append(cross_entropy(theirs.forward(data.x_train), data.y_train))
    np.testing.assert_array_equal(seen.train_loss, losses)
    test_logits = theirs.forward(data.x_test)
    assert seen.test_loss[-1] == cross_entropy(test_logits, data.y_test)
    assert seen.test_accuracy[-1] == np.mean(test_logits.argmax(axis=1) == data.y_test)
    assert not seen.diverged


def test_it_ends_when_the_loss_overflows():
    model = Sequential(
        Linear(64, 8, np.random.default_rng(0)), Linear(8, 10, np.random.default_rng(1))
    )
    seen = train(
        model,
        Optimizer(sgd, model.params, lr=1e6),
        digits(),
        epochs=50,
        batch_size=32,
        rng=np.random.default_rng(0),
    )
    assert seen.diverged
    assert seen.train_loss[-1] == np.inf
    assert 1 < len(seen.train_loss) < 51


def test_no_epochs_only_score():
    model = network()
    before = [param.copy() for param in model.params]
    optimizer, rng = Optimizer(sgd, model.params, lr=0.1), np.random.default_rng(0)
    seen = train(model, optimizer, digits(), epochs=0, batch_size=32, rng=rng)
    assert len(seen.train_loss) == 1
    assert all(np.array_equal(a, b) for a, b in zip(before, model.params, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
        ({"batch_size": 0}, "batch_size = 0"),
    ],
)
def test_bad_numbers_are_refused(change, message):
    x, y = np.zeros((3, 64)), np.zeros(3, dtype=int)
    model = network()
    numbers = {"epochs": 1, "batch_size": 2} | change
    with pytest.raises(ValueError, match=message):
        train(
            model,
            Optimizer(sgd, model.params, lr=0.1),
            Split(x, y, x, y),
            rng=np.random.default_rng(0),
            **numbers,
        )


def test_a_history_has_equal_lengths():
    with pytest.raises(ValueError, match=r"got \[2, 2, 1\]"):
        History(np.zeros(2), np.zeros(2), np.zeros(1))


# What else train can do.


def classifier(seed=0, dropout=False):
    """A network with everything that has a state of its own."""
    rng = np.random.default_rng(seed)
    layers = [BatchNorm(8), Dropout(0.2, rng), RReLU(rng)] if dropout else [ReLU()]
    return Sequential(Linear(64, 8, rng), *layers, Linear(8, 10, rng))


def small():
    """Fewer samples: these runs are compared, not scored."""
    data = digits()
    return Split(data.x_train[:300], data.y_train[:300], data.x_test[:100], data.y_test[:100])


def numbers(network):
    buffers = [b for layer in walk(network) for b in getattr(layer, "buffers", ())]
    return [np.asarray(values_of(array)).copy() for array in (*network.params, *buffers)]


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_layers_are_told_when_they_train():
    seen = []

    class Spy(ReLU):
        def forward(self, x, training=False):
            seen.append((len(x), training))
            return super().forward(x, training)

    rng = np.random.default_rng(0)
    model = Sequential(Spy(), Linear(64, 10, rng))
    optimizer = Optimizer(sgd, model.params, lr=0.1)
    train(model, optimizer, small(), epochs=1, batch_size=150, rng=rng)
    scoring = [(100, False), (300, False)]
    assert seen == [*scoring, (150, True), (150, True), *scoring]


@pytest.mark.parametrize("schedule", [partial(cosine, lr=0.1, steps=6), lambda t: 0.1 / (1 + t)])
def test_a_schedule_sets_the_rate_before_each_step(schedule):
    rates = []

    def rule(theta, grad, state=None, *, lr):
        rates.append(lr)
        return theta - lr * grad, {}

    model = Linear(64, 10, np.random.default_rng(0))
    optimizer = Optimizer(rule, [model.params[0]], lr=9.0)
    model.backward = lambda grad: setattr(model, "grads", [np.zeros((64, 10))])
    rng = np.random.default_rng(0)
    train(model, optimizer, small(), epochs=2, batch_size=100, rng=rng, schedule=schedule)
    assert rates == [schedule(t) for t in range(6)]


def test_a_plateau_sees_the_test_loss_of_every_epoch():
    model, rng, plateau = network(), np.random.default_rng(0), Plateau(3.0, patience=1, factor=0.1)
    optimizer = Optimizer(sgd, model.params, lr=0.0)
    seen = train(model, optimizer, small(), epochs=6, batch_size=30, rng=rng, schedule=plateau)
    again = Plateau(3.0, patience=1, factor=0.1)
    assert optimizer.hyper["lr"] == [again.update(loss) for loss in seen.test_loss][-1] < 3.0


@pytest.mark.parametrize(("max_norm", "is_shorter"), [(1e-3, True), (1e6, False)])
def test_gradients_are_clipped_together(max_norm, is_shorter):
    model = network()
    before = [param.copy() for param in model.params]
    optimizer = Optimizer(sgd, model.params, lr=1.0)
    rng = np.random.default_rng(0)
    train(model, optimizer, small(), epochs=1, batch_size=300, rng=rng, max_norm=max_norm)
    step = np.concatenate([(a - b).ravel() for a, b in zip(before, model.params, strict=True)])
    gradient = np.concatenate([grad.ravel() for grad in model.grads])
    length = max_norm if is_shorter else np.linalg.norm(gradient)
    np.testing.assert_allclose(np.linalg.norm(step), length, rtol=1e-9)
    np.testing.assert_allclose(step / length, gradient / np.linalg.norm(gradient), atol=1e-12)


@pytest.mark.parametrize("max_norm", [None, 0.1])
def test_frozen_layers_keep_every_bit(max_norm):
    model = classifier(dropout=True)
    before = numbers(Sequential(*model.layers[:2]))
    model.frozen = {0, 1}
    optimizer = Optimizer(adamw, model.params, lr=0.1, weight_decay=0.1)
    rng = np.random.default_rng(0)
    train(model, optimizer, small(), epochs=1, batch_size=50, rng=rng, max_norm=max_norm)
    assert_same(numbers(Sequential(*model.layers[:2])), before)
    assert optimizer.states[:4] == [None] * 4
    assert optimizer.states[4] is not None


def test_a_regression_has_no_accuracy():
    data, rng = diabetes(), np.random.default_rng(0)
    model = Linear(10, 1, rng)
    optimizer = Optimizer(adam, model.params, lr=0.05)
    seen = train(model, optimizer, data, epochs=20, batch_size=32, rng=rng, loss=(mse, mse_grad))
    assert np.isnan(seen.test_accuracy).all()
    assert seen.test_loss[-1] == mse(model.forward(data.x_test), data.y_test)
    best = np.linalg.lstsq(data.x_train, data.y_train)[0]
    floor = mse(data.x_train @ best, data.y_train)
    assert floor <= seen.train_loss[-1] < 1.1 * floor < 1


# Early stopping.


def overfit(patience, **options):
    """Train a network too large for 40 samples: its test loss rises again."""
    data = digits()
    data = Split(data.x_train[:40], data.y_train[:40], data.x_test, data.y_test)
    model = classifier(dropout=True)
    optimizer, rng = Optimizer(adam, model.params, lr=0.05), np.random.default_rng(0)
    numbers = {"epochs": 40, "batch_size": 10} | options
    seen = train(model, optimizer, data, rng=rng, patience=patience, **numbers)
    return model, seen, data


def test_early_stopping_stops_and_brings_the_best_back():
    model, seen, data = overfit(patience=5)
    best = seen.best_epoch
    assert len(seen.test_loss) == best + 5 + 1 < 41
    assert (seen.test_loss[best + 1 :] >= seen.test_loss[best]).all()
    assert cross_entropy(model.forward(data.x_test), data.y_test) == seen.test_loss[best]
    straight, _, _ = overfit(patience=None, epochs=best)
    assert_same(numbers(model), numbers(straight))


def test_the_best_comes_back_also_when_the_epochs_are_over():
    stopped, seen, _ = overfit(patience=5)
    model, _, _ = overfit(patience=100, epochs=seen.best_epoch + 2)
    assert_same(numbers(model), numbers(stopped))


def test_a_run_that_overflows_at_once_has_nothing_to_bring_back():
    x = np.full((4, 64), 1e200)
    model, rng = Linear(64, 2, np.random.default_rng(0)), np.random.default_rng(0)
    model.params[0][...] *= 1e200
    data = Split(x, np.array([0, 1, 0, 1]), x, np.array([0, 1, 0, 1]))
    optimizer = Optimizer(sgd, model.params, lr=0.1)
    seen = train(model, optimizer, data, epochs=5, batch_size=2, rng=rng, patience=3)
    assert seen.diverged


# Checkpoints.

GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]
RUNS = {
    "plain": {},
    "everything": {"patience": 3, "max_norm": 0.5, "batch_size": 32},
    "a schedule": {"schedule": lambda: partial(cosine, lr=0.1, steps=50)},
    "a plateau": {"schedule": lambda: Plateau(0.05, patience=1), "patience": 2},
}


def a_run(epochs, checkpoint=None, rule=adam, make=np.random.PCG64, **options):
    rng = np.random.Generator(make(5))
    layers = [BatchNorm(8), Dropout(0.2, rng), RReLU(np.random.default_rng(6))]
    model = Sequential(Linear(64, 8, rng), *layers, Linear(8, 10, rng))
    optimizer = Optimizer(rule, model.params, lr=0.05)
    options = {"batch_size": 64} | options
    if "schedule" in options:
        options["schedule"] = options["schedule"]()
    seen = train(
        model, optimizer, small(), epochs=epochs, rng=rng, checkpoint=checkpoint, **options
    )
    return model, optimizer, seen, rng


def assert_same_run(one, other):
    assert_same(numbers(one[0]), numbers(other[0]))
    for state, again in zip(one[1].states, other[1].states, strict=True):
        assert state.keys() == again.keys()
        for key in state:
            np.testing.assert_array_equal(state[key], again[key])
            assert getattr(state[key], "dtype", None) == getattr(again[key], "dtype", None)
    assert one[1].hyper == other[1].hyper
    for field in ("train_loss", "test_loss", "test_accuracy"):
        np.testing.assert_array_equal(getattr(one[2], field), getattr(other[2], field))
    np.testing.assert_array_equal(one[3].random(3), other[3].random(3))
    drawn = [
        [layer.rng.random() for layer in walk(run[0]) if hasattr(layer, "rng")]
        for run in (one, other)
    ]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("stops", [[1], [2, 3], [0, 4]])
def test_a_run_in_parts_is_the_run_in_one_go(options, stops, tmp_path):
    straight = a_run(6, **options)
    for epochs in [*stops, 6]:
        parts = a_run(epochs, tmp_path / "run.npz", **options)
    assert_same_run(straight, parts)


@pytest.mark.parametrize("rule", [sgd, momentum, adam, nadam, lion], ids=lambda rule: rule.__name__)
def test_the_state_of_every_kind_of_rule_comes_back(rule, tmp_path):
    a_run(1, tmp_path / "run.npz", rule=rule)
    assert_same_run(a_run(2, rule=rule), a_run(2, tmp_path / "run.npz", rule=rule))


@pytest.mark.parametrize("make", GENERATORS, ids=lambda make: make.__name__)
def test_every_generator_of_numpy_comes_back(make, tmp_path):
    a_run(1, tmp_path / "run.npz", make=make)
    assert_same_run(a_run(2, make=make), a_run(2, tmp_path / "run.npz", make=make))


def test_a_run_killed_in_the_middle_of_an_epoch_loses_that_epoch_only(tmp_path, monkeypatch):
    path, steps = tmp_path / "run.npz", itertools.count()

    def step(self, grads):
        if next(steps) == 12:
            raise KeyboardInterrupt
        original(self, grads)

    original = Optimizer.step
    monkeypatch.setattr(Optimizer, "step", step)
    with pytest.raises(KeyboardInterrupt):
        a_run(4, path)
    monkeypatch.undo()
    assert_same_run(a_run(4), a_run(4, path))


def test_a_run_killed_while_writing_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    a_run(2, path)
    before = path.read_bytes()

    def savez(file, **arrays):
        file.write(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(KeyboardInterrupt):
        a_run(3, path)
    assert path.read_bytes() == before


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = a_run(3, tmp_path / "run.npz", patience=5)
    written = (tmp_path / "run.npz").stat().st_mtime_ns
    assert_same_run(first, a_run(3, tmp_path / "run.npz", patience=5))
    assert (tmp_path / "run.npz").stat().st_mtime_ns == written


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    _, seen, _ = overfit(patience=3, checkpoint=tmp_path / "run.npz")
    model, again, data = overfit(patience=3, checkpoint=tmp_path / "run.npz", epochs=100)
    np.testing.assert_array_equal(seen.test_loss, again.test_loss)
    best = seen.test_loss.min()
    assert cross_entropy(model.forward(data.x_test), data.y_test) == best


def test_a_run_continues_from_the_last_parameters_not_from_the_best(tmp_path):
    _, seen, _ = overfit(patience=5)
    later = seen.best_epoch + 4
    straight, *_ = overfit(patience=None, epochs=later)
    overfit(patience=5, epochs=later - 2, checkpoint=tmp_path / "run.npz")
    _, parts, _ = overfit(patience=5, epochs=later, checkpoint=tmp_path / "run.npz")
    np.testing.assert_array_equal(parts.train_loss, seen.train_loss[: later + 1])
    with np.load(tmp_path / "run.npz") as file:
        assert_same([file["arrays/0"]], numbers(straight)[:1])


def test_a_checkpoint_holds_no_pickle(tmp_path):
    a_run(1, tmp_path / "deep" / "run.npz", patience=1)
    with np.load(tmp_path / "deep" / "run.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert all(array.dtype != object for array in arrays.values())
    assert json.loads(str(arrays["meta"]))["rule"] == "adam"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run.npz"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 32}, "was written with batch_size = 64, this run has 32"),
        ({"rule": momentum}, "was written with rule = adam, this run has momentum"),
        ({"patience": 3}, "was written with early stopping = False, this run has True"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(options, message, tmp_path):
    a_run(1, tmp_path / "run.npz")
    with pytest.raises(ValueError, match=message):
        a_run(2, tmp_path / "run.npz", **options)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    a_run(1, tmp_path / "run.npz")
    model, rng = network(), np.random.default_rng(0)
    optimizer = Optimizer(adam, model.params, lr=0.05)
    before = numbers(model)
    with pytest.raises(ValueError, match=r"written with arrays = \[\[64, 8\], .*this run has"):
        train(
            model,
            optimizer,
            small(),
            epochs=2,
            batch_size=64,
            rng=rng,
            checkpoint=tmp_path / "run.npz",
        )
    assert_same(numbers(model), before)


@pytest.mark.parametrize("content", [b"", b"no zip file", None])
def test_another_file_is_no_checkpoint(content, tmp_path):
    path = tmp_path / "run.npz"
    if content is None:
        np.savez(path, weights=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.npz is no checkpoint of train"):
        a_run(1, path)


def test_only_a_fresh_plateau_continues(tmp_path):
    plateau = Plateau(0.05)
    a_run(1, tmp_path / "run.npz", schedule=lambda: plateau)
    with pytest.raises(ValueError, match="make a new one with the same arguments"):
        a_run(2, tmp_path / "run.npz", schedule=lambda: plateau)


# Torch modules.


def torch_run(epochs, checkpoint=None, dtype=torch.float64, **options):
    torch.manual_seed(3)
    module = torch.nn.Sequential(
        torch.nn.Linear(64, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.Dropout(0.2),
        torch.nn.Linear(8, 10),
    ).to(dtype)
    model, rng = TorchModule(module), np.random.default_rng(0)
    optimizer = Optimizer(adam, model.params, lr=0.05)
    seen = train(
        model,
        optimizer,
        small(),
        epochs=epochs,
        batch_size=64,
        rng=rng,
        checkpoint=checkpoint,
        **options,
    )
    return model, optimizer, seen, rng


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_torch_module_trains_in_its_own_dtype_and_continues_exactly(dtype, tmp_path):
    straight = torch_run(4, dtype=dtype, patience=2, max_norm=1.0)
    for epochs in (1, 2, 4):
        parts = torch_run(epochs, tmp_path / "run.npz", dtype, patience=2, max_norm=1.0)
    assert_same_run(straight, parts)
    assert straight[0].params[0].dtype == dtype
    assert straight[2].test_loss[-1] < 0.8 * straight[2].test_loss[0]


def test_a_torch_twin_learns_the_same():
    model, data = network(), small()
    twin = torch.nn.Sequential(
        torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10)
    ).double()
    with torch.no_grad():
        for theirs, ours in zip(twin.parameters(), model.params, strict=True):
            theirs.copy_(torch.tensor(ours.T))
    twin = TorchModule(twin)
    histories = [
        train(
            each,
            Optimizer(sgd, each.params, lr=0.1),
            data,
            epochs=3,
            batch_size=32,
            rng=np.random.default_rng(1),
        )
        for each in (model, twin)
    ]
    np.testing.assert_allclose(histories[0].train_loss, histories[1].train_loss, rtol=1e-9)
    np.testing.assert_array_equal(histories[0].test_accuracy, histories[1].test_accuracy)


def test_a_float32_network_stays_float32():
    rng, like = np.random.default_rng(0), np.zeros(0, np.float32)
    model = Sequential(Linear(64, 8, rng, like=like), ReLU(), Linear(8, 10, rng, like=like))
    optimizer = Optimizer(adam, model.params, lr=0.01)
    train(model, optimizer, small(), epochs=1, batch_size=64, rng=rng)
    assert {array.dtype for array in (*model.params, *model.grads)} == {np.dtype(np.float32)}


# What one sees.


def test_the_bar_shows_epoch_and_loss(capsys):
    model, rng = network(), np.random.default_rng(0)
    optimizer = Optimizer(adam, model.params, lr=0.01)
    seen = train(model, optimizer, small(), epochs=2, batch_size=100, rng=rng, progress=True)
    shown = capsys.readouterr().out
    assert "100%" in shown
    assert f"test loss {seen.test_loss[1]:.4g}" in shown


def test_nothing_is_shown_unless_asked(capsys):
    a_run(1)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def accumulated():
    """Read an event folder back with TensorBoard's own reader."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(folder):
        events = accumulator.EventAccumulator(str(folder))
        events.Reload()
        return events

    return read


def test_tensorboard_reads_what_train_logs(accumulated, tmp_path):
    with TensorBoard(tmp_path) as log:
        model, optimizer, seen, _ = a_run(3, log=log, schedule=lambda: lambda t: 0.1 / (1 + t))
    events = accumulated(tmp_path)
    for tag, expected in [
        ("loss/train", seen.train_loss),
        ("loss/test", seen.test_loss),
        ("accuracy/test", seen.test_accuracy),
    ]:
        scalars = events.Scalars(tag)
        assert [event.step for event in scalars] == [1, 2, 3]
        np.testing.assert_allclose([event.value for event in scalars], expected[1:], rtol=1e-6)
    assert events.Scalars("lr")[-1].value == pytest.approx(optimizer.hyper["lr"])
    kinds = [f"{kind}/{i}" for kind in ("grads", "params") for i in range(len(model.params))]
    assert sorted(events.Tags()["histograms"]) == kinds
    last = events.Histograms("params/0")[-1].histogram_value
    assert (last.min, last.max) == (model.params[0].min(), model.params[0].max())
    assert sum(last.bucket) == last.num == model.params[0].size
    assert last.sum_squares == pytest.approx(np.sum(model.params[0] ** 2))


def test_tensorboard_shows_the_graph_of_a_torch_module(accumulated, tmp_path):
    with TensorBoard(tmp_path) as log:
        torch_run(1, log=log)
    names = {node.op for node in accumulated(tmp_path).Graph().node}
    assert "aten::batch_norm" in names or "aten::linear" in names


def test_tensorboard_shows_images(accumulated, tmp_path):
    digit = digits().x_train[0].reshape(8, 8)
    with TensorBoard(tmp_path) as log:
        log.image("digit", digit, step=4)
        log.image("tensor", torch.tensor(digit), step=4)
        log.image("color", np.random.default_rng(0).random((4, 6, 3)), step=5)
    events = accumulated(tmp_path)
    (gray,), (tensor,), (color,) = (events.Images(t) for t in ("digit", "tensor", "color"))
    assert (gray.step, gray.height, gray.width) == (4, 8, 8)
    assert (color.step, color.height, color.width) == (5, 4, 6)
    assert gray.encoded_image_string == tensor.encoded_image_string
    pixels = matplotlib.image.imread(io.BytesIO(gray.encoded_image_string), format="png")[..., 0]
    scaled = (digit - digit.min()) / np.ptp(digit)
    np.testing.assert_allclose(pixels, scaled, atol=2 / 255)


@pytest.mark.parametrize(
    ("values", "count"), [(np.zeros(0), 0), (np.array([1.0, np.nan, np.inf]), 1), (np.ones(()), 1)]
)
def test_histograms_leave_out_what_is_no_number(values, count, accumulated, tmp_path):
    with TensorBoard(tmp_path) as log:
        log.histogram("x", values, step=0)
    assert accumulated(tmp_path).Histograms("x")[0].histogram_value.num == count


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda log: log.scalar("x", "1", 0), TypeError, "x must be one number"),
        (lambda log: log.scalar("x", 1.0, -1), ValueError, "step must be at least 0, got -1"),
        (lambda log: log.scalar("x", 1.0, 0.5), TypeError, "step must be a whole number"),
        (lambda log: log.image("x", np.zeros(3), 0), ValueError, r"'x' has shape \(3,\)"),
        (lambda log: log.image("x", np.zeros((2, 2, 4)), 0), ValueError, r"shape \(2, 2, 4\)"),
    ],
)
def test_what_tensorboard_cannot_show_is_named(act, error, message, tmp_path):
    pytest.importorskip("tensorboard")
    with TensorBoard(tmp_path) as log, pytest.raises(error, match=f"TensorBoard: .*{message}"):
        act(log)


@pytest.mark.parametrize(
    ("module", "message"),
    [("tensorboard", "pip install tensorboard"), ("torch.utils.tensorboard", "pip install torch")],
)
def test_a_missing_package_is_named(module, message, tmp_path, monkeypatch):
    if module != "tensorboard":
        pytest.importorskip("tensorboard")
    for name in [name for name in sys.modules if name.startswith(module)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=message), TensorBoard(tmp_path) as log:
        log.graph(torch.nn.Linear(2, 2), torch.zeros(1, 2))
