"""The largest values of an output as texts `value:index:label`: Triton's classification extension.

Source: docs/protocol/extension_classification.md of triton-inference-server/server.
"""

import math
from collections.abc import Sequence

import numpy as np

from serving.codec import STRING_OVERHEAD
from serving.services.inference.tensors import datatype_of
from serving.signature import TensorSpec
from serving.status import Code, StatusError, invalid

_RANKED = "iuf"
_TEXT_BYTES = 24  # of a value and its index, about


def classify(array: np.ndarray, spec: TensorSpec, count: int, labels: Sequence[str], max_bytes: int) -> np.ndarray:
    """Return the largest values of each row, the largest first; of equal ones the first comes first, and NaN is the least.

    Args:
        array: an output.
        spec: what its signature says of it: without a batch axis it is one row.
        count: how many values of a row; all of them where it has fewer.
        labels: by index; without them, or where they are not as many as a row has values, a text ends after the index.
        max_bytes: how much memory the texts may take, roughly.

    Returns:
        An object array of bytes, (N, min(count, values in a row)), or without the N.

    Raises:
        StatusError: such values have no order, or the texts would take too much memory.
    """
    if array.dtype.kind not in _RANKED or array.dtype.name == "float16":
        datatype = datatype_of(TensorSpec.of(array).dtype)
        raise invalid(
            f"class result not available for output due to unsupported type '{datatype}': "
            "ask for it without 'classification'",
            field="outputs",
        )
    rows = array.shape[0] if spec.is_batched else 1
    each = math.prod(array.shape[1:]) if spec.is_batched else array.size
    chosen = min(count, each)
    if rows * chosen * (_TEXT_BYTES + STRING_OVERHEAD) > max_bytes:
        raise StatusError(
            Code.RESOURCE_EXHAUSTED,
            f"{rows} x {chosen} classes as texts take more than this server's limit of {max_bytes} bytes: "
            "ask for fewer classes, or without 'classification'",
        )
    flat = array.reshape(rows, each)
    ranked = _largest_first(flat)[:, :chosen]
    names = labels if len(labels) == each else None
    texts = np.empty((rows, chosen), dtype=object)
    for row in range(rows):
        for place, index in enumerate(ranked[row].tolist()):
            texts[row, place] = _text(flat[row, index], index, names)
    return texts if spec.is_batched else texts[0]


def _largest_first(flat: np.ndarray) -> np.ndarray:
    """Return the indices that sort each row; reversed twice, so that of equal values the first one stays first."""
    if flat.dtype.kind == "f":
        flat = np.where(np.isnan(flat), -np.inf, flat)
    ascending = np.argsort(flat[:, ::-1], axis=1, kind="stable")
    return flat.shape[1] - 1 - ascending[:, ::-1]


def _text(value: np.generic, index: int, names: Sequence[str] | None) -> bytes:
    number = f"{value:f}" if value.dtype.kind == "f" else str(value)
    return f"{number}:{index}{f':{names[index]}' if names else ''}".encode()
