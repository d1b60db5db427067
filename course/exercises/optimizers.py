"""Unit 03_optimizers: momentum, Nesterov, AdaGrad, RMSProp, Adam, Nadam and AdamW.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from course import optimizers as reference
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, item, unpack

# --- how a rule is tried ---------------------------------------------------------------------


def play_steps(rule: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Follow a rule along the given gradients, handing each step's state to the next.

    A run that starts from a given state ends with a look at the state: it has documented keys.
    """
    theta, state, hyper = inputs["theta"], inputs["state"], inputs["hyper"]
    for step, grad in enumerate(inputs["grads"], start=1):
        settings = hyper[step - 1] if isinstance(hyper, list) else hyper
        theta, state = unpack(rule(theta, grad, state, **settings), "theta", "state")
        yield f"theta after step {step}", theta
    for key in inputs["state"] or {}:
        yield f"state[{key!r}] after the last step", item(state, "the state", key)


def rule_parts(start: float, steps: float, resume: float, *more: Part) -> tuple[Part, ...]:
    """Return the parts that every rule has, with their points, and those of one rule only."""
    return (
        Part("start", start, "the first step, from rest"),
        Part("steps", steps, "several steps with changing gradients"),
        *more,
        Part("resume", resume, "going on from a state in mid-training"),
        Part("dtype", 0.5, "float32 in, float32 out", kind="dtype"),
        Part("inputs", 0.5, "changes nothing that it is given", kind="inputs"),
    )


def rule_cases(
    hyper: Mapping[str, tuple[float, ...]], state: Mapping[str, str]
) -> Callable[[np.random.Generator], Iterator[Case]]:
    """Return what draws the cases of a rule.

    Args:
        hyper: for each hyper-parameter the values to draw from; none is the rule's default.
        state: for each key of the state what it holds: "count", "signed" or "positive" numbers.
    """

    def cases(rng: np.random.Generator) -> Iterator[Case]:
        def settings() -> dict[str, float]:
            return {key: float(rng.choice(values)) for key, values in hyper.items()}

        def numbers(shape: tuple[int, ...]) -> np.ndarray:
            return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.2, 2.0, shape)

        def inputs(shape: tuple[int, ...], steps: int) -> dict[str, Any]:
            grads = [numbers(shape) for _ in range(steps)]
            return {"theta": numbers(shape), "grads": grads, "state": None, "hyper": settings()}

        yield Case("start", "one step from rest", inputs((3,), 1))
        yield Case("steps", "five steps from rest", inputs((3,), 5))
        quiet = inputs((2, 2), 4)
        quiet["grads"][1][0, 0] = 0.0
        yield Case("steps", "four steps of a 2×2 matrix, one gradient entry 0", quiet)
        middle = inputs((3,), 3)
        middle["state"] = {key: _remembered(rng, kind) for key, kind in state.items()}
        yield Case("resume", "three steps from a state in mid-training", middle)
        yield Case("dtype", "three steps in float32", _as_float32(inputs((3,), 3)))

    return cases


def changing_rate_cases(
    hyper: Mapping[str, tuple[float, ...]], state: Mapping[str, str]
) -> Callable[[np.random.Generator], Iterator[Case]]:
    """Return `rule_cases` and one more, in which the rate falls from step to step."""
    plain_cases = rule_cases(hyper, state)

    def cases(rng: np.random.Generator) -> Iterator[Case]:
        yield from plain_cases(rng)
        share = float(rng.choice(hyper["momentum"]))
        yield Case(
            "changing_rate",
            "four steps with a falling rate",
            {
                "theta": rng.normal(size=3),
                "grads": [rng.normal(size=3) for _ in range(4)],
                "state": None,
                "hyper": [{"lr": lr, "momentum": share} for lr in (0.4, 0.2, 0.1, 0.05)],
            },
        )

    return cases


def _remembered(rng: np.random.Generator, kind: str) -> Any:
    if kind == "count":
        return int(rng.integers(3, 9))
    return rng.uniform(0.1, 2.0, 3) if kind == "positive" else rng.normal(size=3)


def _as_float32(inputs: dict[str, Any]) -> dict[str, Any]:
    grads = [grad.astype(np.float32) for grad in inputs["grads"]]
    return inputs | {"theta": inputs["theta"].astype(np.float32), "grads": grads}


CHANGING_RATE = Part("changing_rate", 1, "a rate that changes between the steps")
RATE, EPS = (0.05, 0.1, 0.3), (0.01, 0.05, 0.1)
MOMENTUM_HYPER = {"lr": RATE, "momentum": (0.5, 0.7, 0.8)}
ADAM_HYPER = {"lr": RATE, "beta1": (0.6, 0.7, 0.8), "beta2": (0.9, 0.95, 0.97), "eps": EPS}
ADAM_STATE = {"t": "count", "s": "signed", "r": "positive"}


# --- momentum --------------------------------------------------------------------------------


def averaged_gradient(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - (1 - momentum) * lr * grad
    return theta + u, {"u": u}


def uphill(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u + lr * grad
    return theta + u, {"u": u}


def rate_outside_the_velocity(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u + grad
    return theta - lr * u, {"u": u}


def rate_used_twice(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + lr * u, {"u": u}


def steps_by_the_old_velocity(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    return theta + u, {"u": momentum * u - lr * grad}


def velocity_never_kept(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta)
    u = momentum * u - lr * grad
    return theta + u, {"u": u}


def velocity_subtracted(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta - u, {"u": u}


def velocity_turned_around(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u + lr * grad
    return theta - u, {"u": u}


def momentum_in_place_on_a_copy(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"].copy()
    u *= momentum
    u -= lr * grad
    theta = theta.copy()
    theta += u
    return theta, {"u": u}


def momentum_entry_by_entry(theta, grad, state=None, *, lr, momentum=0.9):
    if state is None:
        state = {"u": np.zeros_like(theta)}
    new_theta, new_u = np.empty_like(theta), np.empty_like(theta)
    for index in np.ndindex(theta.shape):
        new_u[index] = momentum * state["u"][index] - lr * grad[index]
        new_theta[index] = theta[index] + new_u[index]
    return new_theta, {"u": new_u}


def momentum_with_the_signs_turned(theta, grad, state=None, *, lr, momentum=0.9):
    speed = lr * grad
    if state is not None:
        speed = speed - momentum * state["u"]
    return theta - speed, {"u": -speed}


MOMENTUM = Exercise(
    reference=reference.momentum,
    summary="one step of gradient descent with momentum",
    parts=rule_parts(0.5, 1.5, 1, CHANGING_RATE),
    cases=changing_rate_cases(MOMENTUM_HYPER, {"u": "signed"}),
    run=play_steps,
    mistakes=(
        Mistake(
            "averaged gradient",
            averaged_gradient,
            "The gradient is weighted by 1 − α, which turns the velocity into an average. Momentum "
            "is a decaying sum: u ← αu − γg, so that a steady gradient speeds up 1/(1 − α) times.",
        ),
        Mistake(
            "uphill",
            uphill,
            "The step goes up the slope. With u ← αu − γg the velocity points downhill and is "
            "added to θ; with + γg inside, θ climbs.",
        ),
        Mistake(
            "rate outside the velocity",
            rate_outside_the_velocity,
            "This is torch's form: v ← αv + g, and the rate multiplies v in the step. It walks the "
            "same path only while the rate stays the same. Here the rate belongs inside: "
            "u ← αu − γg.",
        ),
        Mistake(
            "velocity subtracted",
            velocity_subtracted,
            "u = αu − γg points downhill already. It is added to θ; θ − u goes up the slope.",
        ),
        Mistake(
            "velocity turned around",
            velocity_turned_around,
            "Your state holds −u. From rest the walk is the same, but a velocity that you are "
            "given is read with the wrong sign: keep u ← αu − γg and step θ + u.",
        ),
        Mistake(
            "rate used twice",
            rate_used_twice,
            "The rate is applied twice: it is in the velocity already, so the step is θ + u, "
            "not θ + γu.",
        ),
        Mistake(
            "steps by the old velocity",
            steps_by_the_old_velocity,
            "θ moves by the velocity of the step before. Update u first, then add the new u: "
            "at the first step yours does not move at all.",
        ),
        Mistake(
            "velocity never kept",
            velocity_never_kept,
            "The velocity starts at 0 at every step, so this is plain gradient descent. "
            'Take u from state["u"] when a state is given.',
        ),
    ),
    honest=(
        momentum_in_place_on_a_copy,
        momentum_entry_by_entry,
        momentum_with_the_signs_turned,
    ),
)


# --- Nesterov --------------------------------------------------------------------------------


def plain_momentum(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + u, {"u": u}


def gradient_left_out_of_the_step(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + momentum * u, {"u": u}


def whole_velocity_and_gradient(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    return theta + u - lr * grad, {"u": u}


def step_kept_as_velocity(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - lr * grad
    u = momentum * u - lr * grad
    return theta + u, {"u": u}


def nesterov_uphill(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u + lr * grad
    return theta + momentum * u + lr * grad, {"u": u}


def nesterov_rate_outside_the_velocity(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u + grad
    return theta - lr * (grad + momentum * u), {"u": u}


def nesterov_first_step_plain(theta, grad, state=None, *, lr, momentum=0.9):
    if state is None:
        u = -lr * grad
        return theta + u, {"u": u}
    u = momentum * state["u"] - lr * grad
    return theta + momentum * u - lr * grad, {"u": u}


def nesterov_averaged_velocity(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - (1 - momentum) * lr * grad
    return theta + momentum * u - lr * grad, {"u": u}


def nesterov_averaged_everywhere(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else state["u"]
    u = momentum * u - (1 - momentum) * lr * grad
    return theta + momentum * u - (1 - momentum) * lr * grad, {"u": u}


def nesterov_in_place_on_a_copy(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else np.copy(state["u"])
    theta = np.copy(theta)
    u *= momentum
    u -= lr * grad
    theta += momentum * u
    theta -= lr * grad
    return theta, {"u": u}


def nesterov_through_the_old_velocity(theta, grad, state=None, *, lr, momentum=0.9):
    old = np.zeros_like(theta) if state is None else state["u"]
    new = momentum * old - lr * grad
    return theta - momentum * old + (1 + momentum) * new, {"u": new}


def nesterov_entry_by_entry(theta, grad, state=None, *, lr, momentum=0.9):
    u = np.zeros_like(theta) if state is None else np.array(state["u"])
    theta = np.array(theta)
    for index, g in np.ndenumerate(grad):
        u[index] = momentum * u[index] - lr * g
        theta[index] = theta[index] + momentum * u[index] - lr * g
    return theta, {"u": u}


NESTEROV = Exercise(
    reference=reference.nesterov,
    summary="one step of Nesterov momentum, with the gradient at θ",
    parts=rule_parts(0.5, 1.5, 1, CHANGING_RATE),
    cases=changing_rate_cases(MOMENTUM_HYPER, {"u": "signed"}),
    run=play_steps,
    mistakes=(
        Mistake(
            "plain momentum",
            plain_momentum,
            "This is plain momentum: θ + u. Nesterov looks one velocity further: add α·u with the "
            "new u, and −γg once more: θ + αu − γg.",
        ),
        Mistake(
            "gradient left out of the step",
            gradient_left_out_of_the_step,
            "The step θ + αu looks ahead but forgets the gradient of this step: it is θ + αu − γg.",
        ),
        Mistake(
            "whole velocity and gradient",
            whole_velocity_and_gradient,
            "The new velocity is added whole. Its share in the step is α: θ + αu − γg.",
        ),
        Mistake(
            "step kept as velocity",
            step_kept_as_velocity,
            "The look-ahead step is stored as the velocity. Keep two things apart: u ← αu − γg is "
            "remembered, αu − γg with that new u only moves θ.",
        ),
        Mistake(
            "uphill",
            nesterov_uphill,
            "The step goes up the slope: the gradient is subtracted in u ← αu − γg and in "
            "θ + αu − γg.",
        ),
        Mistake(
            "rate outside the velocity",
            nesterov_rate_outside_the_velocity,
            "This is torch's form, v ← αv + g and θ − γ(g + αv). It walks the same path only while "
            "the rate stays the same; here the rate belongs inside: u ← αu − γg.",
        ),
        Mistake(
            "first step plain",
            nesterov_first_step_plain,
            "Your first step is plain gradient descent, θ − γg. It looks ahead like all others: "
            "begin with u = 0 and use the same two lines, which gives u = −γg and θ + αu − γg.",
        ),
        Mistake(
            "averaged velocity",
            nesterov_averaged_velocity,
            "The gradient is weighted by 1 − α in the velocity, which makes it an average. "
            "Nesterov keeps a decaying sum, as momentum does: u ← αu − γg.",
        ),
        Mistake(
            "averaged velocity and step",
            nesterov_averaged_everywhere,
            "The gradient is weighted by 1 − α, in the velocity and in the step, as Nadam does it. "
            "Here both take it whole: u ← αu − γg, then θ + αu − γg.",
        ),
    ),
    honest=(
        nesterov_in_place_on_a_copy,
        nesterov_through_the_old_velocity,
        nesterov_entry_by_entry,
    ),
)


# --- AdaGrad ---------------------------------------------------------------------------------


def adagrad_eps_inside_the_root(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = r + grad**2
    return theta - lr * grad / np.sqrt(r + eps), {"r": r}


def adagrad_without_the_root(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = r + grad**2
    return theta - lr * grad / (eps + r), {"r": r}


def sum_never_kept(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta)
    r = r + grad**2
    return theta - lr * grad / (eps + np.sqrt(r)), {"r": r}


def one_rate_for_all(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = r + np.sum(grad**2)
    return theta - lr * grad / (eps + np.sqrt(r)), {"r": r}


def scaled_before_adding(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta) if state is None else state["r"]
    theta = theta - lr * grad / (eps + np.sqrt(r))
    return theta, {"r": r + grad**2}


def adagrad_uphill(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = r + grad**2
    return theta + lr * grad / (eps + np.sqrt(r)), {"r": r}


def adagrad_brackets_missing(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = r + grad**2
    return theta - lr / eps + np.sqrt(r) * grad, {"r": r}


def adagrad_with_power_one_half(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = grad**2 if state is None else state["r"] + grad**2
    return theta - grad * (lr / (r**0.5 + eps)), {"r": r}


def adagrad_in_place_on_a_copy(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta) if state is None else state["r"].copy()
    r += np.square(grad)
    step = np.sqrt(r)
    step += eps
    np.divide(grad, step, out=step)
    step *= lr
    return theta - step, {"r": r}


def adagrad_entry_by_entry(theta, grad, state=None, *, lr=1e-2, eps=1e-10):
    r = np.zeros_like(theta) if state is None else np.array(state["r"])
    theta = np.array(theta)
    for index, g in np.ndenumerate(grad):
        r[index] += g * g
        theta[index] -= lr * g / (eps + np.sqrt(r[index]))
    return theta, {"r": r}


ADAGRAD = Exercise(
    reference=reference.adagrad,
    summary="one step of AdaGrad",
    parts=rule_parts(1, 1.5, 0.5),
    cases=rule_cases({"lr": RATE, "eps": EPS}, {"r": "positive"}),
    run=play_steps,
    mistakes=(
        Mistake(
            "eps inside the root",
            adagrad_eps_inside_the_root,
            "δ stands under the root: √(r + δ). In this course, as in torch, it is added to the "
            "root: δ + √r. The two differ where r is small.",
        ),
        Mistake(
            "without the root",
            adagrad_without_the_root,
            "The step divides by r itself. Divide by its root, δ + √r: then g and its scale have "
            "the same unit and cancel.",
        ),
        Mistake(
            "sum never kept",
            sum_never_kept,
            "r starts at 0 at every step, so every step has the length γ. AdaGrad adds up all "
            'squared gradients: start from state["r"] when a state is given.',
        ),
        Mistake(
            "uphill",
            adagrad_uphill,
            "The step has the right length and goes up the slope: subtract it from θ.",
        ),
        Mistake(
            "brackets missing",
            adagrad_brackets_missing,
            "Without brackets Python computes lr/eps first and adds √r·g. The whole sum is the "
            "denominator: lr / (eps + np.sqrt(r)).",
        ),
        Mistake(
            "one rate for all",
            one_rate_for_all,
            "g² is summed over all parameters, which gives them one common rate. AdaGrad keeps one "
            "sum for each parameter: r + g², element by element.",
        ),
        Mistake(
            "scaled before adding",
            scaled_before_adding,
            "The step is scaled by the old r. Add g² first, then divide: at the first step yours "
            "divides by δ alone.",
        ),
    ),
    honest=(
        adagrad_with_power_one_half,
        adagrad_in_place_on_a_copy,
        adagrad_entry_by_entry,
    ),
)


# --- RMSProp ---------------------------------------------------------------------------------


def rmsprop_eps_inside_the_root(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = rho * r + (1 - rho) * grad**2
    return theta - lr * grad / np.sqrt(r + eps), {"r": r}


def shares_swapped(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = (1 - rho) * r + rho * grad**2
    return theta - lr * grad / (eps + np.sqrt(r)), {"r": r}


def sum_instead_of_average(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = rho * r + grad**2
    return theta - lr * grad / (eps + np.sqrt(r)), {"r": r}


def nothing_forgotten(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = r + grad**2
    return theta - lr * grad / (eps + np.sqrt(r)), {"r": r}


def rmsprop_without_the_root(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = rho * r + (1 - rho) * grad**2
    return theta - lr * grad / (eps + r), {"r": r}


def average_of_the_gradient(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = rho * r + (1 - rho) * grad
    return theta - lr * grad / (eps + np.sqrt(r)), {"r": r}


def rmsprop_uphill(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = rho * r + (1 - rho) * grad**2
    return theta + lr * grad / (eps + np.sqrt(r)), {"r": r}


def average_never_kept(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta)
    r = rho * r + (1 - rho) * grad**2
    return theta - lr * grad / (eps + np.sqrt(r)), {"r": r}


def rmsprop_moving_towards_the_square(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"]
    r = r + (1 - rho) * (grad * grad - r)
    return theta - lr / (np.sqrt(r) + eps) * grad, {"r": r}


def rmsprop_in_place_on_a_copy(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else state["r"].copy()
    r *= rho
    r += (1 - rho) * np.square(grad)
    theta = theta.copy()
    theta -= lr * grad / (r**0.5 + eps)
    return theta, {"r": r}


def rmsprop_entry_by_entry(theta, grad, state=None, *, lr=1e-2, rho=0.9, eps=1e-8):
    r = np.zeros_like(theta) if state is None else np.array(state["r"])
    theta = np.array(theta)
    for index, g in np.ndenumerate(grad):
        r[index] = rho * r[index] + (1 - rho) * g * g
        theta[index] -= lr * g / (eps + np.sqrt(r[index]))
    return theta, {"r": r}


RMSPROP = Exercise(
    reference=reference.rmsprop,
    summary="one step of RMSProp",
    parts=rule_parts(1, 1.5, 0.5),
    cases=rule_cases({"lr": RATE, "rho": (0.6, 0.7, 0.8), "eps": EPS}, {"r": "positive"}),
    run=play_steps,
    mistakes=(
        Mistake(
            "eps inside the root",
            rmsprop_eps_inside_the_root,
            "δ stands under the root: √(r + δ). In this course, as in torch, it is added to the "
            "root: δ + √r. The two differ where r is small.",
        ),
        Mistake(
            "shares swapped",
            shares_swapped,
            "ρ and 1 − ρ have changed places. ρ is the share of the old average that is kept: "
            "r ← ρr + (1 − ρ)g².",
        ),
        Mistake(
            "sum instead of average",
            sum_instead_of_average,
            "g² enters with weight 1, so r is a decaying sum, 1/(1 − ρ) times too large. Weight it "
            "by 1 − ρ: r ← ρr + (1 − ρ)g².",
        ),
        Mistake(
            "nothing forgotten",
            nothing_forgotten,
            "This is AdaGrad: r only grows and the steps die out. RMSProp forgets: "
            "r ← ρr + (1 − ρ)g².",
        ),
        Mistake(
            "without the root",
            rmsprop_without_the_root,
            "The step divides by r itself. Divide by its root, δ + √r: then g and its scale have "
            "the same unit and cancel.",
        ),
        Mistake(
            "uphill",
            rmsprop_uphill,
            "The step has the right length and goes up the slope: subtract it from θ.",
        ),
        Mistake(
            "average never kept",
            average_never_kept,
            "r starts at 0 at every step, so it never becomes an average: start from "
            'state["r"] when a state is given.',
        ),
        Mistake(
            "average of the gradient",
            average_of_the_gradient,
            "r averages g, not g². Some lecture notes say so by mistake; the root of such an r is "
            "not even real for a negative gradient. Average the square: r ← ρr + (1 − ρ)g².",
        ),
    ),
    honest=(
        rmsprop_moving_towards_the_square,
        rmsprop_in_place_on_a_copy,
        rmsprop_entry_by_entry,
    ),
)


# --- Adam ------------------------------------------------------------------------------------


def without_bias_correction(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    return theta - lr * s / (eps + np.sqrt(r)), {"t": state["t"] + 1, "s": s, "r": r}


def only_s_corrected(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    return theta - lr * s / (1 - beta1**t) / (eps + np.sqrt(r)), {"t": t, "s": s, "r": r}


def adam_eps_inside_the_root(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta - lr * s_hat / np.sqrt(r_hat + eps), {"t": t, "s": s, "r": r}


def eps_before_the_correction(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    rate = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    return theta - rate * s / (eps + np.sqrt(r)), {"t": t, "s": s, "r": r}


def corrected_averages_kept(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = (beta1 * state["s"] + (1 - beta1) * grad) / (1 - beta1**t)
    r = (beta2 * state["r"] + (1 - beta2) * grad**2) / (1 - beta2**t)
    return theta - lr * s / (eps + np.sqrt(r)), {"t": t, "s": s, "r": r}


def step_never_counted(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": state["t"], "s": s, "r": r}


def counted_from_zero(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"]
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t + 1, "s": s, "r": r}


def betas_swapped(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta2 * state["s"] + (1 - beta2) * grad
    r = beta1 * state["r"] + (1 - beta1) * grad**2
    s_hat, r_hat = s / (1 - beta2**t), r / (1 - beta1**t)
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}


def adam_uphill(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta + lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}


def only_r_corrected(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    return theta - lr * s / (eps + np.sqrt(r / (1 - beta2**t))), {"t": t, "s": s, "r": r}


def corrected_after_the_root(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat = s / (1 - beta1**t)
    return theta - lr * s_hat / (eps + np.sqrt(r) / (1 - beta2**t)), {"t": t, "s": s, "r": r}


def power_of_the_share(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1) ** t, r / (1 - beta2) ** t
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}


def counted_twice(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t + 1, "s": s, "r": r}


def no_root(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + r_hat), {"t": t, "s": s, "r": r}


def adam_with_the_corrections_in_the_rate(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    root = (1 - beta2**t) ** 0.5
    rate = lr * root / (1 - beta1**t)
    return theta - rate * s / (eps * root + np.sqrt(r)), {"t": t, "s": s, "r": r}


def adam_in_place_on_a_copy(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    if state is None:
        t, s, r = 0, np.zeros_like(theta), np.zeros_like(theta)
    else:
        t, s, r = state["t"], state["s"].copy(), state["r"].copy()
    t += 1
    s *= beta1
    s += (1 - beta1) * grad
    r *= beta2
    r += (1 - beta2) * grad * grad
    theta = theta.copy()
    theta -= lr * (s / (1 - beta1**t)) / (np.sqrt(r / (1 - beta2**t)) + eps)
    return theta, {"t": t, "s": s, "r": r}


def adam_entry_by_entry(theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    if state is None:
        state = {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t, s, r = state["t"] + 1, np.array(state["s"]), np.array(state["r"])
    theta = np.array(theta)
    for index, g in np.ndenumerate(grad):
        s[index] += (1 - beta1) * (g - s[index])
        r[index] += (1 - beta2) * (g * g - r[index])
        s_hat, r_hat = s[index] / (1 - beta1**t), r[index] / (1 - beta2**t)
        theta[index] -= lr * s_hat / (eps + np.sqrt(r_hat))
    return theta, {"t": t, "s": s, "r": r}


ADAM = Exercise(
    reference=reference.adam,
    summary="one step of Adam with bias correction",
    parts=rule_parts(1, 3, 1),
    cases=rule_cases(ADAM_HYPER, ADAM_STATE),
    run=play_steps,
    mistakes=(
        Mistake(
            "without bias correction",
            without_bias_correction,
            "This is Adam without bias correction: divide s by 1 − β₁ᵗ and r by 1 − β₂ᵗ. Both "
            "averages start at 0 and are too small at first, r much more than s.",
        ),
        Mistake(
            "only s corrected",
            only_s_corrected,
            "Only s is corrected. r starts at 0 as well, and being under the root of the "
            "denominator it makes the first steps too long: divide r by 1 − β₂ᵗ.",
        ),
        Mistake(
            "eps inside the root",
            adam_eps_inside_the_root,
            "δ stands under the root: √(r̂ + δ). In this course, as in torch, it is added to the "
            "root: δ + √r̂. The two differ where r̂ is small.",
        ),
        Mistake(
            "eps before the correction",
            eps_before_the_correction,
            "δ is added to √r before the correction: the short form in the paper, which TensorFlow "
            "follows. Here δ is added to the root of the corrected r̂: δ + √r̂.",
        ),
        Mistake(
            "corrected averages kept",
            corrected_averages_kept,
            "The corrected ŝ and r̂ are stored, so the next step corrects them again. Keep s and r "
            "as they are; ŝ and r̂ live for one step only.",
        ),
        Mistake(
            "step never counted",
            step_never_counted,
            'The step count never grows: the new state must hold "t": t. With t = 1 for ever the '
            "correction blows up both averages at every later step.",
        ),
        Mistake(
            "counted twice",
            counted_twice,
            'The stored count is one too large: after the first step state["t"] is 1. Use t for '
            "this step's correction and store that same t.",
        ),
        Mistake(
            "uphill",
            adam_uphill,
            "The step has the right length and goes up the slope: subtract it from θ.",
        ),
        Mistake(
            "only r corrected",
            only_r_corrected,
            "Only r is corrected. s starts at 0 as well: without ŝ = s/(1 − β₁ᵗ) the first steps "
            "are too short.",
        ),
        Mistake(
            "corrected after the root",
            corrected_after_the_root,
            "√r is divided by 1 − β₂ᵗ. Correct r first, then take the root: √(r/(1 − β₂ᵗ)).",
        ),
        Mistake(
            "power of the share",
            power_of_the_share,
            "The power is taken of 1 − β. The correction is 1 − βᵗ, in code 1 - beta**t: what is "
            "missing of the weights after t steps.",
        ),
        Mistake(
            "without the root",
            no_root,
            "The step divides by r̂ itself. Divide by its root, δ + √r̂: then ŝ and its scale "
            "have the same unit and cancel.",
        ),
        Mistake(
            "counted from zero",
            counted_from_zero,
            "The correction uses the count before this step. t is 1 at the first step; with t = 0 "
            "you divide by 1 − β⁰ = 0.",
        ),
        Mistake(
            "betas swapped",
            betas_swapped,
            "β₁ and β₂ have changed places: β₁ belongs to s, the average of g, and β₂ to r, the "
            "average of g².",
        ),
    ),
    honest=(
        adam_with_the_corrections_in_the_rate,
        adam_in_place_on_a_copy,
        adam_entry_by_entry,
    ),
)


# --- Nadam -----------------------------------------------------------------------------------


def no_look_ahead(theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}


def gradient_not_corrected(theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    ahead = beta1 * s / (1 - beta1**t) + (1 - beta1) * grad
    return theta - lr * ahead / (eps + np.sqrt(r / (1 - beta2**t))), {"t": t, "s": s, "r": r}


def average_not_corrected(theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    ahead = beta1 * s + (1 - beta1) * grad / (1 - beta1**t)
    return theta - lr * ahead / (eps + np.sqrt(r / (1 - beta2**t))), {"t": t, "s": s, "r": r}


def average_corrected_one_step_ahead(
    theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    ahead = beta1 * s / (1 - beta1 ** (t + 1)) + (1 - beta1) * grad / (1 - beta1**t)
    return theta - lr * ahead / (eps + np.sqrt(r / (1 - beta2**t))), {"t": t, "s": s, "r": r}


def average_added_whole(theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    ahead = (s + (1 - beta1) * grad) / (1 - beta1**t)
    return theta - lr * ahead / (eps + np.sqrt(r / (1 - beta2**t))), {"t": t, "s": s, "r": r}


def nadam_eps_inside_the_root(
    theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    ahead = (beta1 * s + (1 - beta1) * grad) / (1 - beta1**t)
    return theta - lr * ahead / np.sqrt(r / (1 - beta2**t) + eps), {"t": t, "s": s, "r": r}


def nadam_with_one_common_correction(
    theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * np.square(grad)
    ahead = (beta1 * s + (1 - beta1) * grad) / (1 - beta1**t)
    return theta - lr * ahead / (np.sqrt(r / (1 - beta2**t)) + eps), {"t": t, "s": s, "r": r}


def nadam_in_place_on_a_copy(theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    if state is None:
        t, s, r = 0, np.zeros_like(theta), np.zeros_like(theta)
    else:
        t, s, r = state["t"], state["s"].copy(), state["r"].copy()
    t += 1
    s *= beta1
    s += (1 - beta1) * grad
    r *= beta2
    r += (1 - beta2) * grad * grad
    step = s / (1 - beta1**t)
    step *= beta1
    step += (1 - beta1) / (1 - beta1**t) * grad
    step /= np.sqrt(r / (1 - beta2**t)) + eps
    return theta - lr * step, {"t": t, "s": s, "r": r}


def nadam_entry_by_entry(theta, grad, state=None, *, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    if state is None:
        state = {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t, s, r = state["t"] + 1, np.array(state["s"]), np.array(state["r"])
    theta = np.array(theta)
    for index, g in np.ndenumerate(grad):
        s[index] = beta1 * s[index] + (1 - beta1) * g
        r[index] = beta2 * r[index] + (1 - beta2) * g * g
        ahead = (beta1 * s[index] + (1 - beta1) * g) / (1 - beta1**t)
        theta[index] -= lr * ahead / (eps + np.sqrt(r[index] / (1 - beta2**t)))
    return theta, {"t": t, "s": s, "r": r}


NADAM = Exercise(
    reference=reference.nadam,
    summary="one step of Nadam with constant β₁",
    parts=rule_parts(1, 2, 1),
    cases=rule_cases(ADAM_HYPER, ADAM_STATE),
    run=play_steps,
    mistakes=(
        Mistake(
            "no look-ahead",
            no_look_ahead,
            "This is Adam. Nadam puts β₁ŝ + (1 − β₁)g/(1 − β₁ᵗ) in the place of ŝ: the average as "
            "it will be one step later.",
        ),
        Mistake(
            "gradient not corrected",
            gradient_not_corrected,
            "The gradient's share is not corrected: it is (1 − β₁)g/(1 − β₁ᵗ). At the first step "
            "the correction makes it g itself.",
        ),
        Mistake(
            "average not corrected",
            average_not_corrected,
            "The average enters uncorrected: it is β₁ŝ with ŝ = s/(1 − β₁ᵗ), not β₁s.",
        ),
        Mistake(
            "average corrected one step ahead",
            average_corrected_one_step_ahead,
            "s is divided by 1 − β₁ᵗ⁺¹, as torch does with its schedule. With constant β₁ this "
            "exercise uses ŝ = s/(1 − β₁ᵗ), as Adam does.",
        ),
        Mistake(
            "average added whole",
            average_added_whole,
            "ŝ is added whole. Its share is β₁, that of the gradient 1 − β₁: together 1.",
        ),
        Mistake(
            "eps inside the root",
            nadam_eps_inside_the_root,
            "δ stands under the root: √(r̂ + δ). In this course, as in torch, it is added to the "
            "root: δ + √r̂. The two differ where r̂ is small.",
        ),
    ),
    honest=(
        nadam_with_one_common_correction,
        nadam_in_place_on_a_copy,
        nadam_entry_by_entry,
    ),
)


# --- AdamW -----------------------------------------------------------------------------------


def penalty_in_the_gradient(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    grad = grad + weight_decay * theta
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}


def decay_without_the_rate(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    step = lr * (s / (1 - beta1**t)) / (eps + np.sqrt(r / (1 - beta2**t)))
    return theta - weight_decay * theta - step, {"t": t, "s": s, "r": r}


def decay_with_the_wrong_sign(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    step = lr * (s / (1 - beta1**t)) / (eps + np.sqrt(r / (1 - beta2**t)))
    return theta + lr * weight_decay * theta - step, {"t": t, "s": s, "r": r}


def decay_after_the_step(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    theta = theta - lr * (s / (1 - beta1**t)) / (eps + np.sqrt(r / (1 - beta2**t)))
    return theta - lr * weight_decay * theta, {"t": t, "s": s, "r": r}


def no_decay(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    return theta - lr * s_hat / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}


def adamw_without_bias_correction(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    theta = theta * (1 - lr * weight_decay)
    return theta - lr * s / (eps + np.sqrt(r)), {"t": state["t"] + 1, "s": s, "r": r}


def adamw_only_s_corrected(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat = s / (1 - beta1**t)
    theta = theta - lr * weight_decay * theta
    return theta - lr * s_hat / (eps + np.sqrt(r)), {"t": t, "s": s, "r": r}


def adamw_only_r_corrected(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    r_hat = r / (1 - beta2**t)
    theta = theta - lr * weight_decay * theta
    return theta - lr * s / (eps + np.sqrt(r_hat)), {"t": t, "s": s, "r": r}


def adamw_eps_inside_the_root(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    theta = theta - lr * weight_decay * theta
    return theta - lr * s_hat / np.sqrt(r_hat + eps), {"t": t, "s": s, "r": r}


def adamw_without_the_root(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    theta = theta - lr * weight_decay * theta
    return theta - lr * s_hat / (eps + r_hat), {"t": t, "s": s, "r": r}


def decay_inside_the_fraction(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad**2
    s_hat, r_hat = s / (1 - beta1**t), r / (1 - beta2**t)
    step = lr * (s_hat + weight_decay * theta) / (eps + np.sqrt(r_hat))
    return theta - step, {"t": t, "s": s, "r": r}


def adamw_shrinking_first(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    state = state or {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t = state["t"] + 1
    s = beta1 * state["s"] + (1 - beta1) * grad
    r = beta2 * state["r"] + (1 - beta2) * grad * grad
    theta = theta * (1 - lr * weight_decay)
    theta = theta - lr * (s / (1 - beta1**t)) / (np.sqrt(r / (1 - beta2**t)) + eps)
    return theta, {"t": t, "s": s, "r": r}


def adamw_in_place_on_a_copy(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    if state is None:
        t, s, r = 0, np.zeros_like(theta), np.zeros_like(theta)
    else:
        t, s, r = state["t"], state["s"].copy(), state["r"].copy()
    t += 1
    s *= beta1
    s += (1 - beta1) * grad
    r *= beta2
    r += (1 - beta2) * grad * grad
    new_theta = theta.copy()
    new_theta -= lr * weight_decay * theta
    new_theta -= lr * (s / (1 - beta1**t)) / (np.sqrt(r / (1 - beta2**t)) + eps)
    return new_theta, {"t": t, "s": s, "r": r}


def adamw_entry_by_entry(
    theta, grad, state=None, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2
):
    if state is None:
        state = {"t": 0, "s": np.zeros_like(theta), "r": np.zeros_like(theta)}
    t, s, r = state["t"] + 1, np.array(state["s"]), np.array(state["r"])
    theta = np.array(theta)
    for index, g in np.ndenumerate(grad):
        s[index] = beta1 * s[index] + (1 - beta1) * g
        r[index] = beta2 * r[index] + (1 - beta2) * g * g
        s_hat, r_hat = s[index] / (1 - beta1**t), r[index] / (1 - beta2**t)
        theta[index] -= lr * (weight_decay * theta[index] + s_hat / (eps + np.sqrt(r_hat)))
    return theta, {"t": t, "s": s, "r": r}


ADAMW = Exercise(
    reference=reference.adamw,
    summary="one step of AdamW: Adam with decoupled weight decay",
    parts=rule_parts(1, 2, 1),
    cases=rule_cases(ADAM_HYPER | {"weight_decay": (0.2, 0.4, 0.6)}, ADAM_STATE),
    run=play_steps,
    mistakes=(
        Mistake(
            "penalty in the gradient",
            penalty_in_the_gradient,
            "λθ is added to the gradient: that is Adam with an L2 penalty, and √r̂ then divides "
            "the decay. AdamW decouples it: leave g alone and subtract γλθ from θ.",
        ),
        Mistake(
            "decay without the rate",
            decay_without_the_rate,
            "The decay is λθ. Here, as in torch, the rate scales it too: γλθ, so that a schedule "
            "for γ also fades the decay.",
        ),
        Mistake(
            "decay with the wrong sign",
            decay_with_the_wrong_sign,
            "The decay makes θ grow. It pulls towards 0: subtract γλθ.",
        ),
        Mistake(
            "decay after the step",
            decay_after_the_step,
            "The decay acts on θ after Adam's step. AdamW decays the θ it was given: "
            "θ − γλθ − γŝ/(δ + √r̂), all from the old θ.",
        ),
        Mistake(
            "no decay",
            no_decay,
            "This is Adam: weight_decay is not used. Subtract γλθ as well.",
        ),
        Mistake(
            "without bias correction",
            adamw_without_bias_correction,
            "The decay is right, but Adam's part lacks the bias correction: divide s by 1 − β₁ᵗ "
            "and r by 1 − β₂ᵗ.",
        ),
        Mistake(
            "only s corrected",
            adamw_only_s_corrected,
            "The decay is right, but in Adam's part r is not corrected. It starts at 0, too: "
            "divide it by 1 − β₂ᵗ.",
        ),
        Mistake(
            "only r corrected",
            adamw_only_r_corrected,
            "The decay is right, but in Adam's part s is not corrected. It starts at 0, too: "
            "divide it by 1 − β₁ᵗ.",
        ),
        Mistake(
            "eps inside the root",
            adamw_eps_inside_the_root,
            "The decay is right, but in Adam's part δ is added under the root. The step is "
            "γŝ/(δ + √r̂): take the root first, then add δ.",
        ),
        Mistake(
            "without the root",
            adamw_without_the_root,
            "The decay is right, but in Adam's part the root is missing. r̂ averages squares: "
            "divide by δ + √r̂.",
        ),
        Mistake(
            "decay inside the fraction",
            decay_inside_the_fraction,
            "λθ is added to ŝ, so √r̂ divides the decay, too. AdamW decouples it: close the "
            "fraction first, and subtract γλθ beside it.",
        ),
    ),
    honest=(
        adamw_shrinking_first,
        adamw_in_place_on_a_copy,
        adamw_entry_by_entry,
    ),
)


UNIT = Unit(
    key="03_optimizers",
    title="Optimizers",
    exercises=(MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM, NADAM, ADAMW),
)
