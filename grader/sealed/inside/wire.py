"""Plain values as bytes and back, over a socket: no pickle, exact types, a limit on the size.

A message is a JSON tree, followed by the bytes of the arrays in it. Lists, tuples, dicts and arrays
are tagged, so that each comes out as the very type that went in.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np

MESSAGE_LIMIT = 64_000_000
TREE_LIMIT = 8_000_000
"""Bytes of a message without its arrays: as Python's objects they take thirty times as much."""

_DEEPEST = 64
_LENGTHS = struct.Struct(">QQ")
_DTYPES = frozenset(f"<{kind}{size}" for kind in "iuf" for size in (2, 4, 8)) | {
    "|b1",
    "|i1",
    "|u1",
    "<f16",
}


class BadMessage(Exception):  # noqa: N818 - the sender's fault
    """What came is no message of this form."""


class Closed(Exception):  # noqa: N818 - an end, not an error
    """The other side is gone."""


class TooLate(Exception):  # noqa: N818 - an end, not an error
    """The other side said nothing in time."""


def send(
    connection: socket.socket,
    message: Any,
    functions: list[Any] | None = None,
    *,
    deadline: float | None = None,
) -> None:
    """Send a value.

    Args:
        connection: where to.
        message: plain values; also functions, which stay here, and random generators.
        functions: the functions that the other side may call back, added to as they are met.
        deadline: the time of `time.monotonic` until which the other side may take to listen.

    Raises:
        BadMessage: the value is too large.
        Closed: nobody is there.
        TooLate: it did not listen in time.
    """
    arrays: list[np.ndarray[Any, Any]] = []
    tree = _pack(message, arrays, [] if functions is None else functions)
    heads = [[array.dtype.str, array.shape] for array in arrays]
    text = json.dumps([tree, heads], separators=(",", ":")).encode()
    length = len(text) + sum(array.nbytes for array in arrays)
    for size, limit in ((len(text), TREE_LIMIT), (length, MESSAGE_LIMIT)):
        if size > limit:
            raise BadMessage(
                f"the values have {size / 1e6:.0f} MB; up to {limit / 1e6:.0f} MB can be sent"
            )
    parts = [_LENGTHS.pack(length, len(text)), text, *(array.tobytes() for array in arrays)]
    _wait_until(connection, deadline)
    try:
        connection.sendall(b"".join(parts))
    except TimeoutError:
        raise TooLate from None
    except OSError:
        raise Closed from None


def receive(
    connection: socket.socket,
    *,
    deadline: float | None = None,
    function: Callable[[int], Any] | None = None,
) -> Any:
    """Return the next value that the other side sends.

    Args:
        connection: where from.
        deadline: the time of `time.monotonic` until which to wait.
        function: makes the function with a number; where it is missing, only values may come.

    Raises:
        BadMessage: it is too large or no message.
        Closed: the other side is gone.
        TooLate: it did not come in time.
    """
    length, text_length = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size, deadline))
    if not (text_length <= length <= MESSAGE_LIMIT and text_length <= TREE_LIMIT):
        raise BadMessage("a message is longer than allowed")
    content = memoryview(_exactly(connection, length, deadline))
    try:
        tree, heads = json.loads(bytes(content[:text_length]))
        arrays = _arrays(heads, content[text_length:])
        return _unpack(tree, arrays, function, 0)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError):
        raise BadMessage("a message is damaged") from None


def _exactly(connection: socket.socket, length: int, deadline: float | None) -> bytearray:
    content = bytearray(length)
    view, filled = memoryview(content), 0
    while filled < length:
        _wait_until(connection, deadline)
        try:
            count = connection.recv_into(view[filled:])
        except TimeoutError:
            raise TooLate from None
        except OSError:
            raise Closed from None
        if count == 0:
            raise Closed
        filled += count
    return content


def _wait_until(connection: socket.socket, deadline: float | None) -> None:
    if deadline is not None:
        connection.settimeout(max(0.001, deadline - time.monotonic()))


def _pack(value: Any, arrays: list[np.ndarray[Any, Any]], functions: list[Any]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.byteorder == ">":
            value = value.astype(value.dtype.newbyteorder("<"))
        arrays.append(value)
        return ["a", len(arrays) - 1]
    if isinstance(value, (list, tuple)):
        tag = "l" if isinstance(value, list) else "t"
        return [tag, *(_pack(item, arrays, functions) for item in value)]
    if isinstance(value, dict):
        pairs = value.items()
        return ["d", *([key, _pack(item, arrays, functions)] for key, item in pairs)]
    if isinstance(value, np.random.Generator):
        return ["g", _pack(value.bit_generator.state, arrays, functions)]
    if callable(value):
        functions.append(value)
        return ["f", len(functions) - 1]
    raise BadMessage(f"a {type(value).__name__} cannot be sent")


def _arrays(heads: Any, content: memoryview) -> list[np.ndarray[Any, Any]]:
    arrays, start = [], 0
    for dtype, shape in heads:
        if dtype not in _DTYPES or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError
        end = start + math.prod(shape) * np.dtype(dtype).itemsize
        if end > len(content):
            raise ValueError
        arrays.append(np.frombuffer(content[start:end], dtype).reshape(shape).copy())
        start = end
    if start != len(content):
        raise ValueError
    return arrays


def _unpack(tree: Any, arrays: list[np.ndarray[Any, Any]], function: Any, depth: int) -> Any:
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    if depth > _DEEPEST or not isinstance(tree, list):
        raise ValueError
    tag, *items = tree
    if tag == "a":
        (index,) = items
        return arrays[index]
    if tag == "d":
        return {_key(key): _unpack(item, arrays, function, depth + 1) for key, item in items}
    if tag in ("l", "t"):
        values = [_unpack(item, arrays, function, depth + 1) for item in items]
        return values if tag == "l" else tuple(values)
    if function is None:
        raise ValueError
    (content,) = items
    if tag == "f":
        return function(content)
    if tag == "g":
        return _generator(_unpack(content, arrays, function, depth + 1))
    raise ValueError


def _key(key: Any) -> Any:
    if key is None or isinstance(key, (bool, int, float, str)):
        return key
    raise ValueError


def _generator(state: dict[str, Any]) -> np.random.Generator:
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)
