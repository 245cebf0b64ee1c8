"""Whatever comes as examples: the server answers rightly or says INVALID_ARGUMENT, and lives on."""

import grpc
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import (
    classification_pb2,
    input_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.protos import serialized_pb2 as serialized
from tests.serving.tensorflow_serving.requests import classification, example, of, regression

TIMEOUT = 30.0
REGRESS_PATH = "/tensorflow.serving.PredictionService/Regress"
Stub = prediction_service_pb2_grpc.PredictionServiceStub

floats = st.floats(width=32)
features = st.one_of(
    st.lists(floats, max_size=3).map(lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values))),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3).map(
        lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    ),
    st.lists(st.binary(max_size=8), max_size=3).map(
        lambda values: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    ),
    st.just(tf.train.Feature()),
)
examples = st.dictionaries(st.sampled_from(["x", "inputs", "", "é"]), features, max_size=3).map(
    lambda found: tf.train.Example(features=tf.train.Features(feature=found))
)
many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the fixture is a connection that holds no state


def fits(one: tf.train.Example) -> bool:
    """Tell whether an example has what `half` reads."""
    feature = one.features.feature.get("x")
    return feature is not None and len(feature.float_list.value) == 1


@many
@given(st.lists(examples, min_size=1, max_size=4))
def test_random_examples_are_answered_or_refused(stub: Stub, found: list[tf.train.Example]) -> None:
    request = regression("half", *found)
    if not all(map(fits, found)):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Regress(request, TIMEOUT)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        return
    response = stub.Regress(request, TIMEOUT)
    expected = [one.features.feature["x"].float_list.value[0] / 2 + 2 for one in found]
    got = [line.value for line in response.result.regressions]
    assert got == pytest.approx(expected, rel=1e-6, nan_ok=True)


@many
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=3), st.binary(max_size=20))
def test_random_bytes_as_examples_are_refused_or_are_examples(
    example_channel: grpc.Channel, rows: list[bytes], context: bytes
) -> None:
    request = serialized.InferenceRequest()
    request.model_spec.name = "half"
    request.input.example_list_with_context.examples.extend(rows)
    request.input.example_list_with_context.context = context
    with pytest.raises(grpc.RpcError) as caught:  # none of them has a feature `x`, but for a chance of nothing
        example_channel.unary_unary(REGRESS_PATH)(request.SerializeToString(), timeout=TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@many
@given(st.data())
def test_a_request_with_any_byte_changed_is_answered_or_refused(
    example_channel: grpc.Channel, data: st.DataObject
) -> None:
    message = bytearray(regression("half", example(x=2), example(x=5, y=b"z")).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    call = example_channel.unary_unary(REGRESS_PATH).future(bytes(message), timeout=TIMEOUT)
    if call.exception() is None:
        assert len(regression_pb2.RegressionResponse.FromString(call.result()).result.regressions) in (1, 2)
    else:  # NOT_FOUND is what becomes of a model's name
        assert call.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}, call.details()


def test_bad_bytes_are_named(example_channel: grpc.Channel) -> None:
    request = serialized.InferenceRequest()
    request.model_spec.name = "half"
    request.input.example_list.examples.extend([example(x=1).SerializeToString(), b"\xff\xff\xff"])
    with pytest.raises(grpc.RpcError) as caught:
        example_channel.unary_unary(REGRESS_PATH)(request.SerializeToString(), timeout=TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Could not parse example input: example 1, of 3 bytes" in caught.value.details()


def test_a_large_context_counts_as_often_as_it_is_repeated(stub: Stub) -> None:
    """A megabyte that asks for 200: refused before it is spread out."""
    request = classification_pb2.ClassificationRequest(
        input=of(*[example()] * 200, context=example(x=1, y=b"z" * (2 << 20)))
    )
    request.model_spec.name = "half"
    request.model_spec.signature_name = "classify"
    with pytest.raises(grpc.RpcError, match="are the context, the limit is"):
        stub.Classify(request, TIMEOUT)


def test_both_kinds_of_input_are_one_too_many(stub: Stub) -> None:
    """The last one counts, as with every oneof."""
    both = input_pb2.Input()
    both.example_list.examples.append(example(x=9))
    second = of(example(x=2), context=example())
    request = regression("half")
    request.input.CopyFrom(input_pb2.Input.FromString(both.SerializeToString() + second.SerializeToString()))
    assert [line.value for line in stub.Regress(request, TIMEOUT).result.regressions] == [3.0]


def test_labels_that_are_no_text_are_answered_all_the_same(stub: Stub) -> None:
    response = stub.Classify(classification("half", example(x=2), signature="odd_labels"), TIMEOUT)
    assert [one.label for one in response.result.classifications[0].classes] == ["�"]
