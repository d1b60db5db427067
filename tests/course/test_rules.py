"""The checks that every update rule shares: a table of bad input, and what passes."""

import inspect
from fractions import Fraction

import array_api_strict
import numpy as np
import pytest
import torch

from course._arrays import namespace
from course._rules import as_hyper, update_rule

ONES = np.ones(2)


@update_rule
def shrink(theta, grad, state=None, *, lr, beta1=0.9, eps=1e-8, momentum_decay=None):
    """Take a step, and give back what arrived."""
    u = state["u"] if state else theta
    seen = {"lr": lr, "beta1": beta1, "eps": eps, "momentum_decay": momentum_decay}
    return theta - lr * grad, {"u": u, "seen": seen}


BAD = {
    "negative rate": (
        {"lr": -0.1},
        ValueError,
        ["shrink: lr must be at least 0", "got -0.1"],
    ),
    "nan rate": ({"lr": float("nan")}, ValueError, ["lr must be at least 0", "got nan"]),
    "negative numpy rate": (
        {"lr": np.array(-0.5)},
        ValueError,
        ["lr must be at least 0", "got -0.5"],
    ),
    "negative eps": ({"eps": -1}, ValueError, ["eps must be at least 0", "got -1.0"]),
    "negative decay": (
        {"momentum_decay": -0.004},
        ValueError,
        ["momentum_decay must be at least 0", "got -0.004"],
    ),
    "beta of 1": (
        {"beta1": 1},
        ValueError,
        ["shrink: beta1 must lie in [0, 1)", "got 1.0", "at 1 nothing new would ever be added"],
    ),
    "negative beta": ({"beta1": -0.9}, ValueError, ["beta1 must lie in [0, 1)", "got -0.9"]),
    "nan beta": ({"beta1": np.nan}, ValueError, ["beta1 must lie in [0, 1)", "got nan"]),
    "list of rates": (
        {"lr": [0.1, 0.2]},
        TypeError,
        ["shrink: lr must be a number", "got a list: [0.1, 0.2]"],
    ),
    "array of rates": (
        {"lr": np.array([0.1, 0.2])},
        TypeError,
        ["lr must be a number", "got a numpy.ndarray: array([0.1, 0.2])"],
    ),
    "tensor of rates": (
        {"lr": torch.ones(1)},
        TypeError,
        ["lr must be a number", "got a torch.Tensor"],
    ),
    "text": ({"lr": "0.1"}, TypeError, ["lr must be a number", "got a str: '0.1'"]),
    "complex": ({"lr": 1j}, TypeError, ["lr must be a number", "got a complex: 1j"]),
    "no rate": ({"lr": None}, TypeError, ["lr must be a number", "got a NoneType: None"]),
    "no beta": ({"beta1": None}, TypeError, ["beta1 must be a number", "got a NoneType"]),
    "unknown": (
        {"momentum": 0.9},
        TypeError,
        ["shrink: unknown 'momentum'", "it takes lr, beta1, eps, momentum_decay."],
    ),
    "lists": (
        {"theta": [1.0], "grad": [1.0]},
        TypeError,
        ["shrink: theta is a list and grad is a list", "numpy.asarray(...)"],
    ),
    "numbers": (
        {"theta": 1.0, "grad": 1.0},
        TypeError,
        ["theta is a float and grad is a float", "numpy.asarray(...)"],
    ),
    "number for grad": (
        {"grad": 1.0},
        TypeError,
        ["theta is a numpy.ndarray and grad is a float", "Pass arrays of one library"],
    ),
    "number for theta": (
        {"theta": 1.0},
        TypeError,
        ["theta is a float and grad is a numpy.ndarray", "Pass arrays of one library"],
    ),
    "numpy and torch": (
        {"grad": torch.ones(2)},
        TypeError,
        ["theta is a numpy.ndarray and grad is a torch.Tensor", "Pass arrays of one library"],
    ),
    "torch and numpy": (
        {"theta": torch.ones(2)},
        TypeError,
        ["theta is a torch.Tensor and grad is a numpy.ndarray", "Pass arrays of one library"],
    ),
    "integer theta": (
        {"theta": np.array([1, 2])},
        TypeError,
        ["shrink: theta has dtype int64", "Use a floating dtype such as float64"],
    ),
    "integer grad": (
        {"grad": np.array([1, 2])},
        TypeError,
        ["shrink: grad has dtype int64", "Use a floating dtype such as float64"],
    ),
    "truth values": ({"theta": ONES > 0}, TypeError, ["theta has dtype bool", "floating dtype"]),
    "shapes": (
        {"theta": np.ones((2, 1))},
        ValueError,
        ["theta has shape (2, 1) but grad has shape (2,)", "Give one entry of grad for each"],
    ),
    "torch shapes": (
        {"theta": torch.ones(3), "grad": torch.ones(1)},
        ValueError,
        ["theta has shape (3,) but grad has shape (1,)", "Give one entry of grad for each"],
    ),
    "dtypes": (
        {"theta": np.ones(2, dtype=np.float32)},
        ValueError,
        ["theta has dtype float32 but grad has dtype float64", "Convert grad to the dtype"],
    ),
    "missing entry": (
        {"state": {"v": ONES, "t": 3}},
        ValueError,
        ["shrink: the state has no 'u', it has ['v', 't']", "Pass the state that the last step"],
    ),
    "state is an array": (
        {"state": ONES},
        TypeError,
        ["shrink: state is a numpy.ndarray", "Pass the dict that the last step returned, or None"],
    ),
    "state is a tuple": (
        {"state": (ONES, {})},
        TypeError,
        ["state is a tuple", "Pass the dict that the last step returned, or None"],
    ),
    "state's shape": (
        {"state": {"u": np.ones((2, 2))}},
        ValueError,
        ["theta has shape (2,) but state['u'] has shape (2, 2)", "Give one entry of state['u']"],
    ),
    "state's dtype": (
        {"state": {"u": np.ones(2, dtype=np.float32)}},
        ValueError,
        ["theta has dtype float64 but state['u'] has dtype float32", "Convert state['u'] to the"],
    ),
    "state's library": (
        {"state": {"u": torch.ones(2)}},
        ValueError,
        ["theta has dtype float64 but state['u'] has dtype torch.float32"],
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_input_is_told_with_both_values_and_what_to_do(case):
    given, error, texts = case
    good = {"theta": ONES, "grad": ONES, "lr": 0.1}
    with pytest.raises(error) as caught:
        shrink(**good | given)
    message = str(caught.value)
    assert message.startswith("shrink: ")
    assert message.endswith(".")
    for text in texts:
        assert text in message


def test_the_input_of_the_table_is_good_without_its_fault():
    theta, state = shrink(ONES, ONES, {"u": ONES, "t": 1}, lr=0.5)
    assert theta.tolist() == [0.5, 0.5]
    assert state["u"] is ONES


@pytest.mark.parametrize(
    "value",
    [
        0.25,
        np.float64(0.25),
        np.float32(0.25),
        np.float16(0.25),
        np.array(0.25),
        np.array(0.25, dtype=np.float32),
        Fraction(1, 4),
    ],
    ids=lambda value: type(value).__name__ + str(getattr(value, "dtype", "")),
)
@pytest.mark.parametrize("key", ["lr", "beta1", "eps", "momentum_decay"])
def test_numbers_of_any_kind_reach_the_formula_as_python_floats(key, value):
    _, state = shrink(ONES, ONES, **{"lr": 0.5} | {key: value})
    assert type(state["seen"][key]) is float
    assert state["seen"][key] == 0.25


@pytest.mark.parametrize(
    ("key", "value"),
    [("lr", 0), ("lr", 1e9), ("eps", 0.0), ("beta1", 0), ("beta1", 1 - 2**-53), ("lr", 2)],
)
def test_the_ends_of_the_ranges_belong_to_them(key, value):
    assert as_hyper("shrink", key, value) == value


def test_none_passes_where_it_is_the_default():
    _, state = shrink(ONES, ONES, lr=0.1, momentum_decay=None)
    assert state["seen"]["momentum_decay"] is None


def test_a_0d_tensor_passes_as_it_is_so_that_gradients_flow_to_the_rate():
    lr = torch.tensor(0.1, requires_grad=True)
    theta, state = shrink(torch.ones(2), torch.ones(2), lr=lr)
    assert state["seen"]["lr"] is lr
    theta.sum().backward()
    assert lr.grad.item() == -2


def test_a_0d_entry_of_the_state_may_have_its_own_dtype():
    _, state = shrink(ONES, ONES, {"u": ONES, "t": torch.tensor(3)}, lr=0.1)
    assert state["u"] is ONES


def test_a_rule_keeps_its_name_signature_and_docstring():
    assert shrink.__name__ == "shrink"
    assert shrink.__doc__.startswith("Take a step")
    assert list(inspect.signature(shrink).parameters)[:4] == ["theta", "grad", "state", "lr"]


def test_a_key_error_of_the_rule_is_told_as_a_missing_entry_without_its_traceback():
    with pytest.raises(ValueError, match="no 'u'") as caught:
        shrink(ONES, ONES, {"t": 1}, lr=0.1)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (np.ones(2), "numpy"),
        (np.float32(1), "numpy"),
        (torch.ones(2, dtype=torch.bfloat16), "torch"),
        (torch.nn.Parameter(torch.ones(2)), "torch"),
        (array_api_strict.ones(2), "array_api_strict"),
    ],
    ids=["numpy", "numpy scalar", "bfloat16", "parameter", "strict"],
)
def test_the_namespace_is_that_of_the_arrays(array, name):
    assert namespace("any", x=array, y=array).__name__.endswith(name)
