"""`zoo serve --rest_api_port` as a person runs it, with the models that come along: HTTP and gRPC say the same."""

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import serving

ROOT = Path(__file__).parents[2] / "saved_models"
MODELS = sorted(path.name for path in ROOT.iterdir() if path.is_dir())


class Process:
    """A running `zoo serve` on gRPC and HTTP, which logs JSON."""

    def __init__(self) -> None:
        command = ["serve", str(ROOT), "--host=127.0.0.1", "--port=0", "--rest_api_port=-1", "--log_format=json"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zoo", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline() + self.process.stdout.readline()
        ports = re.findall(r"on port (\d+)", self.said)
        if len(ports) != 2:
            raise AssertionError(f"no server: {self.said!r} {self.process.communicate()[1]}")
        self.rest, self.grpc = map(int, ports)

    def stop(self) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    running = Process()
    yield running
    running.process.kill()
    running.process.communicate()


@pytest.mark.parametrize("model", MODELS)
def test_every_model_answers_http_bit_for_bit_as_grpc(process: Process, model: str) -> None:
    random = np.random.default_rng(1)
    with serving.Client(f"localhost:{process.grpc}") as client:
        (name, spec), *others = client.signatures(model, timeout=60)["serving_default"].inputs.items()
        assert not others
        assert spec.shape is not None
        shape = tuple(3 if size is None else size for size in spec.shape)
        rows = random.normal(size=shape).astype(spec.dtype)
        expected = client.predict(model, {name: rows}, timeout=60)
    connection = http.client.HTTPConnection("127.0.0.1", process.rest, timeout=60)
    body = json.dumps({"inputs": rows.astype(float).tolist()})
    connection.request("POST", f"/v1/models/{model}:predict", body)
    found = json.loads(connection.getresponse().read())
    connection.close()
    outputs = found["outputs"] if len(expected) > 1 else {next(iter(expected)): found["outputs"]}
    assert set(outputs) == set(expected)
    for output, array in expected.items():
        if array.dtype == object:
            assert outputs[output] == np.vectorize(bytes.decode, otypes=[object])(array).tolist()
        else:
            assert np.array(outputs[output]).astype(array.dtype).tobytes() == array.tobytes()


def test_sigterm_ends_it_with_0_and_its_log_is_json(process: Process) -> None:
    code, log = process.stop()
    lines = [json.loads(line) for line in log.splitlines()]
    assert code == 0, log
    assert [line["message"] for line in lines if line["message"].startswith("draining")]
    assert any(line["message"].startswith("HTTP on 127.0.0.1:") for line in lines)
