"""Our messages have the peer's field numbers and types."""

import pytest
from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2

from serving.protos import inference_pb2


def described(module: object) -> dict[str, descriptor_pb2.DescriptorProto]:
    """Messages by their names, nested ones with those they are in."""
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)  # type: ignore[attr-defined]
    found: dict[str, descriptor_pb2.DescriptorProto] = {}

    def walk(message: descriptor_pb2.DescriptorProto, within: str) -> None:
        found[within + message.name] = message
        for nested in message.nested_type:
            walk(nested, f"{within}{message.name}.")

    for message in file.message_type:
        walk(message, "")
    return found


OURS = described(inference_pb2)
PEERS = described(service_pb2) | described(model_config_pb2)


def field(name: str, number: int, kind: str) -> descriptor_pb2.FieldDescriptorProto:
    return descriptor_pb2.FieldDescriptorProto(name=name, number=number, type=f"TYPE_{kind}", label="LABEL_OPTIONAL")


KSERVES = {
    "RepositoryModelLoadResponse": {1: field("model_name", 1, "STRING"), 2: field("isLoaded", 2, "BOOL")},
    "RepositoryModelUnloadResponse": {1: field("model_name", 1, "STRING"), 2: field("isUnloaded", 2, "BOOL")},
}
"""What KServe's grpc_predict_v2.proto has and Triton's has not."""


@pytest.mark.parametrize("name", OURS)
def test_a_message_is_part_of_the_peers(name: str) -> None:
    fields = {field.number: field for field in PEERS[name].field} | KSERVES.get(name, {})
    for ours in OURS[name].field:
        peer = fields[ours.number]
        assert ours.name == peer.name
        assert ours.type == peer.type
        assert ours.label == peer.label
        assert ours.type_name.removeprefix(".zoo_wire") == peer.type_name
        assert (ours.HasField("oneof_index")) == (peer.HasField("oneof_index"))


def test_datatypes_are_numbered_as_the_peers() -> None:
    assert dict(inference_pb2.DataType.items()) == dict(model_config_pb2.DataType.items())


def test_methods_are_the_peers() -> None:
    peer = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
    for ours in inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods:
        assert ours.input_type.name == peer[ours.name].input_type.name
        assert ours.output_type.name == peer[ours.name].output_type.name
