"""ModelInfer answers what Predict answers, bit for bit: TensorFlow Serving's stubs against Triton's client."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tritonclient.grpc import InferenceServerClient, InferResult, service_pb2_grpc
from tritonclient.utils import InferenceServerException

import serving
from tests.serving.inference.cases import CONTENTS, DTYPES, datatype, example, raw_request, triton_input, typed_request
from zoo.artifact import read_passport
from zoo.tensors import read_tensor

SHIPPED = Path(__file__).parents[3] / "saved_models"
MODELS = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
TIMEOUT = 60.0


def predict(port: int, model: str, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, TIMEOUT)
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    assert got.shape == expected.shape
    if expected.dtype == object:
        assert got.tolist() == expected.tolist()
    else:
        assert got.dtype == expected.dtype
        assert got.tobytes() == expected.tobytes()


@pytest.fixture(scope="module")
def shipped() -> Iterator[serving.Server]:
    with serving.Server(SHIPPED, port=0, poll_seconds=0) as running:
        yield running


@pytest.mark.parametrize("model", MODELS)
def test_every_shipped_model(shipped: serving.Server, model: str) -> None:
    golden = read_passport(SHIPPED / model / "1").golden
    with InferenceServerClient(f"localhost:{shipped.port}") as triton:
        for signature, example in golden.items():
            inputs = {name: read_tensor(tensor) for name, tensor in example.inputs.items()}
            expected = predict(shipped.port, model, signature, inputs)
            given = [triton_input(name, array) for name, array in inputs.items()]
            result = triton.infer(model, given, parameters={"signature_name": signature})
            assert {output.name for output in result.get_response().outputs} == set(expected)
            for name, array in expected.items():
                assert_same(result.as_numpy(name), array)
    assert "serving_default" in golden


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_raw(every: serving.Server, dtype: str) -> None:
    x = example(dtype)
    expected = predict(every.port, "every", dtype, {"x": x})["y"]
    assert_same(expected, x)
    with grpc.insecure_channel(f"localhost:{every.port}") as channel:
        made = raw_request("every", {"x": x})
        made.parameters["signature_name"].string_param = dtype
        response = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(made, timeout=TIMEOUT)
    assert response.outputs[0].datatype == datatype(x)
    if dtype == "bfloat16":  # the client widens it
        assert response.raw_output_contents[0] == x.tobytes()
    else:
        assert_same(InferResult(response).as_numpy("y"), expected)


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype not in {"float16", "bfloat16"}])
def test_every_dtype_typed(every: serving.Server, dtype: str) -> None:
    x = example(dtype)
    with grpc.insecure_channel(f"localhost:{every.port}") as channel:
        made = typed_request("every", {"x": x})
        made.parameters["signature_name"].string_param = dtype
        response = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(made, timeout=TIMEOUT)
    [output] = response.outputs
    values = list(getattr(output.contents, CONTENTS[datatype(x)]))
    got = np.array(values, dtype=object if dtype == "string" else x.dtype).reshape(list(output.shape))
    assert_same(got, predict(every.port, "every", dtype, {"x": x})["y"])


def test_metadata_of_a_model_without_a_default_signature_says_which_there_are(every: serving.Server) -> None:
    with InferenceServerClient(f"localhost:{every.port}") as triton:
        for ask in (triton.get_model_metadata, triton.get_model_config):
            with pytest.raises(InferenceServerException, match=r"choose one of bfloat16, bool, .* 'signature_name'"):
                ask("every")


@pytest.mark.parametrize(
    ("signature", "code", "words"),
    [
        ("complex64", "INVALID_ARGUMENT", "data-type is 'FP32', but model 'every' expects 'INVALID'"),
        ("rotated", "UNIMPLEMENTED", "output 'y' is complex64, for which the Open Inference Protocol has no datatype"),
    ],
)
def test_what_the_protocol_has_no_datatype_for_is_refused(
    every: serving.Server, signature: str, code: str, words: str
) -> None:
    with grpc.insecure_channel(f"localhost:{every.port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        made = raw_request("every", {"x": np.zeros((1, 1), np.float32)})
        made.parameters["signature_name"].string_param = signature
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(made, timeout=TIMEOUT)
    assert caught.value.code().name == code
    assert words in caught.value.details()


def test_a_model_of_litert_says_that_it_is_one() -> None:
    with (
        serving.Server(
            SHIPPED / "wine_mlp", model_name="wine_mlp", port=0, poll_seconds=0, prefer_tflite_model=True
        ) as server,
        InferenceServerClient(f"localhost:{server.port}") as client,
    ):
        assert client.get_model_metadata("wine_mlp").platform == "tflite"
        config = client.get_model_config("wine_mlp").config
        assert (config.platform, config.backend, config.default_model_filename) == ("tflite", "tflite", "model.tflite")
