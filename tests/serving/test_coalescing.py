"""Callers that share requests, in any interleaving, with a server and a clock that the test moves."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import serving
from serving.call_error import CallError
from serving.coalescing import Answer, Ask, Coalescer

BAD = -1.0
"""A value that the server refuses, with the request that it is in."""
PATIENCE = 60


class Moment(threading.Event):
    """An event whose wait ends when it is set, or when the test says that the time is over."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.world = world

    def wait(self, timeout: float | None = None) -> bool:
        with self.world.changed:
            self.world.waits[threading.current_thread()] = self
            self.world.changed.notify_all()
        return super().wait(PATIENCE)

    def expire(self) -> None:
        """End the wait without an answer."""
        super().set()


@dataclass(eq=False)
class Request:
    """What is on its way to the server."""

    ask: Ask
    done: Callable[[Answer | CallError], None]
    thread: threading.Thread | None = None
    """That waits for it; None for a joint one."""


@dataclass
class World:
    """A server that answers `y = 2 x + 1` when it is told to, and knows who waits."""

    by_row: bool = True
    changed: threading.Condition = field(default_factory=threading.Condition)
    requests: list[Request] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    waits: dict[threading.Thread, Moment] = field(default_factory=dict)
    callers: list["Caller"] = field(default_factory=list)
    cancelled: int = 0

    def ask(self, ask: Ask, timeout: float) -> Answer:
        ended, results = threading.Event(), []

        def done(result: Answer | CallError) -> None:
            results.append(result)
            ended.set()

        self._arrive(Request(ask, done, threading.current_thread()))
        assert ended.wait(PATIENCE)
        if isinstance(results[0], CallError):
            raise results[0]
        return results[0]

    def start(self, ask: Ask, timeout: float, done: Callable[[Answer | CallError], None]) -> Callable[[], object]:
        request = Request(ask, done)
        self._arrive(request)

        def cancel() -> None:
            with self.changed:
                mine = request in self.requests
                if mine:
                    self.requests.remove(request)
                    self.cancelled += 1
            if mine:
                done(CallError("CANCELLED", "by the caller"))

        return cancel

    def answers_by_row(self, ask: Ask, timeout: float) -> bool:
        return self.by_row

    def _arrive(self, request: Request) -> None:
        with self.changed:
            self.requests.append(request)
            self.sizes.append(request.ask.rows)
            self.waits.pop(threading.current_thread(), None)
            self.changed.notify_all()

    def answer(self, which: int = 0, error: str = "") -> None:
        """Answer one of the requests that are on their way."""
        with self.changed:
            request = self.requests.pop(which)
        x = request.ask.inputs["x"]
        self._end(request, x, error)
        self.settle()

    def settle(self) -> None:
        """Return once every caller has its result, waits for its request or waits for others."""
        with self.changed:
            assert self.changed.wait_for(lambda: all(map(self._is_still, self.callers)), PATIENCE)

    def _is_still(self, caller: "Caller") -> bool:
        moment = self.waits.get(caller)
        return (
            caller.result is not None
            or any(request.thread == caller for request in self.requests)
            or (moment is not None and not moment.is_set())
        )

    def _end(self, request: Request, x: np.ndarray, error: str) -> None:
        if error:
            request.done(CallError(error, "it is so"))
        elif (x == BAD).any():
            request.done(CallError("INVALID_ARGUMENT", "a bad value"))
        else:
            request.done({"y": 2 * x + 1})


class Caller(threading.Thread):
    """Asks once, in a thread of its own."""

    def __init__(self, world: World, coalescer: Coalescer, x: list[float], width: int = 1) -> None:
        super().__init__(daemon=True)
        self.world, self.coalescer = world, coalescer
        self.x = np.repeat(np.array(x)[:, None], width, axis=1)
        self.expired = False
        self.result: Answer | CallError | None = None

    def run(self) -> None:
        try:
            result: Answer | CallError = self.coalescer.ask(Ask("m", None, "", (), {"x": self.x}), 10)
        except CallError as error:
            result = error
        with self.world.changed:
            self.result = result
            self.world.changed.notify_all()

    def enter(self) -> "Caller":
        """Start, and return once it has sent its request or waits."""
        self.world.callers.append(self)
        self.start()
        self.world.settle()
        return self

    def give_up(self) -> None:
        """Have its time be over, where it waits for others."""
        with self.world.changed:
            moment = self.world.waits.pop(self, None)
        if moment is not None and not moment.is_set():
            self.expired = True
            moment.expire()
            self.world.settle()

    def check(self) -> None:
        """Hold what it got against what it asked."""
        if isinstance(self.result, CallError):
            wanted = "DEADLINE_EXCEEDED" if self.expired else "INVALID_ARGUMENT"
            assert self.result.code == wanted
            assert self.expired or (self.x == BAD).any()
        else:
            assert self.result is not None
            np.testing.assert_array_equal(self.result["y"], 2 * self.x + 1)


def finish(world: World, callers: list[Caller]) -> None:
    """Answer everything that is and gets on its way, until every caller has its result."""
    while world.requests:
        world.answer()
    assert all(caller.result is not None for caller in callers)


def make(world: World, max_rows: int = 100) -> Coalescer:
    """Return what is tested, in the world of the test."""
    return Coalescer(world, max_rows, now=lambda: 0.0, event=lambda: Moment(world))


def test_who_comes_while_a_request_is_on_its_way_goes_with_the_next_one() -> None:
    world = World()
    coalescer = make(world)
    callers = [Caller(world, coalescer, x).enter() for x in ([1.0], [2.0, 3.0], [4.0])]
    finish(world, callers)
    assert world.sizes == [1, 3]
    for caller in callers:
        caller.check()


def test_other_shapes_of_rows_go_apart_and_too_many_rows_in_several_requests() -> None:
    world = World()
    coalescer = make(world, max_rows=4)
    callers = [Caller(world, coalescer, [1.0]).enter(), Caller(world, coalescer, [1.0], width=2).enter()]
    callers += [Caller(world, coalescer, [2.0, 3.0]).enter() for _ in range(3)]
    finish(world, callers)
    assert sorted(world.sizes) == [1, 1, 2, 4]


def test_a_bad_row_is_the_error_of_its_caller_alone() -> None:
    world = World()
    coalescer = make(world)
    callers = [Caller(world, coalescer, x).enter() for x in ([1.0], [2.0], [BAD], [4.0])]
    finish(world, callers)
    for caller in callers:
        caller.check()
    assert [isinstance(caller.result, CallError) for caller in callers] == [False, False, True, False]
    assert world.sizes == [1, 3, 1, 1, 1]


def test_an_error_that_is_everybodys_is_not_asked_again() -> None:
    world = World()
    coalescer = make(world)
    callers = [Caller(world, coalescer, [x]).enter() for x in (1.0, 2.0, 3.0)]
    world.answer()
    world.answer(error="UNAVAILABLE")
    finish(world, callers)
    assert world.sizes == [1, 2]
    assert [str(caller.result) for caller in callers[1:]] == ["UNAVAILABLE: it is so"] * 2


def test_answers_that_have_no_row_for_every_row_are_not_shared_and_the_model_is_asked_alone_from_then_on() -> None:
    world = World()
    coalescer = make(world)
    callers = [Caller(world, coalescer, [x]).enter() for x in (1.0, 2.0, 3.0)]
    world.answer()
    world.requests.pop().done({"y": np.zeros((5, 1))})
    world.settle()
    finish(world, callers)
    for caller in callers:
        caller.check()
    later = [Caller(world, coalescer, [x]).enter() for x in (1.0, 2.0, 3.0)]
    assert len(world.requests) == 3
    finish(world, later)


def test_a_model_that_answers_otherwise_than_by_row_is_never_asked_jointly() -> None:
    world = World(by_row=False)
    coalescer = make(world)
    callers = [Caller(world, coalescer, [x]).enter() for x in (1.0, 2.0, 3.0)]
    assert len(world.requests) == 3
    finish(world, callers)


def test_a_request_whose_callers_have_all_given_up_is_cancelled() -> None:
    world = World()
    coalescer = make(world)
    callers = [Caller(world, coalescer, [x]).enter() for x in (1.0, 2.0, 3.0)]
    world.answer()
    callers[1].give_up()
    assert world.cancelled == 0
    callers[2].give_up()
    assert world.cancelled == 1
    finish(world, callers)
    after = Caller(world, coalescer, [4.0]).enter()
    finish(world, [after])
    after.check()


values = st.one_of(st.integers(0, 1000).map(float), st.just(BAD))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.lists(values, min_size=1, max_size=3), st.integers(1, 2)),
        st.tuples(st.just("answer"), st.integers(0, 5)),
        st.tuples(st.just("give up"), st.integers(0, 11)),
    ),
    max_size=24,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from([2, 4, 100]))
def test_in_any_interleaving_every_caller_gets_its_own_rows(script: list[tuple], max_rows: int) -> None:
    world = World()
    coalescer = make(world, max_rows)
    callers: list[Caller] = []
    for step in script:
        if step[0] == "ask":
            callers.append(Caller(world, coalescer, *step[1:]).enter())
        elif step[0] == "answer" and world.requests:
            world.answer(step[1] % len(world.requests))
        elif step[0] == "give up" and callers:
            callers[step[1] % len(callers)].give_up()
    finish(world, callers)
    for caller in callers:
        caller.check()
    assert max(world.sizes, default=0) <= max(max_rows, 3)


def test_threads_on_a_real_server_get_their_own_rows(server: serving.Server) -> None:
    wrong: list[object] = []
    start = threading.Barrier(32)

    def call(client: serving.Client, number: int) -> None:
        start.wait(PATIENCE)
        for turn in range(20):
            x = np.arange(1 + turn % 3, dtype=np.float32) + 1000 * number + turn
            answer = client.predict("affine", {"x": x}, timeout=60)["y"]
            if not np.array_equal(answer, x / 2 + 3):
                wrong.append((x, answer))

    with serving.Client(f"localhost:{server.port}", coalesce_rows=64) as client:
        threads = [threading.Thread(target=call, args=(client, number)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def test_rows_that_share_a_request_must_be_several() -> None:
    with pytest.raises(ValueError, match="coalesce_rows is 1: expected the rows of a shared request, 2 or more"):
        serving.Client("localhost:1", coalesce_rows=1)
