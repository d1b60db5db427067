"""The references of unit 11 against torch and the library; its cases reach what they say."""

import numpy as np
import pytest
import torch

from course import activations
from course.checking import judge
from course.checking.judge import draw_cases, reference_runs
from course.exercises import PUBLIC_SEED
from course.exercises import reuse as unit
from course.layers import Activation, Linear, Sequential
from course.optimizers import Optimizer, momentum
from course.reuse import autoencoder_loss, autoencoder_loss_grad, freeze

SEEDS = (PUBLIC_SEED, 3, 2026)


def inputs_of(exercise, seed=PUBLIC_SEED):
    """Return the inputs of all cases in float64, without what only the run looks at."""
    return [
        {key: value for key, value in case.inputs.items() if key != "looked at"}
        for case in draw_cases(exercise, seed)
        if case.part != "dtype"
    ]


def leaf(array):
    return torch.tensor(array, requires_grad=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_through_frozen_layers_agree_with_torch(seed):
    for given in inputs_of(unit.FROZEN_BACKWARD, seed):
        x = leaf(given["x"])
        leaves = [
            {
                key: torch.tensor(array, requires_grad=k not in given["frozen"])
                for key, array in layer.items()
            }
            for k, layer in enumerate(given["layers"])
        ]
        h = x
        for layer in leaves[:-1]:
            h = torch.tanh(h @ layer["w"] + layer["b"])
        (h @ leaves[-1]["w"] + leaves[-1]["b"]).backward(torch.tensor(given["grad"]))
        grad_x, grads = unit.frozen_backward(**given)
        np.testing.assert_allclose(grad_x, x.grad, rtol=1e-9, atol=1e-12)
        for entry, layer in zip(grads, leaves, strict=True):
            for key in ("w", "b"):
                if entry is None:
                    assert layer[key].grad is None
                else:
                    np.testing.assert_allclose(entry[key], layer[key].grad, rtol=1e-9, atol=1e-12)


def network_of(layers):
    rng = np.random.default_rng(0)
    parts = []
    for layer in layers:
        dense = Linear(*layer["w"].shape, rng)
        dense.params[0][...], dense.params[1][...] = layer["w"], layer["b"]
        parts += [dense, Activation(activations.tanh)]
    return Sequential(*parts[:-1])


def test_gradients_are_those_of_the_librarys_frozen_network():
    given = inputs_of(unit.FROZEN_BACKWARD)[2]
    network = network_of(given["layers"])
    freeze(network, [2 * k for k in given["frozen"]])
    network.forward(given["x"])
    np.testing.assert_allclose(network.backward(given["grad"]), unit.frozen_backward(**given)[0])
    entries = [
        None if entry is None else entry[key]
        for entry in unit.frozen_backward(**given)[1]
        for key in ("w", "b")
    ]
    for ours, theirs in zip(entries, network.grads, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs)


def test_the_step_is_the_librarys_momentum_with_none_for_frozen_layers():
    given = next(i for i in inputs_of(unit.FROZEN_STEP) if i["frozen"] == [[0, 1], [0, 1]])
    layers = [{key: array.copy() for key, array in layer.items()} for layer in given["layers"]]
    params = [layer[key] for layer in layers for key in ("w", "b")]
    hyper = {key: value for key, value in given["hyper"].items() if key != "weight_decay"}
    optimizer = Optimizer(momentum, params, **hyper)
    optimizer.states = [{"u": layer[key]} for layer in given["velocities"] for key in ("w", "b")]
    ours, velocities = given["layers"], given["velocities"]
    for grads in given["grads"]:
        optimizer.step(
            [
                None if g is None else g[key] + given["hyper"]["weight_decay"] * layer[key]
                for g, layer in zip(grads, layers, strict=True)
                for key in ("w", "b")
            ]
        )
        ours, velocities = unit.frozen_step(ours, grads, velocities, [0, 1], **given["hyper"])
    for param, array in zip(
        params, (layer[key] for layer in ours for key in ("w", "b")), strict=True
    ):
        np.testing.assert_allclose(array, param, rtol=1e-12)
    for k in (0, 1):
        np.testing.assert_array_equal(ours[k]["w"], given["layers"][k]["w"])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_frozen_layer_is_looked_at_bit_for_bit(seed):
    bits = [
        value
        for run in reference_runs(unit.FROZEN_STEP, seed)
        for what, value in run.seen
        if "kept every bit" in what
    ]
    assert len(bits) >= 20
    assert all(bits)


def test_a_layer_that_moves_by_one_unit_in_the_last_place_is_found():
    def nudged(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
        new_layers, new_velocities = [], []
        for k, layer in enumerate(layers):
            if k in frozen:
                new_layers.append(layer | {"w": np.nextafter(layer["w"], np.inf)})
                new_velocities.append(velocities[k])
                continue
            u = {
                key: momentum * velocities[k][key] - lr * (grads[k][key] + weight_decay * theta)
                for key, theta in layer.items()
            }
            new_layers.append({key: theta + u[key] for key, theta in layer.items()})
            new_velocities.append(u)
        return new_layers, new_velocities

    verdict = judge(unit.FROZEN_STEP, nudged, PUBLIC_SEED)
    assert {part.name for part in verdict.parts if not part.earned} >= {"frozen", "released"}
    assert "kept every bit" in str(verdict)


class Trusted:
    """An answer whose libraries are not looked at: it uses the reference."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def foreign_libraries(self, allowed):
        return []


def frozen_step_with(kept):
    """Return a right step whose frozen arrays go through a function."""

    def stepped(layers, grads, velocities, frozen, **hyper):
        pair = unit.frozen_step(layers, grads, velocities, frozen, **hyper)
        return tuple(
            [
                {key: kept(array) if k in frozen else array for key, array in layer.items()}
                for k, layer in enumerate(network)
            ]
            for network in pair
        )

    return Trusted(stepped)


@pytest.mark.parametrize(
    "kept",
    [lambda array: array + 0.0, lambda array: array + 1e-30, lambda array: array.round(15)],
    ids=["the sign of a zero", "a tiny step away from 0", "digits"],
)
def test_what_is_lost_of_a_frozen_layer_is_found(kept):
    verdict = judge(unit.FROZEN_STEP, frozen_step_with(kept), PUBLIC_SEED)
    assert "frozen" in {part.name for part in verdict.parts if not part.earned}
    assert judge(unit.FROZEN_STEP, frozen_step_with(np.copy), PUBLIC_SEED).status == "right"


@pytest.mark.parametrize("exercise", [unit.FROZEN_BACKWARD, unit.FROZEN_STEP])
def test_frozen_comes_in_any_order(exercise):
    frozen = [given["frozen"] for given in inputs_of(exercise)]
    lists = [f for each in frozen for f in (each if each and type(each[0]) is list else [each])]
    assert any(f != sorted(f) for f in lists)
    assert any(len(f) > 1 and f == sorted(f) for f in lists)


def test_a_layer_that_is_not_released_has_exactly_the_rate_0():
    def tiny(layers, epoch, **hyper):
        return [rate or 1e-20 for rate in unit.layer_rates(layers, epoch, **hyper)]

    verdict = judge(unit.LAYER_RATES, Trusted(tiny), PUBLIC_SEED)
    assert {part.name for part in verdict.parts if not part.earned} == {"first", "released"}
    assert "exactly 0" in str(verdict)


def test_a_rate_that_is_no_number_is_named():
    def none(layers, epoch, **hyper):
        return [rate or None for rate in unit.layer_rates(layers, epoch, **hyper)]

    text = str(judge(unit.LAYER_RATES, Trusted(none), PUBLIC_SEED))
    assert "expected a list of numbers, got None in it" in text


@pytest.mark.parametrize("kind", [list, tuple])
def test_turns_may_stand_in_a_list(kind):
    def listed(images):
        x, turns = unit.rotation_batch(images)
        return x, kind(turns)

    assert judge(unit.ROTATION_BATCH, Trusted(listed), PUBLIC_SEED).status == "right"


@pytest.mark.parametrize(("factor", "every"), [(2.6, 1), (1.0, 3), (4.0, 5)])
def test_rates_only_ever_grow_from_0_and_towards_the_head(factor, every):
    rates = np.array(
        [unit.layer_rates(5, e, lr=0.3, factor=factor, every=every) for e in range(25)]
    )
    assert ((rates > 0).sum(axis=1) == np.minimum(1 + np.arange(25) // every, 5)).all()
    assert (np.diff(rates, axis=0) >= 0).all()
    assert (np.diff(rates, axis=1) >= 0).all()
    assert (rates[:, -1] == 0.3).all()
    np.testing.assert_allclose(rates[-1], 0.3 / factor ** np.arange(4, -1, -1.0))


def test_a_donor_stays_and_its_networks_share_nothing():
    given = dict(inputs_of(unit.NETWORKS_FROM_DONOR)[-1])
    rng = np.random.default_rng(given.pop("seed"))
    before = [{key: array.copy() for key, array in layer.items()} for layer in given["donor"]]
    networks = unit.networks_from_donor(rng=rng, **given)
    for layer, old in zip(given["donor"], before, strict=True):
        np.testing.assert_array_equal(layer["w"], old["w"])
    arrays = [layer["w"] for network in (given["donor"], *networks) for layer in network]
    shared = [np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i]]
    assert not any(shared)


def test_writing_into_the_donor_costs_the_points_for_leaving_it_as_it_is():
    verdict = judge(unit.NETWORKS_FROM_DONOR, unit.donors_own_arrays, PUBLIC_SEED)
    assert {part.name for part in verdict.parts if not part.earned} >= {"several", "inputs"}
    assert {part.name for part in verdict.parts if part.earned} == {"one"}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_autoencoder_agrees_with_torch_and_the_library(seed):
    for given in inputs_of(unit.AUTOENCODER_GRADS, seed):
        loss, grads = unit.autoencoder_grads(**given)
        x, keep = given["x"], given.get("keep")
        leaves = {key: leaf(given[key]) for key in ("w", "b", "c")}
        seen = torch.tensor(x if keep is None else x * keep)
        h = torch.tanh(seen @ leaves["w"] + leaves["b"])
        error = torch.nn.functional.mse_loss(h @ leaves["w"].T + leaves["c"], torch.tensor(x))
        error.backward()
        np.testing.assert_allclose(loss, error.detach(), rtol=1e-12)
        for key, value in leaves.items():
            np.testing.assert_allclose(grads[key], value.grad, rtol=1e-9, atol=1e-12)
        if keep is None:
            arrays = x, given["w"], given["b"], given["c"]
            np.testing.assert_allclose(loss, autoencoder_loss(*arrays))
            for ours, key in zip(autoencoder_loss_grad(*arrays), ("w", "b", "c"), strict=True):
                np.testing.assert_allclose(ours, grads[key])


def test_a_third_of_the_entries_is_erased():
    erased = [g["keep"] for g in inputs_of(unit.AUTOENCODER_GRADS) if "keep" in g]
    assert [keep.mean() for keep in erased] == pytest.approx([2 / 3] * 2)


def test_the_gradients_handed_out_are_those_of_the_exercise_before():
    given = inputs_of(unit.GREEDY_LAYERS)[0]
    layer = given["start"][0]
    _, expected = unit.autoencoder_grads(given["x"], **layer)
    for key, grad in unit.restoring_gradients(given["x"], layer).items():
        np.testing.assert_allclose(grad, expected[key])


def test_each_layer_restores_the_code_below_better_than_at_the_start():
    given = inputs_of(unit.GREEDY_LAYERS)[3]
    layers, codes = unit.greedy_layers(**given)
    below = [given["x"], *codes]
    for k, (first, layer) in enumerate(zip(given["start"], layers, strict=True)):
        before, after = (unit.autoencoder_grads(below[k], **each)[0] for each in (first, layer))
        assert after < before
        np.testing.assert_allclose(codes[k], np.tanh(below[k] @ layer["w"] + layer["b"]))


def test_four_quarter_turns_are_none():
    images = np.random.default_rng(0).normal(size=(3, 25))
    x, turns = unit.rotation_batch(images)
    np.testing.assert_array_equal(x[:3], images)
    np.testing.assert_array_equal(turns, [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3)
    again, _ = unit.rotation_batch(x[9:])
    np.testing.assert_array_equal(again[3:6], images)
    first = x[3].reshape(5, 5)
    np.testing.assert_array_equal(first[:, 0], images[0].reshape(5, 5)[0][::-1])


@pytest.mark.parametrize("seed", range(8))
def test_adding_0_to_a_frozen_layer_is_always_seen(seed):
    def adding_0(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
        new_layers, new_velocities = [], []
        for k, (layer, u) in enumerate(zip(layers, velocities, strict=True)):
            learns = k not in frozen
            if learns:
                u = {
                    key: momentum * u[key] - lr * (grads[k][key] + weight_decay * layer[key])
                    for key in u
                }
            new_velocities.append(u)
            new_layers.append({key: layer[key] + learns * u[key] for key in layer})
        return new_layers, new_velocities

    verdict = judge(unit.FROZEN_STEP, adding_0, seed)
    lost = [part.name for part in verdict.parts if not part.earned]
    assert lost == ["frozen"]


def test_one_copy_for_all_tasks_is_not_said_to_be_the_donors():
    def one_copy(donor, classes, rng, gradients, *, count, lr, steps):
        copied = [{key: array.copy() for key, array in layer.items()} for layer in donor[:count]]
        networks = []
        for task, outputs in enumerate(classes):
            width = copied[-1]["w"].shape[1]
            w = (rng.standard_normal((width, outputs)) / np.sqrt(width)).astype(donor[0]["w"].dtype)
            networks.append([*copied, {"w": w, "b": np.zeros(outputs, w.dtype)}])
            for _ in range(steps):
                for layer, g in zip(networks[-1], gradients(task, networks[-1]), strict=True):
                    layer["w"] -= lr * g["w"]
                    layer["b"] -= lr * g["b"]
        return networks

    verdict = judge(unit.NETWORKS_FROM_DONOR, one_copy, PUBLIC_SEED)
    assert verdict.mistake.name == "arrays shared by all networks"
    assert "or those of one copy" in verdict.mistake.sentence
