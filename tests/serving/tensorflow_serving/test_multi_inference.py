"""MultiInference through TensorFlow Serving's own stubs."""

import grpc
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tests.serving.tensorflow_serving.requests import CLASSIFY, REGRESS, example, inference

TIMEOUT = 30.0
Stub = prediction_service_pb2_grpc.PredictionServiceStub


def test_tasks_answer_in_their_order_with_their_own_signatures(stub: Stub) -> None:
    tasks = {"regress_3": REGRESS, "classify": CLASSIFY, "": REGRESS}
    response = stub.MultiInference(inference("half", tasks, example(x=2), example(x=5)), TIMEOUT)
    first, second, third = response.results
    assert [line.value for line in first.regression_result.regressions] == [4.0, 5.5]
    found = [[(one.label, one.score) for one in line.classes] for line in second.classification_result.classifications]
    assert found == [[("half", 3.0), ("whole", 2.0)], [("half", 4.5), ("whole", 5.0)]]
    assert [line.value for line in third.regression_result.regressions] == [3.0, 4.5]
    specs = [
        (line.model_spec.name, line.model_spec.version.value, line.model_spec.signature_name)
        for line in response.results
    ]
    assert specs == [("half", 3, "regress_3"), ("half", 3, "classify"), ("half", 3, "serving_default")]


def test_one_task_alone(stub: Stub) -> None:
    response = stub.MultiInference(inference("half", {"regress": REGRESS}, example(x=2)), TIMEOUT)
    assert response.results[0].regression_result.regressions[0].value == 3.0


def test_a_signature_may_be_named_twice(stub: Stub) -> None:
    request = inference("half", [("regress", REGRESS), ("classify", CLASSIFY), ("regress", REGRESS)], example(x=2))
    first, _, third = stub.MultiInference(request, TIMEOUT).results
    assert first == third
    assert first.regression_result.regressions[0].value == 3.0


def test_only_the_first_task_has_to_name_a_version(stub: Stub) -> None:
    request = inference("half", {"regress": REGRESS, "classify": CLASSIFY}, example(x=2))
    request.tasks[0].model_spec.version.value = 3
    assert len(stub.MultiInference(request, TIMEOUT).results) == 2
    request.tasks[1].model_spec.version.value = 2
    with pytest.raises(
        grpc.RpcError, match=r"must access the same version. Got Specific\(half, 3\) and Specific\(half, 2\)"
    ):
        stub.MultiInference(request, TIMEOUT)


def test_a_signature_named_a_million_times_is_not_answered_a_million_times(stub: Stub) -> None:
    request = inference("half", [("regress", REGRESS)] * 101, example(x=2))
    with pytest.raises(grpc.RpcError, match="101 tasks: a request may have 100 at most"):
        stub.MultiInference(request, TIMEOUT)
    del request.tasks[100:]
    assert len(stub.MultiInference(request, TIMEOUT).results) == 100
