"""When an event loop stays awake: on a clock that moves with each look at the sockets, and to the end of each sleep."""

import asyncio
import selectors
import socket
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import busy_polling
from serving.busy_polling import BusyPollingSelector, Events, new_event_loop
from tests.serving.simulation import Clock

US = 1e-6
LOOK = 1 * US
"""That a look at the sockets takes."""
WINDOW = 300 * US
EVENT = (selectors.SelectorKey(0, 0, selectors.EVENT_READ, None), selectors.EVENT_READ)
TIMEOUT = 60.0


class Sockets(selectors.DefaultSelector):
    """Some that are to be read from some time on."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.next = float("inf")
        self.asked: list[float | None] = []

    def select(self, timeout: float | None = None) -> Events:
        self.asked.append(timeout)
        if timeout is not None and timeout <= 0:
            self.clock.now += LOOK
        else:
            until = float("inf") if timeout is None else self.clock.now + timeout
            self.clock.now = max(self.clock.now, min(until, self.next))
            assert self.clock.now < float("inf"), "it sleeps for ever"
        return [EVENT] if self.next <= self.clock.now else []


class Timed(BusyPollingSelector, Sockets):
    """Looks at those."""

    def __init__(self, window: float = WINDOW) -> None:
        super().__init__(window, lambda: self.clock.now)

    def has_events(self) -> bool:
        return bool(Sockets.select(self, 0))

    def comes(self, gap: float, timeout: float | None = None) -> Events:
        """Wait for an event that comes after so many seconds, and take it. Forgets what was asked before."""
        self.asked.clear()
        self.next = self.clock.now + gap
        events = self.select(timeout)
        if events:
            self.next = float("inf")
        return events


@pytest.fixture
def wakeful() -> Timed:
    selector = Timed()
    for _ in range(50):
        selector.comes(20 * US)
    assert selector.is_wakeful
    selector.asked.clear()
    return selector


@pytest.mark.parametrize("timeout", [None, 0.5, 50 * US])
def test_at_first_it_sleeps_for_as_long_as_it_may(timeout: float | None) -> None:
    selector = Timed()
    assert selector.comes(20 * US, timeout) == [EVENT]
    assert selector.asked == [timeout]


@pytest.mark.parametrize("gap", [250 * US, 5e-3, 3600.0])
def test_where_events_are_rare_it_always_sleeps(gap: float) -> None:
    selector = Timed()
    for _ in range(100):
        assert selector.comes(gap) == [EVENT]
        assert selector.asked == [None]


@pytest.mark.parametrize("gap", [0.0, 20 * US, 150 * US])
def test_it_stays_awake_once_several_gaps_were_short(gap: float) -> None:
    selector = Timed()
    for _ in range(4):
        selector.comes(gap)
        assert not selector.is_wakeful
    for _ in range(20):
        selector.comes(gap)
    assert selector.is_wakeful
    selector.comes(gap)
    assert set(selector.asked) == {0}


def test_it_sleeps_again_once_gaps_are_long(wakeful: Timed) -> None:
    for _ in range(2):
        assert wakeful.comes(5e-3) == [EVENT]
    for _ in range(20):
        assert wakeful.comes(5e-3) == [EVENT]
        assert wakeful.asked == [None]


def test_an_hour_without_calls_counts_as_any_long_gap(wakeful: Timed) -> None:
    wakeful.comes(3600.0)
    for _ in range(20):
        wakeful.comes(20 * US)
    assert wakeful.is_wakeful


@pytest.mark.parametrize("timeout", [None, 1.0])
def test_awake_it_finds_an_event_without_sleep(wakeful: Timed, timeout: float | None) -> None:
    begun = wakeful.clock.now
    assert wakeful.comes(100 * US, timeout) == [EVENT]
    assert set(wakeful.asked) == {0}
    assert wakeful.clock.now == pytest.approx(begun + 100 * US, abs=2 * LOOK)


def test_a_timer_that_is_due_within_the_window_is_not_late(wakeful: Timed) -> None:
    begun = wakeful.clock.now
    assert wakeful.select(100 * US) == []
    assert max(wakeful.asked) == 0
    assert wakeful.clock.now == pytest.approx(begun + 100 * US, abs=3 * LOOK)


def test_after_the_window_it_sleeps_for_what_is_left(wakeful: Timed) -> None:
    begun = wakeful.clock.now
    assert wakeful.select(1.0) == []
    *looks, left = wakeful.asked
    assert set(looks) == {0}
    assert left == pytest.approx(1.0 - WINDOW, abs=2 * LOOK)
    assert wakeful.clock.now == pytest.approx(begun + 1.0, abs=LOOK)


def test_after_the_window_it_sleeps_for_ever_where_it_may(wakeful: Timed) -> None:
    assert wakeful.comes(10.0) == [EVENT]
    *looks, left = wakeful.asked
    assert set(looks) == {0}
    assert len(looks) == pytest.approx(WINDOW / LOOK, abs=2)
    assert left is None


@pytest.mark.parametrize("timeout", [0, 0.0, -1])
def test_who_has_something_to_do_looks_once(wakeful: Timed, timeout: float) -> None:
    assert wakeful.select(timeout) == []
    assert wakeful.asked == [timeout]
    assert wakeful.comes(0.0, timeout) == [EVENT]
    assert wakeful.asked == [timeout]


def test_timers_promise_no_event() -> None:
    selector = Timed()
    for _ in range(50):
        assert selector.comes(1.0, timeout=20 * US) == []
    assert not selector.is_wakeful


def test_where_timers_alone_ring_it_sleeps_again(wakeful: Timed) -> None:
    for _ in range(10):
        assert wakeful.comes(60.0, timeout=1.0) == []
    assert not wakeful.is_wakeful


def test_looks_in_between_say_nothing_about_gaps() -> None:
    """A loop that computes what it was asked looks many times, for no time."""
    selector = Timed()
    for _ in range(20):
        for _ in range(50):
            selector.comes(0.0, 0)
        selector.comes(5e-3)
        assert not selector.is_wakeful


def test_a_window_that_would_end_before_the_next_event_is_not_watched() -> None:
    selector = Timed(window=50 * US)
    for _ in range(100):
        selector.comes(100 * US)
        assert selector.asked == [None]
    for _ in range(50):
        selector.comes(20 * US)
    assert set(selector.asked) == {0}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 10 * US, 100 * US, 290 * US, 310 * US, 2e-3, 5.0]),
            st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 5 * US, 150 * US, 301 * US, 1e-3, 9.0])),
        ),
        max_size=80,
    )
)
def test_it_finds_what_one_that_always_sleeps_does_and_when(waits: list[tuple[float, float | None]]) -> None:
    awake = Timed()
    for gap, timeout in waits:
        begun = awake.clock.now
        due = begun + max(0.0, float("inf") if timeout is None else timeout)
        events = awake.comes(gap, timeout)
        until = min(begun + gap, due)
        assert until - 1e-9 <= awake.clock.now <= until + 3 * LOOK
        if abs(begun + gap - due) > 3 * LOOK:
            assert events == ([EVENT] if begun + gap < due else [])


def test_real_sockets_are_found_awake_and_asleep() -> None:
    ticks = Clock()

    def clock() -> float:
        ticks.now += US
        return ticks.now

    here, there = socket.socketpair()
    with BusyPollingSelector(WINDOW, clock) as selector, here, there:
        selector.register(here, selectors.EVENT_READ, "read me")
        for number in range(30):
            there.send(bytes([number]))
            ((key, mask),) = selector.select(TIMEOUT)
            assert (key.data, mask, here.recv(9)) == ("read me", selectors.EVENT_READ, bytes([number]))
        assert selector.is_wakeful
        assert not selector.has_events()
        there.send(b"x")
        assert selector.has_events()
        assert here.recv(9) == b"x"
        assert selector.select(0) == []
        assert selector.select(200 * US) == []


# Loops


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[BusyPollingSelector]:
    """The selectors that were made for loops, on two cores."""
    found: list[BusyPollingSelector] = []

    class Remembered(BusyPollingSelector):
        def __init__(self, most_seconds: float) -> None:
            super().__init__(most_seconds)
            found.append(self)

    monkeypatch.setattr(busy_polling, "BusyPollingSelector", Remembered)
    monkeypatch.setattr(busy_polling, "affordable_cores", lambda: 2)
    return found


def test_a_loop_of_several_cores_stays_awake(made: list[BusyPollingSelector]) -> None:
    new_event_loop(WINDOW).close()
    assert len(made) == 1


@pytest.mark.parametrize(
    "less",
    [
        lambda monkeypatch: monkeypatch.setattr(busy_polling, "affordable_cores", lambda: 1),
        lambda monkeypatch: monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector),
        None,
    ],
    ids=["one core", "no selector of the system's", "told not to"],
)
def test_another_is_a_plain_one(
    less: Callable[[pytest.MonkeyPatch], None] | None, made: list[BusyPollingSelector], monkeypatch: pytest.MonkeyPatch
) -> None:
    if less is not None:
        less(monkeypatch)
    loop = new_event_loop(0.0 if less is None else WINDOW)
    try:
        assert made == []
        assert loop.run_until_complete(asyncio.sleep(0, "runs")) == "runs"
    finally:
        loop.close()


def ticking_loop() -> asyncio.AbstractEventLoop:
    """Return a loop to which each look takes a microsecond, and each sleep no time: so it is awake, mostly."""
    ticks = Clock()

    def clock() -> float:
        ticks.now += US
        return ticks.now

    return asyncio.SelectorEventLoop(BusyPollingSelector(WINDOW, clock))


def test_a_program_behaves_on_it_as_on_any() -> None:
    with asyncio.Runner(loop_factory=ticking_loop) as runner:
        assert runner.run(asyncio.wait_for(echoed(300), TIMEOUT)) == [b"%d\n" % number for number in range(300)]
        assert runner.run(asyncio.wait_for(from_a_thread(300), TIMEOUT)) == list(range(300))
        order = runner.run(asyncio.wait_for(timers((3, 1, 2, 0)), TIMEOUT))
        assert [name for name, _ in order] == [0, 1, 2, 3]
        assert all(late >= -1e-3 for _, late in order)


async def echoed(calls: int) -> list[bytes]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        lines = []
        for number in range(calls):
            writer.write(b"%d\n" % number)
            lines.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
    return lines


async def from_a_thread(calls: int) -> list[int]:
    """Each is brought once the one before was seen."""
    loop, found, ready = asyncio.get_running_loop(), [], asyncio.Event()
    seen = threading.Semaphore(1)

    def come(number: int) -> None:
        found.append(number)
        seen.release()
        if len(found) == calls:
            ready.set()

    def bring() -> None:
        for number in range(calls):
            seen.acquire(timeout=TIMEOUT)
            loop.call_soon_threadsafe(come, number)

    thread = threading.Thread(target=bring)
    thread.start()
    await ready.wait()
    thread.join()
    return found


async def timers(milliseconds: tuple[int, ...]) -> list[tuple[int, float]]:
    """Return the timers as they ring, and by how many seconds too late."""
    loop, rung = asyncio.get_running_loop(), []
    begun, done = loop.time(), asyncio.Event()

    def ring(name: int) -> None:
        rung.append((name, loop.time() - (begun + name / 1e3)))
        if len(rung) == len(milliseconds):
            done.set()

    for name in milliseconds:
        loop.call_at(begun + name / 1e3, ring, name)
    await done.wait()
    return rung
