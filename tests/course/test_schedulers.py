"""Schedules against closed forms and torch's recursions; plateau, early stopping, range test."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler as theirs

from course import schedulers
from course.optimizers import Optimizer, sgd
from course.schedulers import (
    EarlyStopping,
    Plateau,
    constant,
    cosine,
    cosine_restarts,
    exponential,
    inverse_time,
    one_cycle,
    piecewise_constant,
    power,
    range_test,
    step,
    warmup,
)

STEPS = 1000
LIBRARIES = {"numpy": np, "strict": array_api_strict, "torch": torch}
BASE = 0.3


def falling_by(ratio):
    """Let torch multiply the rate of the step before by ratio(t)."""
    return partial(theirs.MultiplicativeLR, lr_lambda=ratio)


def torch_warmup(optimizer):
    return theirs.SequentialLR(
        optimizer,
        [
            theirs.LinearLR(optimizer, start_factor=0.1, total_iters=100),
            theirs.StepLR(optimizer, step_size=250, gamma=0.5),
        ],
        milestones=[100],
    )


def torch_one_cycle(optimizer):
    """Move the corners to torch's: its phases end at pT - 1, 2pT - 2 and T - 1."""
    return theirs.OneCycleLR(
        optimizer,
        max_lr=BASE,
        total_steps=STEPS + 1,
        pct_start=(0.4 * STEPS + 1) / (STEPS + 1),
        anneal_strategy="linear",
        three_phase=True,
        cycle_momentum=False,
        div_factor=10,
        final_div_factor=50,
    )


@dataclass(frozen=True)
class Row:
    """A schedule of t, torch's way to the same rates, a few rates known by hand, bad input."""

    schedule: Callable[..., float]
    options: dict[str, Any]
    torch_scheduler: Callable[..., Any]
    known: dict[float, float]
    bad: tuple[tuple[dict[str, Any], str], ...]
    falls: bool = True

    def at(self, t, **options):
        return self.schedule(t, **(self.options | options))


def negative(name, *keys):
    return tuple(({key: -0.1}, f"{name}: {key} must lie in [0, inf), got -0.1.") for key in keys)


def not_positive(name, *keys):
    return tuple(({key: 0}, f"{name}: {key} must lie in (0, inf), got 0.0.") for key in keys)


ROWS = {
    "constant": Row(
        constant,
        {"lr": BASE},
        partial(theirs.ConstantLR, factor=1),
        {0: BASE, 1e9: BASE},
        negative("constant", "lr"),
    ),
    "step": Row(
        step,
        {"lr": BASE, "factor": 0.7, "every": 90},
        partial(theirs.StepLR, step_size=90, gamma=0.7),
        {0: BASE, 89: BASE, 89.9: BASE, 90: 0.7 * BASE, 180: 0.49 * BASE},
        (
            *negative("step", "lr"),
            *not_positive("step", "every"),
            ({"factor": 0}, "step: factor must lie in (0, 1], got 0.0."),
            ({"factor": 1.5}, "step: factor must lie in (0, 1], got 1.5."),
        ),
    ),
    "piecewise_constant": Row(
        piecewise_constant,
        {"lrs": [BASE, BASE / 5, BASE / 25], "boundaries": [100, 700]},
        partial(theirs.MultiStepLR, milestones=[100, 700], gamma=1 / 5),
        {0: BASE, 99.5: BASE, 100: BASE / 5, 699: BASE / 5, 700: BASE / 25, 1e9: BASE / 25},
        (
            ({"lrs": [0.1, 0.2]}, "2 rates for 2 boundaries. Give one rate more than boundaries."),
            ({"lrs": [0.1, -2, 0.1]}, "each of lrs must lie in [0, inf), got -2.0."),
            ({"boundaries": [5, 5]}, "the boundaries must grow, got [5.0, 5.0]."),
            ({"boundaries": [0, 5]}, "each boundary must lie in (0, inf), got 0.0."),
        ),
    ),
    "exponential": Row(
        exponential,
        {"lr": BASE, "k": 0.004},
        partial(theirs.ExponentialLR, gamma=math.exp(-0.004)),
        {0: BASE, 250: BASE / math.e, 1e9: 0.0},
        negative("exponential", "lr", "k"),
    ),
    "inverse_time": Row(
        inverse_time,
        {"lr": BASE, "k": 0.02},
        falling_by(lambda t: (1 + 0.02 * (t - 1)) / (1 + 0.02 * t)),
        {0: BASE, 50: BASE / 2, 450: BASE / 10},
        negative("inverse_time", "lr", "k"),
    ),
    "power": Row(
        power,
        {"lr": BASE, "s": 40, "c": 0.75},
        falling_by(lambda t: ((40 + t - 1) / (40 + t)) ** 0.75),
        {0: BASE, 600: BASE / 8, 10200: BASE / 64},
        (*negative("power", "lr", "c"), *not_positive("power", "s")),
    ),
    "cosine": Row(
        cosine,
        {"lr": BASE, "steps": STEPS, "lr_min": 0.01},
        partial(theirs.CosineAnnealingLR, T_max=STEPS, eta_min=0.01),
        {0: BASE, 500: 0.155, 1000: 0.01, 1001: 0.01, 1e9: 0.01},
        (
            *negative("cosine", "lr", "lr_min"),
            *not_positive("cosine", "steps"),
            ({"lr_min": 0.5}, "cosine: lr_min 0.5 must not be larger than lr 0.3."),
        ),
    ),
    "cosine_restarts": Row(
        cosine_restarts,
        {"lr": BASE, "steps": 70, "growth": 2, "lr_min": 0.01},
        partial(theirs.CosineAnnealingWarmRestarts, T_0=70, T_mult=2, eta_min=0.01),
        {0: BASE, 35: 0.155, 70: BASE, 140: 0.155, 210: BASE, 490: BASE},
        (
            *negative("cosine_restarts", "lr", "lr_min"),
            *not_positive("cosine_restarts", "steps"),
            ({"growth": 0.5}, "cosine_restarts: growth must lie in [1, inf), got 0.5."),
            ({"lr_min": 0.5}, "cosine_restarts: lr_min 0.5 must not be larger than lr 0.3."),
        ),
        falls=False,
    ),
    "cosine_restarts-equal": Row(
        cosine_restarts,
        {"lr": BASE, "steps": 70},
        partial(theirs.CosineAnnealingWarmRestarts, T_0=70),
        {0: BASE, 35: 0.15, 70: BASE, 105: 0.15, 70e6: BASE},
        (),
        falls=False,
    ),
    "warmup": Row(
        lambda t, **options: warmup(partial(step, lr=BASE, every=250), **options)(t),
        {"steps": 100, "lr_start": 0.1 * BASE},
        torch_warmup,
        {0: 0.03, 50: 0.165, 99.5: 0.29865, 100: BASE, 349: BASE, 350: BASE / 2},
        (*negative("warmup", "lr_start"), *not_positive("warmup", "steps")),
        falls=False,
    ),
    "one_cycle": Row(
        one_cycle,
        {"lr": BASE, "steps": STEPS, "rise": 0.4, "div_factor": 10, "final_div_factor": 50},
        torch_one_cycle,
        {0: 0.03, 200: 0.165, 400: BASE, 600: 0.165, 800: 0.03, 900: 0.0153, 1000: 6e-4, 1e9: 6e-4},
        (
            *negative("one_cycle", "lr"),
            *not_positive("one_cycle", "steps"),
            ({"rise": 0.5}, "one_cycle: rise must lie in (0, 0.5), got 0.5."),
            ({"rise": 0}, "one_cycle: rise must lie in (0, 0.5), got 0.0."),
            ({"div_factor": 0.5}, "one_cycle: div_factor must lie in [1, inf), got 0.5."),
            ({"final_div_factor": 0.5}, "final_div_factor must lie in [1, inf), got 0.5."),
        ),
        falls=False,
    ),
}
BAD = [
    pytest.param(row, options, text, id=f"{name}-{options}")
    for name, row in ROWS.items()
    for options, text in row.bad
]
each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def torch_rates(make):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=BASE)
    scheduler, rates = make(optimizer), []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def test_every_schedule_has_a_row():
    others = {"EarlyStopping", "Plateau", "RangeTest", "range_test"}
    assert {name.partition("-")[0] for name in ROWS} == set(schedulers.__all__) - others


@each_row
def test_a_thousand_steps_follow_torch(row):
    ours = np.array([row.at(t) for t in range(STEPS)])
    expected = torch_rates(row.torch_scheduler)
    assert np.max(np.abs(ours - expected)) <= 1e-12 * BASE
    assert row.schedule is constant or np.ptp(ours) > 0.1


@pytest.mark.parametrize(
    ("row", "t", "rate"),
    [
        pytest.param(row, t, rate, id=f"{name}-{t}")
        for name, row in ROWS.items()
        for t, rate in row.known.items()
    ],
)
def test_rates_known_by_hand(row, t, rate):
    assert row.at(t) == pytest.approx(rate, rel=1e-13, abs=1e-300)


@each_row
def test_a_rate_is_a_python_float_for_every_kind_of_number(row):
    expected = row.at(40)
    for t in (40.0, np.int64(40), np.float32(40), np.asarray(40), torch.tensor(40)):
        rate = row.at(t)
        assert type(rate) is float
        assert rate == expected
    assert type(row.at(0)) is float


@each_row
@pytest.mark.parametrize(
    ("t", "error", "text"),
    [
        (-1, ValueError, "t must lie in [0, inf), got -1.0."),
        (math.inf, ValueError, "t must lie in [0, inf), got inf."),
        (math.nan, ValueError, "t must lie in [0, inf), got nan."),
        ("5", TypeError, "t must be one number, got a str: '5'."),
        (np.arange(3), TypeError, "t must be one number, got a numpy.ndarray of shape (3,)."),
    ],
)
def test_a_bad_step_is_named(row, t, error, text):
    with pytest.raises(error, match=re.escape(text)):
        row.at(t)


@pytest.mark.parametrize(("row", "options", "text"), BAD)
def test_a_bad_option_is_named(row, options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        row.at(3, **options)


def test_a_warmup_wants_a_function():
    with pytest.raises(TypeError, match=r"warmup: schedule must be a function of the step, got 0"):
        warmup(0.1, steps=5)


# Properties

times = st.floats(0, 5000)
few = settings(max_examples=50, derandomize=True, deadline=None)


@each_row
@few
@given(times, times)
def test_no_rate_is_above_the_highest_and_decays_never_rise(row, t, u):
    early, late = row.at(min(t, u)), row.at(max(t, u))
    assert 0 <= late <= BASE * (1 + 1e-15)
    if row.falls:
        assert late <= early


@each_row
@few
@given(st.floats(0.5, 2000), st.floats(0, 1))
def test_a_warmup_joins_every_schedule_without_a_jump(row, steps, lr_start):
    warm = warmup(row.at, steps=steps, lr_start=lr_start)
    assert warm(0) == lr_start
    assert warm(steps) == row.at(0)
    assert warm(steps * (1 - 1e-9)) == pytest.approx(row.at(0), abs=1e-8)
    assert warm(steps + 7.5) == pytest.approx(row.at(steps + 7.5 - steps))
    assert warm(steps / 2) == pytest.approx((lr_start + row.at(0)) / 2)


@few
@given(times, st.floats(0, 1), st.floats(0.1, 500))
def test_one_over_t_is_a_power(t, k, s):
    assert inverse_time(t, lr=0.3, k=1 / s) == pytest.approx(power(t, lr=0.3, s=s), rel=1e-13)
    assert exponential(t, lr=0.3, k=k) == pytest.approx(0.3 * math.exp(-k) ** t, rel=1e-9, abs=1e-9)


def test_extreme_options_neither_overflow_nor_divide_by_zero():
    assert power(1e308, lr=0.1, s=1e-300, c=3) == 0
    assert power(1e308, lr=0.1, s=1e-300, c=0) == 0.1
    assert inverse_time(1e308, lr=0.1, k=1e300) == 0
    assert exponential(1e308, lr=0.1, k=1e300) == 0
    assert step(1e308, lr=0.1, every=1e-5) == 0
    for growth in (1, 1.5):
        assert cosine_restarts(1e300, lr=0.1, steps=1e-3, growth=growth) <= 0.1


# Where conventions differ


def test_torchs_cosine_rises_again_and_ours_stays():
    make = partial(theirs.CosineAnnealingLR, T_max=100)
    rates = torch_rates(make)
    assert rates[150] == pytest.approx(BASE / 2)
    assert cosine(150, lr=BASE, steps=100) == 0


def test_torchs_one_cycle_ends_one_step_earlier_and_curves():
    make = partial(theirs.OneCycleLR, max_lr=BASE, total_steps=STEPS, cycle_momentum=False)
    rates = torch_rates(make)
    last = BASE / 25 / 1e4
    assert rates[STEPS - 1] == pytest.approx(last)
    assert one_cycle(STEPS, lr=BASE, steps=STEPS) == pytest.approx(last)
    assert one_cycle(STEPS - 1, lr=BASE, steps=STEPS) > 10 * last
    assert np.argmax(rates) == 0.3 * STEPS - 1
    up = np.diff(rates[: int(0.3 * STEPS)])
    assert up.max() > 10 * up.min()


def test_constant_is_not_torchs_constant():
    rates = torch_rates(theirs.ConstantLR)
    assert rates[:6] == pytest.approx([BASE / 3] * 5 + [BASE])


def test_power_is_not_torchs_polynomial():
    rates = torch_rates(partial(theirs.PolynomialLR, total_iters=100, power=2))
    assert rates[50] == pytest.approx(BASE / 4)
    assert rates[100] == 0
    assert power(100, lr=BASE, s=100, c=2) == pytest.approx(BASE / 4)


# Plateau

METRICS = {
    "noisy": 1 / np.arange(1, 301) + 0.05 * np.random.default_rng(0).normal(size=300),
    "flat": np.ones(300),
    "rising": np.arange(300.0),
    "with NaN": np.where(np.arange(300) % 3 == 0, np.nan, 2.0 - np.arange(300) / 300),
}


@pytest.mark.parametrize("metrics", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("patience", "min_delta"), [(1, 0.0), (3, 0.0), (10, 0.02)])
def test_plateau_is_torchs_with_a_patience_one_smaller(metrics, mode, patience, min_delta):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = theirs.ReduceLROnPlateau(
        optimizer,
        mode=mode,
        factor=0.6,
        patience=patience - 1,
        threshold=min_delta,
        threshold_mode="abs",
        min_lr=1e-3,
        eps=0,
    )
    plateau = Plateau(
        BASE, factor=0.6, patience=patience, min_delta=min_delta, mode=mode, lr_min=1e-3
    )
    for metric in metrics:
        scheduler.step(metric)
        assert plateau.update(metric) == optimizer.param_groups[0]["lr"]
    assert plateau.lr == 1e-3 or (metrics[1] > metrics[0]) == (mode == "max")


def test_torch_cuts_one_update_later_for_the_same_patience():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, plateau = theirs.ReduceLROnPlateau(optimizer, patience=2), Plateau(1.0, patience=2)
    ours, torchs = [], []
    for _ in range(5):
        ours.append(plateau.update(1.0))
        scheduler.step(1.0)
        torchs.append(optimizer.param_groups[0]["lr"])
    assert ours == [1, 1, 0.1, 0.1, pytest.approx(0.01)]
    assert torchs == [1, 1, 1, 0.1, 0.1]


def test_a_plateau_knows_the_best_metric():
    plateau = Plateau(0.1, mode="max", min_delta=0.5)
    assert plateau.best is None
    for metric in (math.nan, 1.0, 1.5, 1.75, torch.tensor(1.7), np.float32(0)):
        plateau.update(metric)
    assert plateau.best == 1.75


# Early stopping


@pytest.mark.parametrize("xp", LIBRARIES.values(), ids=LIBRARIES)
def test_the_parameters_of_the_best_update_come_back_into_the_same_arrays(xp):
    weights, bias = xp.zeros((2, 3)), xp.zeros(2)
    stopping = EarlyStopping([weights, bias], patience=2)
    stopped = []
    for metric in (0.9, 0.5, 0.7, 0.4, 0.4, 0.6):
        weights += 1.0
        bias -= 1.0
        stopped.append(stopping.update(metric))
    assert stopped == [False, False, False, False, False, True]
    assert (stopping.best, stopping.best_update) == (0.4, 3)
    for _ in range(2):  # what was kept is not handed out: it survives further training
        stopping.restore()
        assert bool(xp.all(weights == 4.0))
        assert bool(xp.all(bias == -4.0))
        weights += 100.0


def test_torch_parameters_are_restored_in_place_and_stay_trainable():
    layer = torch.nn.Linear(2, 1)
    before = layer.weight.detach().clone()
    stopping = EarlyStopping(layer.parameters(), patience=1)
    assert not stopping.update(torch.tensor(1.0, requires_grad=True))
    with torch.no_grad():
        layer.weight += 1
    assert stopping.update(2.0)
    stopping.restore()
    assert torch.equal(layer.weight, before)
    assert layer.weight.requires_grad
    assert layer.weight.is_leaf


@pytest.mark.parametrize(
    ("mode", "metrics", "best"), [("min", [3, 2, 2.5], 2), ("max", [3, 5, 2], 5)]
)
def test_the_mode_says_what_is_good(mode, metrics, best):
    stopping = EarlyStopping([np.zeros(1)], mode=mode)
    for metric in metrics:
        stopping.update(metric)
    assert (stopping.best, stopping.best_update) == (best, 1)


def test_an_improvement_must_be_larger_than_min_delta():
    stopping = EarlyStopping([np.zeros(1)], patience=3, min_delta=0.25)
    stopped = [stopping.update(metric) for metric in (1.0, 0.75, 0.875, 0.5, 0.5, 0.4, 0.3)]
    assert stopped == [False] * 6 + [True]
    assert stopping.best == 0.5


def test_nan_is_never_an_improvement():
    weights = np.zeros(1)
    stopping = EarlyStopping([weights], patience=2)
    assert [stopping.update(math.nan), stopping.update(math.nan)] == [False, True]
    with pytest.raises(RuntimeError, match="no update was an improvement yet"):
        stopping.restore()


@pytest.mark.parametrize("make", [partial(Plateau, 0.1), partial(EarlyStopping, [np.zeros(1)])])
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"patience": 0}, ValueError, ": patience must be at least 1, got 0."),
        ({"patience": 1.5}, TypeError, ": patience must be a whole number, got a float: 1.5."),
        ({"min_delta": -1}, ValueError, ": min_delta must lie in [0, inf), got -1.0."),
        ({"mode": "auto"}, ValueError, ': mode must be "min" or "max", got \'auto\'.'),
    ],
)
def test_bad_options_of_what_watches_a_metric_are_named(make, options, error, text):
    with pytest.raises(error, match=re.escape(make.func.__name__ + text)):
        make(**options)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Plateau(0.1, factor=2), ValueError, "Plateau: factor must lie in (0, 1]"),
        (lambda: Plateau(0.1, lr_min=1), ValueError, "lr_min 1 must not be larger than lr 0.1"),
        (lambda: Plateau(0.1).update([1]), TypeError, "Plateau: metric must be one number"),
        (lambda: EarlyStopping(np.zeros(2)), TypeError, "params is one array; pass a list"),
        (lambda: EarlyStopping([]), TypeError, "params is empty"),
        (lambda: EarlyStopping([np.zeros(1)]).restore(), RuntimeError, "nothing was kept"),
    ],
)
def test_other_bad_input_is_named(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()


# Range test


def quadratic_steps(curvatures, start=1.0):
    """Train by gradient descent on ½ Σ λᵢ wᵢ², and give the loss after the step."""
    curvatures = np.array(curvatures)
    weights = np.full(curvatures.shape, start)
    optimizer = Optimizer(sgd, [weights], lr=0.0)

    def train_step(lr):
        optimizer.hyper["lr"] = lr
        optimizer.step([curvatures * weights])
        return 0.5 * curvatures @ weights**2

    return train_step


@pytest.mark.parametrize("steepest", [0.5, 5.0, 500.0])
def test_the_suggested_rate_is_below_the_edge_of_stability(steepest):
    seen = range_test(
        quadratic_steps([steepest, steepest / 20]), lr_min=1e-6, lr_max=100, steps=300
    )
    edge = 2 / steepest
    assert seen.diverged
    assert edge / 20 < seen.suggested < edge
    assert seen.suggested == seen.rates[np.argmin(seen.losses)] / 10
    assert seen.losses[-1] > 4 * seen.losses.min()
    assert np.all(seen.losses[:-1] <= 4 * np.minimum.accumulate(seen.losses[:-1]))


def test_the_coarse_form_multiplies_by_ten():
    tried = []

    def train_step(lr):
        tried.append(lr)
        return {0: 2.3, 1: 2.2, 2: 2.0, 3: 1.0, 4: 1.5}.get(len(tried) - 1, math.nan)

    seen = range_test(train_step)
    assert tried == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    assert seen.rates.tolist() == tried
    assert seen.losses[:-1].tolist() == [2.3, 2.2, 2.0, 1.0, 1.5]
    assert math.isnan(seen.losses[-1])
    assert seen.diverged
    assert seen.suggested == pytest.approx(1e-4)


def test_the_fine_form_is_exponential_and_reaches_both_ends():
    seen = range_test(
        lambda lr: torch.tensor(1 / lr, requires_grad=True), lr_min=1e-4, lr_max=10, steps=101
    )
    assert not seen.diverged
    np.testing.assert_allclose(seen.rates, 1e-4 * (1e5 ** (1 / 100)) ** np.arange(101), rtol=1e-12)
    assert seen.suggested == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("lr_min", "lr_max", "factor", "number"),
    [(1e-6, 10, 10, 8), (1e-3, 1, 10, 4), (0.1, 0.9, 3, 3), (1, 7, 2, 3), (0.5, 0.6, 10, 1)],
)
def test_the_coarse_form_tries_every_rate_up_to_the_largest(lr_min, lr_max, factor, number):
    tried = []

    def train_step(lr):
        tried.append(lr)
        return 1.0

    with pytest.raises(RuntimeError, match="no rate made the loss fall"):
        range_test(train_step, lr_min=lr_min, lr_max=lr_max, factor=factor)
    assert tried == pytest.approx(lr_min * float(factor) ** np.arange(number))


def test_an_overflowing_loss_ends_the_test_without_a_warning():
    def train_step(lr):
        return np.array(1.0) / 2 if lr < 1e-3 else np.array([1e200]) @ np.array([1e200])

    with pytest.raises(RuntimeError, match=r"at the first rate 1e-06 \(0.5\) and ended at 0.001"):
        range_test(train_step)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"train_step": 3}, TypeError, "range_test: train_step must be a function that trains"),
        ({"train_step": lambda lr: None}, TypeError, "the loss must be one number, got a NoneType"),
        ({"train_step": lambda lr: -1}, ValueError, "the loss at the rate 1e-06 is -1. Multiples"),
        ({"lr_min": 0}, ValueError, "range_test: lr_min must lie in (0, inf), got 0.0."),
        ({"lr_min": 2, "lr_max": 1}, ValueError, "lr_min 2 must be below lr_max 1."),
        ({"factor": 1}, ValueError, "range_test: factor must lie in (1, inf), got 1.0."),
        ({"steps": 1}, ValueError, "range_test: steps must be at least 2, got 1."),
        ({"steps": 2.5}, TypeError, "range_test: steps must be a whole number, got a float"),
        ({"diverged": 1}, ValueError, "range_test: diverged must lie in (1, inf), got 1.0."),
    ],
)
def test_bad_input_of_the_range_test_is_named(options, error, text):
    with pytest.raises(error, match=re.escape(text)):
        range_test(**({"train_step": lambda lr: 1.0} | options))
