"""Rows of input as serialized tf.Example protos, which TensorFlow Serving's Classify and Regress send."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.endpoints import NamedModel, Tensors
from zoo.signatures.subject import Subject, few

SPECS = {"inputs": tf.TensorSpec((None,), tf.string, name="inputs")}
"""What a signature on examples takes."""


class ExampleParser:
    """Examples -> the inputs of a model: a feature per input, with its name, flat in row-major order.

    Floats are in a `float_list`, whole numbers and truth values in an `int64_list`, strings in a `bytes_list`.
    """

    def __init__(self, named: NamedModel) -> None:
        """Take a model whose inputs are all of fixed shapes."""
        self._inputs = named.specs()
        self._features = {
            name: tf.io.FixedLenFeature(spec.shape[1:], _parsed_as(spec.dtype)) for name, spec in self._inputs.items()
        }

    def __call__(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        """Return the inputs of the model, from `inputs` (N,). TensorFlow refuses an example without one of them."""
        parsed = tf.io.parse_example(inputs["inputs"], self._features)
        return {name: tf.cast(parsed[name], spec.dtype) for name, spec in self._inputs.items()}


def parser_of(named: NamedModel) -> ExampleParser | None:
    """Return what reads the examples of a model; None where an input has a free axis, and so no fixed number of values."""
    fixed = all(None not in spec.shape[1:] for spec in named.specs().values())
    return ExampleParser(named) if fixed else None


def golden_examples(subject: Subject) -> dict[str, np.ndarray] | None:
    """Return the first golden rows as examples; None where they are large."""
    first = subject.few()
    return None if first is None else few({"inputs": to_examples(first)})


def to_examples(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return rows of input by name as serialized examples, an object array (N,) of bytes."""
    count = len(next(iter(rows.values())))
    examples = [
        tf.train.Example(
            features=tf.train.Features(feature={name: _feature(array[row]) for name, array in rows.items()})
        ).SerializeToString(deterministic=True)
        for row in range(count)
    ]
    return np.array(examples, dtype=object)


def _feature(values: Any) -> tf.train.Feature:
    flat = np.ravel(values)
    if flat.dtype.kind in "OSU":
        texts = [item if isinstance(item, bytes) else str(item).encode() for item in flat.tolist()]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    if flat.dtype.kind in "iub":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=flat.astype(np.int64)))
    return tf.train.Feature(float_list=tf.train.FloatList(value=flat.astype(np.float32)))


def _parsed_as(dtype: tf.DType) -> tf.DType:
    if dtype == tf.string:
        return tf.string
    return tf.float32 if dtype.is_floating else tf.int64
