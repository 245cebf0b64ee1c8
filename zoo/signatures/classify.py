"""`classify`: what TensorFlow Serving's Classify calls."""

from collections.abc import Iterator

import tensorflow as tf

from zoo.endpoints import Endpoint, Tensors, sibling
from zoo.signatures.examples import SPECS, golden_examples, parser_of
from zoo.signatures.signature import Signature
from zoo.signatures.subject import Subject

CLASSIFY = "classify"
METHOD = "tensorflow/serving/classify"
"""Classify takes a signature of this method with the one input `inputs` and the outputs `classes` and `scores`, of rank 2
(tensorflow/serving, tensorflow_serving/servables/tensorflow/classifier.cc)."""


def classify(subject: Subject) -> Iterator[Signature]:
    """Give `classify`, or `<head>_classify`: serialized examples in, every class and its score out.

    `classes` string and `scores` float32 are (N, classes), in the order of the class names. One unit scores two classes.
    Left out for outputs of sequences, and where an input has a free axis.
    """
    parse = parser_of(subject.named)
    if parse is None:
        return
    for output, choice in subject.classes.items():
        if subject.answers[output].ndim == 2:
            function = _scores(subject, parse, output, choice.labels)
            yield Signature(
                sibling(output, CLASSIFY),
                function,
                SPECS,
                golden=golden_examples(subject),
                method_name=METHOD,
                ranges={"scores": (0.0, 1.0)},
            )


def _scores(subject: Subject, parse: Endpoint, output: str, labels: tuple[str, ...]) -> Endpoint:
    def answer(inputs: Tensors) -> dict[str, tf.Tensor]:
        scores = subject.serve(parse(inputs))[output]
        if scores.shape[-1] == 1:
            scores = tf.concat([1 - scores, scores], axis=-1)
        return {"classes": tf.broadcast_to(tf.constant([labels]), tf.shape(scores)), "scores": scores}

    return answer
