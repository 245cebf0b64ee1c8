"""Bodies of the Open Inference Protocol's `/infer` <-> messages of gRPC: JSON, and tensors in binary after it.

Source: docs/protocol of triton-inference-server/server, extension_binary_data.md; KServe's inference_rest.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving.codec import STRING, CodecError
from serving.http.call import whole_number
from serving.http.json_tensors import JsonSource, JsonTensor
from serving.http.json_text import parse_object, show, type_name, write
from serving.http.json_values import texts
from serving.protos import inference_pb2 as pb
from serving.services.inference.tensors import WIRE, InferSource, to_raw
from serving.signature import input_field
from serving.status import invalid
from zoo.errors import did_you_mean

LENGTH_HEADER = "inference-header-content-length"
"""How long the JSON is that stands before the binary tensors; without it there are none."""

_SIZE, _BINARY, _ALL_BINARY = "binary_data_size", "binary_data", "binary_data_output"
_INT64 = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True)
class Wanted:
    """How the outputs are to be sent."""

    binary: bool = False
    """Those that nothing else is said of."""
    by_name: Mapping[str, bool] = field(default_factory=dict)

    def is_binary(self, name: str) -> bool:
        """Tell whether an output is to be sent in binary."""
        return self.by_name.get(name, self.binary)


def read_request(body: bytes, length: str, request: pb.ModelInferRequest, *, max_bytes: int) -> Wanted:
    """Read a body into a message whose model is set.

    Args:
        body: JSON, then the binary tensors in the order of the inputs.
        length: the header LENGTH_HEADER, maybe empty.
        request: gets the rest of what it says; all tensors raw.
        max_bytes: what the tensors may take.

    Raises:
        StatusError: the body is not of that form.
    """
    text, binary = _split(body, length)
    document = parse_object(text, max_bytes=max_bytes)
    request.id = _text(document, "id", "request")
    parameters = _object(document, "parameters", "request")
    wanted = Wanted(
        _flag(parameters, _ALL_BINARY), {name: flag for name, flag in _outputs(document, request) if flag is not None}
    )
    _put_parameters(request.parameters, parameters, without=_ALL_BINARY)
    at = 0
    for place, tensor in enumerate(_list(document, "inputs", "request")):
        at = _read_input(tensor, place, binary, at, request)
    if at != len(binary):
        raise invalid(f"unexpected additional input data: {len(binary) - at} bytes are left over after all inputs")
    return wanted


def write_response(message: bytes, wanted: Wanted, *, max_bytes: int) -> tuple[bytes, int | None]:
    """Return a body for an answer, and how long its JSON is where binary tensors follow it. Raises StatusError."""
    response = pb.ModelInferResponse.FromString(message)
    parts: list[bytes] = []
    binary: list[bytes] = []
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        found: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if wanted.is_binary(output.name):
            found["parameters"] = {_SIZE: len(raw)}
            binary.append(raw)
        parts.append((b", " if parts else b"") + write(found))
        if not wanted.is_binary(output.name):
            parts += (parts.pop()[:-1], b', "data": ', *_values(output, raw, max_bytes), b"}")
    document: dict[str, Any] = {"model_name": response.model_name, "model_version": response.model_version}
    if response.id:
        document["id"] = response.id
    text = b"".join((write(document)[:-1], b', "outputs": [', *parts, b"]}"))
    return (text, None) if not binary else (b"".join((text, *binary)), len(text))


def _split(body: bytes, length: str) -> tuple[bytes, bytes]:
    if not length:
        return body, b""
    size = whole_number(length)
    if size is None or size > len(body):
        raise invalid(
            f"Inference-Header-Content-Length {length[:40]!r}: expected the bytes of the JSON, up to {len(body)}, "
            "which is the whole body"
        )
    return body[:size], body[size:]


def _read_input(tensor: Any, place: int, binary: bytes, at: int, request: pb.ModelInferRequest) -> int:
    """Add an input to a request. Returns where the next binary tensor begins."""
    where = f"inputs[{place}]"
    if not isinstance(tensor, dict):
        raise invalid(f"{where} must be an object, got {show(tensor)}", field=where)
    message = request.inputs.add(name=_text(tensor, "name", where), datatype=_text(tensor, "datatype", where))
    message.shape.extend(_shape(tensor, where))
    parameters = _object(tensor, "parameters", where)
    _put_parameters(message.parameters, parameters, without=_SIZE)
    if _SIZE not in parameters:
        if "data" not in tensor:
            raise invalid(f"{where} has neither 'data' nor the parameter '{_SIZE}'", field=where)
        request.raw_input_contents.append(_raw(tensor["data"], message))
        return at
    size = parameters[_SIZE]
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or size > len(binary) - at:
        raise invalid(
            f"{where}: '{_SIZE}' is {show(size)}, but {len(binary) - at} bytes follow the JSON and the inputs before",
            field=where,
        )
    if "data" in tensor:
        raise invalid(f"{where} has both 'data' and the parameter '{_SIZE}': send one of the two", field=where)
    request.raw_input_contents.append(binary[at : at + size])
    return at + size


def _raw(data: Any, message: pb.ModelInferRequest.InferInputTensor) -> bytes:
    """Return JSON data, flat or nested, as raw contents of the message's datatype."""
    field_path = input_field(message.name)
    if message.datatype not in WIRE:
        raise invalid(
            f"unknown datatype {message.datatype[:40]!r} of input {message.name!r}; {did_you_mean(message.datatype, WIRE)}",
            field=field_path,
        )
    try:
        tensor = JsonTensor.of(data)
        array = JsonSource(tensor, WIRE[message.datatype].dtype).read(len(tensor.leaves) * 64 + (1 << 30))
    except CodecError as error:
        raise invalid(f"input {message.name!r}: {error}", field=field_path) from None
    return to_raw(array)


def _values(output: pb.ModelInferResponse.InferOutputTensor, raw: bytes, max_bytes: int) -> Iterator[bytes]:
    """Yield the JSON of raw contents, which is a flat list."""
    stand_in = pb.ModelInferRequest.InferInputTensor(name=output.name, datatype=output.datatype, shape=output.shape)
    array = InferSource("", stand_in, raw).read(max(max_bytes, len(raw) * 64)).reshape(-1)
    if WIRE[output.datatype].dtype == STRING:
        array = np.array([_as_text(output.name, item) for item in array.tolist()], dtype=object)
    # What is named for bytes holds text by now.
    return texts("", np.asarray(array))


def _as_text(name: str, item: bytes) -> str:
    try:
        return item.decode()
    except UnicodeDecodeError:
        raise invalid(
            f"output {name!r} holds bytes that are no text, for which JSON has nothing: ask for it with "
            f"the parameter '{_BINARY}': true",
            field="outputs",
        ) from None


def _outputs(document: Mapping[str, Any], request: pb.ModelInferRequest) -> list[tuple[str, bool | None]]:
    found = []
    for place, output in enumerate(_list(document, "outputs", "request", needed=False)):
        where = f"outputs[{place}]"
        if not isinstance(output, dict):
            raise invalid(f"{where} must be an object, got {show(output)}", field=where)
        message = request.outputs.add(name=_text(output, "name", where))
        parameters = _object(output, "parameters", where)
        _put_parameters(message.parameters, parameters, without=_BINARY)
        found.append((message.name, _flag(parameters, _BINARY) if _BINARY in parameters else None))
    return found


def _put_parameters(target: Any, parameters: Mapping[str, Any], *, without: str) -> None:
    for name, value in parameters.items():
        if name == without:
            continue
        if isinstance(value, bool):
            target[name].bool_param = value
        elif isinstance(value, int) and value in _INT64:
            target[name].int64_param = value
        elif isinstance(value, float):
            target[name].double_param = value
        elif isinstance(value, str):
            target[name].string_param = value
        else:
            raise invalid(
                f"parameter {show(name)} is {show(value)}: expected a bool, an int64, a number or a text",
                field=f"parameters[{show(name)}]",
            )


def _shape(tensor: Mapping[str, Any], where: str) -> Sequence[int]:
    shape = _list(tensor, "shape", where)
    for size in shape:
        if not isinstance(size, int) or isinstance(size, bool) or size not in _INT64:
            raise invalid(f"{where}: 'shape' must hold whole numbers, got {show(size)}", field=where)
    return shape


def _list(document: Mapping[str, Any], key: str, where: str, *, needed: bool = True) -> list[Any]:
    if key not in document and needed:
        raise invalid(f"{where} has no {key!r}; got {', '.join(map(show, list(document)[:5])) or 'no key'}", field=key)
    found = document.get(key, [])
    if not isinstance(found, list):
        raise invalid(f"{where}: {key!r} must be an array, got {show(found)}", field=key)
    return found


def _object(document: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise invalid(f"{where}: {key!r} must be an object, got {show(found)}", field=key)
    return found


def _text(document: Mapping[str, Any], key: str, where: str) -> str:
    found = document.get(key, "")
    if not isinstance(found, str):
        raise invalid(f"{where}: {key!r} must be a string, got {show(found)} of type {type_name(found)}", field=key)
    return found


def _flag(parameters: Mapping[str, Any], key: str) -> bool:
    found = parameters.get(key, False)
    if not isinstance(found, bool):
        raise invalid(f"parameter {key!r} must be true or false, got {show(found)}", field="parameters")
    return found
