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

from course._ranks import Line

MESSAGE_LIMIT = 64_000_000
TREE_LIMIT = 8_000_000
"""Bytes of a message without its arrays: as Python's objects they take thirty times as much."""

_DEEPEST = 64
_READ, _READ_MOST = 2**16, 2**20
_LENGTHS = struct.Struct(">QQ")
_DTYPES = {
    name: np.dtype(name)
    for name in (
        *(f"<{kind}{size}" for kind in "iuf" for size in (2, 4, 8)),
        *("|b1", "|i1", "|u1", "<f16"),
    )
}
_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_DECODE = json.JSONDecoder().decode


class BadMessage(Exception):  # noqa: N818 - the sender's fault
    """What came is no message of this form."""


class Closed(Exception):  # noqa: N818 - an end, not an error
    """The other side is gone."""


class TooLate(Exception):  # noqa: N818 - an end, not an error
    """The other side said nothing in time."""


class Channel:
    """One end of a connection over which values go.

    It reads ahead: nothing else may read from the connection.

    Args:
        connection: the socket, of which the channel takes care from here on.
        patience: the seconds after which a read or a write that waits looks at its deadline;
            where it is missing, there is none.
        waiting: called each time a read has waited that long.
    """

    def __init__(
        self,
        connection: socket.socket,
        patience: float | None = None,
        waiting: Callable[[], None] | None = None,
    ) -> None:
        self._connection = connection
        self._waiting = waiting
        self._ahead = bytearray()
        connection.settimeout(patience)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(
        self,
        message: Any,
        functions: list[Any] | None = None,
        *,
        deadline: float = math.inf,
    ) -> None:
        """Send a value.

        Args:
            message: plain values; also functions, which stay here, random generators and lines.
            functions: the functions that the other side may call back, added to as they are met.
            deadline: the time of `time.monotonic` until which the other side may take to listen.

        Raises:
            BadMessage: the value is too large.
            Closed: nobody is there.
            TooLate: it did not listen in time.
        """
        rest = memoryview(_written(message, [] if functions is None else functions))
        while rest:
            try:
                rest = rest[self._connection.send(rest) :]
            except TimeoutError:
                _require_time(deadline)
            except OSError:
                raise Closed from None

    def receive(
        self,
        *,
        deadline: float = math.inf,
        function: Callable[[int], Any] | None = None,
    ) -> Any:
        """Return the next value that the other side sends.

        Args:
            deadline: the time of `time.monotonic` until which to wait.
            function: makes the function with a number; where it is missing, only values may come.

        Raises:
            BadMessage: it is too large or no message.
            Closed: the other side is gone.
            TooLate: it did not come in time.
        """
        length, text_length = _LENGTHS.unpack(self._take(_LENGTHS.size, deadline))
        if not (text_length <= length <= MESSAGE_LIMIT and text_length <= TREE_LIMIT):
            raise BadMessage("a message is longer than allowed")
        content = self._take(length, deadline)
        try:
            tree, heads = _DECODE(content[:text_length].decode())
            arrays = _arrays(heads, memoryview(content)[text_length:])
            return _unpack(tree, arrays, function, 0)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError):
            raise BadMessage("a message is damaged") from None

    def _take(self, count: int, deadline: float) -> bytearray:
        """Return so many of the bytes that come, and keep what has come beyond them."""
        while len(self._ahead) < count:
            self._ahead += self._read(max(_READ, min(count - len(self._ahead), _READ_MOST)))
            _require_time(deadline)
        taken = self._ahead[:count]
        del self._ahead[:count]
        return taken

    def _read(self, most: int) -> bytes:
        """Return what has come; nothing where nothing came for as long as patience lasts."""
        try:
            came = self._connection.recv(most)
        except TimeoutError:
            if self._waiting:
                self._waiting()
            return b""
        except OSError:
            raise Closed from None
        if not came:
            raise Closed
        return came


def _require_time(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise TooLate


def _written(message: Any, functions: list[Any]) -> bytes:
    """Return a message as bytes."""
    arrays: list[np.ndarray[Any, Any]] = []
    tree = _pack(message, arrays, functions)
    heads = [[array.dtype.str, array.shape] for array in arrays]
    text = _ENCODE([tree, heads]).encode()
    length = len(text) + sum(array.nbytes for array in arrays)
    for size, limit in ((len(text), TREE_LIMIT), (length, MESSAGE_LIMIT)):
        if size > limit:
            raise BadMessage(
                f"the values have {size / 1e6:.0f} MB; up to {limit / 1e6:.0f} MB can be sent"
            )
    parts = [_LENGTHS.pack(length, len(text)), text, *(array.tobytes() for array in arrays)]
    return b"".join(parts)


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
    if isinstance(value, Line):
        own = (value.rank, value.size, value.post, value.fetch)
        return ["c", *(_pack(item, arrays, functions) for item in own)]
    if callable(value):
        functions.append(value)
        return ["f", len(functions) - 1]
    raise BadMessage(f"a {type(value).__name__} cannot be sent")


def _arrays(heads: Any, content: memoryview) -> list[np.ndarray[Any, Any]]:
    arrays, start = [], 0
    for dtype, shape in heads:
        kind = _DTYPES[dtype]
        if not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError
        end = start + math.prod(shape) * kind.itemsize
        if end > len(content):
            raise ValueError
        arrays.append(np.frombuffer(content[start:end], kind).reshape(shape).copy())
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
    if tag == "c":
        return Line(*(_unpack(item, arrays, function, depth + 1) for item in items))
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
