"""`regress`: what TensorFlow Serving's Regress calls."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from zoo.endpoints import Endpoint, Tensors
from zoo.signatures.examples import SPECS, golden_examples, parser_of
from zoo.signatures.signature import Signature
from zoo.signatures.subject import Subject

REGRESS = "regress"
METHOD = "tensorflow/serving/regress"
"""Regress takes a signature of this method with the one input `inputs` and the one output `outputs`, float32 (N,) or (N, 1)
(tensorflow/serving, tensorflow_serving/servables/tensorflow/regressor.cc)."""


def regress(subject: Subject) -> Iterator[Signature]:
    """Give `regress`, or `<head>_regress`: serialized examples in, the value of an output of one unit out.

    `outputs` is float32, (N, 1), or (N,) where the model answers so. Left out for outputs of other shapes and names, and
    where an input has a free axis.
    """
    parse = parser_of(subject.named)
    if parse is None:
        return
    for output, answers in subject.answers.items():
        if (output == "value" or output.endswith("_value")) and _is_one_number(answers):
            yield Signature(
                output.removesuffix("value") + REGRESS,
                _value(subject, parse, output),
                SPECS,
                golden=golden_examples(subject),
                method_name=METHOD,
            )


def _is_one_number(answers: np.ndarray) -> bool:
    return answers.dtype == np.float32 and answers.shape[1:] in {(), (1,)}


def _value(subject: Subject, parse: Endpoint, output: str) -> Endpoint:
    def answer(inputs: Tensors) -> dict[str, tf.Tensor]:
        return {"outputs": subject.serve(parse(inputs))[output]}

    return answer
