"""Values over a socket: the very same come out, and nothing but values."""

import contextlib
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
    Channel,
    Closed,
    TooLate,
)


@pytest.fixture(name="ends")
def _ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, Channel(other, patience=0.01)


def crossed(*values, **options):
    """Send values through a pair of channels and return what comes out: all, or the only one."""
    one, other = socket.socketpair()
    with one, other:
        sender, receiver = Channel(one), Channel(other)
        sending = threading.Thread(target=lambda: [sender.send(value) for value in values])
        sending.start()
        try:
            came = [receiver.receive(**options) for _ in values]
        finally:
            sending.join()
    return came if len(came) > 1 else came[0]


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
    Channel(ends[0]).send({"f": abs, "g": [len]}, functions)
    assert ends[1].receive(function="number {}".format) == {"f": "number 0", "g": ["number 1"]}
    assert functions == [abs, len]


def test_messages_that_come_together_stay_apart():
    assert crossed("one", [2.0], {"three": 3}) == ["one", [2.0], {"three": 3}]


def test_a_message_larger_than_a_read_comes_whole():
    first, large, last = crossed(1, np.arange(500_000.0), 2)
    assert (first, last) == (1, 2)
    np.testing.assert_array_equal(large, np.arange(500_000.0))


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
        ends[1].receive(deadline=time.monotonic() + 5)


def test_what_is_too_large_is_not_sent(ends):
    with pytest.raises(BadMessage, match="the values have 80 MB; up to 64 MB can be sent"):
        ends[1].send(np.zeros(10**7))


def test_what_is_no_value_is_not_sent(ends):
    with pytest.raises(BadMessage, match="a set cannot be sent"):
        ends[1].send({1, 2})


def test_the_end_of_the_other_side_is_noticed(ends):
    ends[0].close()
    with pytest.raises(Closed):
        ends[1].receive()
    with pytest.raises(Closed):
        ends[1].send("x")


def test_silence_ends(ends):
    ends[0].sendall(b"\0" * 7)
    with pytest.raises(TooLate):
        ends[1].receive(deadline=time.monotonic() + 0.02)


def test_one_byte_after_the_other_ends_too(ends):
    def drip():
        with contextlib.suppress(OSError):
            for _ in range(200):
                ends[0].sendall(b"\0")
                time.sleep(0.002)

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(TooLate):
        ends[1].receive(deadline=time.monotonic() + 0.02)
    ends[1].close()
    dripping.join()


def test_deafness_ends(ends):
    with pytest.raises(TooLate):
        ends[1].send(np.zeros(10**6), deadline=time.monotonic() + 0.02)


def test_who_waits_can_look_around(ends):
    class SeenError(Exception):
        pass

    def look():
        raise SeenError

    with pytest.raises(SeenError):
        Channel(ends[0], 0.01, look).receive()
