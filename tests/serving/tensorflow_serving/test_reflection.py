"""A client that knows nothing but what reflection tells it can call Classify, Regress and MultiInference."""

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "tensorflow.serving.PredictionService"
INPUT = {"example_list": {"examples": [{"features": {"feature": {"x": {"float_list": {"value": [2]}}}}}]}}


def call(channel: grpc.Channel, method: str, request: object) -> object:
    """Do what grpcurl does."""
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    described = pool.FindServiceByName(SERVICE).FindMethodByName(method)
    question, answer = GetMessageClass(described.input_type), GetMessageClass(described.output_type)
    path = f"/{SERVICE}/{method}"
    found = channel.unary_unary(path, question.SerializeToString, answer.FromString)(
        json_format.ParseDict(request, question()), timeout=30
    )
    return json_format.MessageToDict(found, preserving_proto_field_name=True)


def test_regress(example_channel: grpc.Channel) -> None:
    answer = call(example_channel, "Regress", {"model_spec": {"name": "half"}, "input": INPUT})
    assert answer == {
        "model_spec": {"name": "half", "version": "3", "signature_name": "serving_default"},
        "result": {"regressions": [{"value": 3.0}]},
    }


def test_classify(example_channel: grpc.Channel) -> None:
    request = {"model_spec": {"name": "half", "signature_name": "scores_only"}, "input": INPUT}
    answer = call(example_channel, "Classify", request)
    assert answer["result"] == {"classifications": [{"classes": [{"score": 3.0}, {"score": 2.0}]}]}


def test_multi_inference(example_channel: grpc.Channel) -> None:
    task = {"model_spec": {"name": "half", "signature_name": "regress"}, "method_name": "tensorflow/serving/regress"}
    answer = call(example_channel, "MultiInference", {"tasks": [task], "input": INPUT})
    assert answer["results"][0]["regression_result"] == {"regressions": [{"value": 3.0}]}
