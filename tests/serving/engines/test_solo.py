"""Which calls several threads compute, and which engines leave cores to others."""

import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.engines import version_engines
from serving.engines.by_files import EngineByFiles
from serving.engines.discovery import Subject
from serving.engines.engine import Engine, takes_one_core
from serving.engines.findings import LITERT, Contender
from serving.engines.labels import LabelledEngine
from serving.engines.litert import LiteRTEngine
from serving.engines.routed import Choice, RoutedEngine
from serving.engines.solo import SoloEngine
from serving.engines.version_engines import VersionEngines
from serving.saved_model import SERVE_TAG, read_signature_defs
from serving.servable import Servable
from serving.signature import Signature, TensorSpec, to_signatures
from zoo.artifact import read_passport
from zoo.tensors import differences, read_tensor

WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp" / "1"
SIGNATURE = Signature("f", {"x": TensorSpec("float32", (None,))}, {"y": TensorSpec("float32", (None,))})
X = {"x": np.zeros(1, np.float32)}
TIMEOUT = 60.0
Answer = dict[str, np.ndarray]


class Gated:
    """Answers what its threads are, once it is let; or raises what it is given."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.begun: queue.Queue[queue.Queue[Exception | None]] = queue.Queue()
        """The gates of the calls that wait: each takes an error, or None for an answer."""
        self.closed = 0

    def takes_one_core(self, signature: str) -> bool:
        return self.threads == 1 and signature != "all"

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Answer:
        gate: queue.Queue[Exception | None] = queue.Queue()
        self.begun.put(gate)
        if (error := gate.get(timeout=TIMEOUT)) is not None:
            raise error
        return {"threads": np.array(self.threads)}

    def close(self) -> None:
        self.closed += 1


class Calls:
    """Of a SoloEngine, each in a thread of its own until it is let."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.several, self.one = Gated(2), Gated(1)
        self.engine = SoloEngine(self.several, self.one)
        self._pool = pool

    def begin(self, runs_it: Gated) -> tuple[Future[Answer], "queue.Queue[Exception | None]"]:
        """Ask; see by which engine it is computed."""
        future = self._pool.submit(self.engine.run, "f", X)
        gate = runs_it.begun.get(timeout=TIMEOUT)
        assert self.several.begun.empty()
        assert self.one.begun.empty()
        return future, gate

    def end(self, call: tuple[Future[Answer], "queue.Queue[Exception | None]"]) -> int:
        future, gate = call
        gate.put(None)
        return int(future.result(TIMEOUT)["threads"])


@pytest.fixture
def calls() -> Iterator[Calls]:
    with ThreadPoolExecutor(4) as pool:
        yield Calls(pool)


def test_a_call_alone_has_several_threads_and_others_meanwhile_have_one_each(calls: Calls) -> None:
    first = calls.begin(calls.several)
    second, third = calls.begin(calls.one), calls.begin(calls.one)
    assert [calls.end(each) for each in (first, second, third)] == [2, 1, 1]
    assert calls.end(calls.begin(calls.several)) == 2


def test_several_threads_compute_one_call_at_a_time_whichever_ends_first(calls: Calls) -> None:
    first, second = calls.begin(calls.several), calls.begin(calls.one)
    assert calls.end(first) == 2
    third = calls.begin(calls.one)  # the second still has its core
    assert [calls.end(second), calls.end(third)] == [1, 1]
    first, second = calls.begin(calls.several), calls.begin(calls.one)
    assert calls.end(second) == 1
    third = calls.begin(calls.one)
    assert [calls.end(first), calls.end(third)] == [2, 1]
    assert calls.end(calls.begin(calls.several)) == 2


def test_a_call_that_fails_is_over_too(calls: Calls) -> None:
    first, second = calls.begin(calls.several), calls.begin(calls.one)
    for future, gate in (first, second):
        gate.put(ValueError("bad"))
        with pytest.raises(ValueError, match="bad"):
            future.result(TIMEOUT)
    assert calls.end(calls.begin(calls.several)) == 2


def test_however_calls_meet_several_threads_compute_but_one() -> None:
    """After all of them a call is alone again."""
    busy = threading.Lock()

    class Hasty(Gated):
        def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Answer:
            if self.threads > 1:
                assert busy.acquire(blocking=False), "two at once"
            np.ones(1000).sum()
            if self.threads > 1:
                busy.release()
            return {"threads": np.array(self.threads)}

    engine = SoloEngine(Hasty(2), Hasty(1), lambda: 0.0)  # neither is the quicker
    with ThreadPoolExecutor(4) as pool:
        assert {int(each["threads"]) for each in pool.map(lambda _: engine.run("f", X), range(2000))} <= {1, 2}
    assert 2 in [engine.run("f", X)["threads"] for _ in range(17)], "sixteen of them at most try the other way"


# Which of the two lone calls get


class Timed:
    """Answers what its threads are, after so many seconds of a clock."""

    def __init__(self, clock: list[float], threads: int, seconds: float) -> None:
        self.clock, self.threads, self.seconds = clock, threads, seconds

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Answer:
        self.clock[0] += self.seconds * len(inputs["x"])
        if signature == "fails":
            raise ValueError("bad")
        return {"threads": np.array(self.threads)}

    def close(self) -> None:
        pass


class Pair:
    """A SoloEngine of two such, and by which of them its calls are computed."""

    def __init__(self, several: float, one: float) -> None:
        clock = [0.0]
        self.several, self.one = Timed(clock, 2, several), Timed(clock, 1, one)
        self._engine = SoloEngine(self.several, self.one, lambda: clock[0])

    def ask(self, calls: int, rows: int = 1) -> list[int]:
        return [int(self._engine.run("f", {"x": np.zeros(rows)})["threads"]) for _ in range(calls)]

    def fail(self) -> None:
        with pytest.raises(ValueError, match="bad"):
            self._engine.run("fails", X)


EIGHT, PERIOD = 8, 2048
"""Calls of a trial, and lone calls from the end of one to the next."""


def test_lone_calls_get_the_quicker_of_the_two_and_the_other_is_tried_now_and_then() -> None:
    pair = Pair(several=1.0, one=2.0)
    assert pair.ask(16) == [2] * EIGHT + [1] * EIGHT, "several, until it is known what one takes"
    assert pair.ask(PERIOD - 1) == [2] * (PERIOD - 1)
    assert pair.ask(10) == [1] * EIGHT + [2, 2]
    pair = Pair(several=2.0, one=1.0)
    assert pair.ask(16) == [2] * EIGHT + [1] * EIGHT
    assert pair.ask(PERIOD - 1) == [1] * (PERIOD - 1)
    assert pair.ask(10) == [2] * EIGHT + [1, 1]


def test_several_threads_have_to_save_a_fifth() -> None:
    """They take what they save from whoever asks, where that is on the same cores."""
    for several, usual in ((0.75, 2), (0.85, 1)):
        pair = Pair(several, one=1.0)
        pair.ask(16)
        assert pair.ask(PERIOD - 1) == [usual] * (PERIOD - 1)


def test_it_changes_when_the_machine_does() -> None:
    """Several threads of two virtual cores that come to share a real one, and no longer."""
    pair = Pair(several=1.0, one=1.5)
    pair.ask(512)
    pair.several.seconds = 2.0
    pair.ask(PERIOD)
    assert set(pair.ask(100)) == {1}
    pair.several.seconds = 1.0
    pair.ask(PERIOD)
    assert set(pair.ask(100)) == {2}


@pytest.mark.parametrize("slow", range(16))
def test_calls_that_were_kept_from_their_cores_decide_nothing(slow: int) -> None:
    """The first by each way is one: it lays out its memory."""
    pair = Pair(several=1.0, one=1.5)
    for number in range(16):
        late = number in (slow, EIGHT)
        pair.several.seconds, pair.one.seconds = (1000.0, 1000.0) if late else (1.0, 1.5)
        pair.ask(1)
    assert set(pair.ask(100)) == {2}


def test_what_machines_are_in_another_minute_decides_nothing() -> None:
    pair = Pair(several=1.0, one=1.5)
    pair.ask(16)
    pair.several.seconds, pair.one.seconds = 10.0, 15.0
    pair.ask(PERIOD + EIGHT)
    assert set(pair.ask(100)) == {2}


def test_calls_of_other_shapes_are_judged_by_themselves() -> None:
    pair = Pair(several=2.0, one=1.0)
    pair.ask(16)
    assert pair.ask(3) == [1, 1, 1]
    assert pair.ask(3, rows=8) == [2, 2, 2], "of these it is not known what one takes"
    for rows in range(9, 9 + 70):
        pair.ask(1, rows)
    assert pair.ask(3) == [2, 2, 2], "forgotten: others were asked for since"


def test_what_a_call_took_that_failed_is_not_learnt() -> None:
    pair = Pair(several=1.0, one=2.0)
    pair.ask(16)
    pair.several.seconds = 0.001
    for _ in range(300):
        pair.fail()
    pair.several.seconds = 1.0
    assert set(pair.ask(100)) == {2}


def test_what_a_call_took_that_was_not_alone_is_not_learnt(calls: Calls) -> None:
    clock = iter(range(1000))
    calls.engine = SoloEngine(calls.several, calls.one, lambda: float(next(clock)))
    for _ in range(7):
        assert calls.end(calls.begin(calls.several)) == 2
    first, second = calls.begin(calls.several), calls.begin(calls.one)  # the 8th, and one beside it
    assert [calls.end(second), calls.end(first)] == [1, 2]
    for _ in range(8):  # the trial: as quick as several
        assert calls.end(calls.begin(calls.one)) == 1
    assert calls.end(calls.begin(calls.one)) == 1, "that stays"


def test_a_trial_whose_calls_are_not_alone_ends_without_a_judgement(calls: Calls) -> None:
    for _ in range(8):
        assert calls.end(calls.begin(calls.several)) == 2
    for _ in range(15):
        tried, beside = calls.begin(calls.one), calls.begin(calls.one)
        assert [calls.end(beside), calls.end(tried)] == [1, 1]
    assert calls.end(calls.begin(calls.one)) == 1, "the sixteenth is the last"
    assert calls.end(calls.begin(calls.several)) == 2


def test_closing_closes_what_is_its_own(calls: Calls) -> None:
    """The other one is the version's, which may run signatures by it alone."""
    calls.engine.close()
    assert (calls.several.closed, calls.one.closed) == (1, 0)


# Which engines take a core each


class Plain:
    """An engine that says nothing of cores, as TensorFlow's do."""

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Answer:
        return {}

    def close(self) -> None:
        pass


def routed(*engines: Engine) -> RoutedEngine:
    choice = Choice(tuple((1 << at, engine) for at, engine in enumerate(engines)), "some")
    return RoutedEngine({"f": SIGNATURE}, {"f": choice}, engines)


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (Gated(1), True),
        (Gated(2), False),
        (Plain(), False),
        (SoloEngine(Gated(2), Gated(1)), True),
        (LabelledEngine(Gated(1), {}), True),
        (LabelledEngine(Gated(2), {}), False),
        (LabelledEngine(Plain(), {}), False),
        (routed(Gated(1)), True),
        (routed(Gated(1), SoloEngine(Gated(2), Gated(1))), True),
        (routed(Gated(1), Plain()), False),
    ],
)
def test_an_engine_says_whether_its_calls_take_a_core_each(engine: Engine, *, expected: bool) -> None:
    assert takes_one_core(engine, "f") is expected
    servable = Servable("m", 1, engine, {"f": SIGNATURE}, signature_defs=read_signature_defs(WINE))
    assert servable.on_one_core == ({"f"} if expected else set())


def test_it_is_asked_for_each_signature() -> None:
    names = ("f", "all")
    one = Gated(1)
    choices = {name: Choice(((1, one),), "one") for name in names}
    for engine in (LabelledEngine(one, {}), RoutedEngine(dict.fromkeys(names, SIGNATURE), choices, [one])):
        assert [takes_one_core(engine, name) for name in names] == [True, False]


@pytest.mark.parametrize(("threads", "expected"), [(1, True), (2, False)])
def test_litert_says_so_of_one_thread(threads: int, *, expected: bool) -> None:
    engine = LiteRTEngine(WINE, threads=threads)
    assert takes_one_core(engine, "serving_default") is expected
    engine.close()


# In a version


def test_what_several_threads_run_in_a_version_is_run_by_one_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And answers what the artifact promises either way, label and all. Each is loaded once, whoever asks for it."""
    made = []

    class Remembered(LiteRTEngine):
        def __init__(self, version: Path, **options: Any) -> None:
            super().__init__(version, **options)
            made.append((options["threads"], options["interpreters"]))

    monkeypatch.setattr(version_engines, "LiteRTEngine", Remembered)
    passport = read_passport(WINE)
    subject = Subject(WINE, frozenset({SERVE_TAG}), to_signatures(read_signature_defs(WINE)), passport)
    engines = VersionEngines(EngineByFiles(interpreters=2), subject, tmp_path)
    one = engines.load("serving_default", Contender(LITERT))
    several = engines.load("serving_default", Contender(LITERT, threads=2))
    assert engines.load("serving_default", Contender(LITERT, threads=2)) is several
    assert made == [(1, 2), (2, 1)], "one call at a time has several threads"
    assert len(engines.loaded) == 2
    assert takes_one_core(several, "serving_default")
    golden = passport.golden["serving_default"]
    inputs = {key: read_tensor(each) for key, each in golden.inputs.items()}
    expected = {key: read_tensor(each) for key, each in golden.outputs.items()}
    with ThreadPoolExecutor(3) as pool:
        met = list(pool.map(lambda _: several.run("serving_default", inputs), range(60)))
    for answers in (one.run("serving_default", inputs), *met):
        assert differences(answers, expected, passport.variants["litert"].tolerance, same_dtypes=True) == []
    engines.close()
