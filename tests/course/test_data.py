"""Every set is split fairly and scaled without a look at the test part."""

import numpy as np
import pytest
from sklearn import datasets
from sklearn.datasets import load_digits

from course import data as sets
from course.data import Split, batches, digits, ill_conditioned_regression, spirals, two_moons


@pytest.mark.parametrize("seed", [0, 1, 17])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_split_is_complete_and_stratified(seed, share):
    data = digits(seed, share)
    labels = load_digits().target
    assert len(data.y_train) + len(data.y_test) == len(labels)
    assert data.x_train.shape == (len(data.y_train), 64)
    assert data.x_test.shape == (len(data.y_test), 64)
    counts = np.bincount(labels)
    np.testing.assert_allclose(np.bincount(data.y_test), share * counts, atol=0.5)
    np.testing.assert_array_equal(np.bincount(data.y_train) + np.bincount(data.y_test), counts)


def test_scaling_uses_the_training_part_only():
    data = digits(seed=0)
    assert data.x_train.dtype == np.float64
    std = data.x_train.std(axis=0)
    constant = std == 0
    assert constant.any()
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(std[~constant], 1, rtol=1e-12)
    assert (data.x_train[:, constant] == 0).all()
    assert np.abs(data.x_test.mean(axis=0)).max() > 0.01
    assert np.isfinite(data.x_test).all()


def test_the_seed_fixes_the_split():
    first, again, other = digits(5), digits(5), digits(6)
    np.testing.assert_array_equal(first.x_train, again.x_train)
    np.testing.assert_array_equal(first.y_test, again.y_test)
    assert not np.array_equal(first.y_train, other.y_train)
    assert not np.array_equal(first.y_train, np.sort(first.y_train))


SETS = {  # samples, features, classes (0: a regression), scikit-learn's own
    "digits": (1797, 64, 10, datasets.load_digits),
    "iris": (150, 4, 3, datasets.load_iris),
    "wine": (178, 13, 3, datasets.load_wine),
    "breast_cancer": (569, 30, 2, datasets.load_breast_cancer),
    "diabetes": (442, 10, 0, lambda: datasets.load_diabetes(scaled=False)),
    "two_moons": (500, 2, 2, None),
    "spirals": (600, 2, 2, None),
    "ill_conditioned_regression": (500, 10, 0, None),
}


@pytest.fixture(params=SETS)
def name(request):
    return request.param


def test_every_set_has_its_size_and_standardised_training_part(name):
    samples, features, classes, _ = SETS[name]
    data = getattr(sets, name)()
    assert len(data.x_train) + len(data.x_test) == samples
    assert data.x_train.shape[1:] == data.x_test.shape[1:] == (features,)
    assert data.x_train.dtype == data.x_test.dtype == np.float64
    assert np.isfinite(data.x_test).all()
    arrays = [data.x_train] if classes else [data.x_train, data.y_train]
    for array in arrays:
        std = array.std(axis=0)
        np.testing.assert_allclose(array.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(std[std > 0], 1, rtol=1e-12)
    if classes:
        assert set(np.unique(data.y_train)) == set(np.unique(data.y_test)) == set(range(classes))
        assert data.y_train.dtype.kind == "i"
    else:
        assert data.y_train.shape == (len(data.x_train), 1)
        assert data.y_test.shape == (len(data.x_test), 1)


def test_the_seed_fixes_every_set(name):
    first, again, other = (getattr(sets, name)(seed) for seed in (5, 5, 6))
    for part in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, part), getattr(again, part))
    assert not np.array_equal(first.x_train, other.x_train)


@pytest.mark.parametrize("real", [name for name, row in SETS.items() if row[3]])
def test_real_sets_hold_scikit_learns_samples_each_once(real):
    """Standardise scikit-learn's own with the moments found: the same rows come out."""
    raw, data = SETS[real][3](), getattr(sets, real)(3)
    both = np.concatenate([data.x_train, data.x_test])
    targets = np.concatenate([data.y_train, data.y_test]).reshape(len(both), -1)
    ours, theirs = np.hstack([both, targets]), np.hstack([raw.data, raw.target[:, None]])
    varies = np.ptp(ours, axis=0) > 0
    ours, theirs = (
        (a - a.min(axis=0)) / np.ptp(a, axis=0) for a in (ours[:, varies], theirs[:, varies])
    )
    ranks = (np.lexsort(a.round(9).T) for a in (ours, theirs))
    np.testing.assert_allclose(ours[next(ranks)], theirs[next(ranks)], atol=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_every_set_keeps_the_share(name, share):
    samples, _, classes, _ = SETS[name]
    data = getattr(sets, name)(test_share=share)
    if classes:
        counts = np.bincount(np.concatenate([data.y_train, data.y_test]))
        np.testing.assert_allclose(np.bincount(data.y_test), share * counts, atol=0.5)
    else:
        assert len(data.y_test) == round(share * samples)


@pytest.mark.parametrize("draw", [two_moons, spirals])
def test_without_noise_the_nearest_point_is_of_the_same_curve(draw):
    data = draw(samples=400, noise=0.0)
    distances = np.linalg.norm(data.x_test[:, None] - data.x_train[None], axis=2)
    np.testing.assert_array_equal(data.y_train[distances.argmin(axis=1)], data.y_test)


@pytest.mark.parametrize("draw", [two_moons, spirals])
def test_no_line_tells_the_curves_apart(draw):
    data = draw(noise=0.0)
    line = np.linalg.lstsq(np.c_[data.x_train, np.ones(len(data.x_train))], data.y_train)[0]
    guess = np.c_[data.x_test, np.ones(len(data.x_test))] @ line > 0.5
    assert (guess == data.y_test).mean() < 0.95


def test_spirals_share_the_points_evenly_and_wind_as_often_as_told():
    data = spirals(samples=4000, classes=3, noise=0.0, turns=1.5)
    counts = np.bincount(np.concatenate([data.y_train, data.y_test]))
    np.testing.assert_array_equal(counts, [1334, 1333, 1333])
    radius, angle = np.hypot(*data.x_train.T), np.arctan2(*data.x_train.T)
    first = data.y_train == 0
    winding = np.unwrap(angle[first][np.argsort(radius[first])])
    assert abs(winding[-1] - winding[0]) == pytest.approx(2 * np.pi * 1.5 * 0.9, rel=0.05)


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e3, 1e6])
@pytest.mark.parametrize("features", [2, 10])
def test_the_regression_has_its_condition_number(condition, features):
    data = ill_conditioned_regression(condition=condition, features=features)
    hessian = data.x_train.T @ data.x_train / len(data.x_train)
    values = np.linalg.eigvalsh(hessian)
    np.testing.assert_allclose(values[-1] / values[0], condition, rtol=1e-8)
    np.testing.assert_allclose(np.diag(hessian), 1, rtol=1e-12)
    steps = np.full(features - 1, np.log(condition) / (features - 1))
    np.testing.assert_allclose(np.diff(np.log(values)), steps, atol=1e-8)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_regression_is_linear_but_for_its_noise(noise):
    data = ill_conditioned_regression(condition=10.0, noise=noise, samples=5000)
    weights = np.linalg.lstsq(data.x_train, data.y_train)[0]
    residual = np.mean((data.x_test @ weights - data.y_test) ** 2)
    np.testing.assert_allclose(residual, noise**2 / (1 + noise**2), rtol=0.15, atol=1e-20)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: two_moons(samples=3), ValueError, "two_moons: samples must be at least 4, got 3"),
        (lambda: two_moons(noise=-1.0), ValueError, "two_moons: noise must lie in"),
        (lambda: spirals(classes=1), ValueError, "spirals: classes must be at least 2, got 1"),
        (lambda: spirals(samples=3), ValueError, "spirals: samples must be at least 4, got 3"),
        (lambda: spirals(turns=0.0), ValueError, "spirals: turns must lie in"),
        (lambda: spirals(noise="x"), TypeError, "spirals: noise must be one number"),
        (lambda: ill_conditioned_regression(features=1), ValueError, "features must be at least 2"),
        (lambda: ill_conditioned_regression(condition=0.5), ValueError, "condition must lie in"),
        (
            lambda: ill_conditioned_regression(samples=12),
            ValueError,
            "training part has 10 samples for 10 features",
        ),
        (lambda: sets.diabetes(test_share=1.0), ValueError, "diabetes: test_share must lie in"),
    ],
)
def test_bad_numbers_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 2.0])
def test_an_empty_part_is_refused(share):
    with pytest.raises(ValueError, match=r"test_share must lie in \(0, 1\)"):
        digits(test_share=share)


def test_a_split_has_one_label_a_sample():
    x, y = np.zeros((3, 2)), np.zeros(3, dtype=int)
    with pytest.raises(ValueError, match="x_test has 3 samples but y_test has 2 labels"):
        Split(x, y, x, y[:2])


def test_holding_back_takes_the_last_of_the_training_part():
    data = digits()
    part = data.hold_back(0.25)
    assert (len(part.x_train), len(part.x_test)) == (1078, 360)
    for whole, parts in (
        (data.x_train, (part.x_train, part.x_test)),
        (data.y_train, (part.y_train, part.y_test)),
    ):
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(data.hold_back().x_test) == 288  # a fifth of 1438, if nothing else is said


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_nothing_and_everything_cannot_be_held_back(share):
    with pytest.raises(ValueError, match=r"hold_back: share must lie in \(0, 1\)"):
        digits().hold_back(share)


@pytest.mark.parametrize(("n", "size"), [(1, 1), (10, 4), (12, 4), (5, 100), (1437, 32)])
def test_an_epoch_visits_each_sample_once(n, size):
    seen = list(batches(n, size, np.random.default_rng(0)))
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(n))
    assert [len(batch) for batch in seen[:-1]] == [size] * (len(seen) - 1)
    assert 0 < len(seen[-1]) <= size


def test_batches_are_in_random_order_and_new_each_epoch():
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(batches(100, 10, rng))) for _ in range(2))
    assert not np.array_equal(first, np.arange(100))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(("n", "size"), [(0, 4), (4, 0), (-1, 2)])
def test_no_samples_or_no_size_is_refused_at_once(n, size):
    with pytest.raises(ValueError, match=f"n = {n}, batch_size = {size}"):
        batches(n, size, np.random.default_rng(0))
