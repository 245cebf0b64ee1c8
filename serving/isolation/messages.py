"""What a server and the process that runs a version say to each other: facts as JSON, arrays as they lie in memory.

    length of the JSON, 4 bytes | JSON, which says how arrays are called, of what dtype, shape and length | their bytes

Numbers are of the machine's own byte order: both ends are on it. Strings are their lengths, int64 each, then their bytes;
the length of a text, as against bytes, is stored as its complement.
"""

import contextlib
import json
import math
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes  # noqa: F401 - so that NumPy knows the names of its dtypes
import numpy as np

Arrays = Mapping[str, np.ndarray]

CONNECT, ASK = b"\0", b"?"
"""What a server says by the first socket: here is another one; is anybody there?"""
_LENGTH = struct.Struct("<I")
_SECONDS = struct.Struct("@ll")
"""struct timeval: seconds, microseconds."""
_STRING = "string"
_CHUNK = 1 << 16
_MOST_BUFFERS = 512
"""The operating system takes 1,024 at once."""


@dataclass(frozen=True)
class Message:
    """Facts, and arrays by signature and name."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, Arrays] = field(default_factory=dict)


class Connection:
    """One end of a socket, over which one message is sent after the other. One thread at a time may send, one receive."""

    def __init__(self, end: socket.socket, while_silent: Callable[[], None] | None = None, every: float = 0.0) -> None:
        """Take a stream socket that blocks; it is closed with this.

        Args:
            end: the socket.
            while_silent: called again and again by who sends or receives, while the other end neither takes nor sends.
            every: so many seconds.
        """
        self._socket = end
        self._while_silent = while_silent
        if while_silent is not None:
            # By the system, which costs nothing where there is something: settimeout polls first.
            pause = _SECONDS.pack(int(every), int(every % 1 * 1e6))
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, pause)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, pause)
        self._buffer = bytearray(_CHUNK)
        self._start = self._end = 0
        """What of the buffer is yet to be taken."""

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            TypeError: an array is of a dtype that has no name, or of objects that are no strings; nothing was sent.
            OSError: the other end is gone.
        """
        specs: list[tuple[str, str, str, tuple[int, ...], int]] = []
        buffers: list[memoryview] = []
        for group, arrays in message.arrays.items():
            for name, array in arrays.items():
                dtype, payload = _payload(name, array)
                size = sum(each.nbytes for each in payload)
                specs.append((group, name, dtype, array.shape, size))
                buffers += (each for each in payload if each.nbytes)
        head = json.dumps({"facts": message.facts, "groups": list(message.arrays), "arrays": specs}).encode()
        self._send_all([memoryview(_LENGTH.pack(len(head)) + head), *buffers])

    def receive(self) -> Message:
        """Wait for a message. Raises EOFError or OSError where there will be none, ValueError where it is none."""
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size))
        head = json.loads(self._take(length))
        groups: dict[str, dict[str, np.ndarray]] = {name: {} for name in head["groups"]}
        for group, name, dtype, shape, size in head["arrays"]:
            raw = np.empty(size, np.uint8)
            self._fill(raw.data)
            groups[group][name] = _array(raw, dtype, shape)
        return Message(head["facts"], groups)

    def close(self) -> None:
        """Close it; whoever waits for a message, at either end, waits no more."""
        with contextlib.suppress(OSError):  # the other end was first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _send_all(self, buffers: Sequence[memoryview]) -> None:
        left = list(reversed(buffers))
        while left:
            sent = self._patiently(lambda: self._socket.sendmsg(left[: -_MOST_BUFFERS - 1 : -1]))
            while left and sent >= left[-1].nbytes:
                sent -= left.pop().nbytes
            if sent:
                left[-1] = left[-1][sent:]

    def _take(self, size: int) -> bytes:
        taken = bytearray(size)
        self._fill(memoryview(taken))
        return bytes(taken)

    def _fill(self, target: memoryview) -> None:
        """Receive as much as the target holds; what is small comes through a buffer, for fewer calls of the system."""
        buffer = memoryview(self._buffer)
        while target.nbytes:
            if self._start == self._end and target.nbytes >= _CHUNK:
                got = self._received(target)
            else:
                if self._start == self._end:
                    self._start, self._end = 0, self._received(buffer)
                got = min(self._end - self._start, target.nbytes)
                target[:got] = buffer[self._start : self._start + got]
                self._start += got
            target = target[got:]

    def _received(self, target: memoryview) -> int:
        got = self._patiently(lambda: self._socket.recv_into(target))
        if not got:
            raise EOFError("the other end is gone")
        return got

    def _patiently(self, transfer: Callable[[], int]) -> int:
        while True:
            try:
                return transfer()
            except BlockingIOError:
                if self._while_silent is None:
                    raise
                self._while_silent()


def _payload(name: str, array: np.ndarray) -> tuple[str, list[memoryview]]:
    """Return what a dtype is called, and the bytes of an array: not copied where they lie as they are sent."""
    if array.dtype.kind in "OSU":
        items = array.astype(object).ravel().tolist()
        raw = [_bytes(name, item) for item in items]
        lengths = np.array(
            [~len(each) if isinstance(item, str) else len(each) for item, each in zip(items, raw, strict=True)],
            np.int64,
        )
        return _STRING, [lengths.view(np.uint8).data, memoryview(b"".join(raw))]
    native = array.dtype.newbyteorder("=")
    try:
        known = np.dtype(native.name) == native
    except TypeError:
        known = False
    if not known:
        raise TypeError(f"{name!r} is of {array.dtype}, which cannot be sent to another process")
    flat = np.ascontiguousarray(array, dtype=native).reshape(-1)
    return native.name, [flat.view(np.uint8).data]


def _bytes(name: str, item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode()
    raise TypeError(f"{name!r} is of objects, and one of them is no string: {type(item).__name__}")


def _array(raw: np.ndarray, dtype: str, shape: Sequence[int]) -> np.ndarray:
    if dtype != _STRING:
        return raw.view(np.dtype(dtype)).reshape(shape)
    count = math.prod(shape)
    lengths = raw[: 8 * count].view(np.int64).tolist()
    content, at = raw[8 * count :].tobytes(), 0
    items = np.empty(count, dtype=object)
    for number, length in enumerate(lengths):
        end = at + (length if length >= 0 else ~length)
        items[number] = content[at:end] if length >= 0 else content[at:end].decode()
        at = end
    return items.reshape(shape)
