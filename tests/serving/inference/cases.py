"""Requests as Triton's client makes them, and values that show what a dtype is."""

from collections.abc import Mapping

import ml_dtypes
import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc import service_pb2 as peer

DATATYPE = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64",
    "bfloat16": "BF16", "string": "BYTES",
}  # fmt: skip
DTYPES = tuple(DATATYPE)
CONTENTS = {
    "BOOL": "bool_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


def example(dtype: str) -> np.ndarray:
    """Two rows of three, the extremes among them."""
    if dtype == "string":
        return np.array([[b"", b"zoo", "é".encode()], [b"\x00\xff", b"long " * 50, b"a"]], dtype=object)
    if dtype == "bool":
        return np.array([[True, False, True], [False, False, True]])
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return np.array([[limits.min, 0, limits.max], [1, 2, 3]], dtype=kind)
    largest = ml_dtypes.finfo(kind).max
    return np.array([[float("nan"), float("inf"), -0.0], [float(largest), 0.1, -3.0]]).astype(kind)


def datatype(array: np.ndarray) -> str:
    return DATATYPE["string" if array.dtype.kind == "O" else array.dtype.name]


def triton_input(name: str, array: np.ndarray) -> InferInput:
    made = InferInput(name, list(array.shape), datatype(array))
    made.set_data_from_numpy(array)
    return made


def raw_request(model: str, inputs: Mapping[str, np.ndarray], **fields: object) -> peer.ModelInferRequest:
    """A request in raw contents, of dtypes that the client does not know too."""
    request = peer.ModelInferRequest(model_name=model, **fields)
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=datatype(array), shape=array.shape)
        texts = [len(text).to_bytes(4, "little") + text for text in array.ravel()] if array.dtype.kind == "O" else []
        request.raw_input_contents.append(b"".join(texts) if array.dtype.kind == "O" else array.tobytes())
    return request


def typed_request(model: str, inputs: Mapping[str, np.ndarray], **fields: object) -> peer.ModelInferRequest:
    request = peer.ModelInferRequest(model_name=model, **fields)
    for name, array in inputs.items():
        tensor = request.inputs.add(name=name, datatype=datatype(array), shape=array.shape)
        getattr(tensor.contents, CONTENTS[datatype(array)]).extend(array.ravel().tolist())
    return request
