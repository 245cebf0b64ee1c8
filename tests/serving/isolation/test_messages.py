"""Messages between a server and its processes: what is sent arrives, bit for bit."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from serving.isolation.messages import Connection, Message

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    here, there = (Connection(end) for end in socket.socketpair())
    yield here, there
    here.close()
    there.close()


def arrived(message: Message) -> Message:
    """Send a message from one thread to another."""
    here, there = (Connection(end) for end in socket.socketpair())
    try:
        with ThreadPoolExecutor(1) as pool:
            received = pool.submit(there.receive)
            here.send(message)
            return received.result()
    finally:
        here.close()
        there.close()


def assert_same(got: np.ndarray, sent: np.ndarray) -> None:
    assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
    if sent.dtype == object:
        assert got.ravel().tolist() == sent.ravel().tolist()
        assert list(map(type, got.ravel())) == list(map(type, sent.ravel()))
    else:
        assert got.tobytes() == sent.tobytes()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_numbers_arrive_bit_for_bit(data: st.DataObject) -> None:
    shapes = numpy_st.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    names = data.draw(st.lists(st.text(max_size=5), unique=True, max_size=3))
    sent = {name: data.draw(numpy_st.arrays(np.dtype(data.draw(st.sampled_from(DTYPES))), shapes)) for name in names}
    got = arrived(Message({"said": 1}, {"one": sent, "none": {}}))
    assert got.facts == {"said": 1}
    assert list(got.arrays) == ["one", "none"]
    assert list(got.arrays["one"]) == names
    for name, array in sent.items():
        assert_same(got.arrays["one"][name], array)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=20) | st.text(max_size=20), max_size=8))
def test_strings_arrive_as_they_were(items: list[object]) -> None:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    assert_same(arrived(Message({}, {"": {"x": array}})).arrays[""]["x"], array)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=ml_dtypes.bfloat16).reshape(2, 3),
        np.array(b"scalar", dtype=object),
        np.zeros((0, 3), dtype=object),
        np.arange(24.0).reshape(4, 6)[::2, ::-1],
        np.asfortranarray(np.arange(24.0).reshape(4, 6)),
        np.broadcast_to(np.float32(3), (1000, 3)),
        np.arange(5_000_000, dtype=np.int32),
    ],
    ids=["bfloat16", "scalar string", "no strings", "strided", "Fortran order", "read-only", "20 MB"],
)
def test_arrays_of_all_layouts_arrive(array: np.ndarray) -> None:
    assert_same(arrived(Message({}, {"": {"x": array}})).arrays[""]["x"], array)


def test_numbers_of_another_byte_order_arrive_as_the_same_numbers() -> None:
    array = np.arange(5, dtype=">i4")
    got = arrived(Message({}, {"": {"x": array}})).arrays[""]["x"]
    assert got.dtype == np.int32
    assert got.tolist() == [0, 1, 2, 3, 4]


def test_a_thousand_arrays_go_in_one_message() -> None:
    arrays = {str(number): np.full(3, number) for number in range(1500)}
    got = arrived(Message({}, {"": arrays})).arrays[""]
    assert {name: array.tolist() for name, array in got.items()} == {
        str(number): [number] * 3 for number in range(1500)
    }


@pytest.mark.parametrize(
    "array",
    [np.zeros(2, dtype=[("a", "i4")]), np.array([1, None], dtype=object), np.zeros(2, "datetime64[s]")],
    ids=["structured", "objects", "dates"],
)
def test_what_cannot_be_sent_is_named_and_leaves_the_connection_as_it_was(
    ends: tuple[Connection, Connection], array: np.ndarray
) -> None:
    here, there = ends
    if array.dtype.kind == "M":
        array = array.astype(object)
    with pytest.raises(TypeError, match="'x' is of "):
        here.send(Message({}, {"": {"x": array}}))
    here.send(Message({"next": True}))
    assert there.receive().facts == {"next": True}


def test_messages_that_come_at_once_are_told_apart(ends: tuple[Connection, Connection]) -> None:
    here, there = ends
    for number in range(20):
        here.send(Message({"number": number}, {"": {"x": np.full(number, number)}}))
    for number in range(20):
        got = there.receive()
        assert got.facts == {"number": number}
        assert got.arrays[""]["x"].tolist() == [number] * number


def test_the_end_of_the_other_end_is_noticed(ends: tuple[Connection, Connection]) -> None:
    here, there = ends
    here.close()
    with pytest.raises(EOFError):
        there.receive()
    with pytest.raises(OSError, match=r"."):
        there.send(Message({}))
