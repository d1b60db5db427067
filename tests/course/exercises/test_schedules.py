"""The rules of unit 04 that the library has in another form, and its drawn cases."""

import numpy as np
import pytest

from course.checking.judge import draw_cases
from course.exercises import schedules as unit
from course.schedulers import EarlyStopping, Plateau, range_test, warmup


@pytest.mark.parametrize("seed", range(20))
def test_the_plateau_is_the_librarys(seed):
    rng = np.random.default_rng(seed)
    hyper = {
        "factor": 0.5,
        "patience": 1 + seed % 3,
        "min_delta": 0.05 * (seed % 2),
        "lr_min": 0.02,
    }
    library, state = Plateau(0.1, **hyper), None
    for metric in rng.uniform(0.5, 1.0, 30).round(1).tolist():
        rate, state = unit.plateau(metric, state, lr=0.1, **hyper)
        assert rate == library.update(metric)
        assert state["lr"] == rate
        assert state["best"] == library.best
    assert rate < 0.1


@pytest.mark.parametrize("seed", range(20))
def test_early_stopping_is_the_librarys(seed):
    rng = np.random.default_rng(seed)
    losses = rng.uniform(0.5, 1.0, 30).round(1).tolist()
    updates, start = rng.normal(size=(30, 2)), rng.normal(size=2)
    patience = 2 + seed % 5
    theta, state = start.copy(), None
    library, epochs = EarlyStopping([theta], patience=patience), 0
    for update, loss in zip(updates, losses, strict=True):
        theta += update
        epochs += 1
        stop, state = unit.early_stopping(loss, theta, state, patience=patience)
        assert stop == library.update(loss)
        assert state["best"] == library.best
        if stop:
            break
    library.restore()
    assert np.array_equal(state["theta"], theta)
    best, trained = unit.best_weights(start, updates, losses, patience=patience)
    np.testing.assert_allclose(best, theta)
    assert trained == epochs


@pytest.mark.parametrize("end", [(9.0,), (np.inf,), (np.nan,)])
def test_the_choice_is_that_of_the_librarys_range_test(end):
    losses = np.array([2.3, 2.2, 1.5, 0.9, 1.1, *end])
    shown = iter(losses)
    seen = range_test(lambda lr: next(shown), lr_min=1e-3, lr_max=10.0, factor=3.0)
    assert unit.choose_rate(seen.rates, losses) == seen.suggested
    assert seen.suggested == pytest.approx(1e-3 * 3**3 / 10)


def test_the_warm_up_is_the_librarys():
    slow = unit.six_tenths_minus_a_hundredth_of_t
    library = warmup(slow, steps=7, lr_start=0.1)
    for t in range(90):
        assert unit.warmup(t, slow, steps=7, lr_start=0.1) == library(t)


@pytest.mark.parametrize(
    ("pattern", "better"), [("<", True), ("=", False), (">", False), ("-", True)]
)
def test_metrics_are_drawn_as_their_pattern_says(pattern, better):
    for seed in range(50):
        first, last = unit.metrics(np.random.default_rng(seed), "<" + pattern)
        assert (last < first) is better
        assert (last == first) is (pattern == "=")
        assert (abs(last - first) < 0.05) is (pattern in "=-")


def test_bad_metrics_in_a_row_creep_towards_the_best_and_never_beat_it():
    for seed in range(50):
        best, *bad = unit.metrics(np.random.default_rng(seed), "<>>>>")
        assert bad == sorted(bad, reverse=True)
        assert len(set(bad)) == 4
        assert min(bad) > best + 0.05


@pytest.mark.parametrize("seed", range(30))
def test_range_curves_tell_the_ways_to_choose_apart(seed):
    case = draw_cases(unit.CHOOSE_RATE, seed)[0]
    for rates, losses in case.inputs["curves"]:
        low, steep = int(np.argmin(losses)), int(np.argmin(np.diff(losses)))
        turn = int(np.argmax(np.diff(losses) > 0))
        assert turn < steep < low < len(rates) - 3
        assert (np.diff(rates) > 0).all()
        assert rates[low] / rates[low - 10] > 20  # ten places are not a tenth
