"""Requests as users of TensorFlow Serving's stubs write them."""

from collections.abc import Iterable, Mapping

import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, regression_pb2

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def example(**features: float | bytes | Iterable[float] | Iterable[bytes]) -> tf.train.Example:
    """Return an example: floats and bytes, one or several of each."""
    made = tf.train.Example()
    for name, given in features.items():
        values = [given] if isinstance(given, float | int | bytes) else list(given)
        feature = made.features.feature[name]
        if values and isinstance(values[0], bytes):
            feature.bytes_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return made


def of(*examples: tf.train.Example, context: tf.train.Example | None = None) -> input_pb2.Input:
    """Return examples as an input."""
    made = input_pb2.Input()
    if context is None:
        made.example_list.examples.extend(examples)
    else:
        made.example_list_with_context.examples.extend(examples)
        made.example_list_with_context.context.CopyFrom(context)
    return made


def classification(
    model: str, *examples: tf.train.Example, signature: str = "", context: tf.train.Example | None = None
) -> classification_pb2.ClassificationRequest:
    request = classification_pb2.ClassificationRequest(input=of(*examples, context=context))
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    return request


def regression(
    model: str, *examples: tf.train.Example, signature: str = "", context: tf.train.Example | None = None
) -> regression_pb2.RegressionRequest:
    request = regression_pb2.RegressionRequest(input=of(*examples, context=context))
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    return request


def inference(
    model: str, tasks: Mapping[str, str] | Iterable[tuple[str, str]], *examples: tf.train.Example
) -> inference_pb2.MultiInferenceRequest:
    """Return a request of tasks: signature and method."""
    request = inference_pb2.MultiInferenceRequest(input=of(*examples))
    for signature, method in tasks.items() if isinstance(tasks, Mapping) else tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name = model
        task.model_spec.signature_name = signature
    return request
