"""JSON objects -> tf.Example, as TensorFlow Serving's `:classify` and `:regress` take them.

Source: tensorflow_serving/g3doc/api_rest.md and util/json_tensor.cc. JSON names no types of features: a number with a point
or an exponent is a float, one without an int64, true and false are int64, text and `{"b64": ...}` are bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.codec import CodecError
from serving.http.json_tensors import decode_bytes, is_bytes
from serving.http.json_text import show, type_name
from serving.protos import prediction_pb2 as pb
from serving.status import StatusError, invalid

_EXAMPLES, _CONTEXT = "examples", "context"
_INT64 = range(-(1 << 63), 1 << 63)
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def fill_input(document: Mapping[str, Any], message: pb.Input) -> None:
    """Write the examples of a request's body, and the context that they share, into a message.

    Raises:
        StatusError: there are none, or one is no object of features.
    """
    if _EXAMPLES not in document:
        got = ", ".join(map(show, list(document)[:5])) or "no key"
        raise invalid(f"key '{_EXAMPLES}' is expected and was not found; got {got}", field=_EXAMPLES)
    examples = document[_EXAMPLES]
    if not isinstance(examples, list):
        raise invalid(f"Expecting '{_EXAMPLES}' value to be an list/array; got {show(examples)}", field=_EXAMPLES)
    if not examples:
        raise invalid(f"'{_EXAMPLES}' value is an empty array", field=_EXAMPLES)
    if _CONTEXT in document:
        shared = message.example_list_with_context
        _fill_example(document[_CONTEXT], shared.context, _CONTEXT)
        rows = shared.examples
    else:
        rows = message.example_list.examples
    for at, example in enumerate(examples):
        _fill_example(example, rows.add(), f"{_EXAMPLES}[{at}]")


def _fill_example(content: Any, example: Any, where: str) -> None:
    if not isinstance(content, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(content)}", field=where)
    for name, value in content.items():
        try:
            _fill_feature(name, value if isinstance(value, list) else [value], example.features.feature[name])
        except CodecError as error:
            raise invalid(f"Feature: {show(name)}: {error}", field=where) from None


def _fill_feature(name: str, values: Sequence[Any], feature: Any) -> None:
    kinds = [_kind(name, value) for value in values]
    if len(set(kinds)) > 1:
        raise _other_kind(
            name, kinds[0], next(value for value, kind in zip(values, kinds, strict=True) if kind != kinds[0])
        )
    if not kinds:
        return
    if kinds[0] == "int64":
        feature.int64_list.value.extend(map(int, values))  # protobuf takes no bools for numbers
    elif kinds[0] == "float":
        feature.float_list.value.extend(values)
    else:
        feature.bytes_list.value.extend(
            value.encode() if isinstance(value, str) else decode_bytes(value) for value in values
        )


def _kind(name: str, value: Any) -> str:
    if isinstance(value, str) or is_bytes(value):
        return "bytes"
    if isinstance(value, float):
        if np.isfinite(value) and abs(value) > _LARGEST_FLOAT:
            raise CodecError(f"Cannot convert JSON value: {show(value)} to float without loss of precision")
        return "float"
    if isinstance(value, int):
        if value not in _INT64:
            raise CodecError(f"{show(value)} is beyond int64. Only int64 is supported.")
        return "int64"
    raise invalid(f"Feature: {show(name)} has element with unexpected JSON type: {type_name(value)}", field=_EXAMPLES)


def _other_kind(name: str, kind: str, value: Any) -> StatusError:
    hint = "; write whole numbers with a point, 1.0, beside others that have one" if kind in ("float", "int64") else ""
    return invalid(
        f"Unexpected element type in feature: {show(name)} expecting type: {kind}; got {show(value)}{hint}",
        field=_EXAMPLES,
    )
