"""ModelInferRequest -> Query; refuses what is asked for in ways that this server does not know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serving.model_ref import ModelRef
from serving.offload import SMALL
from serving.protos import inference_pb2 as pb
from serving.query import Query
from serving.services.inference.tensors import InferSource
from serving.services.message_counts import check_counts
from serving.services.messages import parse, parse_without_texts
from serving.status import invalid
from serving.wire_format import GROUP_END, GROUP_START, LENGTH_DELIMITED, UnreadableError, spans

SIGNATURE = "signature_name"
LABEL = "version_label"
_SHARED_MEMORY = ("shared_memory_region", "shared_memory_byte_size", "shared_memory_offset")
_RESERVED = "triton_"
_EMPTY_FINAL = "triton_enable_empty_final_response"  # of decoupled models, which answer any number of times: none here
REPEATED = ("inputs", "outputs", "parameters", "raw_input_contents")
"""Of what a request may have `message_counts.MOST` each."""
_RAW = pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
_TEXTS = (
    pb.ModelInferRequest.INPUTS_FIELD_NUMBER,
    pb.ModelInferRequest.InferInputTensor.CONTENTS_FIELD_NUMBER,
    pb.InferTensorContents.BYTES_CONTENTS_FIELD_NUMBER,
)
"""Where contents are that may be long, or very many."""
_LARGEST_VERSION = (1 << 63) - 1

Parameters = Mapping[str, pb.InferParameter]


def model_of(name: str, version: str) -> ModelRef:
    """Return the model that a request is for. Raises StatusError where its version is no decimal number."""
    if not version:
        return ModelRef(name)
    if not (version.isascii() and version.isdigit() and len(version) <= 19 and int(version) <= _LARGEST_VERSION):
        raise invalid(
            f"failed to get model version from specified version string '{version[:40]}', "
            "version should be an integral value > 0: write it in decimal, or leave it empty for the latest",
            field="model_version",
        )
    return ModelRef(name, int(version))


@dataclass(frozen=True)
class Apart:
    """Contents of a request that were left out of its message."""

    raw: Sequence[bytes | memoryview] = ()
    texts: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    """Typed ones, by input."""


_NOTHING = Apart()


def read_request(message: bytes) -> tuple[pb.ModelInferRequest, Apart]:
    """Read a serialized request, what may be large or very many of it apart. Raises StatusError."""
    check_counts(pb.ModelInferRequest, message, REPEATED)
    rest, raw = _without_raw(message)
    request, (texts,) = parse_without_texts(pb.ModelInferRequest, rest, (_TEXTS,))
    typed = [tensor.name for tensor in request.inputs if tensor.HasField("contents")]
    if texts and len(texts) != len(typed):  # contents in parts, which a library puts together
        return parse(pb.ModelInferRequest, message), _NOTHING
    return request, Apart(raw, dict(zip(typed, texts, strict=False)))


def _without_raw(message: bytes) -> tuple[bytes, list[memoryview]]:
    """Return a message without its raw contents, and these where they lie; all of it where it is small or unusual."""
    parts: list[bytes] = []
    raw: list[memoryview] = []
    if len(message) <= SMALL:
        return message, raw
    try:
        for span in spans(memoryview(message), 0, len(message)):
            if span.wire_type in (GROUP_START, GROUP_END):
                return message, []
            if span.field == _RAW and span.wire_type == LENGTH_DELIMITED:
                raw.append(memoryview(message)[span.start : span.end])
            else:
                parts.append(message[span.tag : span.end])
    except UnreadableError:
        return message, []
    return b"".join(parts), raw


def read_query(request: pb.ModelInferRequest, apart: Apart = _NOTHING) -> Query:
    """Return what a request asks; some of its contents may be apart. Its tensors are not read yet. Raises StatusError."""
    parameters = request.parameters
    for name in parameters:
        if name.startswith(_RESERVED) and name != _EMPTY_FINAL:
            raise invalid(
                f"parameter keys starting with '{_RESERVED}' are reserved for Triton usage. "
                f"Only the following keys starting with '{_RESERVED}' are allowed: {_EMPTY_FINAL}",
                field=_parameter(name),
            )
    for i, output in enumerate(request.outputs):
        _refuse_shared_memory(output.parameters, f"outputs[{i}]")
    timeout = _whole_number(parameters, "timeout", "int64_param")
    return Query(
        _model(request),
        _sources(request, apart),
        _text(parameters, SIGNATURE),
        [output.name for output in request.outputs],
        priority=_whole_number(parameters, "priority", "int64_param or uint64_param"),
        queue_seconds=timeout / 1e6 if timeout else None,
    )


def read_classes(request: pb.ModelInferRequest) -> dict[str, int]:
    """Return how many of the largest values are asked for, by output, where a request asks so. Raises StatusError."""
    classes = {}
    for i, output in enumerate(request.outputs):
        if "classification" in output.parameters:
            path = f'outputs[{i}].parameters["classification"]'
            parameter = output.parameters["classification"]
            if parameter.WhichOneof("parameter_choice") != "int64_param":
                raise invalid(
                    "invalid value type for 'classification' parameter, expected int64_param: the number of classes",
                    field=path,
                )
            if parameter.int64_param < 1:
                raise invalid("invalid value for 'classification' parameter, expected >= 1", field=path)
            classes[output.name] = parameter.int64_param
    return classes


def _sources(request: pb.ModelInferRequest, apart: Apart) -> dict[str, InferSource]:
    model, raw = request.model_name, apart.raw or request.raw_input_contents
    sources: dict[str, InferSource] = {}
    for i, tensor in enumerate(request.inputs):
        path = f"inputs[{i}]"
        if tensor.name in sources:
            raise invalid(f"input '{tensor.name}' already exists in request: send each input once", field=path)
        _refuse_shared_memory(tensor.parameters, path)
        typed = tensor.HasField("contents")
        if typed and raw:
            raise invalid(
                "contents field must not be specified when using raw_input_contents for "
                f"'{tensor.name}' for model '{model}': send all inputs in one of the two",
                field=f"{path}.contents",
            )
        if not typed and i >= len(raw):
            raise invalid(
                f"unable to find data for input tensor '{tensor.name}' for model '{model}' in request.", field=path
            )
        sources[tensor.name] = InferSource(model, tensor, None if typed else raw[i], apart.texts.get(tensor.name, ()))
    if len(raw) > len(request.inputs):
        raise invalid(
            f"raw_input_contents has {len(raw)} buffers for {len(request.inputs)} inputs: send one for each, in their order",
            field="raw_input_contents",
        )
    return sources


def _refuse_shared_memory(parameters: Parameters, path: str) -> None:
    for name in _SHARED_MEMORY if parameters else ():
        if name in parameters:
            raise invalid(
                f"shared memory is not supported by this server, {name!r} is: send the tensor in the request, and read "
                "it from the response",
                field=f'{path}.parameters["{name}"]',
            )


def _model(request: pb.ModelInferRequest) -> ModelRef:
    label = _text(request.parameters, LABEL)
    if not label:
        return model_of(request.model_name, request.model_version)
    if request.model_version:
        raise invalid(f"the request has a model_version and a '{LABEL}': send one of them", field=_parameter(LABEL))
    return ModelRef(request.model_name, label=label)


def _text(parameters: Parameters, name: str) -> str:
    """Return a parameter's text, the empty one where it is not given."""
    if name not in parameters:
        return ""
    parameter = parameters[name]
    if parameter.WhichOneof("parameter_choice") != "string_param":
        raise invalid(f"invalid value type for '{name}' parameter, expected string_param.", field=_parameter(name))
    return parameter.string_param


def _whole_number(parameters: Parameters, name: str, expected: str) -> int:
    """Return a parameter's number, 0 where it is not given."""
    if name not in parameters:
        return 0
    parameter = parameters[name]
    kind = parameter.WhichOneof("parameter_choice")
    if kind not in {"int64_param", "uint64_param"}:
        raise invalid(f"invalid value type for '{name}' parameter, expected {expected}.", field=_parameter(name))
    value: int = getattr(parameter, kind)
    if value < 0:
        raise invalid(f"invalid value for '{name}', expected value >= 0.", field=_parameter(name))
    return value


def _parameter(name: str) -> str:
    return f'parameters["{name}"]'
