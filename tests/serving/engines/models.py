"""SavedModels for the tests of engines, small enough to compute in one's head."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.processor import Processor

QUIET = Processor(lambda: None, lambda: None, lambda _: None)
"""A processor that nobody else wants, however busy this machine is."""
BUSY = Processor(lambda: None, lambda: 1.0, lambda _: None)
"""One that somebody always wants."""

Arrays = dict[str, np.ndarray]


class Several(tf.Module):
    """Signatures of all kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.reshape(tf.range(6.0), [3, 2]))
        self.calls = tf.Variable(0)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), -1)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="b"),
            tf.TensorSpec([None], tf.int32, name="a"),
        ]
    )
    def project(self, b: tf.Tensor, a: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = b @ self.weights + tf.cast(a, tf.float32)[:, None]
        return {"scores": scores, "best": tf.argmax(scores, 1), "total": tf.reduce_sum(scores)}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="b")])
    def sign(self, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sign": tf.gather(tf.constant(["down", "up"]), tf.cast((b @ self.weights)[:, 0] > 0, tf.int32))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def length(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"length": tf.strings.length(text, unit="UTF8_CHAR"), "twice": text + text}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="times")])
    def power(self, times: tf.Tensor) -> dict[str, tf.Tensor]:
        power = tf.ones_like(times)
        for _ in tf.range(tf.reduce_max(times)):
            power = power * 2
        return {"power": power}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="index")])
    def pick(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"picked": tf.gather(tf.constant([10.0, 11.0, 12.0]), index)}

    @tf.function(input_signature=[tf.TensorSpec([2], tf.float32, name="pair")])
    def fixed(self, pair: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_less(pair, 100.0)
        return {"sum": tf.reduce_sum(pair)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def look_up(self, word: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": self.table.lookup(word)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="x")])
    def count(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"calls": x * 0 + self.calls.assign_add(1)}


def save_several(path: Path) -> None:
    """Eight signatures, of which `look_up` has a table and `count` writes a variable."""
    module = Several()
    names = ("sign", "length", "power", "pick", "fixed", "look_up", "count")
    signatures = {"serving_default": module.project, **{name: getattr(module, name) for name in names}}
    tf.saved_model.save(module, str(path), signatures=signatures)


def rows_of_several(rows: int) -> dict[str, Arrays]:
    """Inputs of its signatures."""
    random = np.random.default_rng(rows)
    b = random.normal(size=(rows, 3)).astype(np.float32)
    return {
        "serving_default": {"b": b, "a": np.arange(rows, dtype=np.int32)},
        "sign": {"b": b},
        "length": {"text": np.array([("ü" * number).encode() for number in range(rows)], dtype=object)},
        "power": {"times": random.integers(0, 20, rows)},
        "pick": {"index": random.integers(0, 3, rows).astype(np.int32)},
        "fixed": {"pair": random.normal(size=2).astype(np.float32)},
    }
