"""What is answered at once is answered, told and counted as its handler would have."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from serving.codec import encode
from serving.priority import KEY as PRIORITY
from serving.protos import prediction_pb2 as pb
from serving.service_times import ServiceTimes
from serving.wire import CONTENT_KEY, MODEL_INFER, MODEL_STREAM_INFER, PREDICT
from tests.serving.both_ways import WHIMS, Counting, HandlersAlone, Side
from tests.serving.inference.cases import raw_request, typed_request


@dataclass(frozen=True)
class Kind:
    """What requests have in common that differ in numbers alone."""

    path: str = PREDICT
    model: str = "affine"
    version: int | None = None
    label: bool = False
    outputs: tuple[str, ...] = ()
    classes: int = 0
    typed: bool = False


@dataclass(frozen=True)
class Asking:
    """One request."""

    kind: Kind
    x: tuple[float, ...] = (1.0, 2.0)
    id: bytes = b""
    metadata: tuple[tuple[str, str], ...] = (("authorization", "Bearer all"),)

    @property
    def message(self) -> bytes:
        kind, x = self.kind, np.array(self.x, np.float32)
        if kind.path == PREDICT:
            made = pb.PredictRequest(model_spec=pb.ModelSpec(name=kind.model), output_filter=kind.outputs)
            if kind.label:
                made.model_spec.version_label = "stable"
            elif kind.version is not None:
                made.model_spec.version.value = kind.version
            made.inputs["x"].CopyFrom(encode(x))
            return made.SerializeToString()
        version = "" if kind.version is None else str(kind.version)
        asked = (typed_request if kind.typed else raw_request)(kind.model, {"x": x}, model_version=version)
        for name in kind.outputs:
            asked.outputs.add(name=name)
            if name == "y" and kind.classes:
                asked.outputs[-1].parameters["classification"].int64_param = kind.classes
        return asked.SerializeToString() + (b"\x1a%c%b" % (len(self.id), self.id) if self.id else b"")


@dataclass(frozen=True)
class Serving:
    """A change of what is served."""

    versions: tuple[int, ...] = (1, 2)
    label: int | None = 1


Step = Asking | Serving
Sides = tuple[Counting, Side, Side]


@pytest.fixture(scope="module", autouse=True)
def _no_time() -> Iterator[None]:
    """Every model is known to take none, however busy the machine is, once it was asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServiceTimes, "at_once", lambda *_: 0.0)
        yield


@pytest.fixture(scope="module", params=["loaded at the start", "loaded on first use", "one at a time"])
def sides(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    fields = {"loaded on first use": {"load_on_first_use": True}, "one at a time": {"memory_budget_mb": 1}}
    folders = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    with both(*folders, **fields.get(request.param, {})) as running:
        yield running


@contextmanager
def both(first: Path, second: Path, **fields: Any) -> Iterator[Sides]:
    counting = Counting()
    with Side(first, counting, **fields).running() as one, Side(second, HandlersAlone(), **fields).running() as other:
        yield counting, one, other


def take(side: Side, step: Step) -> Any:
    if isinstance(step, Serving):
        return side.serve(step.versions, step.label)
    if step.kind.path == MODEL_STREAM_INFER:
        return side.stream(step.kind.path, step.message, dict(step.metadata))
    return side.call(step.kind.path, step.message, dict(step.metadata))


def all_of(side: Side, steps: Sequence[Step]) -> tuple[list[Any], list[Any]]:
    with side.call_log() as told:
        seen = [take(side, step) for step in (Serving(), *steps)]
    return seen, told.calls


def compare(sides: Sides, steps: Sequence[Step]) -> int:
    """Take steps on both sides. Returns how many calls were answered at once."""
    counting, first, second = sides
    before = counting.count
    (seen, told), (expected, expected_told) = all_of(first, steps), all_of(second, steps)
    for step, one, other in zip((Serving(), *steps), seen, expected, strict=True):
        assert one == other, step
    assert told == expected_told
    assert first.counted() == second.counted()
    return counting.count - before


KINDS = st.builds(
    Kind,
    path=st.sampled_from([PREDICT, MODEL_INFER, MODEL_INFER, MODEL_STREAM_INFER]),
    model=st.sampled_from(["affine", "affine", "affine", "other", "nobody"]),
    version=st.sampled_from([None, None, 1, 2]),
    label=st.sampled_from([False, False, True]),
    outputs=st.sampled_from([(), (), ("y",), ("text",), ("text", "y")]),
    classes=st.sampled_from([0, 0, 1]),
    typed=st.sampled_from([False, False, True]),
)
NUMBERS = st.sampled_from([0.0, -2.0, 3.0, 1e30, float("inf"), float("-inf")])
ODD = st.sampled_from([*map(float, WHIMS), float("nan")])
IDS = st.sampled_from([b"", b"ab", b"a\n", b"\xc3\xa9", b"\xff\xff", b"\xed\xa0", b'"{', b"x" * 100, b"\x00\x7f"])
METADATA = st.fixed_dictionaries(
    {"authorization": st.sampled_from(["Bearer all"] * 4 + ["Bearer some", "Bearer nobodys", ""])},
    optional={
        "x-request-id": st.sampled_from(["mine-1", "not safe", "x" * 129]),
        PRIORITY: st.sampled_from(["1", "9", "0", "many"]),
        CONTENT_KEY: st.just("1"),
    },
)
VERSIONS = st.sampled_from([(1,), (2,), (1, 2)])


@st.composite
def sequences(draw: st.DrawFn) -> list[Step]:
    """Steps in which the same is asked again and again."""
    kinds = draw(st.lists(KINDS, min_size=1, max_size=2))
    rows = draw(st.integers(1, 3))
    changes = st.builds(Serving, VERSIONS, st.sampled_from([None, 1, 2]))
    plain = st.builds(Asking, st.sampled_from(kinds), st.tuples(*[NUMBERS] * rows))
    odd = st.builds(
        lambda one, first, request_id, metadata: replace(
            one, x=(first, *one.x[1:]), id=request_id, metadata=tuple(metadata.items())
        ),
        plain,
        st.one_of(NUMBERS, ODD),
        IDS,
        METADATA,
    )
    return draw(st.lists(st.one_of(plain, plain, plain, odd, odd, changes), min_size=5, max_size=20))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=sequences())
def test_nobody_can_tell_which_way_a_call_went(sides: Sides, steps: list[Step]) -> None:
    event("at once" if compare(sides, steps) else "by handlers alone")


@pytest.mark.parametrize("path", [PREDICT, MODEL_INFER])
@pytest.mark.parametrize("first", [*WHIMS, float("nan")])
def test_what_goes_wrong_goes_wrong_the_same_way(sides: Sides, path: str, first: float) -> None:
    kind = Kind(path, outputs=("y",))
    steps = [*[Asking(kind)] * 3, Asking(kind, (first, 2.0)), Asking(kind)]
    assert compare(sides, steps) >= 3


@pytest.mark.parametrize("path", [PREDICT, MODEL_INFER])
def test_versions_come_and_go_between_the_same_requests(sides: Sides, path: str) -> None:
    asked = [Asking(Kind(path))] * 3
    newest, oldest = Serving((1, 2), None), Serving((1,), None)
    steps = [*asked, oldest, *asked, newest, *asked, *[Asking(Kind(path, "other"))] * 3, *asked, oldest, *asked]
    assert compare(sides, steps) >= 6


@pytest.mark.parametrize("path", [PREDICT, MODEL_INFER])
def test_who_may_not_use_a_model_is_told_so_between_those_who_may(sides: Sides, path: str) -> None:
    asked = Asking(Kind(path, "other"))
    others = [replace(asked, metadata=(("authorization", token),)) for token in ("Bearer some", "", "Bearer none")]
    steps = [*[asked] * 3, *(step for other in others for step in (other, asked))]
    assert compare(sides, steps) >= 4


def test_a_new_version_is_asked_what_was_answered_at_once(tmp_path: Path) -> None:
    with both(tmp_path / "first", tmp_path / "second", gate_requests=32, versions="1") as sides:
        counting, first, second = sides
        for value in range(8):
            for side in (first, second):
                assert len(take(side, Asking(Kind(), (float(value), 1.0)))) == 3
        assert counting.count == 6
        for side in (first, second):
            assert side.serve((1, 2), None) == ""
        asked = {x for version, x in first.fleet.runs if version == "affine/2"}
        assert asked == {np.array([value, 1], np.float32).tobytes() for value in range(8)}
        assert first.fleet.runs == second.fleet.runs
