"""Messages that are recognised by their bytes, against what the protobuf library reads in them."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.codec import decode, encode
from serving.known_requests import Numbers
from serving.payloads import Payload, find_payloads
from serving.protos import prediction_pb2 as pb
from serving.templates import Known, Template

INPUTS = pb.PredictRequest.DESCRIPTOR.fields_by_name["inputs"].number
ARRAYS = hnp.arrays(st.sampled_from(["float32", "float64", "int32", "complex64"]), hnp.array_shapes(max_side=4))
REQUESTS = st.dictionaries(st.sampled_from("abc"), ARRAYS, min_size=1, max_size=3)


def request(
    arrays: dict[str, np.ndarray], *, name: str = "m", as_content: bool = True, outputs: tuple[str, ...] = ()
) -> bytes:
    made = pb.PredictRequest(model_spec=pb.ModelSpec(name=name), output_filter=outputs)
    for key, array in arrays.items():
        made.inputs[key].CopyFrom(encode(array, as_content=as_content))
    return made.SerializeToString()


def find(message: bytes) -> Template | None:
    """Return what is learnt of a request; None where its numbers do not lie in it as they lie in memory."""
    places = find_payloads(message, INPUTS, at_least=1)
    try:
        inputs = pb.PredictRequest.FromString(message).inputs
    except DecodeError:
        return None
    if any(Numbers.of(place, inputs[place.name]) is None for place in places):
        return None
    return Template.of(message, [(place.payload.start, place.payload.end) for place in places])


def template(message: bytes) -> Template:
    found = find(message)
    assert found is not None
    return found


def payloads_of(message: bytes, like: bytes) -> dict[str, Payload]:
    """The payloads of a message, where those of another are."""
    return {place.name: place.of(message) for place in find_payloads(like, INPUTS, at_least=1)}


def stripped(message: bytes) -> pb.PredictRequest:
    """Everything that a request says, but for the numbers."""
    parsed = pb.PredictRequest.FromString(message)
    for proto in parsed.inputs.values():
        for field in ("tensor_content", "float_val", "double_val", "scomplex_val"):
            proto.ClearField(field)
    return parsed


@given(REQUESTS, st.booleans(), st.data())
def test_other_numbers_fit_and_are_read(arrays: dict[str, np.ndarray], as_content: bool, data: st.DataObject) -> None:  # noqa: FBT001
    message = request(arrays, as_content=as_content, outputs=("x",))
    others = {key: data.draw(hnp.arrays(array.dtype, array.shape)) for key, array in arrays.items()}
    known = find(message)
    if known is None:  # whole numbers one by one
        assert not as_content
        return
    other = request(others, as_content=as_content, outputs=("x",))
    if as_content or not any(array.dtype == "int32" for array in arrays.values()):
        assert known.fits(other)
        for key, payload in payloads_of(other, message).items():
            got = decode(stripped(other).inputs[key], payload)
            np.testing.assert_array_equal(got, others[key])


@given(REQUESTS, st.booleans(), st.data())
def test_what_fits_says_the_same(arrays: dict[str, np.ndarray], as_content: bool, data: st.DataObject) -> None:  # noqa: FBT001
    message = request(arrays, as_content=as_content)
    known = find(message)
    changed = bytearray(message)
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    if known is not None and known.fits(bytes(changed)):
        assert stripped(bytes(changed)) == stripped(message)
        payloads = payloads_of(bytes(changed), message)
        whole = pb.PredictRequest.FromString(bytes(changed))
        for key, proto in stripped(bytes(changed)).inputs.items():
            np.testing.assert_array_equal(
                decode(proto, payloads[key]) if key in payloads else decode(whole.inputs[key]),
                decode(whole.inputs[key]),
            )


@given(REQUESTS, st.data())
def test_a_message_of_other_bytes_outside_of_its_payloads_does_not_fit(
    arrays: dict[str, np.ndarray], data: st.DataObject
) -> None:
    message = request(arrays)
    known = template(message)
    spans = [place.payload for place in find_payloads(message, INPUTS, at_least=1)]
    inside = {at for span in spans for at in range(span.start, span.end)}
    at = data.draw(st.integers(0, len(message) - 1))
    changed = bytearray(message)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert known.fits(bytes(changed)) == (at in inside)


def test_only_what_has_payloads_and_little_else_has_a_template() -> None:
    assert find(b"") is None
    assert find(b"\xff" * 20) is None
    assert find(request({"a": np.array([b"text"], object)})) is None
    assert find(request({"a": np.zeros(0, "float32")})) is None
    assert find(request({"a": np.zeros(9)}, outputs=("long" * 2000,))) is None
    with pytest.raises(DecodeError):
        pb.PredictRequest.FromString(b"\xff" * 20)


def test_each_message_is_found_by_what_it_says() -> None:
    known: Known[str] = Known()
    for name in ("one", "two"):
        known.learn(template(request({"a": np.zeros(3)}, name=name)), name)
    known.learn(template(request({"a": np.zeros(4)}, name="one")), "larger")
    known.learn(template(request({"longer": np.zeros(3)}, name="a")), "as long")
    for name, message in {
        "one": request({"a": np.ones(3)}, name="one"),
        "two": request({"a": np.ones(3)}, name="two"),
        "larger": request({"a": np.ones(4)}, name="one"),
        "as long": request({"longer": np.ones(3)}, name="a"),
    }.items():
        assert known.find(message) == name
    assert known.find(request({"a": np.ones(3)}, name="six")) is None
    assert known.find(request({"a": np.ones(3)}, name="one", outputs=("x",))) is None


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    known: Known[int] = Known(most=3)
    messages = [request({"a": np.zeros(3)}, name=str(number)) for number in range(5)]
    for number, message in enumerate(messages[:3]):
        known.learn(template(message), number)
    assert known.find(messages[0]) is not None
    for number, message in enumerate(messages[3:], 3):
        known.learn(template(message), number)
    assert [known.find(message) is not None for message in messages] == [True, False, False, True, True]
    assert len(known) == 3


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 30)), max_size=40))
def test_however_many_come_few_are_kept_and_what_is_found_fits(asked: list[tuple[int, int]]) -> None:
    known: Known[bytes] = Known(most=5)
    for name, size in asked:
        message = request({"a" * name: np.zeros(size, "uint8")}, name="m" * (40 - name))
        found = known.find(message)
        if found is None:
            known.learn(template(message), stripped(message).SerializeToString())
        else:
            assert found == stripped(message).SerializeToString()
        assert len(known) <= 5
        assert known.find(message) is not None
