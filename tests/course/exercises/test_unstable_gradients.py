"""The rules of unit 05 that the library has in another form, and its drawn cases."""

import numpy as np
import pytest
import torch

from course.checking.judge import draw_cases
from course.diagnostics import layer_norms, spectral_radius
from course.exercises import unstable_gradients as unit
from course.layers import Linear, ReLU, Sequential

EIGENVALUES = [
    (1.2, -0.4),
    (0.8 + 0.6j,),
    (-0.5 + 1.1j, 0.3),
    (-1.0, 0.2 + 0.4j, 0.6),
]


@pytest.mark.parametrize("eigenvalues", EIGENVALUES, ids=str)
def test_a_matrix_has_the_eigenvalues_it_is_made_of(eigenvalues):
    pairs = [v.conjugate() for v in eigenvalues if isinstance(v, complex)]
    for seed in range(20):
        matrix = unit.matrix_with(np.random.default_rng(seed), *eigenvalues)
        assert matrix.dtype == np.float64
        assert not np.allclose(matrix, matrix.T)
        got = np.linalg.eigvals(matrix)
        np.testing.assert_allclose(
            np.sort_complex(got), np.sort_complex([*eigenvalues, *pairs]), atol=1e-10
        )


def test_a_triangular_matrix_first_stretches_what_it_shrinks_in_the_end():
    for seed in range(50):
        matrix = unit.triangular(np.random.default_rng(seed), 3)
        assert spectral_radius(matrix) < 0.85
        assert np.linalg.norm(matrix, 2) > 2


@pytest.mark.parametrize("layers", [0, 1, 4])
def test_equal_layers_are_a_network_of_them(layers):
    rng = np.random.default_rng(layers)
    J, grad = rng.normal(size=(3, 3)), rng.normal(size=3)
    rows = unit.equal_layers_backward(grad, J, layers=layers)
    back = grad[None]
    np.testing.assert_array_equal(rows[layers], grad)
    for row in reversed(range(layers)):
        layer = Linear(3, 3, rng)
        layer.params[0][:] = J.T  # xW with samples as rows
        layer.forward(rng.normal(size=(1, 3)))
        back = layer.backward(back)
        np.testing.assert_allclose(rows[row], back[0])


def test_equal_layers_are_what_autograd_gives():
    rng = np.random.default_rng(0)
    J, grad = rng.normal(size=(4, 4)), rng.normal(size=4)
    z = [torch.tensor(rng.normal(size=4), requires_grad=True)]
    for _ in range(3):
        z.append(torch.tensor(J) @ z[-1])
        z[-1].retain_grad()
    z[-1].backward(torch.tensor(grad))
    seen = np.array([value.grad.numpy() for value in z])
    np.testing.assert_allclose(unit.equal_layers_backward(grad, J, layers=3), seen)


def test_norms_of_powers_end_at_the_radius_and_equal_it_only_for_a_normal_matrix():
    matrix = np.array([[0.5, 10.0], [0.0, -0.6]])
    norms = unit.power_norms(matrix, steps=300)
    assert norms[1] > 10
    assert norms[300] / norms[298] == pytest.approx(spectral_radius(matrix) ** 2)
    normal = (matrix + matrix.T) / 2
    expected = spectral_radius(normal) ** np.arange(8)
    np.testing.assert_allclose(unit.power_norms(normal, steps=7), expected)


@pytest.mark.parametrize("period", [2.5, 4.0, 7.0, 12.0])
def test_after_a_period_a_gradient_points_where_it_did(period):
    angle = 2 * np.pi / period
    matrix = unit.matrix_with(np.random.default_rng(1), complex(1.1 * np.exp(1j * angle)), 0.3)
    assert unit.rotation_period(matrix) == pytest.approx(period)
    rows = unit.equal_layers_backward(np.array([1.0, -0.5, 0.7]), matrix, layers=120)[::-1]
    turns = round(2 * period)  # whole for all periods tried
    there, later = rows[60], rows[60 + turns]
    cosine = there @ later / np.linalg.norm(there) / np.linalg.norm(later)
    assert cosine == pytest.approx(1.0, abs=1e-6)


def test_ratios_are_those_of_the_librarys_norms():
    rng = np.random.default_rng(0)
    network = Sequential(Linear(5, 4, rng), ReLU(), Linear(4, 3, rng), ReLU(), Linear(3, 2, rng))
    seen = layer_norms(network, rng.normal(size=(6, 5)), lambda y: y - 1.0)
    grads = [layer.grads for layer in network.layers if layer.params]
    norms = seen.parameters[seen.parameters > 0]
    np.testing.assert_allclose(unit.gradient_ratios(grads), norms / norms[-1])


@pytest.mark.parametrize("seed", range(30))
def test_drawn_gradients_tell_the_norms_apart(seed):
    cases = {case.title: case.inputs for case in draw_cases(unit.CLIP_NORM, seed)}

    def norms(title):
        return np.array([np.linalg.norm(grad) for grad in cases[title]["grads"]])

    limit = cases["one array alone"]["max_norm"]
    barely, short = norms("each array short, together too long"), norms("short enough together")
    assert max(barely) < limit < np.linalg.norm(barely)
    assert np.linalg.norm(short) < limit < sum(short)
    assert min(norms("three arrays, too long together")) > 0.5 * limit
