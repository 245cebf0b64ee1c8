"""Whatever way a request comes, it is kept once, as TensorFlow Serving would have, and can be asked again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tritonclient.grpc import InferenceServerClient, InferRequestedOutput

import serving
from serving.recording.replay import Replay
from tests.serving.http.asking import ask
from tests.serving.http.conftest import save_tasks
from tests.serving.inference.cases import triton_input
from tests.serving.recording.test_recording import kept

A, B = np.array([[1, 2, 3]], np.float32), np.array([[10, 20, 30]], np.int32)
TOTAL = [[11, 22, 33]]
INFER = (
    '{"inputs": [{"name": "a", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]},'
    ' {"name": "b", "datatype": "INT32", "shape": [1, 3], "data": [10, 20, 30]}], "outputs": [{"name": "total"}]}'
)


@pytest.fixture
def models(install: Callable[[str, str, int], Path], tmp_path: Path) -> Path:
    install("sum", "sum", 1)
    save_tasks(tmp_path / "models" / "tasks" / "1")
    return tmp_path / "models"


@pytest.fixture
def server(models: Path, tmp_path: Path) -> Iterator[serving.Server]:
    recorded = {"request_log_dir": tmp_path / "log", "request_log_rate": 1.0}
    with serving.Server(models, port=0, rest_api_port=-1, poll_seconds=0, **recorded) as running:
        yield running


def ask_triton(server: serving.Server) -> None:
    with InferenceServerClient(f"localhost:{server.port}") as triton:
        inputs = [triton_input("a", A), triton_input("b", B)]
        triton.infer("sum", inputs, outputs=[InferRequestedOutput("total")])


def stream_triton(server: serving.Server) -> None:
    answered = []
    with InferenceServerClient(f"localhost:{server.port}") as triton:
        triton.start_stream(lambda result, error: answered.append(error))  # noqa: ARG005 - the client names them
        triton.async_stream_infer(
            "sum", [triton_input("a", A), triton_input("b", B)], outputs=[InferRequestedOutput("total")]
        )
        triton.stop_stream()
    assert answered == [None]


def post_infer(server: serving.Server) -> None:
    assert ask(server.rest_api_port, "POST", "/v2/models/sum/infer", INFER).status == 200


def post_predict(server: serving.Server) -> None:
    body = '{"instances": [{"a": [1, 2, 3], "b": [10, 20, 30]}]}'
    assert ask(server.rest_api_port, "POST", "/v1/models/sum:predict", body).status == 200


@pytest.mark.parametrize("way", [ask_triton, stream_triton, post_infer, post_predict])
def test_other_protocols_are_kept_as_predict(
    server: serving.Server, tmp_path: Path, way: Callable[[serving.Server], None]
) -> None:
    way(server)
    server.stop()
    (log,) = kept(tmp_path / "log")
    request, response = log.predict_log.request, log.predict_log.response
    assert (tf.make_ndarray(request.inputs["a"]) == A).all()
    assert (tf.make_ndarray(request.inputs["b"]) == B).all()
    assert tf.make_ndarray(response.outputs["total"]).tolist() == TOTAL
    assert (request.model_spec.name, request.model_spec.signature_name) == ("sum", "serving_default")
    assert list(request.output_filter) == ([] if way is post_predict else ["total"])
    assert (log.log_metadata.model_spec.name, log.log_metadata.model_spec.version.value) == ("sum", 1)


def test_examples_over_http_are_kept_as_over_grpc(server: serving.Server, tmp_path: Path) -> None:
    port = server.rest_api_port
    assert ask(port, "POST", "/v1/models/tasks:regress", '{"examples": [{"x": 2.0}]}').json == {"results": [4.0]}
    body = '{"signature_name": "both", "examples": [{"x": 0.25}]}'
    assert ask(port, "POST", "/v1/models/tasks:classify", body).status == 200
    server.stop()
    regress, classify = kept(tmp_path / "log")
    assert regress.regress_log.response.result.regressions[0].value == 4.0
    (example,) = regress.regress_log.request.input.example_list.examples
    assert example.features.feature["x"].float_list.value == [2.0]
    assert [each.label for each in classify.classify_log.response.result.classifications[0].classes] == ["low", "high"]


def test_all_of_it_can_be_asked_again(server: serving.Server, models: Path, tmp_path: Path) -> None:
    for way in (ask_triton, stream_triton, post_infer, post_predict):
        way(server)
    ask(server.rest_api_port, "POST", "/v1/models/tasks:regress", '{"examples": [{"x": 2.0}]}')
    server.stop()
    with (
        serving.Server(models, port=0, poll_seconds=0) as other,
        serving.Client(f"localhost:{other.port}") as client,
    ):
        found = Replay(client, timeout=30).run(sorted((tmp_path / "log").iterdir()))
    assert (found.same, found.different, found.failed) == (5, 0, 0), found.examples


def test_what_is_refused_is_not_kept(server: serving.Server, tmp_path: Path) -> None:
    assert ask(server.rest_api_port, "POST", "/v1/models/sum:predict", '{"instances": [1]}').status == 400
    assert ask(server.rest_api_port, "POST", "/v2/models/sum/infer", "{}").status == 400
    server.stop()
    assert kept(tmp_path / "log") == []


def test_what_is_redacted_is_in_no_file(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    recorded = {"request_log_dir": folder, "request_log_rate": 1.0, "request_log_redact": "a,total"}
    with serving.Server(models, port=0, rest_api_port=-1, poll_seconds=0, **recorded) as running:
        post_predict(running)
        ask_triton(running)
    logs: list[prediction_log_pb2.PredictionLog] = kept(folder)
    assert [log.predict_log.request.inputs["a"].tensor_content for log in logs] == [b"", b""]
    assert [list(log.predict_log.response.outputs["total"].float_val) for log in logs] == [[], []]
    assert [tf.make_ndarray(log.predict_log.request.inputs["b"]).tolist() for log in logs] == [B.tolist()] * 2
