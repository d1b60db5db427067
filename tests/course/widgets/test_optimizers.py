"""The figures of unit 03 show what they say."""

import numpy as np
import pytest

from course.surfaces import BOWL, SURFACES, descend
from course.widgets import optimizers as unit
from live_figures import in_use


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("rule", unit.RULES)
def test_the_explorer_draws_every_rule_on_every_surface(explorer, surface, rule):
    explorer.reset()
    before = bytes(explorer.image.value)
    for lr in (1e-4, 0.03, 10.0):
        text = explorer.update(surface=surface, rule=rule, lr=lr)
        assert text.startswith(("After", "Diverged"))
    assert bytes(explorer.image.value) != before


@pytest.fixture(scope="module")
def explorer():
    return unit.path_explorer()


def test_only_the_controls_of_the_chosen_rule_are_shown(explorer):
    for rule, shown in {
        "sgd": {"lr"},
        "momentum": {"lr", "momentum"},
        "rmsprop": {"lr", "rho"},
        "adamw": {"lr", "beta1", "beta2", "weight_decay"},
    }.items():
        explorer.update(rule=rule)
        assert set(in_use(explorer)) == {"surface", "rule", "x", "y", "step"} | shown


def test_another_surface_moves_the_start(explorer):
    for name, surface in SURFACES.items():
        explorer.update(surface=name)
        assert (explorer.controls["x"].value, explorer.controls["y"].value) == surface.start
        explorer.update(surface=name, x=surface.view[1])
        assert explorer.controls["x"].value == surface.view[1]
        explorer.update(x=surface.start[0])


def test_the_scene_is_drawn_only_when_its_controls_turn(monkeypatch):
    explorer = unit.path_explorer()
    scenes = []
    scene = explorer._scene
    monkeypatch.setattr(explorer, "_scene", lambda **v: (scenes.append(v), scene(**v)))
    explorer.update(lr=0.02)
    explorer.update(x=1.0)
    assert scenes == []
    explorer.update(surface="beale")
    assert scenes == [{"surface": "beale"}]


def test_divergence_is_read_out(explorer):
    explorer.reset()
    assert "Diverged" in explorer.update(surface="valley", rule="sgd", lr=0.1)
    assert "After 150 steps" in explorer.update(lr=0.01)


def test_the_best_rate_is_the_best_of_the_grid():
    from course.optimizers import sgd

    valley = SURFACES["valley"]
    ends = {}
    for lr in unit.RATES:
        walk = descend(sgd, valley, valley.start, unit.STEPS, lr=lr)
        ends[lr] = np.inf if walk.diverged else valley.value(*walk.points[-15:].T).max()
    assert unit.best_rate("sgd", "valley") == min(ends, key=ends.get)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("lr", [0.05, 0.5])
def test_the_predicted_floor_is_where_noisy_walks_settle(lr, momentum):
    from course.optimizers import momentum as rule

    rng = np.random.default_rng(0)
    theta, state, seen = np.zeros(20_000), None, []
    for step in range(400):
        gradient = theta + 0.7 * rng.standard_normal(theta.shape)
        theta, state = rule(theta, gradient, state, lr=lr, momentum=momentum)
        if step >= 300:
            seen.append(np.mean(theta**2))
    # two coordinates with ½θ² each: the mean loss is the variance of one
    assert np.mean(seen) == pytest.approx(unit.stationary_loss(0.7, lr, momentum), rel=0.03)
    assert BOWL.value(1.0, 1.0) == 1.0
