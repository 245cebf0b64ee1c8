"""Clients may ask which services there are."""

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def test_reflection_describes_the_services_under_their_true_names(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    file = database.FindFileContainingSymbol("tensorflow.serving.PredictionService")
    assert file.package == "tensorflow.serving"
    predict = next(m for s in file.service for m in s.method if m.name == "Predict")
    assert predict.input_type == ".tensorflow.serving.PredictRequest"
    tensor = database.FindFileContainingSymbol("tensorflow.TensorProto")
    assert "zoo_wire" not in str(file) + str(tensor)


def test_reflection_answers_nonsense_with_an_error(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    questions = [
        reflection_pb2.ServerReflectionRequest(),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        reflection_pb2.ServerReflectionRequest(list_services=""),
    ]
    answers = list(stub.ServerReflectionInfo(iter(questions), timeout=30))
    assert [answer.WhichOneof("message_response") for answer in answers] == [
        "error_response",
        "error_response",
        "list_services_response",
    ]
