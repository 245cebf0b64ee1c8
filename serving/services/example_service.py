"""tensorflow.serving.PredictionService: Classify, Regress and MultiInference."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeVar

from serving.examples import Examples
from serving.model_ref import ModelRef
from serving.offload import Offload
from serving.protos import prediction_pb2 as pb
from serving.protos import serialized_pb2 as serialized
from serving.services.message_counts import check_counts
from serving.services.messages import fill_spec, model_of, parse, parse_without_texts, spec_of
from serving.services.task_results import classification_result, encoded_size, field, regression_result
from serving.status import Code, StatusError, invalid
from serving.tasks.classification import Classes, Classification
from serving.tasks.regression import Regression
from serving.tasks.runner import AnyTask, TaskResult, TaskRunner
from serving.transports.transport import Call
from serving.unknown_signature import UnknownSignatureError

_TASKS: dict[str, AnyTask] = {task.method_name: task for task in (Classification(), Regression())}

R = TypeVar("R", bound=serialized.InferenceRequest | serialized.MultiInferenceRequest)

_INPUT = serialized.InferenceRequest.INPUT_FIELD_NUMBER  # and of a MultiInferenceRequest
_PLAIN = (_INPUT, serialized.Input.EXAMPLE_LIST_FIELD_NUMBER, serialized.ExampleList.EXAMPLES_FIELD_NUMBER)
_SHARED = (
    _INPUT, serialized.Input.EXAMPLE_LIST_WITH_CONTEXT_FIELD_NUMBER, serialized.ExampleListWithContext.EXAMPLES_FIELD_NUMBER,
)  # fmt: skip
"""Where the examples are."""
_MOST_TASKS = 100  # each is answered in full, also those that name the same signature


class ExampleService:
    """Answers serialized requests. Lives in one event loop."""

    def __init__(self, runner: TaskRunner, offload: Offload, *, max_bytes: int) -> None:
        """Make one.

        Args:
            runner: what answers.
            offload: where what is large is parsed and encoded.
            max_bytes: of an answer, more or less.
        """
        self._runner = runner
        self._offload = offload
        self._max_bytes = max_bytes

    async def classify(self, message: bytes, call: Call) -> bytes:
        """Tell the classes of the examples of a ClassificationRequest. Raises StatusError."""
        return await self._answer(message, Classification(), pb.ClassificationResponse, call)

    async def regress(self, message: bytes, call: Call) -> bytes:
        """Tell the numbers of the examples of a RegressionRequest. Raises StatusError."""
        return await self._answer(message, Regression(), pb.RegressionResponse, call)

    async def multi_inference(self, message: bytes, call: Call) -> bytes:
        """Tell what several signatures of one model say of the examples of a MultiInferenceRequest. Raises StatusError."""

        def read() -> tuple[serialized.MultiInferenceRequest, Examples]:
            check_counts(serialized.MultiInferenceRequest, message, ["tasks"])
            return _read(serialized.MultiInferenceRequest, message)

        request, examples = await self._offload.run(len(message), read)
        model = _common_model(request)
        tasks = [(task.model_spec.signature_name, _task(task.method_name)) for task in request.tasks]
        try:
            results = await self._runner.run_all(model, tasks, examples, call)
        except UnknownSignatureError as error:
            raise error.reworded(f"Requested signature not found in model graph: {error.wanted}") from None
        return await self._encode(results, call, lambda: _multi_inference_response(results))

    async def _answer(
        self,
        message: bytes,
        task: AnyTask,
        kind: type[pb.ClassificationResponse] | type[pb.RegressionResponse],
        call: Call,
    ) -> bytes:
        request, examples = await self._offload.run(len(message), lambda: _read(serialized.InferenceRequest, message))
        spec = spec_of(request)
        result = await self._runner.run(model_of(spec), task, spec.signature_name, examples, call)
        return await self._encode([result], call, lambda: _response(kind, result))

    async def _encode(self, results: Sequence[TaskResult], call: Call, encode: Callable[[], bytes]) -> bytes:
        with call.record.timed("encode"):
            size = sum(encoded_size(result.value) for result in results)
            if size > self._max_bytes:
                raise StatusError(
                    Code.RESOURCE_EXHAUSTED,
                    f"the answer takes some {size} bytes, this server's limit is {self._max_bytes}: send fewer examples, "
                    "or start the server with a larger --max_message_bytes",
                )
            return await self._offload.run(size, encode)


def _read(kind: type[R], message: bytes) -> tuple[R, Examples]:
    """Read a request, and the examples that it is about apart from it."""
    request, taken = parse_without_texts(kind, message, (_PLAIN, _SHARED))
    if all(taken):  # of a oneof the last one counts
        request, taken = parse(kind, message), []
    listed = request.input.example_list_with_context
    rows = [*request.input.example_list.examples, *listed.examples]
    for lists in taken:
        rows.extend(chain.from_iterable(lists))
    return request, Examples(rows, listed.context)


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
    if len(request.tasks) > _MOST_TASKS:
        raise invalid(f"{len(request.tasks)} tasks: a request may have {_MOST_TASKS} at most", field="tasks")
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


def _response(kind: type[pb.ClassificationResponse] | type[pb.RegressionResponse], result: TaskResult) -> bytes:
    message = kind()
    fill_spec(message.model_spec, result.model, result.version, result.signature)
    return message.SerializeToString() + field(kind.RESULT_FIELD_NUMBER, _serialized(result))


def _multi_inference_response(results: Sequence[TaskResult]) -> bytes:
    lines = []
    for result in results:
        message = pb.InferenceResult()
        fill_spec(message.model_spec, result.model, result.version, result.signature)
        is_classes = isinstance(result.value, Classes)
        number = message.CLASSIFICATION_RESULT_FIELD_NUMBER if is_classes else message.REGRESSION_RESULT_FIELD_NUMBER
        lines.append(message.SerializeToString() + field(number, _serialized(result)))
    return b"".join(field(pb.MultiInferenceResponse.RESULTS_FIELD_NUMBER, line) for line in lines)


def _serialized(result: TaskResult) -> bytes:
    value = result.value
    return classification_result(value) if isinstance(value, Classes) else regression_result(value)
