"""The methods of inference.GRPCInferenceService, put together."""

from collections.abc import Callable, Sequence

from serving.answering import Limits
from serving.interceptors import Interceptor, around
from serving.offload import Offload
from serving.permitted_models import PermittedModels
from serving.predictor import Predictor
from serving.services.inference.infer import InferService
from serving.services.inference.models import ModelsService
from serving.services.inference.repository import RepositoryService
from serving.services.inference.statistics import StatisticsService
from serving.services.inference.stream import InferStream
from serving.statistics import Statistics
from serving.status import Code, StatusError
from serving.transports.transport import Call, Stream, Unary, UnaryHandler
from serving.wire import INFERENCE_SERVICE, MODEL_INFER, MODEL_STREAM_INFER

_NOT_OFFERED = {
    "shared memory is not supported by this server: send tensors in the request, and read them from the response": (
        "SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister",
        "CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister",
    ),
    "the server does not support trace: it measures every request, see ModelStatistics": ("TraceSetting",),
    "the server does not support dynamic logging": ("LogSettings",),
}  # fmt: skip
"""Methods of Triton's that are refused, by why."""


def inference_methods(
    *,
    manager: PermittedModels,
    predictor: Predictor,
    offload: Offload,
    statistics: Statistics,
    limits: Limits,
    is_serving: Callable[[], bool],
    interceptors: Sequence[Interceptor],
) -> list[Unary | Stream]:
    """Return what a transport serves.

    The interceptors are put around every request of a stream, as they are around a call. Around the calls themselves
    the caller puts them.
    """
    infer = InferService(manager, predictor, offload, limits)
    models = ModelsService(manager, is_serving, limits.max_batch_rows)
    repository = RepositoryService(manager)
    stream = InferStream(around(MODEL_STREAM_INFER, infer.infer_streamed, interceptors), MODEL_STREAM_INFER)
    small = {
        "ServerLive": models.server_live,
        "ServerReady": models.server_ready,
        "ServerMetadata": models.server_metadata,
        "ModelReady": models.model_ready,
        "ModelMetadata": models.model_metadata,
        "ModelConfig": models.model_config,
        "ModelStatistics": StatisticsService(manager, statistics).model_statistics,
        "RepositoryIndex": repository.index,
        "RepositoryModelLoad": repository.load,
        "RepositoryModelUnload": repository.unload,
        **{name: _refusal(why) for why, names in _NOT_OFFERED.items() for name in names},
    }
    return [
        Unary(MODEL_INFER, infer.infer, limits.max_message_bytes, at_once=infer.infer_at_once),
        Stream(MODEL_STREAM_INFER, stream.answer, limits.max_message_bytes),
        *(Unary(f"/{INFERENCE_SERVICE}/{name}", handler) for name, handler in small.items()),
    ]


def _refusal(why: str) -> UnaryHandler:
    async def refuse(message: bytes, call: Call) -> bytes:  # noqa: ARG001 - every handler takes both
        raise StatusError(Code.UNIMPLEMENTED, why)

    return refuse
