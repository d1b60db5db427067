"""Values over a socket: the very same come out, and nothing but values."""

import json
import socket
import struct
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from grader.sealed.inside.wire import (
    MESSAGE_LIMIT,
    BadMessage,
    Closed,
    TooLate,
    receive,
    send,
)


@pytest.fixture(name="ends")
def _ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def crossed(value, **options):
    one, other = socket.socketpair()
    with one, other:
        sender = threading.Thread(target=send, args=(one, value))
        sender.start()
        try:
            return receive(other, **options)
        finally:
            sender.join()


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=True)
        return all(same(k, j) and same(v, w) for (k, v), (j, w) in pairs)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


keys = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
numbers = arrays.arrays(
    st.sampled_from(["f8", "f4", "f2", "i8", "i1", "u2", "?", ">f8", ">i4"]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
values = st.recursive(
    keys | st.floats() | numbers,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.booleans(), inner)
    ),
    max_leaves=8,
)


@given(values)
def test_what_comes_out_is_what_went_in(value):
    def native(item):
        if isinstance(item, np.ndarray):
            return item.astype(item.dtype.newbyteorder("="))
        if isinstance(item, dict):
            return {key: native(entry) for key, entry in item.items()}
        if isinstance(item, (list, tuple)):
            return type(item)(map(native, item))
        return item

    assert same(crossed(value), native(value))


def test_an_array_that_came_can_be_written_to_and_is_not_shared():
    array = np.arange(6.0).reshape(2, 3).T
    came = crossed([array, array])
    came[0][0, 0] = 5
    assert came[1][0, 0] == array[0, 0] == 0


def test_a_generator_goes_on_where_it_was():
    rng = np.random.default_rng(3)
    rng.normal(size=5)
    came = crossed(rng, function=lambda number: number)
    np.testing.assert_array_equal(came.normal(size=3), rng.normal(size=3))


def test_functions_stay_and_their_numbers_go(ends):
    functions = []
    send(ends[0], {"f": abs, "g": [len]}, functions)
    assert receive(ends[1], function="number {}".format) == {"f": "number 0", "g": ["number 1"]}
    assert functions == [abs, len]


def packed(text, tail=b"", length=None):
    length = len(text) + len(tail) if length is None else length
    return struct.pack(">QQ", length, len(text)) + text + tail


def tree(value, heads=()):
    return json.dumps([value, heads]).encode()


DAMAGED = {
    "no JSON": packed(b"{"),
    "no tree": packed(b"[1]"),
    "an unknown tag": packed(tree(["x", 1])),
    "a tree that is no list": packed(tree({"a": 1})),
    "an array that is not there": packed(tree(["a", 0])),
    "an array of objects": packed(tree(["a", 0], [["|O", [1]]]), b"12345678"),
    "an array with fields": packed(tree(["a", 0], [["V8", [1]]]), b"12345678"),
    "too few bytes": packed(tree(["a", 0], [["<f8", [2]]]), b"12345678"),
    "too many bytes": packed(tree(["a", 0], [["<f8", [1]]]), b"12345678x"),
    "a negative side": packed(tree(["a", 0], [["<f8", [-1]]])),
    "a huge shape": packed(tree(["a", 0], [["<f8", [10**12]]])),
    "a side that is a bool": packed(tree(["a", 0], [["<f8", [True]]]), b"12345678"),
    "a function where only values may come": packed(tree(["f", 0])),
    "a generator where only values may come": packed(tree(["g", ["d"]])),
    "a list as a key": packed(tree(["d", [[1], 2]])),
    "nested without end": packed(tree(["l", 0]).replace(b"0", b"[" * 5000 + b"]" * 5000)),
    "deep": packed(tree(eval("['l'," * 70 + "1" + "]" * 70))),
    "longer than allowed": packed(b"[]", length=MESSAGE_LIMIT + 1),
    "text longer than all": struct.pack(">QQ", 1, 2) + b"[]",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_message_is_refused(ends, content):
    ends[0].sendall(content)
    with pytest.raises(BadMessage):
        receive(ends[1], deadline=time.monotonic() + 5)


def test_what_is_too_large_is_not_sent(ends):
    with pytest.raises(BadMessage, match="the values have 80 MB; up to 64 MB can be sent"):
        send(ends[0], np.zeros(10**7))


def test_what_is_no_value_is_not_sent(ends):
    with pytest.raises(BadMessage, match="a set cannot be sent"):
        send(ends[0], {1, 2})


def test_the_end_of_the_other_side_is_noticed(ends):
    ends[0].close()
    with pytest.raises(Closed):
        receive(ends[1])
    with pytest.raises(Closed):
        send(ends[1], "x")


def test_silence_ends(ends):
    ends[0].sendall(b"\0" * 7)
    with pytest.raises(TooLate):
        receive(ends[1], deadline=time.monotonic() + 0.02)


def test_deafness_ends(ends):
    with pytest.raises(TooLate):
        send(ends[0], np.zeros(10**6), deadline=time.monotonic() + 0.02)
