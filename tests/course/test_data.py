"""The digits are split fairly and scaled without a look at the test part."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from course.data import Split, batches, digits


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


def test_every_sample_is_there_once():
    """Undo the scaling: the two parts together are scikit-learn's samples, in another order."""
    raw = load_digits().data
    data = digits(seed=3)
    varies = data.x_train.std(axis=0) > 0
    both = np.concatenate([data.x_train, data.x_test])[:, varies]
    ranks = np.lexsort(both.T), np.lexsort(raw[:, varies].T)
    scale = np.ptp(raw[:, varies], axis=0) / np.ptp(both, axis=0)
    unscaled = (both - both.min(axis=0)) * scale + raw[:, varies].min(axis=0)
    np.testing.assert_allclose(unscaled[ranks[0]], raw[:, varies][ranks[1]], atol=1e-9)


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


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 2.0])
def test_an_empty_part_is_refused(share):
    with pytest.raises(ValueError, match=r"test_share must lie in \(0, 1\)"):
        digits(test_share=share)


def test_a_split_has_one_label_a_sample():
    x, y = np.zeros((3, 2)), np.zeros(3, dtype=int)
    with pytest.raises(ValueError, match="x_test has 3 samples but y_test has 2 labels"):
        Split(x, y, x, y[:2])


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
