"""Calls that are alone take all cores, others one each."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.engines.engine import takes_one_core
from serving.engines.labels import LabelledEngine
from serving.engines.routed import Choice, RoutedEngine
from serving.engines.solo import SoloEngine

X = {"x": np.zeros((1, 2), np.float32)}


class Named:
    """An engine that answers its name, and waits for a gate where it has one."""

    def __init__(self, name: str, *, gated: bool = False) -> None:
        self._name = name
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.closed = 0
        if not gated:
            self.gate.set()

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.begun.set()
        assert self.gate.wait(30)
        return {"name": np.array([self._name], object)}

    def close(self) -> None:
        self.closed += 1


class Broken(Named):
    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise ValueError("it broke")


class OneCore(Named):
    def takes_one_core(self, signature: str) -> bool:
        return signature != "all"


def answer(engine: SoloEngine) -> str:
    return str(engine.run("s", X)["name"][0])


def test_a_call_beside_another_has_one_core() -> None:
    several, one = Named("several", gated=True), Named("one")
    engine = SoloEngine(several, one)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(answer, engine)
        assert several.begun.wait(30)
        assert [answer(engine), answer(engine)] == ["one", "one"]
        several.gate.set()
        assert first.result(30) == "several"
    assert answer(engine) == "several"


def test_a_call_that_failed_is_over() -> None:
    engine = SoloEngine(Broken("several"), Named("one"))
    for _ in range(3):
        with pytest.raises(ValueError, match="it broke"):
            engine.run("s", X)


def test_it_closes_what_is_its_own() -> None:
    several, one = Named("several"), Named("one")
    SoloEngine(several, one).close()
    assert (several.closed, one.closed) == (1, 0)


def test_who_takes_one_core_says_so() -> None:
    plain, one = Named("plain"), OneCore("one")
    assert not takes_one_core(plain, "s")
    assert takes_one_core(one, "s")
    assert takes_one_core(SoloEngine(plain, one), "s")
    assert takes_one_core(LabelledEngine(one, {}), "s")
    assert not takes_one_core(LabelledEngine(plain, {}), "s")


def test_of_several_engines_all_have_to() -> None:
    plain, one = Named("plain"), OneCore("one")
    choices = {
        "s": Choice(((1, one),), ""),
        "all": Choice(((1, one),), ""),
        "mixed": Choice(((1, one), (8, plain)), ""),
    }
    routed = RoutedEngine({}, choices, [plain, one])
    assert {name: routed.takes_one_core(name) for name in choices} == {"s": True, "all": False, "mixed": False}
