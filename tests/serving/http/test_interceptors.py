"""What stands around gRPC's calls stands around HTTP's requests too."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import serving
from serving.interceptors import Interceptor
from serving.status import Code, StatusError
from serving.transports.transport import Call, UnaryHandler
from tests.serving.http.asking import ask, predict


class Gate(Interceptor):
    """Lets in who brings a word; sees which methods there are."""

    def __init__(self) -> None:
        self.paths: set[str] = set()

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
        self.paths.add(path)

        async def answer(message: bytes, call: Call) -> bytes:
            if call.metadata.get("authorization") != "Bearer sesame":
                raise StatusError(Code.UNAUTHENTICATED, "no entry", retry_after=2.5)
            return await handler(message, call)

        return answer


def test_one_interceptor_guards_both(install: Callable[[str, str, int], Path], tmp_path: Path) -> None:
    install("affine2", "affine", 1)
    gate = Gate()
    with serving.Server(tmp_path / "models", port=0, rest_api_port=-1, poll_seconds=0, interceptors=[gate]) as server:
        check(server, gate)


def check(gated: serving.Server, gate: Gate) -> None:
    word = {"Authorization": "Bearer sesame"}
    assert predict(gated.rest_api_port, "affine", {"instances": [1]}, word).json == {"predictions": [2.5]}
    for verb, path in (
        ("POST", "/v1/models/affine:predict"), ("GET", "/v1/models/affine"), ("POST", "/v2/models/affine/infer"),
        ("GET", "/v2"), ("POST", "/v2/repository/models/affine/unload"), ("GET", "/metrics"),
    ):  # fmt: skip
        refused = ask(gated.rest_api_port, verb, path)
        assert (refused.status, refused.error) == (401, "no entry"), path
        assert (refused.headers["www-authenticate"], refused.headers["retry-after"]) == ("Bearer", "3")
    with serving.Client(f"localhost:{gated.port}") as client, pytest.raises(serving.CallError) as caught:
        client.predict("affine", {"x": np.zeros(1, np.float32)}, timeout=30)
    assert caught.value.code == "UNAUTHENTICATED"
    assert {"/tensorflow.serving.PredictionService/Predict", "POST /v1/models/{model}:predict"} <= gate.paths
