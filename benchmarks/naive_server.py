"""The peer: what most people write when TensorFlow Serving is not to be had. grpcio, threads, the SavedModel's signature.

python benchmarks/naive_server.py REPOSITORY        prints the port, serves until killed
"""

import sys
from concurrent import futures
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Naive(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers Predict without looking at the request first."""

    def __init__(self, repository: Path) -> None:
        self._models = {path.name: tf.saved_model.load(str(path / "1")) for path in repository.iterdir()}

    def Predict(  # noqa: N802 - the name in the protocol
        self,
        request: predict_pb2.PredictRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> predict_pb2.PredictResponse:
        """See PredictionService."""
        signature = self._models[request.model_spec.name].signatures["serving_default"]
        outputs = signature(**{name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()})
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Naive(Path(sys.argv[1])), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"serving on port {port};", flush=True)
    server.wait_for_termination()
