"""One answer of several workers."""

import pytest

from serving.status import Code, StatusError
from serving.workers.messages import Failure
from serving.workers.peers import unanimous


def test_answers_of_all_are_what_is_answered() -> None:
    assert unanimous({0: b"a", 1: b"b"}) == {0: b"a", 1: b"b"}


def test_a_refusal_of_all_is_that_of_one_server() -> None:
    failure = Failure(Code.NOT_FOUND, "no such model", field="model_name", retry_after=2.0)
    with pytest.raises(StatusError, match=r"^no such model$") as caught:
        unanimous({0: failure, 1: failure})
    assert (caught.value.code, caught.value.field, caught.value.retry_after) == (Code.NOT_FOUND, "model_name", 2.0)


def test_a_failure_of_some_is_told_with_whose_it_is() -> None:
    with pytest.raises(StatusError) as caught:
        unanimous({0: b"", 1: Failure(Code.INTERNAL, "no memory"), 2: b""})
    assert caught.value.code is Code.INTERNAL
    assert caught.value.message == "not done by all workers: worker 1: no memory; done by worker 0, worker 2"
