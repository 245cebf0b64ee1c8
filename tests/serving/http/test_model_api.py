"""The status and the metadata of a model over HTTP, against what gRPC says of it."""

import pytest
from google.protobuf.json_format import ParseDict
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from tests.serving.http.asking import ask

AVAILABLE = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}


def test_the_status_of_all_versions_is_as_the_documents_write_it(port: int) -> None:
    answer = ask(port, "GET", "/v1/models/affine")
    assert answer.status == 200
    assert answer.json == {"model_version_status": [{"version": "2", **AVAILABLE}, {"version": "1", **AVAILABLE}]}
    ParseDict(answer.json, get_model_status_pb2.GetModelStatusResponse())  # the peer's own message takes it


def test_the_status_of_one_version(port: int) -> None:
    assert ask(port, "GET", "/v1/models/affine/versions/1").json == {
        "model_version_status": [{"version": "1", **AVAILABLE}]
    }


@pytest.mark.parametrize(
    ("path", "status", "phrase"),
    [
        ("/v1/models", 400, "Missing model name in request."),
        ("/v1/models/nobody", 404, "Could not find any versions of model nobody"),
        ("/v1/models/affine/versions/7", 404, "Could not find version 7 of model affine; known: 1, 2"),
        ("/v1/models/nobody/metadata", 404, "Servable not found"),
        ("/v1/models/affine/anything", 400, "Malformed request: GET"),
    ],
)
def test_there_is_no_status_of_what_is_not_there(port: int, path: str, status: int, phrase: str) -> None:
    answer = ask(port, "GET", path)
    assert (answer.status, phrase in answer.error) == (status, True), answer.body


def test_the_metadata_of_a_model_has_its_signatures(port: int) -> None:
    found = ask(port, "GET", "/v1/models/sum/metadata").json
    assert found["model_spec"] == {"name": "sum", "signature_name": "", "version": "1"}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["a"]["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in signature["inputs"]["a"]["tensor_shape"]["dim"]] == ["-1", "3"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    ParseDict(found["metadata"]["signature_def"], get_model_metadata_pb2.SignatureDefMap())


def test_head_answers_as_get_without_a_body(port: int) -> None:
    answer = ask(port, "HEAD", "/v1/models/affine")
    assert (answer.status, answer.body, int(answer.headers["content-length"]) > 100) == (200, b"", True)
