"""Request ids, timing, and logs, over gRPC and HTTP."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import serving
from serving.call_log import JsonFormatter
from serving.call_record import CallRecord
from serving.metrics import OTHERS, CallMetrics
from serving.protos import prediction_pb2 as pb
from serving.services.messages import parse
from serving.status import Code
from tests.serving.http.asking import predict


@pytest.fixture(scope="module")
def both(repository: Path) -> Iterator[serving.Server]:
    """A server on gRPC and HTTP."""
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0) as running:
        yield running


@pytest.fixture
def port(both: serving.Server) -> int:
    return both.rest_api_port


@pytest.fixture
def channel(both: serving.Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"localhost:{both.port}") as opened:
        yield opened


PREDICT = "/tensorflow.serving.PredictionService/Predict"


def call(channel: grpc.Channel, *metadata: tuple[str, str], model: str = "sum") -> dict[str, str]:
    """Make a call that fails or not, and return what came after the answer."""
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name=model, signature_name="pick"))
    tensor = request.inputs["index"]
    tensor.dtype, tensor.tensor_content = 3, np.array([1], np.int32).tobytes()
    tensor.tensor_shape.dim.add(size=1)
    try:
        answer, told = channel.unary_unary(PREDICT).with_call(
            request.SerializeToString(), timeout=30, metadata=metadata
        )
        assert parse(pb.PredictResponse, answer).model_spec.name == model
    except grpc.RpcError as error:
        told = error
    return {key: value for key, value in told.trailing_metadata() if isinstance(value, str)}


def milliseconds(timing: str) -> dict[str, float]:
    found = {name: float(value) for name, value in re.findall(r"([a-z]+);dur=([0-9.]+)", timing)}
    assert ", ".join(f"{name};dur={value:.3f}" for name, value in found.items()) == timing
    return found


def test_a_request_id_is_echoed_and_one_is_made_where_there_is_none(channel: grpc.Channel, port: int) -> None:
    assert call(channel, ("x-request-id", "mine-1"))["x-request-id"] == "mine-1"
    made = call(channel)["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert call(channel)["x-request-id"] != made
    assert call(channel, ("x-request-id", "mine-2"), model="nobody")["x-request-id"] == "mine-2"
    answer = predict(port, "affine", {"instances": [1]}, {"X-Request-Id": "mine-3"})
    assert answer.headers["x-request-id"] == "mine-3"
    failed = predict(port, "nobody", {"instances": [1]}, {"X-Request-Id": "mine-4"})
    assert failed.headers["x-request-id"] == "mine-4"


@pytest.mark.parametrize("unsafe", ["a b", "a" * 129, 'a"b', "é", "a\\nb", "{}"])
def test_an_id_that_no_log_should_hold_is_replaced(port: int, unsafe: str) -> None:
    answer = predict(port, "affine", {"instances": [1]}, {"X-Request-Id": unsafe.encode().decode("latin-1")})
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_an_answer_tells_how_long_it_took(channel: grpc.Channel, port: int) -> None:
    for timing in (
        call(channel)["server-timing"],
        predict(port, "affine", {"instances": [1]}).headers["server-timing"],
    ):
        found = milliseconds(timing)
        assert list(found) == ["decode", "queue", "compute", "encode", "total"]
        assert 0 < sum(found.values()) - found["total"] <= found["total"] + 0.01


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="serving")
    return caplog


def test_a_call_is_one_line_of_json_without_what_it_holds(lines: pytest.LogCaptureFixture, port: int) -> None:
    secret = "hunter-2!"
    headers = {"X-Request-Id": "mine", "Authorization": f"Bearer {secret}"}
    answer = predict(port, "sum", {"signature_name": "length", "instances": [secret]}, headers)
    assert answer.status == 200
    assert predict(port, "sum", {"signature_name": "length", "instances": [{"b64": secret}]}, headers).status == 400
    assert predict(port, secret, {secret: secret}, headers).status == 400
    logged = [json.loads(JsonFormatter().format(record)) for record in lines.records if "call" in record.__dict__]
    assert secret not in json.dumps(logged)
    assert [line["level"] for line in logged] == ["debug", "info", "info"]
    line = logged[0]
    assert {key: line[key] for key in ("request_id", "method", "code", "model", "version", "signature", "rows")} == {
        "request_id": "mine", "method": "POST /v1/models/{model}:predict", "code": "OK", "model": "sum", "version": 1,
        "signature": "length", "rows": 1,
    }  # fmt: skip
    assert set(line["milliseconds"]) == {"decode", "queue", "compute", "encode", "total"}
    assert line["bytes_in"] > 10 < line["bytes_out"]
    assert logged[1]["code"] == "INVALID_ARGUMENT"


def test_json_lines_tell_time_level_and_what_went_wrong() -> None:
    with pytest.raises(ValueError, match="b") as caught:
        raise ValueError("a\nb")
    failure = (caught.type, caught.value, caught.tb)
    record = logging.getLogger("x").makeRecord("x", logging.ERROR, "f", 1, "it %s\n", ("failed",), failure)
    text = JsonFormatter().format(record)
    line = json.loads(text)
    assert "\n" not in text
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    assert (line["level"], line["logger"], line["message"]) == ("error", "x", "it failed\n")
    assert line["exception"].endswith("ValueError: a\nb")
    assert "worker" not in line
    assert json.loads(JsonFormatter(worker=3).format(record))["worker"] == 3


def test_models_are_told_apart_up_to_a_bound() -> None:
    metrics = CallMetrics()
    for i in range(3000):
        metrics(CallRecord("m", model=f"model_{i}"))
    assert len({model for _, model, _ in metrics.calls}) == 1001
    assert sum(count for (_, model, _), count in metrics.calls.items() if model == OTHERS) == 2000
    assert metrics.calls[("m", "model_5", Code.OK)] == 1
