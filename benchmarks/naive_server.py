"""The peer: what most people write when TensorFlow Serving is not to be had. grpcio, threads, the SavedModel's signature.

python benchmarks/naive_server.py REPOSITORY PORT [--tflite]        serves until killed; --tflite: model.tflite instead
"""

import sys
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from serving_speed.peers.tflite_model import TFLiteModel
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

Answer = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def load_signature(version: Path) -> Answer:
    """Return what calls the SavedModel's signature in TensorFlow."""
    model = tf.saved_model.load(str(version))

    def answer(inputs: Mapping[str, np.ndarray], model: object = model) -> dict[str, np.ndarray]:
        outputs = model.signatures["serving_default"](**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return answer


class Naive(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers Predict without looking at the request first."""

    def __init__(self, repository: Path, load: Callable[[Path], Answer]) -> None:
        self._models = {path.name: load(path / "1") for path in repository.iterdir()}

    def Predict(  # noqa: N802 - the name in the protocol
        self,
        request: predict_pb2.PredictRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> predict_pb2.PredictResponse:
        """See PredictionService."""
        answer = self._models[request.model_spec.name]
        outputs = answer({name: tf.make_ndarray(proto) for name, proto in request.inputs.items()})
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        for name in request.output_filter or outputs:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return response


if __name__ == "__main__":
    load = TFLiteModel if "--tflite" in sys.argv else load_signature
    server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Naive(Path(sys.argv[1]), load), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}")
    server.start()
    server.wait_for_termination()
