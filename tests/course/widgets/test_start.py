"""The figures of unit 00 show what they say; a run reads back as logged."""

import io
import itertools

import matplotlib.image
import numpy as np
import pytest

from course.training import TensorBoard
from course.widgets import start as unit


@pytest.fixture(scope="module")
def batch():
    return unit.batch_explorer()


@pytest.fixture(scope="module")
def explorer():
    return unit.run_explorer()


@pytest.fixture(autouse=True)
def _as_it_was_at_first(request):
    for name in ("batch", "explorer"):
        if name in request.fixturenames:
            request.getfixturevalue(name).reset()


# --- the batch -------------------------------------------------------------------------------


def test_the_cross_is_the_batchs_mean_and_root_of_variance(batch):
    batch.update(samples=5, shift=3.0, seed=2)
    dots, moved, across, up = batch.figure.axes[0].lines
    x = np.array([*zip(*moved.get_data(), strict=True), *zip(*dots.get_data(), strict=True)])
    assert len(x) == 5
    for feature, (line, data) in enumerate([(across, "get_xdata"), (up, "get_ydata")]):
        ends = getattr(line, data)()
        assert np.mean(ends) == pytest.approx(x[:, feature].mean())
        assert np.ptp(ends) / 2 == pytest.approx(x[:, feature].std())


def test_one_moved_sample_moves_the_mean_by_an_nth_and_leaves_the_other_feature(batch):
    def mean(**values):
        batch.update(**values)
        _, _, across, up = batch.figure.axes[0].lines
        return np.mean(across.get_xdata()), np.mean(up.get_ydata())

    for samples in (2, 10, 40):
        before, after = (mean(samples=samples, shift=shift) for shift in (0.0, 5.0))
        np.testing.assert_allclose(np.subtract(after, before), [5.0 / samples, 0.0], atol=1e-12)


def test_the_two_variances_differ_by_their_divisor(batch):
    by_n, by_less, here, true = batch.figure.axes[1].lines
    sizes = by_n.get_xdata()
    np.testing.assert_allclose(by_less.get_ydata() / by_n.get_ydata(), sizes / (sizes - 1))
    (size,), (value,) = here.get_data()
    assert value == by_n.get_ydata()[sizes.tolist().index(size)]
    assert true.get_ydata()[0] == unit.VARIANCES[0]
    many = np.concatenate([unit._batch(seed) for seed in range(200)])
    np.testing.assert_allclose(many.var(axis=0), unit.VARIANCES, rtol=0.05)


# --- the run ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good():
    return unit.digits_run(0.1)


def test_a_run_learns_and_a_rate_too_large_or_small_does_not(good):
    first, last = good[0].scalars, good[-1].scalars
    assert first["accuracy/test"] < 0.3
    assert last["accuracy/test"] > 0.93
    assert last["loss/train"] < last["loss/test"] < first["loss/test"]
    small, _, large = (unit._run(rate)[-1].scalars for rate in unit.RATES)
    assert small["accuracy/test"] < 0.6
    assert large["loss/train"] > 1e3


def test_a_snapshot_is_of_its_epoch(good):
    weights = [seen.histograms["weights/hidden"] for seen in good]
    assert len(good) == unit.EPOCHS + 1
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(weights))
    assert np.all(good[-1].histograms["activations/hidden"] >= 0)
    sizes = [np.linalg.norm(seen.histograms["gradients/hidden"]) for seen in good]
    assert sizes[-1] < sizes[0] / 3


def test_no_tag_stands_for_two_kinds(good):
    """The reader gives both; TensorBoard's page silently drops the second."""
    for seen in good:
        tags = [*seen.scalars, *seen.histograms, *seen.images]
        assert len(set(tags)) == len(tags)


def test_the_units_lie_side_by_side():
    weights = np.arange(64.0 * unit.HIDDEN).reshape(64, unit.HIDDEN)
    picture = unit.side_by_side(weights)
    assert picture.shape == (9 * unit.HIDDEN // unit.ACROSS - 1, 9 * unit.ACROSS - 1)
    np.testing.assert_array_equal(picture[:8, :8], weights[:, 0].reshape(8, 8))
    np.testing.assert_array_equal(picture[:8, 9:17], weights[:, 1].reshape(8, 8))
    below = picture[9:17, :8]
    np.testing.assert_array_equal(below, weights[:, unit.ACROSS].reshape(8, 8))
    assert not picture[8].any()
    assert not picture[:, 8].any()


def test_what_is_drawn_is_what_was_seen(explorer, good):
    text = explorer.update(lr="0.1", what="weights/hidden", epoch=3)
    assert f"training loss {good[3].scalars['loss/train']:.3g}," in text
    loss_axes, count_axes, _ = explorer.figure.axes
    seen = [snapshot.scalars["loss/test"] for snapshot in good[:4]]
    np.testing.assert_allclose(loss_axes.lines[1].get_ydata(), seen)
    for line, snapshot in zip(count_axes.lines, (good[0], good[3]), strict=True):
        values = snapshot.histograms["weights/hidden"]
        counts, _ = np.histogram(values, len(line.get_ydata()), count_axes.get_xlim())
        assert counts.sum() == values.size
        np.testing.assert_array_equal(np.floor(line.get_ydata()), counts)


def test_a_run_reads_back_from_its_event_files_as_it_was_logged(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def log_epoch(epoch, seen):
        for tag, value in seen.scalars.items():
            log.scalar(tag, value, step=epoch)
        for tag, values in seen.histograms.items():
            log.histogram(tag, values, step=epoch)
        for tag, picture in seen.images.items():
            log.image(tag, picture, step=epoch)

    with TensorBoard(tmp_path) as log:
        run = unit.digits_run(0.1, log_epoch)
    everything = {"scalars": 0, "histograms": 0, "images": 0}
    events = reader.EventAccumulator(str(tmp_path), everything).Reload()

    steps = list(range(unit.EPOCHS + 1))
    assert set(events.Tags()["scalars"]) == set(run[0].scalars)
    for tag in run[0].scalars:
        read = events.Scalars(tag)
        assert [event.step for event in read] == steps
        logged = [seen.scalars[tag] for seen in run]
        np.testing.assert_allclose([event.value for event in read], logged, rtol=1e-6)
    assert set(events.Tags()["histograms"]) == set(run[0].histograms)
    for tag in run[0].histograms:
        read = events.Histograms(tag)
        assert [event.step for event in read] == steps
        for event, seen in zip(read, run, strict=True):
            values, spread = seen.histograms[tag], event.histogram_value
            assert (spread.min, spread.max, spread.num) == (values.min(), values.max(), values.size)
            assert sum(spread.bucket) == values.size
    assert events.Tags()["images"] == ["changes/hidden"]
    read = events.Images("changes/hidden")
    assert [event.step for event in read] == steps
    assert not run[0].images["changes/hidden"].any()
    for event, seen in zip(read[1:], run[1:], strict=True):
        picture = io.BytesIO(event.encoded_image_string)
        pixels = matplotlib.image.imread(picture, format="png")[..., 0]
        image = seen.images["changes/hidden"]
        np.testing.assert_allclose(pixels, (image - image.min()) / np.ptp(image), atol=2 / 255)
