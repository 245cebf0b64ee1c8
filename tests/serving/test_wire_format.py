"""Messages as bytes, against the protobuf library."""

import pytest
from google.protobuf.internal import decoder, encoder
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

from serving.wire_format import (
    FIXED_32,
    FIXED_64,
    GROUP_END,
    GROUP_START,
    LENGTH_DELIMITED,
    VARINT,
    UnreadableError,
    spans,
    start_of,
    tag,
    varint,
)

KNOWN = {field.number for field in predict_pb2.PredictRequest.DESCRIPTOR.fields}
NUMBERS = st.integers(1, (1 << 29) - 1).filter(lambda number: number not in KNOWN)
FIELDS = st.one_of(
    st.tuples(NUMBERS, st.just(VARINT), st.integers(0, (1 << 64) - 1).map(varint)),
    st.tuples(NUMBERS, st.just(FIXED_64), st.binary(min_size=8, max_size=8)),
    st.tuples(NUMBERS, st.just(FIXED_32), st.binary(min_size=4, max_size=4)),
    st.tuples(NUMBERS, st.just(LENGTH_DELIMITED), st.binary(max_size=300)),
)


def write(field: int, wire_type: int, content: bytes) -> bytes:
    if wire_type == LENGTH_DELIMITED:
        return start_of(field, len(content)) + content
    return tag(field, wire_type) + content


@given(st.lists(FIELDS))
def test_fields_are_where_the_library_finds_them(fields: list[tuple[int, int, bytes]]) -> None:
    data = b"".join(write(*each) for each in fields)
    found = list(spans(memoryview(data), 0, len(data)))
    assert [(span.field, span.wire_type, data[span.start : span.end]) for span in found] == fields
    assert [span.tag for span in found] == [0, *(span.end for span in found)][: len(found)]
    library = UnknownFieldSet(predict_pb2.PredictRequest.FromString(data))
    assert [(each.field_number, each.wire_type) for each in library] == [each[:2] for each in fields]


@given(st.integers(0, (1 << 64) - 1))
def test_numbers_are_written_as_the_library_writes_them(value: int) -> None:
    written: list[bytes] = []
    encoder._VarintEncoder()(written.append, value)  # noqa: SLF001
    assert varint(value) == b"".join(written)
    assert decoder._DecodeVarint(varint(value), 0)[0] == value  # noqa: SLF001


def test_a_group_is_its_start_what_is_in_it_and_its_end() -> None:
    data = tag(7, GROUP_START) + tag(1, VARINT) + b"\x05" + tag(7, GROUP_END)
    assert [span[:2] for span in spans(memoryview(data), 0, len(data))] == [
        (7, GROUP_START),
        (1, VARINT),
        (7, GROUP_END),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01",  # field 0
        b"\x0f",  # wire type 7
        b"\x0a\x02a",  # longer than what there is
        b"\x0d\0\0\0",  # as is a number of four bytes
        b"\x08" + b"\xff" * 10 + b"\x01",  # a number of eleven bytes
        b"\x8a\x80\x80\x80\x80\x00\x00",  # a tag of six, which the library does not read either
        b"\x0a\x80\x80\x80\x80\x80\x00",  # and a length
        b"\x80",
    ],
)
def test_what_is_no_message_is_said(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        list(spans(memoryview(data), 0, len(data)))
    assert not list(spans(memoryview(b"\x08\x01" + data), 0, 2))[1:], "what stands behind the end is not looked at"
