"""The figures of unit 08 show what they say."""

import numpy as np
import pytest

from course import normalizers
from course.widgets import normalization as unit
from live_figures import in_use

PLACE = (1, 2, 3)


def normalized(norm, x, groups):
    """Return x̂ by the library's norm of this name; x has samples, channels and positions."""
    one, zero = np.ones(x.shape[1]), np.zeros(x.shape[1])
    if norm == "batch":
        return normalizers.batch_norm(x, one, zero, training=True)[0]
    if norm == "instance":
        return normalizers.instance_norm(x, one, zero)[0]
    if norm == "positions":
        swapped = np.swapaxes(x, 1, 2)
        return np.swapaxes(normalizers.layer_norm(swapped, one, zero)[0], 1, 2)
    count = 1 if norm == "layer" else groups
    return normalizers.group_norm(x, one, zero, groups=count)[0]


@pytest.mark.parametrize("norm", unit.NORMS)
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_those_share_a_mean_whose_output_moves_with_the_chosen_one(norm, groups):
    x = np.random.default_rng(0).normal(size=(4, 6, 5))
    nudged = x.copy()
    nudged[PLACE] += 1.0
    moved = normalized(norm, nudged, groups) != normalized(norm, x, groups)
    assert np.array_equal(moved, unit.shares_with(norm, *PLACE, groups, x.shape))


def test_groups_are_asked_for_only_where_there_are_any():
    explorer = unit.shares_explorer()
    for norm in unit.NORMS:
        explorer.update(norm=norm)
        assert ("groups" in in_use(explorer)) == (norm == "group")


@pytest.mark.parametrize("samples", [2, 8, 64])
def test_one_value_in_many_batches_is_batch_norms(samples):
    seen = unit.in_many_batches(1.5, samples)
    others = unit._companions(samples)[0]
    for companions, value in zip(others, seen, strict=False):
        batch = np.append(companions, 1.5)[:, None]
        y, _, _ = normalizers.batch_norm(batch, np.ones(1), np.zeros(1), training=True)
        np.testing.assert_allclose(value, y[-1, 0], rtol=1e-5)


def test_pairs_keep_their_order_only_and_large_batches_the_value():
    assert np.allclose(np.abs(unit.in_many_batches(0.5, 2, eps=0.0)), 1.0)
    assert unit.in_many_batches(0.5, 256).std() < 0.1


@pytest.mark.parametrize("pattern", ["same", "along"])
@pytest.mark.parametrize("samples", [3, 9])
def test_nothing_is_left_of_a_shift_or_a_stretch(pattern, samples):
    explorer = unit.backward_explorer()
    explorer.update(pattern=pattern, samples=samples, eps=1e-3)
    last = explorer.figure.axes[2].lines[1]
    assert last.get_marker() == "^"
    assert np.abs(last.get_ydata()).max() < 0.02


def test_a_slip_squeezes_the_others_unless_the_scaling_is_robust():
    explorer = unit.outlier_explorer()
    texts = {scaling: explorer.update(factor=1000.0, scaling=scaling) for scaling in unit.SCALINGS}
    assert "deviation 0.008" in texts["standard"]
    robust = unit.scaled(unit.tumour_areas(), "robust")[1:].std()
    assert f"deviation {robust:.3f}" in texts["robust"]


def test_the_running_variance_is_half_the_true_one_for_pairs_with_one_over_n():
    explorer = unit.running_explorer()

    def level(divide):
        text = explorer.update(keep=0.98, power=1, divide=divide, drift=1.0, draw_no=3)
        return float(text.split("variance is ")[1].split()[0])

    assert level("1") == pytest.approx(2 * level("0"), rel=0.1)
