"""Every update rule against torch, closed forms and bad input: one row a rule drives the tests."""

import copy
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import array_api_strict
import numpy as np
import pytest
import torch
from array_api_compat import array_namespace

from course import optimizers
from course.optimizers import (
    Optimizer,
    adadelta,
    adagrad,
    adam,
    adamax,
    adamw,
    amsgrad,
    lion,
    momentum,
    muon,
    nadam,
    nesterov,
    nesterov_lookahead,
    rmsprop,
    sgd,
)

LIBRARIES = {"numpy": np, "strict": array_api_strict, "torch": torch}
SHAPES = [(), (0,), (3,), (1, 3), (3, 1), (2, 3), (2, 0), (2, 3, 4)]
STEPS = 1000
SIZE = 6


@pytest.fixture(autouse=True)
def _float64_in_torch():
    """Let torch's NAdam keep its product of μ in float64: it takes the default dtype for it."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def torch_sgd(params, lr, momentum=0.0):
    return torch.optim.SGD(params, lr=lr, momentum=momentum)


def torch_nesterov(params, lr, momentum):
    return torch.optim.SGD(params, lr=lr, momentum=momentum, nesterov=True)


def torch_adagrad(params, lr, eps):
    return torch.optim.Adagrad(params, lr=lr, eps=eps)


def torch_rmsprop(params, lr, rho, eps):
    return torch.optim.RMSprop(params, lr=lr, alpha=rho, eps=eps)


def torch_adam(params, lr, beta1, beta2, eps):
    return torch.optim.Adam(params, lr=lr, betas=(beta1, beta2), eps=eps)


def torch_amsgrad(params, lr, beta1, beta2, eps):
    return torch.optim.Adam(params, lr=lr, betas=(beta1, beta2), eps=eps, amsgrad=True)


def torch_adamax(params, lr, beta1, beta2, eps):
    return torch.optim.Adamax(params, lr=lr, betas=(beta1, beta2), eps=eps)


def torch_adadelta(params, lr, rho, eps):
    return torch.optim.Adadelta(params, lr=lr, rho=rho, eps=eps)


def torch_nadam(params, lr, beta1, beta2, eps, momentum_decay):
    return torch.optim.NAdam(
        params, lr=lr, betas=(beta1, beta2), eps=eps, momentum_decay=momentum_decay
    )


def torch_adamw(params, lr, beta1, beta2, eps, weight_decay):
    return torch.optim.AdamW(
        params, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay
    )


def float64_newton_schulz(matrix, coefficients, steps, eps):
    """Iterate on the singular values alone: the polynomial keeps U and V."""
    a, b, c = coefficients
    u, values, vt = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / (torch.linalg.vector_norm(values) + eps)
    for _ in range(steps):
        values = a * values + b * values**3 + c * values**5
    return (u * values @ vt).to(matrix.dtype)


class Float64Muon(torch.optim.Muon):
    """torch's Muon with the iteration, which torch does in bfloat16, replaced."""

    def step(self):
        name = "torch.optim._muon._zeropower_via_newtonschulz"
        with mock.patch(name, float64_newton_schulz):
            super().step()


def torch_muon(params, make=Float64Muon, **hyper):
    return make(params, **hyper)


def torch_steps(make, start, grad_at, steps, hyper):
    """Yield the parameter and torch's state after each step."""
    theta = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = make([theta], **hyper)
    for t in range(steps):
        theta.grad = torch.from_numpy(grad_at(t, theta.detach().numpy()).copy())
        optimizer.step()
        yield theta.detach().numpy().copy(), optimizer.state[theta]


def torch_path(make):
    def path(start, grad_at, steps, hyper):
        return np.stack([theta for theta, _ in torch_steps(make, start, grad_at, steps, hyper)])

    return path


def lookahead_path(start, grad_at, steps, hyper):
    """Walk with torch's Nesterov, which follows φ = θ + α u, and give θ = φ - α u, u = -γ v."""
    return np.stack(
        [
            phi + hyper["momentum"] * hyper["lr"] * state["momentum_buffer"].numpy()
            for phi, state in torch_steps(torch_nesterov, start, grad_at, steps, hyper)
        ]
    )


def constant_nadam_path(start, grad_at, steps, hyper):
    """Nadam with constant β₁ from all gradients at once: averages as weighted sums."""
    beta1, beta2 = hyper["beta1"], hyper["beta2"]
    grads, path, theta = np.zeros((steps, start.size)), [], start
    for t in range(1, steps + 1):
        grads[t - 1] = grad_at(t - 1, theta)
        seen, ages = grads[:t], np.arange(t)[::-1]
        weights1, weights2 = beta1**ages, beta2**ages
        s_hat = weights1 @ seen / weights1.sum()
        r_hat = weights2 @ seen**2 / weights2.sum()
        newest = grads[t - 1] / weights1.sum()
        theta = theta - hyper["lr"] * (beta1 * s_hat + newest) / (hyper["eps"] + np.sqrt(r_hat))
        path.append(theta)
    return np.stack(path)


def lion_path(start, grad_at, steps, hyper):
    """Lion from all gradients at once; torch has none."""
    beta1, beta2, lr = hyper["beta1"], hyper["beta2"], hyper["lr"]
    grads, path, theta = np.zeros((steps, start.size)), [], start
    for t in range(steps):
        grads[t] = grad_at(t, theta)
        memory = (1 - beta2) * beta2 ** np.arange(t)[::-1] @ grads[:t]
        direction = np.sign(beta1 * memory + (1 - beta1) * grads[t])
        theta = theta - lr * (direction + hyper["weight_decay"] * theta)
        path.append(theta)
    return np.stack(path)


@dataclass(frozen=True)
class Row:
    """A rule, hyper-parameters it takes, what its state holds, its oracle and its bad input."""

    rule: Callable[..., Any]
    keys: tuple[str, ...]
    hypers: tuple[dict[str, Any], ...]
    bad: tuple[tuple[dict[str, Any], type[Exception], str], ...]
    torch_optimizer: Callable[..., torch.optim.Optimizer] | None = None
    own_oracle: Callable[..., np.ndarray] | None = None
    only_2d: bool = False

    def takes(self, shape):
        return len(shape) == 2 or not self.only_2d

    @property
    def hyper(self):
        return self.hypers[-1]

    @property
    def oracle(self):
        return self.own_oracle or torch_path(self.torch_optimizer)

    def with_defaults(self, hyper):
        return self.defaults | hyper

    @property
    def defaults(self):
        return {
            parameter.name: parameter.default
            for parameter in inspect.signature(self.rule).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY
            and parameter.default is not parameter.empty
            and parameter.default is not None
        }

    def step(self, theta, grad_fn, state=None, **hyper):
        grad = grad_fn if self.rule is nesterov_lookahead else grad_fn(theta)
        return self.rule(theta, grad, state, **hyper)

    def walk(self, theta, grads: Iterable[Any], state=None, **hyper):
        """Take one step for each gradient, wherever it is asked for."""
        for grad in grads:
            theta, state = self.step(theta, lambda _, grad=grad: grad, state, **hyper)
        return theta, state

    def path(self, start, grad_at, steps, hyper):
        theta, state, path = start, None, []
        for t in range(steps):
            theta, state = self.step(theta, lambda at, t=t: grad_at(t, at), state, **hyper)
            path.append(theta)
        return np.stack(path)


def out_of_range(name, key):
    """Give the bad values of a hyper-parameter: a share kept, a count, or at least 0."""
    if key == "ns_steps":
        text = f"{name}: {key} must be a whole number, at least 1, got "
        return tuple(({key: v}, ValueError, f"{text}{float(v)}") for v in (0, -1, 2.5, np.nan))
    if key in ("momentum", "rho", "beta1", "beta2"):
        text = f"{name}: {key} must lie in [0, 1), got "
        return tuple(({key: v}, ValueError, f"{text}{v}") for v in (1.0, -0.1, 1.5, float("nan")))
    text = f"{name}: {key} must be at least 0, got "
    return tuple(({key: v}, ValueError, f"{text}{v}") for v in (-0.1, float("nan"), -float("inf")))


def bad_input(name, *keys):
    ranges = tuple(bad for key in keys for bad in out_of_range(name, key))
    kinds = tuple(
        ({key: [0.1]}, TypeError, f"{name}: {key} must be a number, got a list: [0.1]")
        for key in keys
    )
    return ranges + kinds


MOMENTUM_BAD = ("lr", "momentum")
ADAM_BAD = ("lr", "beta1", "beta2", "eps")
ADAM_HYPERS = ({}, {"lr": 0.05, "beta1": 0.6, "beta2": 0.8, "eps": 0.1})

ROWS = {
    "sgd": Row(
        rule=sgd,
        keys=(),
        hypers=({"lr": 0.01}, {"lr": 0.1}),
        torch_optimizer=torch_sgd,
        bad=(
            *bad_input("sgd", "lr"),
            ({"momentum": 0.9}, TypeError, "sgd: unknown 'momentum'; it takes lr."),
        ),
    ),
    "momentum": Row(
        rule=momentum,
        keys=("u",),
        hypers=({"lr": 0.01}, {"lr": 0.1, "momentum": 0.5}, {"lr": 0.05, "momentum": 0.95}),
        torch_optimizer=torch_sgd,
        bad=(
            *bad_input("momentum", *MOMENTUM_BAD),
            ({"beta": 0.9}, TypeError, "momentum: unknown 'beta'; it takes lr, momentum."),
        ),
    ),
    "nesterov": Row(
        rule=nesterov,
        keys=("u",),
        hypers=({"lr": 0.01}, {"lr": 0.1, "momentum": 0.5}, {"lr": 0.05, "momentum": 0.95}),
        torch_optimizer=torch_nesterov,
        bad=(
            *bad_input("nesterov", *MOMENTUM_BAD),
            ({"beta": 0.9}, TypeError, "nesterov: unknown 'beta'; it takes lr, momentum."),
        ),
    ),
    "nesterov_lookahead": Row(
        rule=nesterov_lookahead,
        keys=("u",),
        hypers=({"lr": 0.01}, {"lr": 0.1, "momentum": 0.5}, {"lr": 0.05, "momentum": 0.95}),
        own_oracle=lookahead_path,
        bad=(
            *bad_input("nesterov_lookahead", *MOMENTUM_BAD),
            ({"beta": 0.9}, TypeError, "unexpected keyword argument 'beta'"),
        ),
    ),
    "adagrad": Row(
        rule=adagrad,
        keys=("r",),
        hypers=({}, {"lr": 0.5, "eps": 0.1}),
        torch_optimizer=torch_adagrad,
        bad=(
            *bad_input("adagrad", "lr", "eps"),
            ({"rho": 0.9}, TypeError, "adagrad: unknown 'rho'; it takes lr, eps."),
        ),
    ),
    "rmsprop": Row(
        rule=rmsprop,
        keys=("r",),
        hypers=({}, {"lr": 0.05, "rho": 0.6, "eps": 0.1}),
        torch_optimizer=torch_rmsprop,
        bad=(
            *bad_input("rmsprop", "lr", "rho", "eps"),
            ({"alpha": 0.9}, TypeError, "rmsprop: unknown 'alpha'; it takes lr, rho, eps."),
        ),
    ),
    "adam": Row(
        rule=adam,
        keys=("t", "s", "r"),
        hypers=ADAM_HYPERS,
        torch_optimizer=torch_adam,
        bad=(
            *bad_input("adam", *ADAM_BAD),
            ({"betas": (0.9, 0.99)}, TypeError, "unknown 'betas'; it takes lr, beta1, beta2, eps."),
        ),
    ),
    "nadam": Row(
        rule=nadam,
        keys=("t", "s", "r"),
        hypers=ADAM_HYPERS,
        own_oracle=constant_nadam_path,
        bad=(
            *bad_input("nadam", *ADAM_BAD, "momentum_decay"),
            ({"decay": 0.004}, TypeError, "nadam: unknown 'decay'; it takes lr, beta1, beta2,"),
        ),
    ),
    "nadam-schedule": Row(
        rule=nadam,
        keys=("t", "s", "r", "mu_product"),
        hypers=(
            {"momentum_decay": 0.004},
            ADAM_HYPERS[1] | {"momentum_decay": 0.004},
            ADAM_HYPERS[1] | {"momentum_decay": 0.3},
        ),
        torch_optimizer=torch_nadam,
        bad=bad_input("nadam", "momentum_decay"),
    ),
    "adamw": Row(
        rule=adamw,
        keys=("t", "s", "r"),
        hypers=({}, ADAM_HYPERS[1] | {"weight_decay": 0.5}),
        torch_optimizer=torch_adamw,
        bad=(
            *bad_input("adamw", *ADAM_BAD, "weight_decay"),
            ({"l2": 0.1}, TypeError, "adamw: unknown 'l2'; it takes lr, beta1, beta2, eps, weight"),
        ),
    ),
    "amsgrad": Row(
        rule=amsgrad,
        keys=("t", "s", "r", "r_max"),
        hypers=ADAM_HYPERS,
        torch_optimizer=torch_amsgrad,
        bad=(
            *bad_input("amsgrad", *ADAM_BAD),
            ({"amsgrad": True}, TypeError, "amsgrad: unknown 'amsgrad'; it takes lr, beta1, beta2"),
        ),
    ),
    "adamax": Row(
        rule=adamax,
        keys=("t", "s", "r"),
        hypers=ADAM_HYPERS,
        torch_optimizer=torch_adamax,
        bad=(
            *bad_input("adamax", *ADAM_BAD),
            ({"rho": 0.9}, TypeError, "adamax: unknown 'rho'; it takes lr, beta1, beta2, eps."),
        ),
    ),
    "adadelta": Row(
        rule=adadelta,
        keys=("r", "v"),
        hypers=({}, {"lr": 0.5, "rho": 0.6, "eps": 0.1}),
        torch_optimizer=torch_adadelta,
        bad=(
            *bad_input("adadelta", "lr", "rho", "eps"),
            ({"beta": 0.9}, TypeError, "adadelta: unknown 'beta'; it takes lr, rho, eps."),
        ),
    ),
    "lion": Row(
        rule=lion,
        keys=("s",),
        hypers=({}, {"lr": 0.05, "beta1": 0.6, "beta2": 0.8, "weight_decay": 0.5}),
        own_oracle=lion_path,
        bad=(
            *bad_input("lion", "lr", "beta1", "beta2", "weight_decay"),
            ({"eps": 1e-8}, TypeError, "lion: unknown 'eps'; it takes lr, beta1, beta2, weight_d"),
        ),
    ),
    "muon": Row(
        rule=muon,
        keys=("u",),
        hypers=(
            {},
            {"lr": 0.05, "momentum": 0.6, "weight_decay": 0.5, "eps": 0.1, "ns_steps": 3},
        ),
        torch_optimizer=torch_muon,
        bad=(
            *bad_input("muon", "lr", "momentum", "weight_decay", "eps", "ns_steps"),
            ({"nesterov": False}, TypeError, "muon: unknown 'nesterov'; it takes lr, momentum,"),
        ),
        only_2d=True,
    ),
}
TORCH_ROWS = {name: row for name, row in ROWS.items() if row.torch_optimizer}

ELEMENTWISE = {name: row for name, row in ROWS.items() if row.rule is not muon}

each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
each_elementwise_row = pytest.mark.parametrize("row", ELEMENTWISE.values(), ids=ELEMENTWISE)
each_library = pytest.mark.parametrize("xp", LIBRARIES.values(), ids=LIBRARIES)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def draw(*shape, seed=0):
    """Draw numbers of both signs whose sizes span four powers of ten."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * 10 ** rng.uniform(-2, 2, size=shape)


def drawn_gradients():
    """Give gradients that depend on the step only; one parameter has none, some steps neither."""
    grads = draw(STEPS, SIZE)
    grads[:, 2] = 0
    grads[::7] = 0
    return lambda t, theta: grads[t]


def quadratic_gradients():
    """Give the gradient of ½ (θ - c)ᵀ A (θ - c), eigenvalues 0.1 to 3.

    c is far: at the minimum RMSProp with a tiny eps jumps by ±γ/2 and magnifies any rounding.
    """
    rng = np.random.default_rng(1)
    rotation, _ = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))
    hessian = rotation @ np.diag(np.linspace(0.1, 3, SIZE)) @ rotation.T
    centre = 20 * np.arange(1.0, SIZE + 1)
    return lambda t, theta: hessian @ (theta - centre)


GRADIENTS = {"drawn": drawn_gradients, "quadratic": quadratic_gradients}
START = np.linspace(-3, 4, SIZE)


def to(xp, values, dtype):
    values = np.array(values, dtype=dtype)
    return torch.from_numpy(values) if xp is torch else xp.asarray(values)


def numbers(array):
    return array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)


def assert_close(ours, theirs, tolerance):
    """Compare along the steps: each parameter's error against its own largest value."""
    error = np.max(np.abs(ours - theirs), axis=0)
    scale = np.max(np.abs(theirs), axis=0)
    assert np.all(error <= tolerance * scale), f"relative error {np.max(error / scale):.2e}"


def test_every_rule_has_a_row():
    rules = set(optimizers.__all__) - {"Optimizer"}
    missing = sorted(rules - {row.rule.__name__ for row in ROWS.values()})
    assert not missing, f"{missing} need a row in ROWS"


@each_row
def test_every_hyper_parameter_is_tried_with_bad_values(row):
    """One that `course._rules` gives no range would be taken whatever it is."""
    rows = [other for other in ROWS.values() if other.rule is row.rule]
    tried = {key for other in rows for hyper, *_ in other.bad for key in hyper}
    parameters = inspect.signature(row.rule).parameters.values()
    asked = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    untried = sorted(asked - tried)
    assert not untried, f"{untried}: name them in bad_input(...), with a range in course/_rules.py"


@pytest.mark.parametrize("gradients", GRADIENTS.values(), ids=GRADIENTS)
@pytest.mark.parametrize(
    ("row", "hyper"),
    [
        pytest.param(row, hyper, id=f"{name}-{index}")
        for name, row in ROWS.items()
        for index, hyper in enumerate(row.hypers)
    ],
)
def test_a_thousand_steps_follow_the_oracle(row, hyper, gradients):
    grad_at, shape = gradients(), (2, 3) if row.only_2d else (SIZE,)
    start = START.reshape(shape)
    walk = (start, lambda t, theta: grad_at(t, theta.reshape(SIZE)).reshape(shape), STEPS)
    ours = row.path(*walk, hyper)
    theirs = row.oracle(*walk, row.with_defaults(hyper))
    assert_close(ours, theirs, 1e-12)
    assert np.all(np.ptp(ours, axis=0)[start != START[2]] > 0.01)


@pytest.mark.parametrize("name", TORCH_ROWS)
def test_torch_float32_follows_torch(name):
    row, grads = ROWS[name], torch.from_numpy(draw(50, 2, 3)).float()
    theta = torch.nn.Parameter(torch.from_numpy(START.reshape(2, 3)).float())
    ours = theta.detach().clone()
    theirs = row.torch_optimizer([theta], **row.with_defaults(row.hyper))
    for grad in grads:
        theta.grad = grad.clone()
        theirs.step()
    ours, _ = row.walk(ours, grads, **row.hyper)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theta.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("rule", "theirs", "other"),
    [
        (adagrad, torch.optim.Adagrad, {}),
        (rmsprop, torch.optim.RMSprop, {"rho": 0.99}),
        (adam, torch.optim.Adam, {}),
        (nadam, torch.optim.NAdam, {"momentum_decay": 0.004}),
        (adamw, torch.optim.AdamW, {}),
        (amsgrad, torch.optim.Adam, {}),
        (adamax, torch.optim.Adamax, {}),
        (adadelta, torch.optim.Adadelta, {}),
        (muon, torch.optim.Muon, {}),
    ],
)
def test_defaults_are_torchs_but_for_those_the_docstring_names(rule, theirs, other):
    row = next(row for row in ROWS.values() if row.rule is rule)
    given = theirs([torch.zeros(1, 1)]).defaults
    given |= {"rho": given.get("alpha", given.get("rho"))}
    given |= dict(zip(("beta1", "beta2"), given.get("betas", ()), strict=False))
    differing = {key: given[key] for key, value in row.defaults.items() if given[key] != value}
    missing = {"momentum_decay": given["momentum_decay"]} if rule is nadam else {}
    assert differing | missing == other


# What the docstrings say about single steps


def test_momentum_ends_at_the_terminal_velocity():
    grad, lr, alpha = np.array([3.0, -0.5]), 0.1, 0.8
    theta, state = np.zeros(2), None
    for t in range(1, 201):
        theta, state = momentum(theta, grad, state, lr=lr, momentum=alpha)
        terminal = -lr * grad / (1 - alpha)
        np.testing.assert_allclose(state["u"], terminal * (1 - alpha**t), rtol=1e-13)
    np.testing.assert_allclose(state["u"], -lr / (1 - alpha) * grad, rtol=1e-13)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.0, 0.0), (0.9, 0.999), (0.3, 0.5)])
@pytest.mark.parametrize("eps", [1e-8, 0.5])
def test_adams_first_step_forgets_the_betas(beta1, beta2, eps):
    grad = draw(9)
    theta, _ = adam(np.zeros(9), grad, lr=0.1, beta1=beta1, beta2=beta2, eps=eps)
    np.testing.assert_allclose(theta, -0.1 * grad / (eps + np.abs(grad)), rtol=1e-13)


def test_adagrads_step_shrinks_with_the_root_of_the_number_of_steps():
    grad = np.array([4.0, -0.02])
    path = ROWS["adagrad"].path(np.zeros(2), lambda t, theta: grad, 100, {"lr": 0.1, "eps": 0.01})
    steps = np.diff(path, axis=0, prepend=np.zeros((1, 2)))
    root = np.sqrt(np.arange(1, 101))[:, None]
    np.testing.assert_allclose(steps, -0.1 * grad / (0.01 + np.abs(grad) * root), rtol=1e-11)


def test_rmsprops_first_steps_are_longer():
    grad, rho, lr = np.array([4.0, -0.02]), 0.9, 0.1
    path = ROWS["rmsprop"].path(
        np.zeros(2), lambda t, theta: grad, 400, {"lr": lr, "rho": rho, "eps": 0}
    )
    steps = np.diff(path, axis=0, prepend=np.zeros((1, 2)))
    t = np.arange(1, 401)[:, None]
    np.testing.assert_allclose(steps, -lr * np.sign(grad) / np.sqrt(1 - rho**t), rtol=1e-11)
    np.testing.assert_allclose(steps[0] / steps[-1], 1 / np.sqrt(1 - rho), rtol=1e-11)


# Where conventions differ, the difference itself is tested


def test_momentum_under_a_changing_rate_differs_from_torch_by_the_past_velocity():
    """Torch rescales the whole past: its step carries α u γ_new/γ_old where ours carries α u."""
    grads, alpha, old, new = draw(11, SIZE), 0.9, 0.1, 0.02
    theta = torch.nn.Parameter(torch.from_numpy(START.copy()))
    theirs = torch.optim.SGD([theta], lr=old, momentum=alpha)
    for grad in grads[:10]:
        theta.grad = torch.from_numpy(grad)
        theirs.step()
    ours, state = ROWS["momentum"].walk(START, grads[:10], lr=old, momentum=alpha)
    np.testing.assert_allclose(ours, numbers(theta), rtol=1e-12)

    theirs.param_groups[0]["lr"] = new
    theta.grad = torch.from_numpy(grads[10])
    theirs.step()
    after, _ = momentum(ours, grads[10], state, lr=new, momentum=alpha)
    expected = alpha * state["u"] * (1 - new / old)
    assert np.all(np.abs(expected) > 0.01)
    np.testing.assert_allclose(after - numbers(theta), expected, rtol=1e-10)


def test_lookahead_is_nesterov_in_the_shifted_variable():
    grad_at, lr, alpha = quadratic_gradients(), 0.1, 0.9
    theta, shifted, state, shifted_state = START, START, None, None
    for t in range(50):
        theta, state = nesterov_lookahead(
            theta, lambda at, t=t: grad_at(t, at), state, lr=lr, momentum=alpha
        )
        grad = grad_at(t, shifted)
        shifted, shifted_state = nesterov(shifted, grad, shifted_state, lr=lr, momentum=alpha)
        np.testing.assert_allclose(theta + alpha * state["u"], shifted, rtol=0, atol=1e-13)
        np.testing.assert_allclose(state["u"], shifted_state["u"], rtol=0, atol=1e-13)
        assert np.max(np.abs(theta - shifted)) > 1e-3


def test_lookahead_asks_for_the_gradient_one_velocity_ahead():
    asked = []
    velocity = np.array([1.0, -2.0], dtype=np.float32)

    def grad_fn(at):
        asked.append(at)
        return at

    theta, _ = nesterov_lookahead(
        np.array([3.0, 5.0], dtype=np.float32),
        grad_fn,
        {"u": velocity},
        lr=np.float64(0.25),
        momentum=np.float64(0.5),
    )
    assert len(asked) == 1
    assert asked[0].dtype == np.float32
    assert asked[0].tolist() == [3.5, 4.0]
    assert theta.dtype == np.float32
    assert theta.tolist() == [3 + 0.5 - 0.25 * 3.5, 5 - 1 - 0.25 * 4.0]


def test_constant_nadam_differs_from_torchs_formula_by_one_power_of_beta1():
    """A long decay brings Dozat's μ to β₁ at once; torch then divides β₁ s by 1 - β₁ᵗ⁺¹."""
    beta1, beta2, eps, lr = 0.6, 0.8, 0.1, 0.05
    hyper = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}
    grads = draw(100, SIZE)
    ours = ROWS["nadam"].path(START, lambda t, theta: grads[t], 100, hyper)
    theirs = torch_path(torch_nadam)(
        START, lambda t, theta: grads[t], 100, hyper | {"momentum_decay": 1e6}
    )
    s, r, expected = np.zeros(SIZE), np.zeros(SIZE), []
    for t, grad in enumerate(grads, start=1):
        s = beta1 * s + (1 - beta1) * grad
        r = beta2 * r + (1 - beta2) * grad**2
        more = 1 / (1 - beta1**t) - 1 / (1 - beta1 ** (t + 1))
        expected.append(-lr * beta1 * s * more / (eps + np.sqrt(r / (1 - beta2**t))))
    expected = np.cumsum(expected, axis=0)
    assert np.all(np.abs(expected[0]) > 1e-3)
    np.testing.assert_allclose(ours - theirs, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("rule", "root_of"),
    [
        (adagrad, lambda grad: np.abs(grad)),
        (lambda *args, **hyper: rmsprop(*args, rho=0.75, **hyper), lambda grad: np.abs(grad) / 2),
        (adam, lambda grad: np.abs(grad)),
        (adamw, lambda grad: np.abs(grad)),
        (nadam, lambda grad: np.abs(grad)),
        (amsgrad, lambda grad: np.abs(grad)),
        (adamax, lambda grad: np.abs(grad)),
    ],
    ids=["adagrad", "rmsprop", "adam", "adamw", "nadam", "amsgrad", "adamax"],
)
def test_eps_is_added_to_the_root_and_not_under_it(rule, root_of):
    grad, eps, lr = np.array([0.3, -2.0]), 0.25, 0.1
    plain, _ = rule(np.zeros(2), grad, lr=lr, eps=0)
    theta, _ = rule(np.zeros(2), grad, lr=lr, eps=eps)
    root = root_of(grad)
    np.testing.assert_allclose(theta, plain * root / (root + eps), rtol=1e-13)
    under = plain * root / np.sqrt(root**2 + eps)
    assert np.all(np.abs(theta - under) > 1e-3)


def test_the_papers_efficient_adam_is_ours_with_a_growing_eps():
    """Its δ̂, added before the correction, acts like δ̂ / √(1 - β₂ᵗ)."""
    lr, beta1, beta2, eps = 0.1, 0.9, 0.99, 0.05
    theirs, m, v = np.zeros(SIZE), np.zeros(SIZE), np.zeros(SIZE)
    ours, same_eps, state = np.zeros(SIZE), np.zeros(SIZE), None
    for t, grad in enumerate(draw(50, SIZE), start=1):
        m = beta1 * m + (1 - beta1) * grad
        v = beta2 * v + (1 - beta2) * grad**2
        theirs = theirs - lr * np.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (np.sqrt(v) + eps)
        hyper = {"lr": lr, "beta1": beta1, "beta2": beta2}
        same_eps, _ = adam(same_eps, grad, state, eps=eps, **hyper)
        ours, state = adam(ours, grad, state, eps=eps / np.sqrt(1 - beta2**t), **hyper)
    np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)
    assert np.max(np.abs(same_eps - theirs)) > 0.01


def test_adamw_is_adam_after_a_decay_that_nothing_rescales():
    grads, lr, decay = draw(50, SIZE), 0.05, 0.4
    plain = ROWS["adam"].path(START, lambda t, theta: grads[t], 50, {"lr": lr})
    decayed = ROWS["adamw"].path(
        START, lambda t, theta: grads[t], 50, {"lr": lr, "weight_decay": decay}
    )
    steps = np.diff(plain, axis=0)
    np.testing.assert_allclose(
        decayed[1:] - (1 - lr * decay) * decayed[:-1], steps, rtol=0, atol=1e-14
    )


def test_an_l2_penalty_in_adam_spares_weights_with_large_gradients():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(400, 1)) * np.array([1.0, 100.0])
    hyper, decay = {"lr": 0.01}, 0.1
    plain = decoupled = penalised = np.array([2.0, 2.0])
    states = [None, None, None]
    for grad in noise:
        plain, states[0] = adam(plain, grad, states[0], **hyper)
        decoupled, states[1] = adamw(decoupled, grad, states[1], weight_decay=decay, **hyper)
        penalised, states[2] = adam(penalised, grad + decay * penalised, states[2], **hyper)
    np.testing.assert_allclose(*(plain - decoupled), rtol=1e-6)
    small, large = plain - penalised
    assert small > 10 * abs(large)


def test_amsgrad_takes_the_maximum_before_the_correction_as_torch_does():
    """The maximum of corrected averages would weigh the first gradient in full, for ever."""
    lr, beta2, eps = 0.1, 0.9, 0.01
    grads = np.array([4.0, 0.5, 0.1, 3.0, 0.2, 0.1, 0.1, 0.1])[:, None]
    hyper = {"lr": lr, "beta1": 0.0, "beta2": beta2, "eps": eps}
    path = ROWS["amsgrad"].path(np.zeros(1), lambda t, theta: grads[t], len(grads), hyper)
    steps = np.diff(path, axis=0, prepend=0)
    correction = 1 - beta2 ** np.arange(1, len(grads) + 1)[:, None]
    r = np.cumsum(beta2 ** -np.arange(len(grads))[:, None] * grads**2, axis=0)
    r = (1 - beta2) * r * beta2 ** np.arange(len(grads))[:, None]
    before = np.maximum.accumulate(r) / correction
    after = np.maximum.accumulate(r / correction)
    np.testing.assert_allclose(steps, -lr * grads / (eps + np.sqrt(before)), rtol=1e-12)
    assert np.all(after[1:] > 1.2 * before[1:])


def test_adadeltas_eps_is_under_both_roots():
    grad, rho, eps = np.array([0.3, -2.0]), 0.75, 0.25
    theta, _ = adadelta(np.zeros(2), grad, rho=rho, eps=eps)
    r = (1 - rho) * grad**2
    np.testing.assert_allclose(theta, -np.sqrt(eps) / np.sqrt(r + eps) * grad, rtol=1e-13)
    beside = -eps / (np.sqrt(r) + eps) * grad
    assert np.all(np.abs(theta - beside) > 1e-2)


def test_torchs_nadam_rounds_the_product_of_mu_to_float32():
    torch.set_default_dtype(torch.float32)
    row, grads = ROWS["nadam-schedule"], draw(20, SIZE)
    walk = (START, lambda t, theta: grads[t], 20)
    hyper = row.with_defaults(row.hypers[0])
    ours, theirs = row.path(*walk, hyper), row.oracle(*walk, hyper)
    error = np.max(np.abs(np.diff(ours - theirs, axis=0))) / hyper["lr"]
    assert 1e-9 < error < 1e-6


def test_lions_steps_are_equally_long_but_where_the_average_is_zero():
    grads = np.array([[3.0, -1e-9, 0.0, 1e9], [1.0, 0.0, 0.0, -1e9]])
    path = ROWS["lion"].path(np.zeros(4), lambda t, theta: grads[t], 2, {"lr": 0.5})
    assert path.tolist() == [[-0.5, 0.5, 0, -0.5], [-1.0, 1.0, 0, 0]]


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3)], ids=str)
def test_muon_brings_all_singular_values_near_one_and_keeps_the_directions(shape):
    u, _, vt = np.linalg.svd(draw(*shape), full_matrices=False)
    values = np.geomspace(1000, 10, min(shape))
    grad = u * values @ vt
    step, _ = muon(np.zeros(shape), grad, lr=1.0)
    step = -step / np.sqrt(max(1, shape[0] / shape[1]))
    inside = u.T @ step @ vt.T
    np.testing.assert_allclose(inside, np.diag(np.diag(inside)), atol=1e-13)
    np.testing.assert_allclose(u @ inside @ vt, step, atol=1e-13)
    assert np.all((np.diag(inside) > 0.68) & (np.diag(inside) < 1.21))


def test_torchs_muon_differs_by_its_bfloat16():
    grads, hyper = draw(20, 4, 6), ROWS["muon"].defaults | {"lr": 1.0, "weight_decay": 0.0}
    walk = (np.zeros((4, 6)), lambda t, theta: grads[t], 20, hyper)
    steps = np.diff(ROWS["muon"].path(*walk), axis=0)
    theirs = np.diff(torch_path(partial(torch_muon, make=torch.optim.Muon))(*walk), axis=0)
    error = np.linalg.norm(steps - theirs, axis=(1, 2)) / np.linalg.norm(steps, axis=(1, 2))
    assert np.all(error > 1e-3)
    assert np.all(error < 5e-2)


def test_muon_spreads_nan_over_its_matrix():
    theta, _ = muon(np.ones((2, 2)), np.array([[1.0, np.nan], [0.0, 2.0]]))
    assert np.all(np.isnan(theta))


@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 2)], ids=str)
def test_muon_wants_matrices(shape):
    text = f"muon: theta has shape {shape}. Muon is for 2-d weights; give biases and all else to"
    with pytest.raises(ValueError, match=re.escape(text)):
        muon(np.ones(shape), np.ones(shape))


# At a gradient of 0

WITH_EPS = {name: row for name, row in ROWS.items() if "eps" in row.defaults}


@pytest.mark.parametrize("name", WITH_EPS)
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")  # 0/0
def test_without_eps_an_entry_that_never_had_a_gradient_becomes_nan(name):
    row = WITH_EPS[name]
    grad = np.array([[0.0, 0.0]]) if row.only_2d else np.array([[0.0, 2.0]])
    theta, _ = row.walk(np.ones((1, 2)), [grad, grad], **row.hyper | {"eps": 0})
    assert np.isnan(theta[0, 0])
    assert np.isnan(theta[0, 1]) == row.only_2d
    theta, _ = row.walk(np.ones((1, 2)), [grad, grad], **row.hyper)
    assert np.all(np.isfinite(theta))


def test_without_eps_adadelta_never_moves():
    theta, _ = ROWS["adadelta"].walk(np.ones(2), draw(9, 2), eps=0)
    assert theta.tolist() == [1, 1]


@each_row
def test_autograd_at_a_zero_gradient_is_nan_for_the_rules_with_a_root_of_r_only(row):
    theta, grad = torch.ones(1, 2), torch.zeros(1, 2, requires_grad=True)
    new, _ = row.walk(theta, [grad, grad], **row.hyper)
    new.sum().backward()
    with_root = row.rule in (adagrad, rmsprop, adam, amsgrad, nadam, adamw)
    assert torch.all(torch.isnan(grad.grad) if with_root else torch.isfinite(grad.grad))


# What every rule does with every array


@pytest.mark.parametrize("xp", [array_api_strict, torch], ids=["strict", "torch"])
@each_dtype
@each_row
def test_all_libraries_give_the_same_numbers(row, dtype, xp):
    grads, start = draw(30, 2, 3), draw(2, 3, seed=1)
    expected, _ = row.walk(to(np, start, dtype), [to(np, g, dtype) for g in grads], **row.hyper)
    theta, _ = row.walk(to(xp, start, dtype), [to(xp, g, dtype) for g in grads], **row.hyper)
    tolerance = 30 * np.finfo(dtype).eps * np.max(np.abs(expected))
    np.testing.assert_allclose(numbers(theta), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        pytest.param(row, shape, id=f"{name}-{shape}")
        for name, row in ROWS.items()
        for shape in SHAPES
        if row.takes(shape)
    ],
)
@each_dtype
@each_library
def test_library_shape_and_dtype_are_kept(row, xp, dtype, shape):
    theta, *grads = (to(xp, draw(*shape, seed=seed), dtype) for seed in range(3))
    for hyper in (row.hyper, {key: np.float64(value) for key, value in row.hyper.items()}):
        new, state = row.walk(theta, grads, **hyper)
        assert set(state) == set(row.keys)
        arrays = [value for value in state.values() if not isinstance(value, int | float)]
        for array in (new, *arrays):
            assert array_namespace(array) is array_namespace(theta)
            assert array.shape == theta.shape
            assert array.dtype == theta.dtype


@each_row
def test_a_numpy_0d_rate_does_not_widen(row):
    theta = np.ones((1, 3), dtype=np.float32)
    hyper = {key: np.asarray(value) for key, value in row.hyper.items()}
    new, state = row.walk(theta, [theta, theta], **hyper)
    arrays = [new, *(value for value in state.values() if isinstance(value, np.ndarray))]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@each_library
@each_row
def test_inputs_are_left_as_they_are(row, xp):
    theta, grad = to(xp, draw(2, 3), "float64"), to(xp, draw(2, 3, seed=1), "float64")
    _, state = row.walk(theta, [grad, grad], **row.hyper)
    given = (theta, grad, state)
    before = copy.deepcopy([numbers(theta), numbers(grad)])
    entries = {key: copy.deepcopy(value) for key, value in state.items()}
    new, new_state = row.walk(theta, [grad], state, **row.hyper)
    assert new is not theta
    assert not any(new_state is value for value in given)
    np.testing.assert_array_equal(numbers(theta), before[0])
    np.testing.assert_array_equal(numbers(grad), before[1])
    assert list(state) == list(entries)
    for key, value in entries.items():
        np.testing.assert_array_equal(numbers(state[key]), numbers(value))


@each_row
def test_read_only_arrays_are_enough_and_the_result_is_new_memory(row):
    theta, grad = draw(2, 3), draw(2, 3, seed=1)
    _, state = row.walk(theta, [grad], **row.hyper)
    inputs = [theta, grad, *(value for value in state.values() if isinstance(value, np.ndarray))]
    for array in inputs:
        array.flags.writeable = False
    for hyper in (row.hyper, row.hyper | {"lr": 0.0}):
        new, new_state = row.walk(theta, [grad], state, **hyper)
        outputs = [new, *(v for v in new_state.values() if isinstance(v, np.ndarray))]
        assert not any(np.shares_memory(a, b) for a in inputs for b in outputs)


VIEWS = {
    "every second row": lambda a: a[::2],
    "columns": lambda a: a[1:, ::3],
    "transposed": lambda a: a.T,
    "one column": lambda a: a[:, 1],
}


@pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
@pytest.mark.parametrize(
    ("row", "view"),
    [
        pytest.param(row, view, id=f"{name}-{kind}")
        for name, row in ROWS.items()
        for kind, view in VIEWS.items()
        if row.takes(view(np.ones((4, 6))).shape)
    ],
)
def test_views_of_other_arrays_give_what_their_copies_give(row, view, xp):
    theta, *grads = (view(to(xp, draw(4, 6, seed=seed), "float64")) for seed in range(4))
    whole, *whole_grads = (to(xp, numbers(a).copy(), "float64") for a in (theta, *grads))
    from_view, _ = row.walk(theta, grads, **row.hyper)
    from_copy, _ = row.walk(whole, whole_grads, **row.hyper)
    # Matrix products may add in another order where the memory lies in another order.
    np.testing.assert_allclose(numbers(from_view), numbers(from_copy), rtol=1e-13)


@each_library
@each_elementwise_row
def test_nan_passes_through_where_it_is_and_nowhere_else(row, xp):
    grad = np.array([1.0, np.nan, -2.0])
    clean = to(xp, [1.0, 0.0, -2.0], "float64")
    theta, state = row.walk(to(xp, np.ones(3), "float64"), [to(xp, grad, "float64")], **row.hyper)
    theta, _ = row.walk(theta, [clean], state, **row.hyper)
    expected, _ = row.walk(to(xp, np.ones(3), "float64"), [clean, clean], **row.hyper)
    assert np.isnan(numbers(theta)).tolist() == [False, True, False]
    np.testing.assert_array_equal(numbers(theta)[[0, 2]], numbers(expected)[[0, 2]])


@pytest.mark.parametrize("hyper_index", [0, -1])
@each_dtype
@each_row
def test_huge_and_zero_gradients_give_numbers_without_a_warning(row, dtype, hyper_index):
    grads = np.array([[[1e4, -1e4, 0.0, 1e-4]], [[-1e4, -1e4, 0.0, 0.0]], [[0.0, 1e4, 0.0, 1e4]]])
    theta = np.array([[1.0, -1.0, 0.0, 2.0]], dtype=dtype)
    new, state = row.walk(theta, grads.astype(dtype), **row.hypers[hyper_index])
    for value in (new, *state.values()):
        assert np.all(np.isfinite(value))
    assert new[0, 2] == 0
    assert new[0, 3] != theta[0, 3]


@each_row
def test_zero_gradients_move_nothing_but_by_decay(row):
    theta = np.array([[1.0, -2.0]])
    new, _ = row.walk(theta, [np.zeros((1, 2))], **row.hyper)
    shrunk = 1 - row.hyper["lr"] * row.hyper.get("weight_decay", 0)
    np.testing.assert_allclose(new, theta * shrunk, rtol=1e-15)


@each_library
@each_row
def test_training_continues_from_a_state_as_if_it_had_not_stopped(row, xp):
    start = to(xp, draw(2, 3, seed=1), "float64")
    grads = [to(xp, grad, "float64") for grad in draw(10, 2, 3)]
    whole, whole_state = row.walk(start, grads, **row.hyper)
    middle, state = row.walk(start, grads[:4], **row.hyper)
    kept = copy.deepcopy(state)
    parts, parts_state = row.walk(middle, grads[4:], kept, **row.hyper)
    np.testing.assert_array_equal(numbers(parts), numbers(whole))
    assert list(parts_state) == list(whole_state)
    for key, value in whole_state.items():
        np.testing.assert_array_equal(numbers(parts_state[key]), numbers(value))


@each_row
def test_an_empty_state_starts_like_none(row):
    theta, grad = draw(1, 3), draw(1, 3, seed=1)
    from_none, _ = row.walk(theta, [grad], None, **row.hyper)
    from_empty, _ = row.walk(theta, [grad], {}, **row.hyper)
    np.testing.assert_array_equal(from_none, from_empty)


@each_row
def test_gradients_flow_through_three_steps(row):
    """Autograd agrees with finite differences for θ, each gradient and the learning rate."""
    inputs = [torch.tensor(draw(2, 3, seed=seed) + 0.5).requires_grad_() for seed in range(4)]
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    hyper = {key: value for key, value in row.hyper.items() if key != "lr"}

    def three_steps(lr, theta, *grads):
        return row.walk(theta, grads, lr=lr, **hyper)[0]

    assert torch.autograd.gradcheck(three_steps, (lr, *inputs))


# Bad input


@pytest.mark.parametrize(
    ("row", "hyper", "error", "text"),
    [
        pytest.param(row, hyper, error, text, id=f"{name}-{hyper}")
        for name, row in ROWS.items()
        for hyper, error, text in row.bad
    ],
)
def test_a_bad_hyper_parameter_is_named(row, hyper, error, text):
    theta = np.ones((1, 2))
    with pytest.raises(error, match=re.escape(text)):
        row.walk(theta, [theta], **row.hyper | hyper)


BAD_ARRAYS = {
    "list": ([1.0, 2.0], [1.0, 2.0], TypeError, "theta is a list"),
    "number": (1.0, 1.0, TypeError, "theta is a float"),
    "integers": (np.array([1, 2]), np.array([1, 2]), TypeError, "theta has dtype int64"),
    "complex": (np.ones(2) * 1j, np.ones(2) * 1j, TypeError, "theta has dtype complex128"),
    "grad list": (np.ones(2), [1.0, 2.0], TypeError, "and grad is a list. Pass arrays of one"),
    "grad None": (np.ones(2), None, TypeError, "and grad is a NoneType"),
    "libraries": (
        np.ones(2),
        torch.ones(2),
        TypeError,
        "theta is a numpy.ndarray and grad is a torch.Tensor",
    ),
    "shapes": (
        np.ones(3),
        np.ones((3, 1)),
        ValueError,
        "theta has shape (3,) but grad has shape (3, 1)",
    ),
    "dtypes": (
        np.ones(2, dtype=np.float32),
        np.ones(2),
        ValueError,
        "theta has dtype float32 but grad has dtype float64",
    ),
}


@pytest.mark.parametrize("case", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
@each_row
def test_a_bad_array_is_named(row, case):
    theta, grad, error, text = case
    with pytest.raises(error, match=re.escape(text)) as caught:
        row.walk(theta, [grad], **row.hyper)
    assert str(caught.value).startswith(f"{row.rule.__name__}: ")


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, row in ROWS.items() for key in row.keys]
)
def test_a_state_without_one_of_its_entries_is_named(name, key):
    row, theta = ROWS[name], np.ones((1, 2))
    _, state = row.walk(theta, [theta], **row.hyper)
    lacking = {other: value for other, value in state.items() if other != key} | {"other": 1}
    text = f"{row.rule.__name__}: the state has no {key!r}, it has {list(lacking)}."
    with pytest.raises(ValueError, match=re.escape(text)):
        row.walk(theta, [theta], lacking, **row.hyper)


@pytest.mark.parametrize(
    ("name", "key"),
    [(n, key) for n, row in ROWS.items() for key in row.keys if key not in ("t", "mu_product")],
)
def test_a_state_of_another_shape_is_named_and_not_broadcast(name, key):
    row, theta = ROWS[name], np.ones((1, 2))
    _, state = row.walk(theta, [theta], **row.hyper)
    text = f"{row.rule.__name__}: theta has shape (1, 2) but state[{key!r}] has shape (2, 2)."
    with pytest.raises(ValueError, match=re.escape(text)):
        row.walk(theta, [theta], state | {key: np.ones((2, 2))}, **row.hyper)


@pytest.mark.parametrize("rule", [sgd, momentum, nesterov])
def test_rules_without_a_natural_rate_ask_for_one(rule):
    with pytest.raises(TypeError, match="'lr'"):
        rule(np.ones(2), np.ones(2))


def test_lookahead_wants_a_function():
    with pytest.raises(TypeError, match=r"got ndarray\. With a gradient at hand use nesterov"):
        nesterov_lookahead(np.ones(2), np.ones(2), lr=0.1)


# The optimizer


def linear(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Linear(4, 3, dtype=torch.float64)


def backward(model, seed):
    """Leave the gradient of a mean squared error on fresh data in the parameters."""
    rng = np.random.default_rng(seed)
    x, y = torch.from_numpy(rng.normal(size=(8, 4))), torch.from_numpy(rng.normal(size=(8, 3)))
    torch.nn.functional.mse_loss(model(x), y).backward()


@pytest.mark.parametrize("name", TORCH_ROWS)
def test_a_torch_layer_trains_as_with_torchs_optimizer(name):
    row, ours, theirs = ROWS[name], linear(), linear()
    before = [param for param in ours.parameters() if row.takes(param.shape)]
    known = [param for param in theirs.parameters() if row.takes(param.shape)]
    optimizer = Optimizer(row.rule, before, **row.hyper)
    expected = row.torch_optimizer(known, **row.with_defaults(row.hyper))
    for step in range(50):
        for model, either in ((ours, optimizer), (theirs, expected)):
            either.zero_grad()
            backward(model, step)
            either.step()
    after = [param for param in ours.parameters() if row.takes(param.shape)]
    for mine, theirs, first in zip(after, known, before, strict=True):
        assert mine is first
        assert mine.requires_grad
        assert mine.is_leaf
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12 * theirs.abs().max().item())
    assert not torch.allclose(ours.weight, linear().weight)


@pytest.mark.parametrize(
    "name", sorted(ROWS.keys() - {"nesterov_lookahead"})
)  # it takes a function
def test_numpy_parameters_are_written_in_place(name):
    row = ROWS[name]
    params = [draw(2, 3), draw(3, seed=1), np.array(0.5)]
    grads = [draw(2, 3, seed=2), draw(3, seed=3), np.array(-2.0)]
    params, grads = ([a for a in arrays if row.takes(a.shape)] for arrays in (params, grads))
    expected = [row.walk(p.copy(), [g, g], **row.hyper) for p, g in zip(params, grads, strict=True)]
    optimizer = Optimizer(row.rule, params, **row.hyper)
    views = [param[...] for param in params]
    optimizer.step(grads)
    optimizer.step(iter(grads))
    for index, (theta, state) in enumerate(expected):
        assert optimizer.params[index] is params[index]
        np.testing.assert_array_equal(params[index], theta)
        np.testing.assert_array_equal(views[index], theta)
        assert optimizer.states[index].keys() == state.keys()


def test_a_parameter_without_a_gradient_is_left_alone_and_so_is_its_state():
    params = [np.ones(2), np.ones(3)]
    optimizer = Optimizer(adam, params, lr=0.1)
    optimizer.step([None, np.ones(3)])
    assert params[0].tolist() == [1, 1]
    assert optimizer.states[0] is None
    optimizer.step([np.ones(2), None])
    assert [state["t"] for state in optimizer.states] == [1, 1]
    np.testing.assert_allclose(params[0], 0.9, rtol=1e-7)
    np.testing.assert_allclose(params[1], 0.9, rtol=1e-7)


def test_a_frozen_torch_parameter_is_left_alone():
    model = linear()
    model.bias.requires_grad_(False)
    before = model.bias.clone()
    optimizer = Optimizer(adam, model.parameters(), lr=0.1)
    backward(model, 0)
    optimizer.step()
    assert torch.equal(model.bias, before)
    assert optimizer.states[1] is None
    assert not torch.equal(model.weight, linear().weight)


def test_the_state_does_not_keep_torchs_graph():
    theta = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    (grad,) = torch.autograd.grad((theta**3).sum(), theta, create_graph=True)
    optimizer = Optimizer(adam, [theta], lr=0.1)
    optimizer.step([grad])
    assert theta.is_leaf
    assert not optimizer.states[0]["s"].requires_grad


def test_the_rate_can_change_between_steps():
    theta = np.array([1.0])
    optimizer = Optimizer(sgd, [theta], lr=0.5)
    optimizer.step([np.array([1.0])])
    optimizer.hyper["lr"] = 0.125
    optimizer.step([np.array([1.0])])
    assert theta.tolist() == [1 - 0.5 - 0.125]


def test_zero_grad_forgets_torch_gradients_and_leaves_arrays_alone():
    model, theta = linear(), np.ones(2)
    backward(model, 0)
    Optimizer(sgd, [*model.parameters(), theta], lr=0.1).zero_grad()
    assert [param.grad for param in model.parameters()] == [None, None]
    assert theta.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("bad_grads", "bad_hyper"),
    [
        ([np.ones(2), np.ones(4)], {}),
        ([np.ones(2), np.ones(3, dtype=np.float32)], {}),
        ([np.ones(2), torch.ones(3)], {}),
        ([np.ones(2), [1.0, 1.0, 1.0]], {}),
        ([np.ones(2)], {}),
        ([np.ones(2), np.ones(3)], {"beta1": 1.0}),
    ],
    ids=["shape", "dtype", "library", "list", "too few", "hyper"],
)
def test_an_error_in_the_middle_changes_nothing(bad_grads, bad_hyper):
    params = [np.ones(2), np.ones(3)]
    optimizer = Optimizer(adam, params, lr=0.1)
    optimizer.step([np.ones(2), np.ones(3)])
    before, states = copy.deepcopy(params), list(optimizer.states)
    optimizer.hyper |= bad_hyper
    with pytest.raises((TypeError, ValueError)):
        optimizer.step(bad_grads)
    for param, value in zip(params, before, strict=True):
        np.testing.assert_array_equal(param, value)
    assert all(now is then for now, then in zip(optimizer.states, states, strict=True))


# The compiled step


@pytest.fixture
def traced(monkeypatch):
    """Trace and lower to torch's operations as always, but run these without C++; count it."""
    graphs = []

    def compiled(graph, tensors, options):
        graphs.append(graph)
        return graph

    monkeypatch.setattr(torch._inductor, "compile", compiled)
    return graphs


def twins(rule, shapes, hyper, dtypes=("float64",)):
    """Give an eager and a compiled optimizer over equal parameters, and a source of gradients."""
    values = [to(torch, draw(*shape), dtype) for dtype in dtypes for shape in shapes]
    eager, compiled = (
        Optimizer(rule, [torch.nn.Parameter(v.clone()) for v in values], **more, **hyper)
        for more in ({}, {"compile": True})
    )

    def grads(seed):
        return [torch.tensor(draw(*v.shape, seed=seed)).to(v.dtype) for v in values]

    return eager, compiled, grads


def assert_twins(eager, compiled):
    """Compare parameters and states to the rounding of what was added up: 1 and larger."""
    pairs = list(zip(eager.params, compiled.params, strict=True))
    for one, other in zip(eager.states, compiled.states, strict=True):
        assert list(other) == list(one)
        pairs += [(value, other[key]) for key, value in one.items()]
    for one, other in pairs:
        # The eager t and product of μ are plain numbers, float64 where compiled.
        known, seen = (
            value.detach() if isinstance(value, torch.Tensor) else torch.tensor(float(value))
            for value in (one, other)
        )
        largest = max([1.0, *known.abs().flatten().tolist()])
        tolerance = 20 * torch.finfo(known.dtype).eps * largest
        torch.testing.assert_close(seen, known, rtol=0, atol=tolerance)


# The one test that compiles: it takes seconds. torch warns of its own import.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_a_compiled_step_gives_the_numbers_of_the_eager_one_and_compiles_once(monkeypatch):
    """A network in two dtypes; the schedule keeps two numbers, t and the product of μ."""
    hyper = {"lr": 0.01, "momentum_decay": 0.004}
    shapes, dtypes = [(5, 3), (5,), (1, 5), ()], ("float32", "float64")
    eager, compiled, grads = twins(nadam, shapes, hyper, dtypes)
    compile_, calls = torch._inductor.compile, []
    monkeypatch.setattr(
        torch._inductor, "compile", lambda *a, **options: calls.append(a) or compile_(*a, **options)
    )
    for step in range(20):
        for optimizer in (eager, compiled):
            optimizer.hyper["lr"] = 0.01 / (1 + step)
            optimizer.step(grads(step))
        assert_twins(eager, compiled)
    assert len(calls) == 1
    assert [state["t"].item() for state in compiled.states] == [20] * 8
    assert {state["s"].dtype for state in compiled.states[:4]} == {torch.float32}


@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"nesterov_lookahead"}))
def test_every_rule_can_be_compiled_and_hyper_parameters_change_without_compiling(name, traced):
    row = ROWS[name]
    shapes = [shape for shape in [(2, 3), (3,), (), (0, 2)] if row.takes(shape)]
    eager, compiled, grads = twins(row.rule, shapes, row.hyper)
    for step in range(6):
        for optimizer in (eager, compiled):
            for key, value in row.hyper.items():
                optimizer.hyper[key] = value if isinstance(value, int) else value * 0.9**step
            optimizer.step(grads(step))
        assert_twins(eager, compiled)
    assert len(traced) == 1


def test_states_go_from_the_eager_step_to_the_compiled_one_and_back(traced):
    eager, compiled, grads = twins(adam, [(2, 3)], {"lr": 0.1})
    for step in range(9):
        eager.step(grads(step))
        compiled.step(grads(step))
        if step == 3:
            compiled.states = copy.deepcopy(eager.states)
            assert type(compiled.states[0]["t"]) is int
    eager.states = copy.deepcopy(compiled.states)
    assert eager.states[0]["t"].dtype == torch.float64
    eager.step(grads(9))
    compiled.step(grads(9))
    assert_twins(eager, compiled)
    assert len(traced) == 1


def test_a_compiled_step_leaves_alone_what_has_no_gradient(traced):
    eager, compiled, grads = twins(adam, [(2,), (3,)], {"lr": 0.1})
    for pattern in ([1, 0], [1, 0], [1, 1], [0, 1], [1, 1]):
        given = [g if has else None for g, has in zip(grads(0), pattern, strict=True)]
        eager.step(given)
        compiled.step(given)
    assert_twins(eager, compiled)
    assert [state["t"].item() for state in compiled.states] == [4, 3]
    assert len(traced) == 3  # one parameter, the other, both: whatever else is new is not compiled


def test_a_layer_trains_compiled_from_its_own_gradients(traced):
    models = linear(), linear()
    for model, compiled in zip(models, (False, True), strict=True):
        optimizer = Optimizer(adamw, model.parameters(), compile=compiled, lr=0.1)
        for step in range(5):
            optimizer.zero_grad()
            backward(model, step)
            optimizer.step()
    torch.testing.assert_close(models[1].weight, models[0].weight, rtol=1e-14, atol=0)


def test_a_rule_of_ones_own_can_be_compiled(traced):
    def half(theta, grad, state=None, *, lr):
        return theta - lr / 2 * grad, {}

    theta = torch.ones(2)
    optimizer = Optimizer(half, [theta], compile=True, lr=0.5)
    for _ in range(3):
        optimizer.step([torch.ones(2)])
    assert theta.tolist() == [0.25, 0.25]


NEW_KINDS = {  # what a loop cannot take over from the steps before: at step 5 it is another
    "shape": lambda optimizer: _replace(optimizer, torch.ones(4, 2)),
    "dtype": lambda optimizer: _replace(optimizer, torch.ones(2, 3, dtype=torch.float32)),
    "strides": lambda optimizer: _replace(optimizer, torch.ones(3, 2).T, keep_states=True),
    "rounds of a loop in the rule": lambda optimizer: optimizer.hyper.update(ns_steps=2),
    "choice of hyper-parameters": lambda optimizer: optimizer.hyper.update(momentum=0.5),
}


def _replace(optimizer, values, keep_states=False):
    optimizer.params[0].data = values.clone(memory_format=torch.preserve_format)
    if not keep_states:
        optimizer.states = [{"u": torch.zeros_like(values)}]


@pytest.mark.parametrize("change", NEW_KINDS.values(), ids=NEW_KINDS)
def test_a_step_of_a_new_kind_is_compiled_and_one_of_an_old_kind_is_not(change, traced):
    eager, compiled, _ = twins(muon, [(2, 3)], {"lr": 0.1, "ns_steps": 5})
    for step in range(8):
        for optimizer in (eager, compiled):
            if step == 5:
                change(optimizer)
            param = optimizer.params[0]
            optimizer.step([torch.tensor(draw(*param.shape, seed=step)).to(param.dtype)])
        assert_twins(eager, compiled)
    assert len(traced) == 2


def test_a_gradient_in_the_memory_of_its_parameter_is_a_kind_of_its_own(traced):
    eager, compiled, grads = twins(muon, [(2, 3)], {"lr": 0.1})
    for step in range(6):
        for optimizer in (eager, compiled):
            optimizer.step(optimizer.params if step % 3 == 2 else grads(step))
        assert_twins(eager, compiled)
    assert len(traced) == 2


def test_one_parameter_under_two_names_steps_as_without_compiling(traced):
    """Both rules read θ as it was; the last to write wins."""
    results = []
    for compiled in (False, True):
        theta = torch.ones(3)
        optimizer = Optimizer(momentum, [theta, theta], compile=compiled, lr=0.1)
        for step in range(4):
            optimizer.step([torch.tensor(draw(3, seed=seed)) for seed in (step, 9)])
        results.append(theta)
    torch.testing.assert_close(results[1], results[0], rtol=1e-14, atol=0)


@pytest.mark.parametrize("number", [np.array(0.1), torch.tensor(0.1, dtype=torch.float64)])
def test_a_rate_that_changes_in_place_is_seen(number, traced):
    eager, compiled, grads = twins(adam, [(2, 3)], {"lr": number})
    for step in range(5):
        number *= 0.5
        for optimizer in (eager, compiled):
            optimizer.step(grads(step))
        assert_twins(eager, compiled)
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (
            lambda optimizer: [torch.ones(2), torch.ones(4)],
            ValueError,
            "adam: theta has shape (3,) but grad has shape (4,)",
        ),
        (
            lambda optimizer: [torch.ones(2), torch.ones(3, dtype=torch.float32)],
            ValueError,
            "adam: theta has dtype torch.float64 but grad has dtype torch.float32",
        ),
        (lambda optimizer: [torch.ones(2), np.ones(3)], TypeError, "Pass arrays of one library"),
        (
            lambda optimizer: optimizer.states[0].update(s=torch.ones(1)),
            ValueError,
            "adam: theta has shape (2,) but state['s'] has shape (1,)",
        ),
        (
            lambda optimizer: optimizer.states[0].pop("s"),
            ValueError,
            "adam: the state has no 's', it has ['t', 'r']. Pass the state that the last step",
        ),
        (
            lambda optimizer: optimizer.states.__setitem__(1, [[1.0]]),
            TypeError,
            "adam: state is a list. Pass the dict that the last step returned",
        ),
        (
            lambda optimizer: optimizer.hyper.update(lr=-1.0),
            ValueError,
            "adam: lr must be at least 0, got -1.0.",
        ),
        (
            lambda optimizer: optimizer.hyper.update(lr=[0.1]),
            TypeError,
            "adam: lr must be a number, got a list: [0.1].",
        ),
        (
            lambda optimizer: optimizer.hyper.update(lr=torch.tensor([0.1])),
            TypeError,
            "adam: lr must be a number, got a torch.Tensor",
        ),
    ],
)
def test_what_turns_wrong_at_step_5_is_named(change, error, text, traced):
    good = [torch.ones(2), torch.ones(3)]
    optimizer = Optimizer(adam, [torch.ones(2), torch.ones(3)], compile=True, lr=0.1)
    for _ in range(4):
        optimizer.step(good)
    changed = change(optimizer)
    before = copy.deepcopy(optimizer.params)
    with pytest.raises(error, match=re.escape(text)):
        optimizer.step(changed if isinstance(changed, list) else good)
    torch.testing.assert_close(optimizer.params, before, rtol=0, atol=0)


def test_a_hyper_parameter_of_ones_own_rule_may_be_a_constant_but_no_list(traced):
    def masked(theta, grad, state=None, *, signs, name):
        return theta - theta.new_tensor(signs) * grad, {}

    optimizer = Optimizer(masked, [torch.zeros(2)], compile=True, signs=(1.0, -1.0), name="a")
    for _ in range(3):
        optimizer.step([torch.ones(2)])
    assert optimizer.params[0].tolist() == [-3, 3]
    optimizer.hyper["signs"] = [1.0, 1.0]
    with pytest.raises(TypeError, match=r"numbers, tensors or constants, got {'signs': \[1.0, 1"):
        optimizer.step([torch.ones(2)])


@pytest.mark.parametrize(
    ("bad_grads", "bad_hyper", "text"),
    [
        ([np.ones(2), np.ones(4)], {}, "theta has shape (3,) but grad has shape (4,)"),
        ([np.ones(2), np.ones(3, dtype=int)], {}, "grad has dtype torch.int64"),
        ([np.ones(2), [1.0, 1.0, 1.0]], {}, "Pass arrays of one library"),
        ([np.ones(2), np.ones(3)], {"beta1": 1.0}, "adam: beta1 must lie in [0, 1), got 1.0"),
        ([np.ones(2), np.ones(3)], {"rate": 1.0}, "adam: unknown 'rate'; it takes lr,"),
    ],
)
def test_an_error_in_a_compiled_step_changes_nothing(bad_grads, bad_hyper, text, traced):
    params = [torch.ones(2), torch.ones(3)]
    optimizer = Optimizer(adam, params, compile=True, lr=0.1)
    for _ in range(2):
        optimizer.step([torch.ones(2), torch.ones(3)])
    before, states = copy.deepcopy((params, optimizer.states))
    optimizer.hyper |= bad_hyper
    with pytest.raises((TypeError, ValueError), match=re.escape(text)):
        optimizer.step([torch.from_numpy(g) if isinstance(g, np.ndarray) else g for g in bad_grads])
    torch.testing.assert_close(params, before, rtol=0, atol=0)
    torch.testing.assert_close(optimizer.states, states, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_without_a_compiler_the_compiled_step_says_what_to_install():
    from torch._inductor import config

    optimizer = Optimizer(sgd, [torch.ones(2)], compile=True, lr=0.1)
    optimizer.step([torch.ones(2)])
    with (
        config.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}),
        pytest.raises(RuntimeError, match=r"needs a C\+\+ compiler and torch found none. Install"),
    ):
        optimizer.step([torch.ones(2)])


BAD_OPTIMIZERS = {
    "one array": (
        lambda: Optimizer(sgd, np.ones(2), lr=0.1),
        TypeError,
        "params is one array; pass a list, for example [theta].",
    ),
    "one tensor": (
        lambda: Optimizer(sgd, torch.ones(2), lr=0.1),
        TypeError,
        "params is one array; pass a list",
    ),
    "nothing": (lambda: Optimizer(sgd, [], lr=0.1), TypeError, "params is empty"),
    "no parameters": (
        lambda: Optimizer(sgd, torch.nn.ReLU().parameters(), lr=0.1),
        TypeError,
        "params is empty",
    ),
    "too few": (
        lambda: Optimizer(sgd, [np.ones(2), np.ones(3)], lr=0.1).step([np.ones(2)]),
        ValueError,
        "1 gradients for 2 parameters. Give one for each, or None",
    ),
    "too many": (
        lambda: Optimizer(sgd, [np.ones(2)], lr=0.1).step([np.ones(2), None]),
        ValueError,
        "2 gradients for 1 parameters.",
    ),
    "numpy without gradients": (
        lambda: Optimizer(sgd, [np.ones(2)], lr=0.1).step(),
        ValueError,
        "only torch parameters carry their own gradients. Pass them: optimizer.step([grad, ...]).",
    ),
    "mixed without gradients": (
        lambda: Optimizer(sgd, [torch.ones(2), np.ones(2)], lr=0.1).step(),
        ValueError,
        "only torch parameters carry their own gradients",
    ),
    "before backward": (
        lambda: Optimizer(sgd, linear().parameters(), lr=0.1).step(),
        ValueError,
        "no parameter has a gradient. Call loss.backward() first.",
    ),
    "compiled numpy": (
        lambda: Optimizer(sgd, [torch.ones(2), np.ones(2)], compile=True, lr=0.1),
        TypeError,
        "compile=True needs torch parameters, got a numpy.ndarray. Leave compile=True out",
    ),
    "compiled on two devices": (
        lambda: Optimizer(sgd, [torch.ones(2), torch.ones(2, device="meta")], compile=True, lr=0.1),
        ValueError,
        "needs all parameters on one device, they are on cpu, meta. Give each device its own",
    ),
    "unknown hyper-parameter": (
        lambda: Optimizer(sgd, [np.ones(2)], rate=0.1).step([np.ones(2)]),
        TypeError,
        "sgd: unknown 'rate'; it takes lr.",
    ),
}


@pytest.mark.parametrize("case", BAD_OPTIMIZERS.values(), ids=BAD_OPTIMIZERS)
def test_a_wrong_use_of_the_optimizer_says_what_to_do(case):
    use, error, text = case
    with pytest.raises(error, match=re.escape(text)):
        use()
