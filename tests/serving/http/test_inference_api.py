"""The Open Inference Protocol over HTTP, with Triton's own client, and by hand where that client cannot go."""

import http.client
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.utils import InferenceServerException

import serving
from tests.serving.http.asking import Answer, ask, ask_on

LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=60) as connected:
        yield connected


def infer(port: int, model: str, document: Any, binary: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    sent = {LENGTH: str(len(text)), **(headers or {})} if binary or headers else {}
    return ask(port, "POST", f"/v2/models/{model}/infer", text + binary, sent)


def an_input(name: str, array: np.ndarray, datatype: str, *, binary: bool) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tritons_client_gets_the_bits_of_grpc(
    client: triton.InferenceServerClient, http_server: serving.Server, *, binary_in: bool, binary_out: bool
) -> None:
    a = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    b = np.arange(21, dtype=np.int32).reshape(7, 3)
    inputs = [an_input("a", a, "FP32", binary=binary_in), an_input("b", b, "INT32", binary=binary_in)]
    outputs = [triton.InferRequestedOutput("total", binary_data=binary_out)]
    answer = client.infer("sum", inputs, outputs=outputs, request_id="mine")
    with serving.Client(f"localhost:{http_server.port}") as ours:
        expected = ours.predict("sum", {"a": a, "b": b}, timeout=30)["total"]
    found = answer.as_numpy("total")
    assert (found.dtype, found.tobytes()) == (np.float32, expected.tobytes())
    assert answer.get_response()["id"] == "mine"
    assert answer.as_numpy("rows") is None


@pytest.mark.parametrize("binary", [True, False])
def test_text_goes_in_and_comes_out(client: triton.InferenceServerClient, *, binary: bool) -> None:
    text = np.array(["été", "", "a"], dtype=object)
    wanted = [triton.InferRequestedOutput("text", binary_data=binary)]
    answer = client.infer(
        "shapes",
        [an_input("data", text, "BYTES", binary=binary)],
        outputs=wanted,
        parameters={"signature_name": "echo"},
    )
    found = [item.decode() if isinstance(item, bytes) else item for item in answer.as_numpy("text")]
    assert found == text.tolist()


def test_bytes_that_are_no_text_need_binary_outputs(client: triton.InferenceServerClient) -> None:
    wild = np.array([bytes(range(256))], dtype=object)
    sent = [an_input("data", wild, "BYTES", binary=True)]
    answer = client.infer("shapes", sent, parameters={"signature_name": "echo"})
    assert answer.as_numpy("text").tolist() == wild.tolist()
    with pytest.raises(InferenceServerException, match="binary_data"):
        client.infer(
            "shapes", sent, outputs=[triton.InferRequestedOutput("text", binary_data=False)],
            parameters={"signature_name": "echo"},
        )  # fmt: skip


DATATYPES = {
    "BOOL": "bool", "INT8": "int8", "UINT8": "uint8", "INT16": "int16", "UINT16": "uint16", "INT32": "int32",
    "UINT32": "uint32", "INT64": "int64", "UINT64": "uint64", "FP16": "float16", "FP64": "float64",
}  # fmt: skip


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_goes_through_binary_and_json(
    client: triton.InferenceServerClient, port: int, datatype: str
) -> None:
    dtype = DATATYPES[datatype]
    kind = np.dtype(dtype).kind
    info = np.finfo(dtype) if kind == "f" else np.iinfo(dtype) if kind in "iu" else None
    values = np.array([0, 1, info.min, info.max] if info else [False, True], dtype=dtype)
    answer = client.infer(
        "shapes", [an_input("x", values, datatype, binary=True)], parameters={"signature_name": dtype}
    )
    assert answer.as_numpy("y").tobytes() == values.tobytes()
    in_json = infer(
        port, "shapes",
        {
            "parameters": {"signature_name": dtype},
            "inputs": [{"name": "x", "datatype": datatype, "shape": [len(values)], "data": values.tolist()}],
        },
    )  # fmt: skip
    (output,) = in_json.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("y", datatype, [len(values)])
    assert np.array(output["data"], dtype=dtype).tobytes() == values.tobytes()


def test_the_binary_extension_byte_by_byte(port: int) -> None:
    document = {
        "id": "7",
        "inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
    }
    answer = infer(port, "affine/versions/1", document, struct.pack("<2f", 1.0, 2.0))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
    size = int(answer.headers[LENGTH.lower()])
    assert json.loads(answer.body[:size]) == {
        "model_name": "affine", "model_version": "1", "id": "7",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}],
    }  # fmt: skip
    assert struct.unpack("<2f", answer.body[size:]) == (2.5, 3.0)


def test_json_alone_may_be_nested_and_is_answered_in_json(port: int) -> None:
    document = {
        "inputs": [
            {"name": "a", "shape": [1, 3], "datatype": "FP32", "data": [[1, 2, 3]]},
            {"name": "b", "shape": [1, 3], "datatype": "INT32", "data": [4, 5, 6]},
        ]
    }
    answer = infer(port, "sum", document)
    assert LENGTH.lower() not in answer.headers
    assert answer.json == {
        "model_name": "sum", "model_version": "1",
        "outputs": [
            {"name": "rows", "datatype": "INT32", "shape": [1], "data": [1]},
            {"name": "total", "datatype": "FP32", "shape": [1, 3], "data": [5.0, 7.0, 9.0]},
        ],
    }  # fmt: skip


def test_inputs_may_be_binary_and_json_in_one_request(port: int) -> None:
    document = {
        "inputs": [
            {"name": "b", "shape": [1, 3], "datatype": "INT32", "data": [4, 5, 6]},
            {"name": "a", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}},
        ],
        "outputs": [{"name": "total"}],
    }
    answer = infer(port, "sum", document, struct.pack("<3f", 1, 2, 3))
    assert [output["data"] for output in answer.json["outputs"]] == [[5.0, 7.0, 9.0]]


def test_compressed_as_tritons_client_compresses(client: triton.InferenceServerClient) -> None:
    x = np.arange(100, dtype=np.float32)
    for algorithm in ("gzip", "deflate"):
        answer = client.infer(
            "affine", [an_input("x", x, "FP32", binary=True)], request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )  # fmt: skip
        np.testing.assert_array_equal(answer.as_numpy("y"), x / 2 + 3)


def test_what_the_server_and_its_models_are(client: triton.InferenceServerClient, port: int) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("affine")
    assert client.is_model_ready("affine", "1")
    assert not client.is_model_ready("affine", "9")
    assert not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("affine") == {
        "name": "affine", "versions": ["1", "2"], "platform": client.get_model_metadata("sum")["platform"],
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
    }  # fmt: skip
    other = client.get_model_metadata("sum", headers={"zoo-signature": "length"})
    assert other["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    config = client.get_model_config("sum")
    assert [tensor["dims"] for tensor in config["input"]] in ([[3], [3]], [[-1, 3], [-1, 3]])
    assert {"name": "affine", "version": "2", "state": "READY"} in client.get_model_repository_index()
    assert ask(port, "GET", "/v2/health/live").json == {"live": True}


def test_statistics_are_numbers(client: triton.InferenceServerClient) -> None:
    before = _inferences(client)
    client.infer("affine", [an_input("x", np.zeros(5, np.float32), "FP32", binary=True)], model_version="1")
    assert _inferences(client) == before + 5


def _inferences(client: triton.InferenceServerClient) -> int:
    (found,) = client.get_inference_statistics("affine", "1")["model_stats"]
    assert isinstance(found["inference_stats"]["success"]["ns"], int)
    return int(found["inference_count"])


def test_a_model_is_unloaded_and_loaded_again(http_repository: Path, tmp_path: Path) -> None:
    shutil.copytree(http_repository / "affine", tmp_path / "models" / "affine")
    with (
        serving.Server(tmp_path / "models", port=0, rest_api_port=-1, poll_seconds=0) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.rest_api_port}", network_timeout=60) as client,
    ):
        client.unload_model("affine")
        assert not client.is_model_ready("affine")
        client.load_model("affine")
        assert client.is_model_ready("affine")
        with pytest.raises(InferenceServerException, match="not supported"):
            client.load_model("affine", config="{}")


@pytest.mark.parametrize("what", ["load", "unload"])
def test_a_web_page_may_not_say_what_is_served(port: int, what: str) -> None:
    path = f"/v2/repository/models/affine/{what}"
    answer = ask(port, "POST", path, "{}", headers={"Origin": "http://elsewhere.example", "Content-Type": "text/plain"})
    assert (answer.status, "a web page" in answer.error) == (403, True)


def test_a_load_may_take_longer_than_an_answer(http_repository: Path, tmp_path: Path) -> None:
    shutil.copytree(http_repository / "affine", tmp_path / "models" / "affine")
    with serving.Server(
        tmp_path / "models", port=0, rest_api_port=-1, poll_seconds=0, rest_api_timeout_in_ms=1
    ) as server:  # fmt: skip
        for what in ("unload", "load"):
            answer = ask(server.rest_api_port, "POST", f"/v2/repository/models/affine/{what}")
            assert (answer.status, answer.json) == (200, {})


def document_with(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2], **changes}
    return {"inputs": [{key: value for key, value in tensor.items() if value is not None}]}


@pytest.mark.parametrize(
    ("document", "phrase"),
    [
        ({}, "no 'inputs'"),
        ({"inputs": {}}, "must be an array"),
        ({"inputs": [1]}, "inputs[0] must be an object"),
        (document_with(name=1), "'name' must be a string"),
        (document_with(shape=None), "no 'shape'"),
        (document_with(shape=[2.0]), "must hold whole numbers"),
        (document_with(shape=[True]), "must hold whole numbers"),
        (document_with(shape=[-1]), "negative"),
        (document_with(shape=[3]), "Expected 12, got 8"),
        (document_with(shape=[1 << 62]), "batch-size must be <= 100"),
        (document_with(shape=[1 << 70]), "must hold whole numbers"),
        (document_with(datatype="FP33"), "unknown datatype 'FP33'"),
        (document_with(datatype="INT32"), "data-type is 'INT32'"),
        (document_with(data=None), "neither 'data' nor"),
        (document_with(data=[1, "a"]), "is not of expected type: float"),
        (document_with(data=[1, [2]]), "must have the same shape"),
        (document_with(data=[1, 1e39]), "without loss of precision"),
        (document_with(parameters={"binary_data_size": 8}), "bytes follow the JSON"),
        (document_with(parameters=[]), "must be an object"),
        (document_with(parameters={"a": None}), "expected a bool, an int64"),
        ({**document_with(), "parameters": {"binary_data_output": 1}}, "true or false"),
        ({**document_with(), "outputs": [{"name": "z"}]}, "unexpected inference output 'z'"),
        ({**document_with(), "outputs": ["y"]}, "outputs[0] must be an object"),
        ({**document_with(), "id": 3}, "'id' must be a string"),
        ({**document_with(), "id": "\ud800"}, "half of a surrogate pair"),
        ({**document_with(), "parameters": {"\ud800": 1}}, "half of a surrogate pair"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(port: int, document: Any, phrase: str) -> None:
    answer = infer(port, "affine", document)
    assert (answer.status, phrase in answer.error) == (400, True), answer.body


@pytest.mark.parametrize("length", ["x", "-1", "100000", "1e1", "\xb2", "0" * 5000])
def test_a_header_that_no_body_fits_is_refused(port: int, length: str) -> None:
    answer = infer(port, "affine", document_with(), headers={LENGTH: length})
    assert (answer.status, LENGTH in answer.error) == (400, True), answer.body


def test_bytes_left_over_are_refused(port: int) -> None:
    answer = infer(port, "affine", document_with(), b"1234")
    assert (answer.status, "4 bytes are left over" in answer.error) == (400, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [("nobody", 404), ("affine/versions/9", 404), ("affine/versions/x", 400), ("affine/labels/stable", 404)],
)
def test_a_model_that_is_not_there(port: int, path: str, status: int) -> None:
    assert infer(port, path, document_with()).status == status


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.just("x"), VALUES),
        "shape": st.one_of(st.lists(st.integers(-1, 4), max_size=3), VALUES),
        "datatype": st.one_of(st.sampled_from(["FP32", "INT64", "BYTES", "BF16"]), VALUES),
        "data": st.one_of(st.lists(st.floats(width=32), max_size=4), VALUES),
        "parameters": st.one_of(st.fixed_dictionaries({"binary_data_size": st.integers(-1, 20)}), VALUES),
    },
)


@given(
    st.fixed_dictionaries({}, optional={"inputs": st.lists(TENSORS, max_size=2), "outputs": VALUES, "parameters": VALUES}),
    st.binary(max_size=16),
    st.one_of(st.none(), st.integers(-1, 300)),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_requests_of_any_shape_are_answered_rightly_or_refused(
    port: int, document: Any, binary: bytes, length: int | None
) -> None:
    text = json.dumps(document).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    sent = {LENGTH: str(len(text) if length is None else length)}
    answer = ask_on(connection, "POST", "/v2/models/affine/infer", text + binary, sent)
    connection.close()
    assert answer.status == 200 or 400 <= answer.status < 500, answer.body
