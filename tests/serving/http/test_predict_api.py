"""TensorFlow Serving's `:predict`: its documents' examples by hand, its rules, and what it refuses."""

import base64
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2

import serving
from tests.serving.http.asking import ask, predict

# From g3doc/api_rest.md: two instances of three named inputs, in rows and in columns.
ROWS = {
    "instances": [
        {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
        {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
    ]
}
COLUMNS = {
    "inputs": {
        "tag": ["foo", "bar"],
        "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
        "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
    }
}


def in_base64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def test_the_documents_example_of_half_plus_three(port: int) -> None:
    answer = predict(port, "affine", '{"instances": [1.0,2.0,5.0]}')
    assert (answer.status, answer.json) == (200, {"predictions": [3.5, 4.0, 5.5]})
    assert answer.headers["content-type"] == "application/json"


def test_several_outputs_in_rows_are_objects_and_bytes_are_base64(port: int) -> None:
    assert predict(port, "shapes", ROWS).json == {
        "predictions": [
            {"tag": "foo", "total": 15.0, "trace": 5, "image_bytes": in_base64(b"foo\xff\x00")},
            {"tag": "bar", "total": 15.0, "trace": 12, "image_bytes": in_base64(b"bar\xff\x00")},
        ]
    }


def test_several_outputs_in_columns_are_one_object(port: int) -> None:
    assert predict(port, "shapes", COLUMNS).json == {
        "outputs": {
            "tag": ["foo", "bar"],
            "total": [15.0, 15.0],
            "trace": [5, 12],
            "image_bytes": [in_base64(b"foo\xff\x00"), in_base64(b"bar\xff\x00")],
        }
    }


def test_one_input_and_one_output_need_no_names(port: int) -> None:
    assert predict(port, "affine", {"inputs": [2.0]}).json == {"outputs": [4.0]}
    assert predict(port, "affine", {"inputs": {"x": [2.0]}}).json == {"outputs": [4.0]}
    assert predict(port, "affine", {"instances": [{"x": 2.0}, {"x": 4.0}]}).json == {"predictions": [4.0, 5.0]}


@pytest.mark.parametrize(
    ("path", "expected"),
    [("affine/versions/1", 2.5), ("affine/versions/2", 3.5), ("affine", 3.5), ("AFFINE", None), ("%61ffine", 3.5)],
)
def test_a_version_can_be_named_and_names_are_decoded(port: int, path: str, expected: float | None) -> None:
    answer = predict(port, path, {"instances": [1.0]})
    assert answer.json.get("predictions") == (None if expected is None else [expected])


def test_a_query_means_nothing(port: int) -> None:
    answer = ask(port, "POST", "/v1/models/affine:predict?version=1&model=sum&label=x", '{"instances": [1]}')
    assert answer.json == {"predictions": [3.5]}


def test_words_of_the_path_may_be_in_either_case(port: int) -> None:
    assert ask(port, "POST", "/V1/Models/affine:Predict", '{"instances": [1]}').json == {"predictions": [3.5]}


def test_a_signature_can_be_named(port: int) -> None:
    document = {"signature_name": "length", "instances": ["été", "a"]}
    assert predict(port, "sum", document).json == {
        "predictions": [{"length": 3, "text": "été"}, {"length": 1, "text": "a"}]
    }


def test_bytes_go_in_and_come_out_and_text_that_is_no_text_comes_out_as_bytes(port: int) -> None:
    wild = bytes(range(256))
    document = {"signature_name": "echo", "instances": [in_base64(wild), "plain", in_base64(b"")]}
    assert predict(port, "shapes", document).json == {"predictions": [in_base64(wild), "plain", ""]}
    assert predict(port, "shapes", {"signature_name": "echo", "inputs": [in_base64(b"a")]}).json == {"outputs": ["a"]}
    unpadded = {"signature_name": "echo", "instances": [{"b64": "YQ"}]}
    assert predict(port, "shapes", unpadded).json == {"predictions": ["a"]}


def test_nan_and_infinity_go_in_and_come_out_as_python_and_javascript_write_them(port: int) -> None:
    answer = predict(port, "affine", '{"instances": [NaN, Infinity, -Infinity, 1e2]}')
    assert answer.body == b'{"predictions": [NaN, Infinity, -Infinity, 53.0]}'


def test_rows_need_outputs_with_a_row_for_each(port: int) -> None:
    document = {"signature_name": "lengths", "instances": [1.0, 3.0]}
    answer = predict(port, "shapes", document)
    assert (answer.status, "inputs" in answer.error) == (400, True)
    columns = {"signature_name": "lengths", "inputs": [1.0, 3.0]}
    assert predict(port, "shapes", columns).json == {"outputs": {"x": [1.0, 3.0], "mean": 2.0, "first": [1.0]}}


LIMITS = {
    "int8": (-128, 127), "uint8": (0, 255), "int16": (-(1 << 15), (1 << 15) - 1), "uint16": (0, (1 << 16) - 1),
    "int32": (-(1 << 31), (1 << 31) - 1), "uint32": (0, (1 << 32) - 1), "int64": (-(1 << 63), (1 << 63) - 1),
    "uint64": (0, (1 << 64) - 1),
}  # fmt: skip


@pytest.mark.parametrize("dtype", LIMITS)
def test_whole_numbers_keep_every_digit_and_never_overflow(port: int, dtype: str) -> None:
    low, high = LIMITS[dtype]
    answer = predict(port, "shapes", {"signature_name": dtype, "instances": [low, high]})
    assert answer.json == {"predictions": [low, high]}
    for wrong in (low - 1, high + 1, 1 << 70):
        refused = predict(port, "shapes", {"signature_name": dtype, "instances": [0, wrong]})
        assert (refused.status, f"is not of expected type: {dtype}" in refused.error) == (400, True)


@pytest.mark.parametrize("value", ["1.0", "1.5", "true", '"1"', "null", "NaN", '{"b64": "YQ=="}'])
def test_only_whole_numbers_are_integers(port: int, value: str) -> None:
    answer = predict(port, "shapes", f'{{"signature_name": "int32", "instances": [1, {value}]}}')
    assert (answer.status, "is not of expected type: int32" in answer.error) == (400, True)


@pytest.mark.parametrize("value", ["1", "0", '"true"', "null", "0.0"])
def test_only_true_and_false_are_bools(port: int, value: str) -> None:
    assert predict(port, "shapes", '{"signature_name": "bool", "instances": [true, false]}').json == {
        "predictions": [True, False]
    }
    answer = predict(port, "shapes", f'{{"signature_name": "bool", "instances": [true, {value}]}}')
    assert (answer.status, "is not of expected type: bool" in answer.error) == (400, True)


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("lengths", "1e39"),  # over the largest float32
        ("lengths", "16777217"),  # 2**24 + 1, between two of float32
        ("lengths", "1" + "0" * 400),
        ("float64", "9007199254740993"),  # 2**53 + 1
        ("float16", "70000.0"),
        ("float16", "2049"),
        ("bfloat16", "257"),
    ],
)
def test_numbers_that_would_become_others_are_refused(port: int, signature: str, value: str) -> None:
    answer = predict(port, "shapes", f'{{"signature_name": "{signature}", "inputs": [{value}]}}')
    assert (answer.status, "without loss of precision" in answer.error) == (400, True)


@pytest.mark.parametrize(
    ("signature", "value", "same"),
    [
        ("lengths", "16777216", 16777216.0), ("lengths", "0.1", 0.1), ("lengths", "-0.0", -0.0),
        ("float64", "0.1", 0.1), ("float64", "1e308", 1e308), ("float64", "9007199254740992", 9007199254740992.0),
        ("float16", "0.1", 0.1), ("float16", "2048", 2048.0), ("bfloat16", "0.1", 0.1), ("bfloat16", "256", 256.0),
    ],
)  # fmt: skip
def test_a_float_is_written_with_as_few_digits_as_bring_it_back(
    port: int, signature: str, value: str, same: float
) -> None:
    answer = predict(port, "shapes", f'{{"signature_name": "{signature}", "inputs": [{value}]}}')
    outputs = answer.json["outputs"]
    (found,) = outputs["x"] if signature == "lengths" else outputs
    assert (found, math.copysign(1, found)) == (same, math.copysign(1, same))


@given(
    st.lists(
        st.one_of(st.floats(width=32, allow_nan=False), st.sampled_from([1e-45, 3.4028235e38, 1e-7, 0.3])),
        min_size=1, max_size=50,
    )
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_every_float32_comes_back_bit_for_bit(port: int, values: list[float]) -> None:
    sent = np.array(values, np.float32)
    document = {"signature_name": "lengths", "inputs": sent.astype(float).tolist()}
    found = predict(port, "shapes", document).json["outputs"]["x"]
    assert np.array(found, np.float64).astype(np.float32).tobytes() == sent.tobytes()


def test_json_has_no_complex_numbers(port: int) -> None:
    answer = predict(port, "shapes", {"signature_name": "turn", "instances": [1]})
    assert (answer.status, "complex64" in answer.error) == (400, True)


@pytest.mark.parametrize(
    ("body", "phrase"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("{", "JSON Parse error:"),
        ('{"instances": [1]', "at offset: "),
        (b'{"instances": ["\xff"]}', "JSON Parse error: the body is not UTF-8"),
        ("[1]", "Is not object"),
        ("3", "Is not object"),
        ('{"instances": [1], "instances": [2]}', "more than once"),
        ("[" * 10_000, "JSON Parse error"),
        ('{"instances": ' + "[" * 40 + "1" + "]" * 40 + "}", "nested more than 32 deep"),
        ('{"instances": [' + "1" * 5000 + "]}", "too many digits"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instance": [1]}', 'got "instance"'),
        ('{"instances": [1], "inputs": [1]}', "only one of 'inputs' or 'instances'"),
        ('{"instances": 1}', "Expecting 'instances' to be an list/array"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"instances": [1, [2]]}', "must have the same shape"),
        ('{"instances": [[1], 2]}', "must have the same shape"),
        ('{"instances": [[1, 2], [3]]}', "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ('{"instances": [{"x": 1}, 2]}', "Expecting object but got list at item 1"),
        ('{"instances": [1, {"x": 2}]}', "Expecting value/list but got object at item 1"),
        ('{"instances": [{"x": 1}, {"y": 2}]}', "keys must be equal to: x"),
        ('{"instances": [{"x": 1, "z": 1}]}', "does not have named input: z"),
        ('{"inputs": {"z": [1]}}', "Missing named input: x in 'inputs' object"),
        ('{"signature_name": 3, "instances": [1]}', "'signature_name' key must be a string value"),
        ('{"signature_name": "no", "instances": [1]}', 'Serving signature name: "no" not found in signature def'),
        ('{"instances": ["a"]}', "is not of expected type: float"),
        ('{"instances": ["\\ud800"]}', "half of a surrogate pair"),
        ('{"instances": [{"b64": "YQ=="}]}', "is not of expected type: float"),
        ('{"instances": [[1.0]]}', "of rank 2"),
        ('{"inputs": 1.0}', "add a batch axis"),
        ('{"inputs": []}', "no rows"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(port: int, body: str | bytes, phrase: str) -> None:
    answer = predict(port, "affine", body)
    assert answer.status == 400
    assert phrase in answer.error


@pytest.mark.parametrize(
    ("document", "phrase"),
    [
        ({"instances": [1]}, "expecting list of objects as multiple input tensors required"),
        ({"inputs": [1]}, "expecting an object as multiple input tensors required"),
        ({"instances": [{"tag": "a", "signal": [1] * 5}]}, "Missing named input: sensor"),
        ({"inputs": {**COLUMNS["inputs"], "signal": [[1] * 5]}}, "same number of rows"),
        ({"inputs": {**COLUMNS["inputs"], "tag": ["\ud800", "b"]}}, "half of a surrogate pair"),
        ({"inputs": {**COLUMNS["inputs"], "tag": [{"b64": "!"}, "b"]}}, "Unable to base64 decode"),
        ({"inputs": {**COLUMNS["inputs"], "tag": [{"b65": "YQ=="}, "b"]}}, "base64 data"),
        ({"inputs": {**COLUMNS["inputs"], "tag": [1, "b"]}}, "is not of expected type: string"),
    ],
)
def test_several_inputs_are_told_apart(port: int, document: Any, phrase: str) -> None:
    answer = predict(port, "shapes", document)
    assert (answer.status, phrase in answer.error) == (400, True), answer.body


def test_an_input_that_the_model_does_not_have_is_ignored_in_columns_as_upstream_does(port: int) -> None:
    assert predict(port, "affine", {"inputs": {"x": [1.0], "id": [7]}, "user": "me"}).json == {"outputs": [3.5]}


def test_the_documents_example_of_an_unknown_model(port: int) -> None:
    answer = predict(port, "half", '{"instances": [1.0,5.0]}')
    assert answer.status == 404
    assert answer.error.startswith("Servable not found for request: Latest(half)")


@pytest.mark.parametrize(
    ("verb", "path", "status", "phrase"),
    [
        ("GET", "/v1/models/affine:predict", 400, "Malformed request: GET /v1/models/affine:predict"),
        ("POST", "/v1/models/affine:guess", 400, "Malformed request: POST"),
        ("POST", "/v1/models/affine/versions/x:predict", 400, "Malformed request: POST"),
        ("POST", "/v1/models/affine/versions/99999999999999999999:predict", 400, "Failed to convert version"),
        ("POST", "/v1/models/affine/versions/9:predict", 404, "Specific(affine, 9)"),
        ("POST", "/v1/models/affine/versions/1/labels/a:predict", 400, "Malformed request"),
        ("PUT", "/metrics", 405, "the path takes GET"),
        ("GET", "/favicon.ico", 404, "there is no GET /favicon.ico"),
        ("POST", "/v1/models/%2e%2e%2f%2e%2e:predict", 404, "Latest(../..)"),
    ],
)
def test_paths_that_there_are_not(port: int, verb: str, path: str, status: int, phrase: str) -> None:
    answer = ask(port, verb, path, '{"instances": [1]}' if verb == "POST" else None)
    assert (answer.status, phrase in answer.error) == (status, True), answer.body


def test_more_rows_than_the_server_takes_are_refused(port: int) -> None:
    answer = predict(port, "affine", {"instances": [0.0] * 101})
    assert (answer.status, "--max_batch_rows" in answer.error) == (400, True)


def test_http_and_grpc_give_the_same_bits(port: int, http_server: serving.Server) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    b = np.arange(120, dtype=np.int32).reshape(40, 3)
    with serving.Client(f"localhost:{http_server.port}") as client:
        expected = client.predict("sum", {"a": x, "b": b}, timeout=30)
    document = {"inputs": {"a": x.astype(float).tolist(), "b": b.tolist()}}
    found = json.loads(predict(port, "sum", document).body)["outputs"]
    assert np.array(found["total"], np.float64).astype(np.float32).tobytes() == expected["total"].tobytes()
    assert found["rows"] == expected["rows"].tolist()


@pytest.mark.parametrize(
    ("document", "total"),
    [
        ({"inputs": {"a": [[1, 2, 3]]}}, [1.0, 2.0, 3.0]),
        ({"inputs": {"a": [[1, 2, 3]], "b": [[4, 5, 6]]}}, [5.0, 7.0, 9.0]),
        ({"instances": [{"a": [1, 2, 3]}]}, [1.0, 2.0, 3.0]),
    ],
)
def test_an_input_with_a_default_may_be_left_out(defaulted: int, document: Any, total: list[float]) -> None:
    answer = predict(defaulted, "sum", document).json
    outputs = answer["outputs"] if "outputs" in answer else answer["predictions"][0]
    assert np.reshape(outputs["total"], 3).tolist() == total


@pytest.fixture(scope="module")
def defaulted(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server whose `sum` takes b = [[0, 0, 0]] where none is given."""
    folder = tmp_path_factory.mktemp("defaulted") / "sum" / "1"
    shutil.copytree(saved_models / "sum", folder)
    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    signature = model.meta_graphs[0].signature_def["serving_default"]
    signature.defaults["b"].CopyFrom(tf.make_tensor_proto(np.zeros((1, 3), np.int32)))
    path.write_bytes(model.SerializeToString())
    with serving.Server(folder.parents[1], port=0, rest_api_port=-1, poll_seconds=0) as server:
        yield server.rest_api_port
