"""Classify and Regress through TensorFlow Serving's own stubs; expected values by hand or from Predict."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import serving
from tests.serving.tensorflow_serving.requests import classification, example, regression

TIMEOUT = 30.0
Stub = prediction_service_pb2_grpc.PredictionServiceStub


def predict(stub: Stub, model: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs["inputs"].CopyFrom(tf.make_tensor_proto(rows.astype(np.float32)))
    return {name: tf.make_ndarray(proto) for name, proto in stub.Predict(request, TIMEOUT).outputs.items()}


def test_a_regression_tells_a_number_for_each_example(stub: Stub) -> None:
    response = stub.Regress(regression("half", example(x=2), example(x=5)), TIMEOUT)
    assert [line.value for line in response.result.regressions] == [3.0, 4.5]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("half", 3, "serving_default")


def test_a_classification_tells_labels_and_scores(stub: Stub) -> None:
    response = stub.Classify(classification("half", example(x=2), example(x=5), signature="classify"), TIMEOUT)
    found = [[(one.label, one.score) for one in line.classes] for line in response.result.classifications]
    assert found == [[("half", 3.0), ("whole", 2.0)], [("half", 4.5), ("whole", 5.0)]]
    assert response.model_spec.signature_name == "classify"


def test_a_classification_may_tell_one_of_both(stub: Stub) -> None:
    scores = stub.Classify(classification("half", example(x=2), signature="scores_only"), TIMEOUT)
    labels = stub.Classify(classification("half", example(x=2), signature="labels_only"), TIMEOUT)
    assert [(one.label, one.score) for one in scores.result.classifications[0].classes] == [("", 3.0), ("", 2.0)]
    assert [(one.label, one.score) for one in labels.result.classifications[0].classes] == [
        ("half", 0.0),
        ("whole", 0.0),
    ]


def test_the_context_gives_every_example_its_features(stub: Stub) -> None:
    request = regression("half", example(), example(other=1), context=example(x=4))
    assert [line.value for line in stub.Regress(request, TIMEOUT).result.regressions] == [4.0, 4.0]
    request = classification("half", example(), signature="classify", context=example(x=4))
    assert stub.Classify(request, TIMEOUT).result.classifications[0].classes[0].score == 4.0


def test_an_examples_own_feature_wins_over_the_context(stub: Stub) -> None:
    request = regression("half", example(x=2), example(), context=example(x=4))
    assert [line.value for line in stub.Regress(request, TIMEOUT).result.regressions] == [3.0, 4.0]


def test_a_certain_version_is_asked(stub: Stub) -> None:
    request = regression("half", example(x=2))
    request.model_spec.version.value = 3
    assert stub.Regress(request, TIMEOUT).result.regressions[0].value == 3.0


@pytest.mark.parametrize(("model", "data"), [("cancer", load_breast_cancer), ("wine", load_wine)])
def test_our_classifiers_classify_as_they_predict(stub: Stub, model: str, data: object) -> None:
    rows = data().data[::7]
    request = classification(model, *(example(inputs=row) for row in rows), signature="classify")
    found = stub.Classify(request, TIMEOUT).result.classifications
    answers = predict(stub, model, rows)
    scores = answers["probabilities"]
    if scores.shape[1] == 1:
        scores = np.hstack([1 - scores, scores])
    np.testing.assert_allclose([[one.score for one in line.classes] for line in found], scores, atol=1e-6)
    best = [max(line.classes, key=lambda one: one.score).label for line in found]
    assert best == [label.decode() for label in answers["label"]]


def test_our_regressions_regress_as_they_predict(stub: Stub) -> None:
    rows = load_diabetes(scaled=False).data[:20]
    request = regression("diabetes", *(example(inputs=row) for row in rows), signature="regress")
    found = [line.value for line in stub.Regress(request, TIMEOUT).result.regressions]
    np.testing.assert_allclose(found, predict(stub, "diabetes", rows)["value"][:, 0], rtol=1e-6)


def test_a_signature_without_a_method_name_of_its_own_does_as_well(stub: Stub) -> None:
    """TensorFlow 2 writes `predict` for all; TensorFlow Serving looks at inputs and outputs alone, by default."""
    request = regression("half", example(x=2), signature="method_of_its_own")
    assert stub.Regress(request, TIMEOUT).result.regressions[0].value == 3.0


def test_as_many_examples_as_a_batch_may_have(stub: Stub) -> None:
    request = regression("half", *(example(x=float(x)) for x in range(200)))
    found = [line.value for line in stub.Regress(request, TIMEOUT).result.regressions]
    assert found == [x / 2 + 2 for x in range(200)]


def test_our_own_client_sees_the_same_model(example_server: serving.Server) -> None:
    with serving.Client(f"localhost:{example_server.port}") as client:
        answer = client.predict("half", {"x": np.array([2, 5], np.float32)}, signature="predict", timeout=TIMEOUT)
    np.testing.assert_array_equal(answer["y"], [3, 4.5])
