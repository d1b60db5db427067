"""Which libraries an answer reaches for, however it reaches."""

import functools

import numpy as np
import pytest
import torch

from course import optimizers
from course.checking.libraries import foreign_libraries
from student import run_cell

NOTEBOOK = """
import functools
import math
import torch
import torch as t
import torch.nn.functional as F
import scipy.linalg as linalg
import scipy.linalg
from scipy.special import expit, softmax
from torch import tanh
from course.optimizers import adam
from course.optimizers import momentum

weights = torch.ones(3)
layer = torch.nn.ReLU()

def helper(x):
    return F.relu(x)

def clean_helper(x):
    return np.maximum(x, 0)

def deeper(x):
    return helper(x)

class Rule:
    def apply(self, x):
        return deeper(x)

    def __call__(self, x):
        return tanh(x)

class Child(Rule):
    pass

class CleanRule:
    rate = 0.1

    def __call__(self, x):
        return np.tanh(x) * self.rate

class Module(torch.nn.Module):
    pass

rule, clean_rule = Rule(), CleanRule()

def decorated(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner
"""

FOREIGN = {
    "import inside": ("def f(x):\n    import torch\n    return torch.tanh(x)", ["torch"]),
    "from-import inside": ("def f(x):\n    from jax.numpy import tanh\n    return x", ["jax"]),
    "alias": ("def f(x):\n    return t.tanh(x)", ["torch"]),
    "submodule": ("def f(x):\n    return F.relu(x)", ["torch"]),
    "function of a library": ("def f(x):\n    return softmax(x)", ["scipy"]),
    "built-in function of a library": ("def f(x):\n    return tanh(x)", ["torch"]),
    "ufunc of a library": ("def f(x):\n    return expit(x)", ["scipy"]),
    "dotted": ("def f(x):\n    return scipy.linalg.norm(x)", ["scipy"]),
    "nested function": ("def f(x):\n    def g():\n        return t.tanh(x)\n    return g()", None),
    "lambda": ("def f(x):\n    return (lambda y: t.tanh(y))(x)", None),
    "comprehension": ("def f(x):\n    return [[t.tanh(b) for b in a] for a in x]", None),
    "class inside": ("def f(x):\n    class A:\n        y = t.tanh(x)\n    return A.y", None),
    "helper": ("def f(x):\n    return helper(x)", None),
    "helper's helper": ("def f(x):\n    return deeper(x)", None),
    "method of an own object": ("def f(x):\n    return rule.apply(x)", None),
    "own class": ("def f(x):\n    return Rule().apply(x)", None),
    "child of an own class": ("def f(x):\n    return Child().apply(x)", None),
    "child of a library's class": ("def f(x):\n    return Module()(x)", None),
    "object of a library": ("def f(x):\n    return layer(x)", None),
    "array of a library": ("def f(x):\n    return weights * x", None),
    "closure over a module": (
        "def make():\n    import torch as u\n    def g(x):\n        return u.tanh(x)\n"
        "    return g\nf = make()",
        None,
    ),
    "default": ("def f(x, function=torch.tanh):\n    return function(x)", None),
    "keyword's default": ("def f(x, *, library=torch):\n    return library.tanh(x)", None),
    "decorator of one's own": ("@decorated\ndef f(x):\n    return tanh(x)", None),
    "cache": ("@functools.cache\ndef f(x):\n    return tanh(x)", None),
    "partial": ("f = functools.partial(helper)", None),
    "partial's argument": ("f = functools.partial(clean_helper, layer)", None),
    "method": ("f = rule.apply", None),
    "object to call": ("f = rule", None),
    "class to call": ("f = Rule", None),
    "calls itself": ("def f(x):\n    return f(x) if x else tanh(x)", None),
    "the library's own": ("f = tanh", None),
    "the library's own in Python": ("f = softmax", ["scipy"]),
    "the library's own object": ("f = layer", None),
    "the course's reference": ("def f(*x):\n    return adam(*x)", ["course"]),
    "the course imported": ("def f(*x):\n    import course.optimizers as o", ["course"]),
    "two": ("def f(x):\n    return t.tanh(linalg.norm(x))", ["scipy", "torch"]),
}

ALLOWED = {
    "NumPy": "def f(x):\n    return np.tanh(x) + np.linalg.norm(x) * np.random.normal()",
    "NumPy inside": "def f(x):\n    import numpy.linalg\n    from numpy import tanh\n    tanh(x)",
    "standard library": "def f(x):\n    import statistics\n    return math.sqrt(x), functools",
    "attribute with a library's name": "def f(x):\n    return np.linalg.norm(x), x.torch, x.t",
    "argument with a library's name": "def f(torch, *, adam, softmax=1):\n    return torch + adam",
    "local name": "def f(x):\n    helper = x\n    return helper",
    "keyword with a library's name": "def f(x):\n    return dict(torch=1, adam=2)",
    "clean helper": "def f(x):\n    return clean_helper(x)",
    "clean object": "f = clean_rule",
    "clean class": "def f(x):\n    return CleanRule()(x)",
    "calls itself": "def f(x):\n    return f(x - 1) if x else 0",
    "unknown name": "def f(x):\n    return no_such_name",
    "empty closure": "def g():\n    def f(x):\n        y\n    return f\n    y = 1\nf = g()",
    "built-in": "f = len",
    "NumPy's own": "f = np.tanh",
    "NumPy's own in Python": "f = np.mean",
}


def found(source, allowed=("numpy",)):
    return foreign_libraries(run_cell(f"{NOTEBOOK}\n{source}")["f"], allowed)


@pytest.mark.parametrize(("source", "libraries"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_library_is_found(source, libraries):
    assert found(source) == (libraries or ["torch"])


@pytest.mark.parametrize("source", ALLOWED.values(), ids=ALLOWED)
def test_what_is_allowed_is_not_reported(source):
    assert found(source) == []


def test_an_exercise_can_allow_more():
    assert found("def f(x):\n    return linalg.norm(t.tanh(x))", ("numpy", "torch")) == ["scipy"]


@pytest.mark.parametrize("rule", [optimizers.sgd, optimizers.adam, optimizers.nesterov_lookahead])
def test_the_courses_own_functions_are_no_answer(rule):
    assert "course" in foreign_libraries(rule, ("numpy",))
    assert "course" in foreign_libraries(functools.partial(rule, lr=0.1), ("numpy",))


@pytest.mark.parametrize("module", ["course.optimizers", "scipy.special", "torch.nn"])
def test_where_an_answer_was_written_counts(module):
    copied = run_cell("def f(x):\n    return x", __name__=module)["f"]
    assert foreign_libraries(copied, ("numpy",)) == [module.split(".")[0]]
    assert foreign_libraries(functools.partial(copied), ("numpy",)) == [module.split(".")[0]]


@pytest.mark.parametrize("module", ["__main__", "my_answers", "course.exercises.optimizers"])
def test_an_own_file_counts_as_the_notebook(module):
    assert foreign_libraries(run_cell("def f(x):\n    return x", __name__=module)["f"], ()) == []


def test_a_name_need_not_have_a_module():
    namespace = {"np": np, "torch": torch}
    exec("def f(x): return np.tanh(x)\ndef g(x): return torch.tanh(f(x))", namespace)
    assert foreign_libraries(namespace["f"], ("numpy",)) == []
    assert foreign_libraries(namespace["g"], ("numpy",)) == ["torch"]


def test_a_proxy_answers_for_its_function():
    class Proxy:
        def __call__(self, x):
            return torch.tanh(x)

        def foreign_libraries(self, allowed):
            return {"there", "here"} - set(allowed)

    assert foreign_libraries(Proxy(), ("here",)) == ["there"]
