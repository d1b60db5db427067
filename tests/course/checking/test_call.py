"""Calling a student's function: copies in, plain copies out, and only its own traceback."""

import io
import linecache
import re
import sys
import textwrap
import warnings

import numpy as np
import pytest

from course.checking.call import Crashed, Guarded, NotAttempted, item, own_traceback, unpack
from course.checking.compare import WrongKind
from student import answer, run_cell

NAMES = ("theta", "grad", "state")


def guarded(source, **names):
    return Guarded(answer(source, **names), NAMES)


def crash(source, **names):
    with pytest.raises(Crashed) as caught:
        guarded(source, **names)(np.zeros(3))
    return str(caught.value)


def test_arguments_arrive_as_they_were_passed():
    call = guarded("def f(a, b=1, *, state=None):\n    return [a, b, state]")
    assert call(2, 3, state={"t": 4}) == [2, 3, {"t": 4}]
    assert call(2) == [2, 1, None]


def test_a_function_may_be_an_argument():
    call = guarded("def f(theta):\n    return theta(3)")
    assert call(lambda x: x + 1) == 4
    assert not call.changed


def test_a_generator_is_copied_and_free_to_be_drawn_from():
    rng = np.random.default_rng(3)
    call = guarded("def f(theta):\n    return theta.normal(size=2)")
    first, again = call(rng), call(rng)
    np.testing.assert_array_equal(first, np.random.default_rng(3).normal(size=2))
    np.testing.assert_array_equal(first, again)
    assert not call.changed


CHANGES = {
    "an entry": ("theta[0] = 5", {"theta"}),
    "all of them": ("theta += 1; grad *= 2", {"theta", "grad"}),
    "an array of the state": ('state["u"] += 1', {"state"}),
    "a number of the state": ('state["t"] += 1', {"state"}),
    "a number's type": ('state["t"] = float(state["t"])', {"state"}),
    "a number for an object that agrees": ('state["t"] = Yes()', {"state"}),
    "a key for an object that agrees": ('state[Yes()] = state.pop("t")', {"state"}),
    "a number for an object that refuses": ('state["t"] = No()', {"state"}),
    "a new entry": ('state["v"] = 0', {"state"}),
    "an entry gone": ('del state["u"]', {"state"}),
    "an array's dtype": ('state["u"] = state["u"].astype("f4")', {"state"}),
    "an array for a list": ('state["u"] = state["u"].tolist()', {"state"}),
    "a NaN that was there": ('state["n"][0] = 1', {"state"}),
    "the state made to hold itself": ('state["t"] = state', {"state"}),
    "something deeper": ('state["deep"][0][1] += 1', {"state"}),
    "nothing": ("theta = theta + 1", set()),
    "nothing in the end": ("theta += 1; theta -= 1", set()),
}
HELPERS = """
class Yes:
    __hash__ = lambda self: hash("t")
    __eq__ = lambda self, other: True
class No:
    def __eq__(self, other):
        raise RuntimeError
"""


@pytest.mark.parametrize(("line", "changed"), CHANGES.values(), ids=CHANGES)
def test_changed_arguments_are_named_and_the_caller_keeps_its_own(line, changed):
    state = {"u": np.ones(2), "t": 3, "n": np.array([np.nan]), "deep": [[1, 2]]}
    given = {"theta": np.arange(3.0), "grad": np.ones(3), "state": state}
    function = run_cell(f"{HELPERS}\ndef f(theta, grad, state):\n    {line}")["f"]
    call = Guarded(function, NAMES)
    call(given["theta"], given["grad"], state=given["state"])
    assert call.changed == changed
    np.testing.assert_array_equal(given["theta"], np.arange(3.0))
    assert state.keys() == {"u", "t", "n", "deep"}
    assert (state["t"], state["deep"]) == (3, [[1, 2]])
    np.testing.assert_array_equal(state["u"], np.ones(2))


def test_what_came_back_cannot_be_changed_later():
    call = guarded("""
        def f(theta):
            kept.append(theta)
            for old in kept[:-1]:
                old += 1
            return theta
        """, kept=[])  # fmt: skip
    first = call(np.zeros(2))
    call(np.zeros(2))
    np.testing.assert_array_equal(first, np.zeros(2))


def test_changes_are_remembered_over_calls():
    call = guarded("def f(theta, grad):\n    (theta if theta[0] else grad)[:] = 7")
    call(np.zeros(2), np.zeros(2))
    call(np.ones(2), np.zeros(2))
    assert call.changed == {"theta", "grad"}


def test_not_attempted_is_no_crash():
    with pytest.raises(NotAttempted):
        guarded("def f(theta):\n    raise NotImplementedError")(1)


def test_keyboard_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        guarded("def f(theta):\n    raise KeyboardInterrupt")(1)


def test_the_students_lines_and_nothing_else():
    said = crash("""
        def f(theta):
            return helper(theta)

        def helper(theta):

            return np.reshape(theta, 5)
        """)
    assert said == textwrap.dedent("""\
        line 2, in f
            return helper(theta)
        line 6, in helper
            return np.reshape(theta, 5)
        ValueError: cannot reshape array of size 3 into shape (5,)""")


def test_without_its_source_a_line_is_only_numbered():
    namespace = {}
    exec(compile("def f(theta):\n    return missing", "<string>", "exec"), namespace)
    with pytest.raises(Crashed) as caught:
        Guarded(namespace["f"], NAMES)(1)
    assert str(caught.value) == "line 2, in f\nNameError: name 'missing' is not defined"


CRASHES = {
    "name": ("return velocity", "NameError: name 'velocity' is not defined"),
    "key": ('return {}["u"]', "KeyError: 'u'"),
    "quit": ("quit()", "SystemExit"),
    "exit with words": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "generator's end": ("raise GeneratorExit", "GeneratorExit"),
    "iteration's end": ("raise StopIteration", "StopIteration"),
    "own kind": ("raise type('Odd', (BaseException,), {})('so')", "Odd: so"),
    "text that fails": (
        "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})",
        "Mute: <exception str() failed>",
    ),
    "half a character": ("raise ValueError('\\ud800')", "ValueError: \\ud800"),
    "wrong syntax at run time": ("eval('1 +')", "SyntaxError: invalid syntax"),
    "warning whose text fails": (
        "import warnings; warnings.warn("
        "type('Mute', (UserWarning,), {'__str__': lambda self: 1 / 0})('x'))",
        "ZeroDivisionError: division by zero",
    ),
}


@pytest.mark.parametrize(("line", "last"), CRASHES.values(), ids=CRASHES)
def test_any_exception_is_a_crash(line, last, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # quit() closes it
    said = crash(f"def f(theta):\n    {line}")
    assert said.splitlines()[:2] == ["line 2, in f", f"    {line}"]
    assert said.splitlines()[-1].startswith(last)
    said.encode()


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("def f()", "TypeError: f() takes 0 positional arguments but 1 was given"),
        ("def f(a, b)", "TypeError: f() missing 1 required positional argument: 'b'"),
    ],
)
def test_a_wrong_signature_is_the_students_own_error(head, said):
    assert crash(f"{head}:\n    return 1") == said


def test_endless_recursion_is_kept_short():
    said = crash("def f(theta):\n    return f(theta)")
    assert len(said.splitlines()) == 11
    assert said.splitlines()[-1].startswith("RecursionError")


def test_a_long_text_is_cut():
    assert len(crash("def f(theta):\n    raise ValueError('x' * 10**6)")) < 1200
    assert len(crash("def f(theta):\n    x = '" + "y" * 10**5 + "'; 1 / 0")) < 1200


def test_a_students_folder_beside_the_course_is_the_students(monkeypatch):
    import course

    file = f"{course.__path__[0]}_answers.py"
    monkeypatch.setitem(linecache.cache, file, (9, None, ["1 / 0\n"], file))
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("1 / 0", file, "exec"))
    assert "line 1, in <module>\n    1 / 0\nZeroDivisionError" in own_traceback(caught.value)


def test_warnings_are_heard_once_and_in_order():
    call = guarded("""
        def f(theta):
            import warnings
            for word in ("third", "first", "second", "first"):
                warnings.warn(word)
            return np.log(theta)
        """)
    call(np.zeros(1))
    call(np.zeros(1))
    assert call.warned == ["third", "first", "second", "divide by zero encountered in log"]


SETTINGS = {
    "NumPy's errors": ("np.seterr(all='raise')", lambda: np.geterr()["divide"]),
    "filters": ("warnings.simplefilter('ignore')", lambda: len(warnings.filters)),
    "the stream of errors": ("sys.stderr = None", lambda: id(sys.stderr)),
    "the stream of text": ("sys.stdout = None", lambda: id(sys.stdout)),
}


@pytest.mark.parametrize(("line", "look"), SETTINGS.values(), ids=SETTINGS)
def test_settings_are_as_before(line, look):
    before = look()
    call = guarded(f"import sys, warnings\ndef f(theta):\n    {line}\n    return 1")
    assert call(1) == 1
    assert look() == before


def test_settings_are_as_before_a_crash():
    before = np.geterr()
    crash("def f(theta):\n    np.seterr(all='ignore')\n    1 / 0")
    assert np.geterr() == before


def test_filters_that_a_student_set_do_not_turn_warnings_into_crashes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guarded("def f(theta):\n    return np.log(theta)")(np.zeros(1))


def test_errors_are_printed_where_text_is_printed(capsys):
    guarded("import sys\ndef f(theta):\n    print('here', file=sys.stderr)")(1)
    assert capsys.readouterr() == ("here\n", "")


@pytest.mark.parametrize("value", [(1, 2), [1, 2]])
def test_a_tuple_or_list_is_unpacked(value):
    assert unpack(value, "a", "b") == (1, 2)


@pytest.mark.parametrize("value", [None, (), (1,), (1, 2, 3), {"a": 1, "b": 2}, "ab", np.ones(2)])
def test_other_results_are_not_unpacked(value):
    with pytest.raises(WrongKind, match=re.escape("expected the tuple (a, b), got ")):
        unpack(value, "a", "b")


def test_an_entry_is_found_or_missed_by_name():
    assert item({"u": 3}, "the state", "u") == 3
    for value in ({}, {"v": 3}, None, [("u", 3)], "u"):
        with pytest.raises(WrongKind, match="expected the state to be a dict with the key 'u'"):
            item(value, "the state", "u")
