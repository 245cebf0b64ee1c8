"""grpc.reflection.v1alpha.ServerReflection: what this server offers, for grpcurl and its like.

Our stubs live in a package of their own (see tensor.proto). Here they are described under their true names, in a
descriptor pool apart from the process's default one, where TensorFlow's stubs of the same names may be.
"""

from collections.abc import AsyncIterator

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, wrappers_pb2
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2 as pb
from grpc_reflection.v1alpha.reflection import ReflectionServicer

from serving.protos import config_pb2, example_pb2, inference_pb2, prediction_pb2, tensor_pb2
from serving.services.messages import parse
from serving.transports.transport import Call
from serving.wire import HEALTH_SERVICE, INFERENCE_SERVICE, MODEL_SERVICE, PREDICTION_SERVICE, REFLECTION_SERVICE

_OUR_PACKAGE = "zoo_wire."
_FILES = (any_pb2, wrappers_pb2, tensor_pb2, example_pb2, config_pb2, prediction_pb2, inference_pb2, health_pb2, pb)
_SERVICES = (PREDICTION_SERVICE, MODEL_SERVICE, INFERENCE_SERVICE, HEALTH_SERVICE, REFLECTION_SERVICE)


class ReflectionService:
    """Describes the services. Stateless."""

    def __init__(self) -> None:
        self._servicer = ReflectionServicer(_SERVICES, pool=_public_pool())

    async def info(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:  # noqa: ARG002
        """Answer each question of a stream."""
        async for message in messages:
            request = parse(pb.ServerReflectionRequest, message)
            for response in self._servicer.ServerReflectionInfo(iter((request,)), None):
                yield response.SerializeToString()


def _public_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for module in _FILES:
        pool.AddSerializedFile(_under_true_names(module.DESCRIPTOR).SerializeToString())
    return pool


def _under_true_names(file: FileDescriptor) -> descriptor_pb2.FileDescriptorProto:
    described = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(described)
    described.package = described.package.removeprefix(_OUR_PACKAGE)
    for message in described.message_type:
        _rename_fields(message)
    for service in described.service:
        for method in service.method:
            method.input_type = method.input_type.replace(f".{_OUR_PACKAGE}", ".", 1)
            method.output_type = method.output_type.replace(f".{_OUR_PACKAGE}", ".", 1)
    return described


def _rename_fields(message: descriptor_pb2.DescriptorProto) -> None:
    for field in message.field:
        if field.HasField("type_name"):
            field.type_name = field.type_name.replace(f".{_OUR_PACKAGE}", ".", 1)
    for nested in message.nested_type:
        _rename_fields(nested)
