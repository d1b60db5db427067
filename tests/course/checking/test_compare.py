"""Plain values, and what counts as equal: no object judges itself, no shape hides, nor a NaN."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from course.checking.compare import WrongKind, describe, difference, plain, same_dtype

ULPS = 1000
FEW = settings(derandomize=True, database=None, deadline=None, max_examples=60)
FLOATS = (np.float32, np.float64)


class AgreesWithAll:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __array__(self, *_, **__):
        return np.zeros(3)

    def __array_ufunc__(self, *_, **__):
        return np.zeros(3)

    def __float__(self):
        return 0.0


class AgreeingType(type):
    """A type that claims to be any other type."""

    def __eq__(cls, other):
        return True

    def __hash__(cls):
        return hash(np.ndarray)


class Posing(metaclass=AgreeingType):
    pass


class Subarray(np.ndarray):
    pass


class Subfloat(np.float64):
    __module__ = "numpy"


class Subdict(dict):
    pass


def contains_itself(kind):
    if kind is dict:
        value = {}
        value["again"] = value
        return value
    value = []
    value += [value] * 100
    return value


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


PLAIN = [True, 3, -2.5, "text", None, float("inf"), (), [], {}, {"a": [1, (2.0, None)]}, {3: "x"}]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_stay_as_they_are(value):
    assert plain(value) == value
    assert type(plain(value)) is type(value)


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f4", "f8", "g"])
def test_numpy_numbers_become_arrays_of_their_dtype(dtype):
    array = np.ones((2, 3), dtype)
    assert plain(array).dtype == plain(array[0, 0]).dtype == array.dtype
    assert plain(array[0, 0]).shape == ()


def test_arrays_are_copied_at_any_depth():
    array = np.arange(6.0).reshape(2, 3)
    given_value = {"a": [array, (array[:, ::2],)]}
    copied = plain(given_value)
    array += 1
    np.testing.assert_array_equal(copied["a"][0], array - 1)
    np.testing.assert_array_equal(copied["a"][1][0], array[:, ::2] - 1)
    assert copied["a"][1][0].flags.c_contiguous


def test_a_numpy_number_may_be_a_key():
    key = next(iter(plain({np.int64(3): 1})))
    assert (key, type(key)) == (3, int)


REFUSED = {
    "object that agrees with all": (AgreesWithAll(), "AgreesWithAll"),
    "object whose type agrees with all": (Posing(), "Posing"),
    "subclass of an array": (np.zeros(3).view(Subarray), "Subarray"),
    "matrix": (np.zeros((1, 3)).view(np.matrix), "matrix"),
    "masked array": (np.ma.masked_array(np.zeros(3)), "MaskedArray"),
    "subclass of a NumPy number": (Subfloat(1.0), "numpy.Subfloat"),
    "subclass of a dict": (Subdict(), "Subdict"),
    "object array": (np.array([1.0, None]), "dtype object"),
    "complex array": (np.zeros(3, complex), "dtype complex128"),
    "complex number": (1j, "an object of type complex"),
    "NumPy's complex number": (np.complex128(1j), "complex128"),
    "NumPy's text": (np.str_("a"), "str_"),
    "text array": (np.array(["a"]), "dtype <U1"),
    "date": (np.datetime64("2020"), "datetime64"),
    "set": ({1}, "an object of type set"),
    "generator": ((x for x in "ab"), "generator"),
    "function": (len, "builtin_function_or_method"),
    "inside a list": ([1, {"a": (AgreesWithAll(),)}], "AgreesWithAll"),
    "as a key": ({AgreesWithAll(): 1}, "AgreesWithAll"),
    "tuple as a key": ({(1, 2): 1}, "the key a tuple of 2"),
    "dict in itself": (contains_itself(dict), "contains itself"),
    "list in itself a hundred times": (contains_itself(list), "contains itself"),
    "list nested without end": (nested(100_000), "nested too deeply"),
    "integer beyond 64 bits": (10**400, "an integer of 1329 bits"),
    "integer too long to print": (-(10**5000), "an integer of 16610 bits"),
    "such an integer as a key": ({10**5000: 1}, "an integer of 16610 bits"),
}


@pytest.mark.parametrize(("value", "said"), REFUSED.values(), ids=REFUSED)
def test_other_values_are_refused_and_described(value, said):
    with pytest.raises(WrongKind, match=re.escape(said)):
        plain(value)


DESCRIBED = {
    "None": None,
    "an array of shape (2, 0) and dtype float32": np.zeros((2, 0), np.float32),
    "a number of dtype float32": np.array(0.5, np.float32),
    "True or False": np.array(True),
    "a tuple of 2": (1, 2),
    "a list of 0": [],
    "an empty dict": {},
    "a dict with the keys 'u', 3": {"u": 1, 3: 2},
    "a dict with the keys 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...": dict.fromkeys(range(1000)),
    "the float nan": float("nan"),
    "the str '" + "x" * 39: "x" * 10**6,
    "an object of type set": set(),
}


@pytest.mark.parametrize(("said", "value"), DESCRIBED.items())
def test_values_are_described_in_few_words(said, value):
    assert describe(value) == said


NAN, INF = float("nan"), float("inf")
SAME = {
    "numbers": (2.5, 2.5),
    "integer for a float": (2.0, 2),
    "bool for an integer": (1, True),
    "NaN at the same place": ([1.0, NAN], [1.0, NAN]),
    "infinities of one sign": ([INF, -INF], [INF, -INF]),
    "nothing at all": (np.zeros((0, 3)), np.zeros((0, 3))),
    "zero of the other sign": ([0.0], [-0.0]),
    "float32 within its rounding": (np.float32([1.0]), np.float32([1.00001])),
    "float64 for float32": (np.float32([0.1]), np.float64([0.1])),
}


@pytest.mark.parametrize(("expected", "got"), SAME.values(), ids=SAME)
def test_rounding_is_no_difference(expected, got):
    expected, got = np.asarray(expected), got if type(got) in (int, bool, float) else np.array(got)
    assert difference(expected, got, ULPS) is None


DIFFERENT = {
    "a digit": ([1.0, 2.0], [1.0, 2.1], 0.1, (1,)),
    "NaN for a number": ([1.0, 2.0], [NAN, 2.0], INF, (0,)),
    "number for NaN": ([NAN, 2.0], [1.0, 2.0], INF, (0,)),
    "infinity for a number": ([[1.0, 2.0]], [[1.0, INF]], INF, (0, 1)),
    "number for infinity": ([INF], [1e308], INF, (0,)),
    "infinity of the other sign": ([INF], [-INF], INF, (0,)),
    "all NaN": ([1.0], [NAN], INF, (0,)),
    "integers are exact": ([10**9], [10**9 + 1], 1.0, (0,)),
    "no tolerance beside zero": ([0.0], [1e-300], 1e-300, (0,)),
    "bools": ([True], [False], 1.0, (0,)),
    "beyond float32's range": (np.float32([1.0]), [1e300], 1e300, (0,)),
}


@pytest.mark.parametrize(("expected", "got", "error", "place"), DIFFERENT.values(), ids=DIFFERENT)
def test_the_largest_deviation_is_found(expected, got, error, place):
    wrong = difference(np.asarray(expected), np.asarray(got), ULPS)
    assert wrong.place == place
    assert wrong.error == pytest.approx(error)


def test_a_result_that_cancels_to_zero_is_measured_by_the_scale():
    rounding = 0.9 * ULPS * np.finfo(np.float64).eps
    assert difference(np.zeros(1), np.array([rounding]), ULPS, scale=1.0) is None
    assert difference(np.zeros(1), np.array([rounding]), ULPS, scale=0.5)
    assert difference(np.array([8.0]), np.array([8.0 + 8 * rounding]), ULPS, scale=1.0) is None


@pytest.mark.parametrize("got", [[1.0], (1.0,), "1.0", None, {}, AgreesWithAll(), Posing()])
def test_only_numbers_and_arrays_are_compared(got):
    with pytest.raises(WrongKind, match=re.escape("expected an array of shape (1,)")):
        difference(np.ones(1), got, ULPS)


@pytest.mark.parametrize(
    ("expected", "got"), [((3,), (3, 1)), ((3,), (1, 3)), ((), (1,)), ((0,), (0, 3)), ((2, 2), ())]
)
def test_shapes_come_before_values(expected, got):
    said = f"expected the shape {expected}, got the shape {got}"
    with pytest.raises(WrongKind, match=re.escape(said)):
        difference(np.ones(expected), np.ones(got), ULPS)


shapes = arrays.array_shapes(max_dims=3, max_side=4)


@st.composite
def filled(draw):
    """An array of ordinary numbers, and one of its places."""
    shape = draw(shapes)
    array = draw(
        arrays.arrays(
            draw(st.sampled_from(FLOATS)),
            shape,
            elements=st.floats(-1024, 1024, width=32),
        )
    )
    assume(np.any(np.abs(array) > 2**-20))
    return array, tuple(draw(st.integers(0, side - 1)) for side in shape)


@FEW
@given(arrays.arrays(st.sampled_from(FLOATS), shapes))
def test_an_array_never_differs_from_itself(array):
    assert difference(array, array.copy(), ULPS) is None


@FEW
@given(filled(), st.sampled_from([NAN, INF, -INF]))
def test_what_is_not_finite_is_seen_from_both_sides(drawn, odd):
    array, place = drawn
    spoiled = array.copy()
    spoiled[place] = odd
    for one, other in ((array, spoiled), (spoiled, array)):
        wrong = difference(one, other, ULPS)
        assert (wrong.error, wrong.place) == (INF, place)


@FEW
@given(filled(), st.floats(0, 0.9))
def test_the_tolerance_is_ulps_of_the_dtype_at_the_largest_entry(drawn, share):
    array, place = drawn
    tolerance = ULPS * float(np.finfo(array.dtype).eps) * float(np.max(np.abs(array)))
    near, far = array.astype(np.float64), array.astype(np.float64)
    near[place] += share * tolerance
    far[place] += 1.1 * tolerance
    assert difference(array, near, ULPS) is None
    wrong = difference(array, far, ULPS)
    assert wrong.place == place
    assert wrong.tolerance == pytest.approx(tolerance)
    assert wrong.tolerance < np.max(np.abs(array)), "a tolerance as large as the values is none"


@FEW
@given(filled(), st.integers(-20, 20))
def test_the_unit_of_the_values_does_not_matter(drawn, power):
    array, place = drawn
    off = array.copy()
    off[place] += 1
    one = difference(array, off, ULPS)
    scaled = difference(array * 2.0**power, off * 2.0**power, ULPS)
    assert (one is None) == (scaled is None)
    if one:
        assert scaled.error == pytest.approx(one.error * 2.0**power)


@FEW
@given(shapes, shapes)
def test_other_shapes_never_broadcast(one, other):
    assume(one != other)
    with pytest.raises(WrongKind, match="the shape"):
        difference(np.ones(one), np.ones(other), ULPS)


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (np.zeros(2, np.float32), np.zeros(2, np.float32), True),
        (np.zeros(2, np.float32), np.zeros(2), False),
        (np.zeros(()), 1.5, True),
        (np.float32(1), 1.5, False),
        (3, 3, True),
        (3, 3.0, False),
    ],
)
def test_dtypes_are_told_apart(expected, got, same):
    assert same_dtype(expected, got) is same
