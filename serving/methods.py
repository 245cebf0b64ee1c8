"""Every method of a server, put together from the services of its protocols."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.answering import Limits
from serving.config import ServerConfig
from serving.interceptors import Interceptor
from serving.offload import Offload
from serving.permitted_models import PermittedModels
from serving.predictor import Predictor
from serving.services.example_service import ExampleService
from serving.services.health_service import HealthService
from serving.services.inference.methods import inference_methods
from serving.services.model_service import ModelService
from serving.services.predict_service import PredictService
from serving.services.reflection_service import ReflectionService
from serving.statistics import Statistics
from serving.tasks.runner import TaskRunner
from serving.transports.transport import Stream, Unary
from serving.wire import (
    CLASSIFY,
    GET_MODEL_METADATA,
    GET_MODEL_STATUS,
    HANDLE_RELOAD_CONFIG,
    HEALTH_CHECK,
    HEALTH_WATCH,
    MULTI_INFERENCE,
    PREDICT,
    REFLECTION_INFO,
    REGRESS,
)


@dataclass(frozen=True)
class Foundation:
    """What services stand on."""

    models: PermittedModels
    predictor: Predictor
    offload: Offload
    limits: Limits
    statistics: Statistics
    health: HealthService
    is_serving: Callable[[], bool]
    interceptors: Sequence[Interceptor]
    """Of the requests of a stream; around the methods themselves the caller puts them."""


def all_methods(config: ServerConfig, on: Foundation) -> list[Unary | Stream]:
    """Return what a transport serves."""
    predict = PredictService(
        on.models, on.predictor, on.offload, always_as_content=config.enable_serialization_as_tensor_content
    )
    runner = TaskRunner(on.predictor, on.offload, check_method_names=config.enable_signature_method_name_check)
    examples = ExampleService(runner, on.offload, max_bytes=config.max_message_bytes)
    models = ModelService(on.models)
    return [
        Unary(PREDICT, predict.predict, config.max_message_bytes, at_once=predict.predict_at_once),
        Unary(CLASSIFY, examples.classify, config.max_message_bytes),
        Unary(REGRESS, examples.regress, config.max_message_bytes),
        Unary(MULTI_INFERENCE, examples.multi_inference, config.max_message_bytes),
        Unary(GET_MODEL_METADATA, predict.get_model_metadata),
        Unary(GET_MODEL_STATUS, models.get_model_status),
        Unary(HANDLE_RELOAD_CONFIG, models.handle_reload_config),
        Unary(HEALTH_CHECK, on.health.check),
        Stream(HEALTH_WATCH, on.health.watch),
        Stream(REFLECTION_INFO, ReflectionService().info),
        *inference_methods(
            manager=on.models,
            predictor=on.predictor,
            offload=on.offload,
            statistics=on.statistics,
            limits=on.limits,
            is_serving=on.is_serving,
            interceptors=on.interceptors,
        ),
    ]
