"""`:classify` and `:regress`: the documents' examples, tf.Example byte for byte as TensorFlow's own parser reads it."""

import json
from typing import Any

import pytest
import tensorflow as tf

from serving.http.examples import fill_input
from serving.protos import prediction_pb2 as pb
from serving.status import StatusError
from tests.serving.http.asking import ask

# From g3doc/api_rest.md.
DOCUMENT = {
    "signature_name": "classify_objects",
    "examples": [
        {"image": {"b64": "aW1hZ2UgYnl0ZXM="}, "caption": "seaside"},
        {"image": {"b64": "YXdlc29tZSBpbWFnZSBieXRlcw=="}, "caption": "mountains"},
    ],
}


def parsed(document: Any) -> list[tf.train.Example]:
    """Return the examples of a document as TensorFlow reads their bytes, the context merged into each."""
    message = pb.Input()
    fill_input(json.loads(json.dumps(document)), message)
    with_context = message.example_list_with_context
    context = with_context.context.SerializeToString()
    rows = message.example_list.examples or with_context.examples
    return [tf.train.Example.FromString(context + row.SerializeToString()) for row in rows]


def test_the_documents_example() -> None:
    first, second = parsed(DOCUMENT)
    assert first.features.feature["image"].bytes_list.value[:] == [b"image bytes"]
    assert second.features.feature["image"].bytes_list.value[:] == [b"awesome image bytes"]
    assert second.features.feature["caption"].bytes_list.value[:] == [b"mountains"]


def test_numbers_with_a_point_are_floats_others_integers_and_bools_0_and_1() -> None:
    (example,) = parsed({"examples": [{"f": [1.0, 2.5e0], "i": [1, -(1 << 63)], "b": [True, 3], "none": []}]})
    feature = example.features.feature
    assert feature["f"].float_list.value[:] == [1.0, 2.5]
    assert feature["i"].int64_list.value[:] == [1, -(1 << 63)]
    assert feature["b"].int64_list.value[:] == [1, 3]
    assert feature["none"].WhichOneof("kind") is None


def test_a_context_is_shared_by_all_examples() -> None:
    found = parsed({"context": {"user": "me"}, "examples": [{"x": 1.0}, {"x": 2.0}]})
    assert [each.features.feature["user"].bytes_list.value[0] for each in found] == [b"me", b"me"]
    assert [each.features.feature["x"].float_list.value[0] for each in found] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("document", "phrase"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": {}}, "value to be an list/array"),
        ({"examples": []}, "is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{}], "context": []}, "Example must be JSON object but got JSON Array"),
        ({"examples": [{"x": [1.0, 2]}]}, "Unexpected element type in feature"),
        ({"examples": [{"x": [[1.0]]}]}, "has element with unexpected JSON type: Array"),
        ({"examples": [{"x": None}]}, "has element with unexpected JSON type: Null"),
        ({"examples": [{"x": {"b65": "a"}}]}, "has element with unexpected JSON type: Object"),
        ({"examples": [{"x": {"b64": "*"}}]}, "Unable to base64 decode"),
        ({"examples": [{"x": 1 << 63}]}, "Only int64 is supported"),
        ({"examples": [{"x": 1e39}]}, "without loss of precision"),
    ],
)
def test_what_is_no_example_is_refused_in_words(document: Any, phrase: str) -> None:
    with pytest.raises(StatusError) as caught:
        fill_input(document, pb.Input())
    assert phrase in caught.value.message


def test_regress_as_the_documents_example(port: int) -> None:
    answer = ask(port, "POST", "/v1/models/tasks:regress", json.dumps({"examples": [{"x": 1.0}, {"x": 2.0}]}))
    assert (answer.status, answer.json) == (200, {"results": [3.5, 4.0]})


def test_classify_answers_labels_with_scores(port: int) -> None:
    document = {"signature_name": "both", "examples": [{"x": 0.25}, {"x": 0.5}]}
    answer = ask(port, "POST", "/v1/models/tasks/versions/1:classify", json.dumps(document))
    assert answer.json == {
        "results": [[["low", 0.75], ["high", 0.25]], [["low", 0.5], ["high", 0.5]]],
    }


def test_a_context_reaches_the_model(port: int) -> None:
    document = {"context": {"x": 4.0}, "examples": [{}, {"x": 2.0}]}
    answer = ask(port, "POST", "/v1/models/tasks:regress", json.dumps(document))
    assert answer.json == {"results": [5.0, 4.0]}


@pytest.mark.parametrize(
    ("path", "document", "status"),
    [
        ("tasks:regress", {"examples": [{"x": 1}]}, 400),  # an int64, where the model parses a float
        ("tasks:regress", {"examples": [{}]}, 400),
        ("tasks:regress", {"examples": [{"x": 1.0}], "signature_name": "no"}, 400),
        ("tasks:classify", {"examples": [{"x": 1.0}]}, 400),
        ("nobody:regress", {"examples": [{"x": 1.0}]}, 404),
        ("affine:regress", {"examples": [{"x": 1.0}]}, 400),
    ],
)
def test_what_a_model_cannot_answer_is_refused(port: int, path: str, document: Any, status: int) -> None:
    answer = ask(port, "POST", f"/v1/models/{path}", json.dumps(document))
    assert (answer.status, list(answer.json)) == (status, ["error"]), answer.body
