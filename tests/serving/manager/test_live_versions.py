"""What requests are for is remembered until something changes: nobody may be answered by what was so before."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.live_versions import LiveVersions
from serving.model_ref import ModelRef
from serving.protos import prediction_pb2
from serving.servable import Servable
from serving.status import StatusError
from serving.version_labels import LabelRules
from serving.version_record import State, VersionRecord
from tests.serving.manager.counting import CountingEngine, Log

NUMBERS, LABELS = (1, 2, 3), ("stable", "canary")
REFS = [
    ModelRef("m"),
    ModelRef("other"),
    *(ModelRef("m", version=number) for number in NUMBERS),
    *(ModelRef("m", label=label) for label in LABELS),
]


class Versions:
    """Those of one model, and the steps that loading, unloading and operators make."""

    def __init__(self, *, is_asked: bool) -> None:
        """Have somebody ask for everything before every change, or not."""
        self.live = LiveVersions()
        self.loads = 0
        self._is_asked = is_asked

    def load(self, number: int) -> None:
        record = self._record(number)
        if record.servable is None:
            self.live.begin_load(record)
            self._ask()
            self.live.go_live(record, self._servable(number))

    def fail(self, number: int) -> None:
        record = self._record(number)
        if record.servable is None:
            self.live.begin_load(record)
            self.live.fail(record, f"broken {self.loads}")

    def rest(self, number: int) -> None:
        record = self._record(number)
        if record.servable is None:
            self.live.rest(record)

    def replace(self, number: int) -> None:
        old = self._record(number)
        if old.state is State.AVAILABLE:
            fresh = VersionRecord("m", number, old.path, State.AVAILABLE, servable=self._servable(number))
            self.live.replace(old, fresh)

    def retire(self, number: int) -> None:
        self._ask()
        self.live.retire("m", keep={number})

    def revive(self, number: int) -> None:
        record = self._record(number)
        if record.state is State.UNLOADING:
            self.live.revive(record)

    def close(self, number: int) -> None:
        for record in self.live.idle():
            self.live.take(record)
            self._ask()
            self.live.end(record)

    def evict(self, number: int) -> None:
        sizes = {self._record(each): 1 for each in NUMBERS}
        for needed in reversed(NUMBERS):  # as many as there are
            self._ask()
            if self.live.evict(needed, sizes):
                break

    def label(self, number: int) -> None:
        self._ask()
        self.live.move_labels("m", {"stable": number}, {*NUMBERS}, LabelRules())

    def label_another(self, number: int) -> None:
        self._ask()
        self.live.move_labels("m", {"stable": 1, "canary": number}, {*NUMBERS}, LabelRules())

    def remove(self, number: int) -> None:
        self._ask()
        self.live.keep_model("m", {*NUMBERS} - {number})

    def forget(self, number: int) -> None:
        self._ask()
        self.live.forget_model("m")

    def outcomes(self) -> list[object]:
        """Return what each request is answered by: its load, or why it is not."""
        return [_outcome(lambda ref=ref: self.live.lease(ref)) for ref in REFS]

    def _record(self, number: int) -> VersionRecord:
        record = self.live.record("m", number, Path("m") / str(number))
        self._ask()
        return record

    def _ask(self) -> None:
        if self._is_asked:
            self.outcomes()

    def _servable(self, number: int) -> Servable:
        self.loads += 1
        return Servable(
            f"load {self.loads}", number, CountingEngine(str(number), Log()), {}, prediction_pb2.SignatureDefMap()
        )


def _outcome(lease: Callable[[], object]) -> object:
    try:
        with lease() as servable:
            return servable.name, servable.version
    except StatusError as error:
        return str(error)


STEPS = [
    Versions.load, Versions.load, Versions.fail, Versions.rest, Versions.replace, Versions.retire, Versions.revive,
    Versions.close, Versions.evict, Versions.label, Versions.label_another, Versions.remove, Versions.forget,
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(NUMBERS)), max_size=30))
def test_who_asked_before_every_change_is_answered_as_who_never_did(
    steps: list[tuple[Callable[[Versions, int], None], int]],
) -> None:
    asked, never_asked = Versions(is_asked=True), Versions(is_asked=False)
    for step, number in steps:
        step(asked, number)
        step(never_asked, number)
    assert asked.outcomes() == never_asked.outcomes()
