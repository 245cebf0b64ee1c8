"""tensorflow.serving.PredictionService: Classify, Regress and MultiInference."""

from serving.examples import Examples
from serving.model_ref import ModelRef
from serving.offload import Offload
from serving.protos import prediction_pb2 as pb
from serving.protos import serialized_pb2 as serialized
from serving.services.messages import fill_spec, model_of, parse, spec_of
from serving.services.task_results import encoded_size, write_classes, write_numbers
from serving.status import Code, StatusError, invalid
from serving.tasks.classification import Classes, Classification
from serving.tasks.regression import Regression
from serving.tasks.runner import AnyTask, TaskResult, TaskRunner
from serving.transports.transport import Call
from serving.unknown_signature import UnknownSignatureError

_TASKS: dict[str, AnyTask] = {task.method_name: task for task in (Classification(), Regression())}


class ExampleService:
    """Answers serialized requests. Lives in one event loop."""

    def __init__(self, runner: TaskRunner, offload: Offload) -> None:
        self._runner = runner
        self._offload = offload

    async def classify(self, message: bytes, call: Call) -> bytes:
        """Tell the classes of the examples of a ClassificationRequest. Raises StatusError."""
        return await self._answer(message, Classification(), pb.ClassificationResponse, call)

    async def regress(self, message: bytes, call: Call) -> bytes:
        """Tell the numbers of the examples of a RegressionRequest. Raises StatusError."""
        return await self._answer(message, Regression(), pb.RegressionResponse, call)

    async def multi_inference(self, message: bytes, call: Call) -> bytes:
        """Tell what several signatures of one model say of the examples of a MultiInferenceRequest. Raises StatusError."""
        request = await self._offload.run(len(message), lambda: parse(serialized.MultiInferenceRequest, message))
        model = _common_model(request)
        tasks = [(task.model_spec.signature_name, _task(task.method_name)) for task in request.tasks]
        try:
            results = await self._runner.run_all(model, tasks, _examples(request.input), call)
        except UnknownSignatureError as error:
            raise error.reworded(f"Requested signature not found in model graph: {error.wanted}") from None
        with call.record.timed("encode"):
            size = sum(encoded_size(result.value) for result in results)
            return await self._offload.run(size, lambda: _multi_inference_response(results))

    async def _answer(
        self,
        message: bytes,
        task: AnyTask,
        kind: type[pb.ClassificationResponse] | type[pb.RegressionResponse],
        call: Call,
    ) -> bytes:
        request = await self._offload.run(len(message), lambda: parse(serialized.InferenceRequest, message))
        spec = spec_of(request)
        result = await self._runner.run(model_of(spec), task, spec.signature_name, _examples(request.input), call)
        with call.record.timed("encode"):
            return await self._offload.run(encoded_size(result.value), lambda: _response(kind(), result))


def _examples(message: serialized.Input) -> Examples:
    shared = message.example_list_with_context
    return Examples([*message.example_list.examples, *shared.examples], shared.context)


def _task(method_name: str) -> AnyTask:
    if method_name not in _TASKS:
        raise StatusError(
            Code.UNIMPLEMENTED,
            f"Unsupported signature method_name: {method_name}; known: {', '.join(_TASKS)}",
            field="tasks.method_name",
        )
    return _TASKS[method_name]


def _common_model(request: serialized.MultiInferenceRequest) -> ModelRef:
    """Return the model that all tasks are for: in the version of the first, which the others may leave out."""
    if not request.tasks:
        raise invalid("ModelSpec has no name specified. Give at least one task", field="tasks")
    first = model_of(request.tasks[0].model_spec)
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.", field="tasks.model_spec.name")
        other = model_of(task.model_spec)
        if other.name != first.name:
            raise invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name. "
                f"Got {first.name!r} and {other.name!r}",
                field="tasks.model_spec.name",
            )
        if other not in (first, ModelRef(first.name)):
            raise invalid(
                f"All ModelSpecs in a MultiInferenceRequest must access the same version. Got {first} and {other}",
                field="tasks.model_spec.version",
            )
    return first


def _response(message: pb.ClassificationResponse | pb.RegressionResponse, result: TaskResult) -> bytes:
    fill_spec(message.model_spec, result.model, result.version, result.signature)
    _write(message.result, result)
    return message.SerializeToString()


def _multi_inference_response(results: list[TaskResult]) -> bytes:
    message = pb.MultiInferenceResponse()
    for result in results:
        line = message.results.add()
        fill_spec(line.model_spec, result.model, result.version, result.signature)
        _write(line.classification_result if isinstance(result.value, Classes) else line.regression_result, result)
    return message.SerializeToString()


def _write(message: pb.ClassificationResult | pb.RegressionResult, result: TaskResult) -> None:
    message.SetInParent()
    if isinstance(message, pb.ClassificationResult) and isinstance(result.value, Classes):
        write_classes(message, result.value)
    elif isinstance(message, pb.RegressionResult) and not isinstance(result.value, Classes):
        write_numbers(message, result.value)
