"""Requests that a server runs before it answers others, in the file that TensorFlow Serving looks for when it loads a model.

It is a TFRecord file of `tensorflow.serving.PredictionLog` messages (tensorflow/serving, docs: saved_model_warmup). They are
put together here, field by field, rather than by generated code: that would need a second definition of messages which
`tensorflow_serving` registers with protobuf under the same names, or a dependency on it.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zoo.passport import SERVING, WarmUp

FILE = "assets.extra/tf_serving_warmup_requests"
BATCH_SIZES = (1, 8, 32)
MOST_BYTES = 2**16
"""Of the file, where a batch of 1 is not larger: larger batches that do not fit are left out."""


def write_warm_up(folder: Path, model: str, rows: Mapping[str, np.ndarray]) -> WarmUp:
    """Write a Predict request of `serving_default` for each batch size, made of golden rows over and over.

    Args:
        folder: of the version.
        model: what clients call it.
        rows: golden rows of input, by name.

    Returns:
        What the passport tells of them.
    """
    import tensorflow as tf

    requests: dict[int, bytes] = {}
    for size in BATCH_SIZES:
        request = _prediction_log(model, {name: np.resize(x, (size, *x.shape[1:])) for name, x in rows.items()})
        if not requests or sum(map(len, requests.values())) + len(request) <= MOST_BYTES:
            requests[size] = request
    (folder / FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / FILE)) as writer:
        for request in requests.values():
            writer.write(request)
    return WarmUp(FILE, tuple(requests), len(requests))


def _prediction_log(model: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Return a PredictionLog; the numbers are those of its fields in prediction_log, predict and model.proto."""
    import tensorflow as tf

    model_spec = _field(1, model.encode()) + _field(3, SERVING.encode())  # name, signature_name
    request = _field(1, model_spec)
    for name, array in inputs.items():
        tensor = tf.make_tensor_proto(array).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))  # an entry of a map: key, value
    return _field(6, _field(1, request))  # predict_log, its request


def _field(number: int, content: bytes) -> bytes:
    """Return a field of bytes, a string or a message, as protobuf writes it: a tag, a length, the content."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7)
