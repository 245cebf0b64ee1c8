"""What a gate makes of answers, by engines that answer what they are told to."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import serving
from serving.gate_rules import GateRules
from serving.protos import prediction_pb2
from serving.recent_gate import RecentGate, RefusedVersionError
from serving.recent_requests import RecentRequests
from serving.servable import Servable
from serving.signature import Signature, TensorSpec
from serving.status import Code, ServerError, StatusError


class Engine:
    """Answers what it was told to, or raises it, after a while on a clock of its own."""

    def __init__(self, answer: np.ndarray | Exception, clock: "Clock", seconds: float = 0.0) -> None:
        self._answer, self._clock, self._seconds = answer, clock, seconds
        self.calls = 0

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls += 1
        self._clock.now += self._seconds
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"y": self._answer}

    def close(self) -> None: ...


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


SIGNATURE = Signature("serving_default", {"x": TensorSpec("float32", (None,))}, {"y": TensorSpec("int64", (None,))})


def servable(version: int, engine: Engine) -> Servable:
    return Servable("m", version, engine, {"serving_default": SIGNATURE}, prediction_pb2.SignatureDefMap())


def asked(count: int) -> RecentRequests:
    recent = RecentRequests(count, 1 << 20)
    for _ in range(count):
        recent.offer("m", SIGNATURE, {"x": np.array([4.0, 8.0], np.float32)})
    return recent


ONES, TWOS = np.array([1, 1]), np.array([1, 2])


def test_a_slow_version_is_asked_for_some_seconds_only() -> None:
    clock = Clock()
    old, new = Engine(ONES, clock), Engine(ONES, clock, seconds=4.0)
    RecentGate(GateRules(), asked(20), clock=clock).check(servable(2, new), servable(1, old))
    assert new.calls == old.calls == 3


@pytest.mark.parametrize(
    ("rules", "flips"), [(GateRules(), True), (GateRules(max_flips=0.5), True), (GateRules(max_flips=0.49), False)]
)
def test_a_limit_on_flips_is_kept(rules: GateRules, *, flips: bool) -> None:
    gate = RecentGate(rules, asked(3))
    versions = servable(2, Engine(TWOS, Clock())), servable(1, Engine(ONES, Clock()))
    if flips:
        gate.check(*versions)
        return
    with pytest.raises(
        RefusedVersionError, match=r"too far from .* version 1: y another class in 3 of 6 rows \(50.0%\)"
    ):
        gate.check(*versions)


def test_a_moment_without_memory_is_nobodys_fault_and_a_fault_of_the_server_is() -> None:
    gate = RecentGate(GateRules(), asked(3))
    old, full = Engine(ONES, Clock()), Engine(StatusError(Code.RESOURCE_EXHAUSTED, "no memory"), Clock())
    gate.check(servable(2, full), servable(1, old))
    assert full.calls == 3
    with pytest.raises(RefusedVersionError, match="3 of 3 go wrong: signature 'serving_default' fails with KeyError"):
        gate.check(servable(2, Engine(KeyError("secret"), Clock())), servable(1, old))


def test_what_the_version_before_does_not_answer_either_is_left_out() -> None:
    broken = Engine(ValueError("secret"), Clock())
    RecentGate(GateRules(), asked(3)).check(servable(2, broken), servable(1, broken))


@pytest.mark.parametrize("field", ["requests", "max_bytes", "max_difference", "max_flips"])
def test_a_rule_that_makes_no_sense_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(ServerError, match=f"gate_{field} -1: expected "):
        serving.Server(tmp_path, **{f"gate_{field}": -1})
