"""The figures of unit 09 show what they say."""

import numpy as np
import pytest

from course import activations
from course.data import digits
from course.diagnostics import layer_norms
from course.layers import Residual
from course.losses import cross_entropy_grad
from course.widgets import residual_networks as unit


def test_skips_change_neither_the_weights_nor_their_number():
    plain, residual = (
        unit.deep_network(6, np.random.default_rng(0), skip=skip) for skip in (False, True)
    )
    assert len(plain.params) == len(residual.params)
    for ours, theirs in zip(plain.params, residual.params, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert sum(isinstance(layer, Residual) for layer in residual.layers) == 3


@pytest.mark.parametrize("normalize", [False, True])
def test_a_branch_that_starts_at_zero_leaves_its_input_alone(normalize):
    network = unit.deep_network(8, np.random.default_rng(0), scale=0.0, normalize=normalize)
    data = digits()
    x, y = data.x_train[:32], data.y_train[:32]
    seen = layer_norms(network, x, lambda logits: cross_entropy_grad(logits, y))
    np.testing.assert_allclose(seen.activations[1:5], seen.activations[0])
    np.testing.assert_allclose(seen.gradients[0:4], seen.gradients[4])


@pytest.mark.parametrize("norm", ["", "branch", "sum"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_gradients_of_a_stack_are_those_of_differences(norm, activation, monkeypatch):
    """The mean square of the gradient at level 0, from one entry of the input at a time."""
    settings = {"activation": activation, "gain": 0.9, "shortcut": 0.8, "scale": 0.7, "norm": norm}
    first = unit._first_level(0)[:2]
    monkeypatch.setattr(unit, "_first_level", lambda seed: first)
    seen = unit.play_stack(3, 0, **settings)
    grad = np.random.default_rng([0, 2]).normal(size=first.shape)

    def loss(z):
        tops = []
        monkeypatch.setattr(unit, "_first_level", lambda seed: z)
        monkeypatch.setattr(unit, "_alike", lambda level: tops.append(level) or 0.0)
        unit.play_stack(3, 0, **settings)
        return float(np.sum(tops[-1] * grad))

    step = 1e-6
    slopes = []
    for index in np.ndindex(first.shape):
        there, back = first.copy(), first.copy()
        there[index] += step
        back[index] -= step
        slopes.append((loss(there) - loss(back)) / (2 * step))
    expected = np.mean(np.square(slopes)) / np.mean(grad**2)
    np.testing.assert_allclose(seen.gradients[0], expected, rtol=1e-5)


@pytest.mark.parametrize("recipe", unit.RECIPES)
def test_mean_squares_are_those_predicted(recipe):
    how, blocks = unit.RECIPES[recipe], 8
    numbers = {
        "gain": 1.0,
        "shortcut": how.shortcut(blocks),
        "scale": how.scale(blocks),
        "norm": how.norm,
    }
    runs = [unit.play_stack(blocks, seed, **numbers).values for seed in range(40)]
    predicted = unit.predicted_mean_squares(blocks, **numbers)
    np.testing.assert_allclose(np.mean(runs, axis=0), predicted, rtol=0.2)


def test_the_direct_path_is_the_shortcut_alone():
    seen = unit.play_stack(5, 0, shortcut=0.7, scale=0.3)
    np.testing.assert_allclose(seen.direct, 0.7 ** (2 * np.arange(5, -1, -1)))
    assert (unit.play_stack(5, 0, shortcut=0.0).direct[:-1] == 0).all()


def test_all_paths_together_are_the_gradient():
    terms = unit.path_terms(6, 0.8, 0, width=10)
    rng = np.random.default_rng(0)
    whole = rng.normal(size=10)
    whole /= np.linalg.norm(whole)
    np.testing.assert_allclose(np.linalg.norm(terms[0]), 1.0)
    for _ in range(6):
        whole = whole + whole @ rng.normal(0.0, 0.8 / np.sqrt(10), (10, 10))
    np.testing.assert_allclose(terms.sum(axis=0), whole, rtol=1e-9, atol=1e-12)


def test_the_mark_of_the_paths_lies_on_the_line_of_the_rest():
    live = unit.path_explorer()
    live.update(blocks=10, scale=0.5, seed=3)
    rest, here = live.figure.axes[1].lines[1:3]
    assert here.get_ydata()[0] == rest.get_ydata()[9]
    parts = unit.path_terms(10, 0.5, 3)
    np.testing.assert_allclose(here.get_ydata()[0], np.linalg.norm(parts[1:].sum(axis=0)))


def test_activations_of_the_figures_are_the_librarys():
    assert all(hasattr(activations, f"{name}_grad") for name in unit.ACTIVATIONS)
