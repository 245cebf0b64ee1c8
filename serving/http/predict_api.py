"""TensorFlow Serving's REST API: `:predict`, in rows (`instances`) and in columns (`inputs`).

Source: tensorflow_serving/g3doc/api_rest.md and util/json_tensor.cc.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.codec import CodecError
from serving.http.call import HttpCall
from serving.http.json_tensors import JsonSource, JsonTensor, is_bytes
from serving.http.json_text import parse_object, show, write
from serving.http.json_values import AT_ONCE, texts, to_values
from serving.http.model_names import model_in_path, signature_in
from serving.offload import Offload
from serving.predictor import Predictor
from serving.query import Answer, Query, Source
from serving.services.message_counts import MOST
from serving.signature import Signature, TensorSpec, input_field
from serving.status import StatusError, invalid
from zoo.errors import did_you_mean

_ROWS, _COLUMNS = "instances", "inputs"
_LISTED = 100
"""Names of a request that an error tells."""


@dataclass(frozen=True)
class _Request:
    """What a body says, before it is known which inputs the model takes."""

    signature: str
    key: str
    """`instances` or `inputs`, which says how the answer is to look."""
    named: Mapping[str, JsonTensor] | None
    """By input; None where the only input is not named."""
    unnamed: JsonTensor | None = None

    def inputs(self, signature: Signature) -> dict[str, Source]:
        """Return the inputs that a signature takes, in its dtypes. Raises StatusError where one is missing."""
        if self.named is None:
            assert self.unnamed is not None  # noqa: S101 - one of both is there
            return {_only(signature, self.key): JsonSource(self.unnamed, next(iter(signature.inputs.values())).dtype)}
        found: dict[str, Source] = {}
        for name, spec in signature.inputs.items():
            if name in self.named:
                found[name] = JsonSource(self.named[name], spec.dtype)
            elif name not in signature.defaults:
                raise _missing(name, spec, self)
        if self.key == _ROWS:
            for name in self.named:
                if name not in found:
                    raise invalid(
                        f"JSON object: does not have named input: {name}; the keys of an instance must be equal to: "
                        f"{','.join(signature.inputs)}; {did_you_mean(name, signature.inputs)}",
                        field=input_field(name),
                    )
        return found


class PredictApi:
    """Answers bodies. Lives in one event loop."""

    def __init__(self, predictor: Predictor, offload: Offload, *, max_bytes: int) -> None:
        self._predictor = predictor
        self._offload = offload
        self._max_bytes = max_bytes

    async def predict(self, body: bytes, call: HttpCall) -> bytes:
        """Run a model's signature on the instances or inputs of a request. Raises StatusError."""
        with call.record.timed("decode"):
            request = await self._offload.run(len(body), lambda: _parse(body, self._max_bytes))
        query = Query(model_in_path(call), request.inputs, request.signature)
        answer = await self._predictor.answer(query, call)
        with call.record.timed("encode"):
            size = sum(array.nbytes for array in answer.outputs.values())
            return await self._offload.run(size, lambda: _answer(answer, request.key))


def _parse(body: bytes, max_bytes: int) -> _Request:
    document = parse_object(body, max_bytes=max_bytes)
    signature = signature_in(document)
    if _ROWS in document and _COLUMNS in document:
        raise invalid(
            f"Not formatted correctly expecting only one of '{_COLUMNS}' or '{_ROWS}' keys to exist: "
            f"'{_ROWS}' has the rows one by one, '{_COLUMNS}' a whole batch"
        )
    if _ROWS in document:
        return _rows(signature, document[_ROWS])
    if _COLUMNS in document:
        return _columns(signature, document[_COLUMNS])
    got = ", ".join(map(show, list(document)[:5])) or "no key"
    raise invalid(f"Missing '{_COLUMNS}' or '{_ROWS}' key; got {got}")


def _rows(signature: str, instances: Any) -> _Request:
    if not isinstance(instances, list):
        raise invalid(f"Expecting '{_ROWS}' to be an list/array; got {show(instances)}", field=_ROWS)
    if not instances:
        raise invalid(f"No values in '{_ROWS}' array", field=_ROWS)
    is_named = [isinstance(item, dict) and not is_bytes(item) for item in instances]
    if not any(is_named):
        return _Request(signature, _ROWS, None, _lay_out(_ROWS, instances))
    if not all(is_named):
        at = is_named.index(not is_named[0])
        expected, got = ("object", "list") if is_named[0] else ("value/list", "object")
        raise invalid(f"Expecting {expected} but got {got} at item {at} of input list", field=_ROWS)
    names = instances[0].keys()
    _check_count(names)
    for at, item in enumerate(instances):
        if item.keys() != names:
            got = ",".join(sorted(item)[:_LISTED]) or "none"
            raise invalid(
                f"Failed to process element: {at} of '{_ROWS}' list. JSON object: "
                f"keys must be equal to: {','.join(sorted(names)[:_LISTED])}; got {got}",
                field=_ROWS,
            )
    columns = {name: [item[name] for item in instances] for name in names}
    return _Request(signature, _ROWS, {name: _lay_out(name, column) for name, column in columns.items()})


def _columns(signature: str, inputs: Any) -> _Request:
    if isinstance(inputs, dict) and not is_bytes(inputs):
        _check_count(inputs)
        return _Request(signature, _COLUMNS, {name: _lay_out(name, value) for name, value in inputs.items()})
    return _Request(signature, _COLUMNS, None, _lay_out(_COLUMNS, inputs))


def _check_count(names: Collection[str]) -> None:
    if len(names) > MOST:
        raise invalid(f"the request has {len(names)} inputs, this server takes {MOST} at most", field=_COLUMNS)


def _lay_out(name: str, value: Any) -> JsonTensor:
    try:
        return JsonTensor.of(value)
    except CodecError as error:
        raise invalid(f"{name!r}: {error}", field=name if name in (_ROWS, _COLUMNS) else input_field(name)) from None


def _only(signature: Signature, key: str) -> str:
    if len(signature.inputs) == 1:
        return next(iter(signature.inputs))
    got = (
        "a plain list, but expecting list of objects" if key == _ROWS else "a plain value/list, but expecting an object"
    )
    raise invalid(
        f"{key} is {got} as multiple input tensors required as per tensorinfo_map: signature {signature.name!r} takes "
        f"{', '.join(signature.inputs) or 'no input'}",
        field=key,
    )


def _missing(name: str, spec: TensorSpec, request: _Request) -> StatusError:
    return invalid(
        f"Missing named input: {name} in '{request.key}' object: the model takes {spec}; "
        f"got {', '.join(list(request.named or ())[:_LISTED]) or 'none'}",
        field=input_field(name),
    )


def _answer(answer: Answer, key: str) -> bytes:
    if not answer.outputs:
        raise invalid("Cannot convert empty tensor map to JSON: the signature has no outputs")
    if key == _ROWS:
        _check_rows(answer.outputs)
        return b"".join((b'{"predictions": ', *_by_row(answer.outputs), b"}"))
    parts = _object(answer.outputs) if len(answer.outputs) > 1 else texts(*next(iter(answer.outputs.items())))
    return b"".join((b'{"outputs": ', *parts, b"}"))


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    rows = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information: ask in columns, with '{_COLUMNS}'")
        if rows is not None and len(array) != rows:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}: "
                f"ask in columns, with '{_COLUMNS}'"
            )
        rows = len(array)


def _by_row(outputs: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Yield the JSON of a list with an object for each row; of one output, with its values."""
    if len(outputs) == 1:
        yield from texts(*next(iter(outputs.items())))
        return
    rows = len(next(iter(outputs.values())))
    step = max(1, AT_ONCE * rows // max(1, sum(array.size for array in outputs.values())))
    yield b"["
    for at in range(0, rows, step):
        if at:
            yield b", "
        part = {name: array[at : at + step] for name, array in outputs.items()}
        if step == 1:
            yield from _object({name: np.asarray(array).reshape(array.shape[1:]) for name, array in part.items()})
        else:
            columns = [to_values(name, array) for name, array in part.items()]
            yield write([dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)])[1:-1]
    yield b"]"


def _object(outputs: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    for at, (name, array) in enumerate(outputs.items()):
        yield (b", " if at else b"{") + write(name) + b": "
        yield from texts(name, array)
    yield b"}"
