"""Calls that come in one read are computed in one run, and each is answered, told and counted as it would be by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from serving.codec import decode
from serving.lanes import Lane
from serving.model_ref import ModelRef
from serving.priority import KEY as PRIORITY
from serving.protos import prediction_pb2 as pb
from serving.service_times import ServiceTimes
from serving.wire import MODEL_INFER, PREDICT
from tests.serving.both_ways import BROKEN_PROMISE, CANCELLED, FAULT, NOT_FOUND, REFUSED, Side
from tests.serving.test_at_once import Asking, Kind, Sides, both

_OF_BATCHES = ("zoo_batch_rows", "zoo_nan_answers")


@pytest.fixture(scope="module", autouse=True)
def _no_time() -> Iterator[None]:
    """Every model is known to take none, and large batches to pay, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServiceTimes, "at_once", lambda *_: 0.0)
        patch.setattr(Lane, "most_rows", lambda _: 64)
        yield


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    with both(tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")) as running:
        for side in running[1:]:
            side.serve((1, 2), 1)
        yield running


def learn(side: Side, *asked: Asking) -> None:
    """Ask until the server knows the requests, and that rows of the model are independent."""
    for _ in range(4):
        together(side, [one for each in asked for one in [each] * 4])


def together(side: Side, asked: Sequence[Asking]) -> list[tuple[Any, ...]]:
    metadata = [dict(each.metadata) | {"x-request-id": f"call-{place}"} for place, each in enumerate(asked)]
    return side.together([(each.kind.path, each.message, own) for each, own in zip(asked, metadata, strict=True)])


def one_by_one(side: Side, asked: Sequence[Asking]) -> list[tuple[Any, ...]]:
    found = []
    for place, each in enumerate(asked):
        metadata = dict(each.metadata) | {"x-request-id": f"call-{place}"}
        found += side.together([(each.kind.path, each.message, metadata)])
    return found


def told(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the log tells of calls, but for the batches that they were computed in."""
    calls = [{name: value for name, value in each.items() if name != "batch_rows"} for each in calls]
    return sorted(calls, key=lambda each: str(each["request_id"]))


def counts(side: Side) -> list[Any]:
    """What a server counted, but for batches."""
    metrics, statistics, _, loads = side.counted()
    own = {name: value for name, value in metrics.items() if not name[0].startswith(_OF_BATCHES)}
    return [own, [each[:3] for each in statistics], loads]


KINDS = st.builds(
    Kind,
    path=st.sampled_from([PREDICT, MODEL_INFER]),
    model=st.sampled_from(["affine", "affine", "other", "nobody"]),
    version=st.sampled_from([None, None, 1]),
    outputs=st.sampled_from([(), ("y",)]),
)
NUMBERS = st.sampled_from([0.0, -2.0, 3.0, 17.0, float("inf"), float("nan")])
WHIMS = st.sampled_from(list(map(float, [FAULT, REFUSED, NOT_FOUND, CANCELLED, BROKEN_PROMISE])))
METADATA = st.fixed_dictionaries(
    {"authorization": st.sampled_from(["Bearer all"] * 4 + ["Bearer some", "Bearer nobodys"])},
    optional={PRIORITY: st.sampled_from(["1", "many"])},
)


@st.composite
def reads(draw: st.DrawFn) -> list[Asking]:
    """Calls of one read: most alike, some odd."""
    kinds = draw(st.lists(KINDS, min_size=1, max_size=2))
    rows = draw(st.integers(1, 2))
    plain = st.builds(Asking, st.sampled_from(kinds), st.tuples(*[NUMBERS] * rows))
    odd = st.builds(
        lambda one, first, metadata: replace(one, x=(first, *one.x[1:]), metadata=tuple(metadata.items())),
        plain,
        st.one_of(NUMBERS, WHIMS),
        METADATA,
    )
    return draw(st.lists(st.one_of(plain, plain, plain, plain, odd), min_size=2, max_size=12))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=reads())
def test_nobody_can_tell_what_came_beside_a_call(sides: Sides, asked: list[Asking]) -> None:
    counting, first, second = sides
    kinds = dict.fromkeys(each.kind for each in asked)
    rows = len(asked[0].x)
    known = [Asking(kind, (1.0,) * rows) for kind in kinds]
    for _ in range(3):
        together(first, [one for each in known for one in (each, each)])
        one_by_one(second, [one for each in known for one in (each, each)])
    before = counting.count
    with first.call_log() as log:
        seen = together(first, asked)
    with second.call_log() as expected_log:
        expected = one_by_one(second, asked)
    assert seen == expected
    assert told(log.calls) == told(expected_log.calls)
    assert counts(first) == counts(second)
    joint = any(each.get("batch_rows", 0) > each.get("rows", 0) for each in log.calls)
    event("computed together" if joint else "at once, each alone" if counting.count > before else "by handlers alone")


@pytest.mark.parametrize("path", [PREDICT, MODEL_INFER])
def test_calls_of_one_read_are_one_run_and_each_is_a_call(sides: Sides, path: str) -> None:
    _, side, _ = sides
    asked = [Asking(Kind(path), (float(place), -1.0)) for place in range(10)]
    learn(side, asked[0])
    rows, executions = counted_of(side)
    with side.call_log() as log:
        seen = together(side, asked)
    assert counted_of(side) == (rows + 20, executions + 1)
    assert [(each["rows"], each["batch_rows"]) for each in log.calls] == [(2, 20)] * 10
    if path == PREDICT:
        for place, (message, *_) in enumerate(seen):
            response = pb.PredictResponse.FromString(message)
            assert decode(response.outputs["y"]).tolist() == [place + 2, 1], "version 2 adds 2"


def counted_of(side: Side) -> tuple[int, int]:
    return next((each[2], each[3]) for each in side.counted()[1] if each[:2] == ("affine", "2"))


def test_one_bad_request_harms_none_beside_it(sides: Sides) -> None:
    _, side, _ = sides
    asked = [Asking(Kind(), (float(place),)) for place in range(8)]
    learn(side, asked[0])
    asked[3] = replace(asked[3], x=(float(FAULT),))
    asked[5] = replace(asked[5], x=(float("nan"),))
    seen = together(side, asked)
    statuses = [dict(trailing)["grpc-status"] for _, _, trailing in seen]
    assert statuses == ["0", "0", "0", "13", "0", "3", "0", "0"]


def test_rows_that_are_not_independent_are_computed_alone(sides: Sides) -> None:
    _, side, _ = sides
    asked = [Asking(Kind(model="other"), (float(place),)) for place in range(6)]
    learn(side, asked[0])
    with side.server.manager.lease(ModelRef("other")) as servable:
        [independence] = servable.independence.values()
    assert independence.known is True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(independence, "_known", False)  # as a trial would have found
        with side.call_log() as log:
            seen = together(side, asked)
    assert [each["batch_rows"] for each in log.calls] == [1] * 6
    assert [dict(trailing)["grpc-status"] for _, _, trailing in seen] == ["0"] * 6
