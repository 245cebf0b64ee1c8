"""An event loop that stays awake while events come fast, over a scripted system call and a clock that only it moves."""

import asyncio
import selectors
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from serving import busy_polling
from serving.busy_polling import BusyPollingSelector, Events, new_event_loop

MOST = 300e-6
LOOK = 10e-6
"""Seconds that looking for events takes, by the clock of these tests."""


@dataclass
class System:
    """What a selector asks, and its clock: the next event comes so many seconds after the last one was handed out."""

    gap: float = 0.0
    now: float = 0.0
    due: float = 0.0
    asked: list[float | None] = field(default_factory=list)

    def select(self, timeout: float | None) -> Events:
        self.asked.append(timeout)
        if timeout is not None and timeout <= 0:
            self.now += LOOK
            return self._found()
        self.now = self.due if timeout is None else min(self.due, self.now + timeout)
        return self._found()

    def _found(self) -> Events:
        if self.now < self.due:
            return []
        return [(selectors.SelectorKey(0, 0, 0, None), selectors.EVENT_READ)]

    def follow(self, gap: float) -> None:
        """Have the next event come so long after now."""
        self.due = self.now + gap
        self.asked.clear()


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    made = System()
    monkeypatch.setattr(selectors.DefaultSelector, "select", lambda _, timeout=None: made.select(timeout))
    return made


@pytest.fixture
def selector(system: System) -> Iterator[BusyPollingSelector]:
    with BusyPollingSelector(MOST, lambda: system.now) as made:
        yield made


def come(selector: BusyPollingSelector, system: System, gap: float, times: int) -> None:
    for _ in range(times):
        system.follow(gap)
        assert selector.select(None)


def test_it_sleeps_until_events_have_come_fast_for_a_while(selector: BusyPollingSelector, system: System) -> None:
    asked = []
    for _ in range(20):
        system.follow(MOST / 10)
        assert selector.select(None)
        asked.append(system.asked[0])
    assert asked[0] is None, "at first it sleeps"
    assert asked[-1] == 0, "and now looks"
    assert asked == sorted(asked, key=lambda each: each == 0)


def test_it_sleeps_again_once_they_come_slowly(selector: BusyPollingSelector, system: System) -> None:
    come(selector, system, MOST / 10, 20)
    come(selector, system, 100 * MOST, 3)
    assert not selector.is_wakeful
    system.follow(MOST / 10)
    assert selector.select(None)
    assert system.asked == [None]


def test_a_pause_of_any_length_is_forgotten_after_the_same_few_events(
    selector: BusyPollingSelector, system: System
) -> None:
    found = []
    for pause in (100 * MOST, 1e6):
        come(selector, system, pause, 20)
        count = 0
        while not selector.is_wakeful:
            come(selector, system, MOST / 10, 1)
            count += 1
        found.append(count)
    assert found[0] == found[1] < 20


def test_events_that_come_regularly_but_slowly_are_slept_for(selector: BusyPollingSelector, system: System) -> None:
    come(selector, system, MOST, 50)
    assert system.asked == [None]


def test_while_awake_it_looks_no_longer_than_it_may_and_then_sleeps(
    selector: BusyPollingSelector, system: System
) -> None:
    come(selector, system, MOST / 10, 20)
    system.follow(1.0)
    assert selector.select(None)
    *looks, slept = system.asked
    assert set(looks) == {0}
    assert len(looks) == pytest.approx(MOST / LOOK, abs=1)
    assert slept is None


@pytest.mark.parametrize("share", [0.25, 3.0])
def test_a_timer_of_the_loop_is_not_late(selector: BusyPollingSelector, system: System, share: float) -> None:
    come(selector, system, MOST / 10, 20)
    system.follow(1.0)
    begun, timeout = system.now, share * MOST
    assert selector.select(timeout) == []
    assert system.now - begun == pytest.approx(timeout, abs=2 * LOOK)


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_loop_that_has_something_to_do_looks_once(
    selector: BusyPollingSelector, system: System, timeout: float
) -> None:
    come(selector, system, MOST / 10, 20)
    system.follow(1.0)
    assert selector.select(timeout) == []
    assert system.asked == [timeout]
    assert selector.is_wakeful, "which says nothing of how fast events come"


@pytest.mark.parametrize(("seconds", "cores", "platform"), [(0, 8, "linux"), (MOST, 1, "linux"), (MOST, 8, "win32")])
def test_where_it_is_of_no_use_the_loop_is_a_plain_one(
    monkeypatch: pytest.MonkeyPatch, seconds: float, cores: int, platform: str
) -> None:
    monkeypatch.setattr(busy_polling, "affordable_cores", lambda: cores)
    monkeypatch.setattr(busy_polling.sys, "platform", platform)
    loop = new_event_loop(seconds)
    loop.close()
    assert not isinstance(getattr(loop, "_selector", None), BusyPollingSelector)


def test_a_program_runs_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """There and back a thousand times to a thread that echoes, timers and other threads, all within the seconds given."""
    monkeypatch.setattr(busy_polling, "affordable_cores", lambda: 8)
    looks, watch = [], BusyPollingSelector._watch  # noqa: SLF001

    def watched(self: BusyPollingSelector, begun: float, timeout: float | None) -> Events:
        looks.append(timeout)
        return watch(self, begun, timeout)

    monkeypatch.setattr(BusyPollingSelector, "_watch", watched)
    ours, theirs = socket.socketpair()
    ours.settimeout(0)

    def echo() -> None:
        while got := theirs.recv(2):
            theirs.sendall(got)

    async def program() -> tuple[int, str]:
        loop = asyncio.get_running_loop()
        came = 0
        for number in range(1000):
            await loop.sock_sendall(ours, number.to_bytes(2, "big"))
            came += int.from_bytes(await loop.sock_recv(ours, 2), "big")
        told: asyncio.Future[str] = loop.create_future()
        loop.call_later(0.002, told.set_result, "in time")
        assert await asyncio.to_thread(lambda: "from a thread") == "from a thread"
        return came, await told

    with theirs, ours, ThreadPoolExecutor(1) as threads:
        threads.submit(echo)
        with asyncio.Runner(loop_factory=lambda: new_event_loop(100.0)) as runner:
            assert runner.run(program()) == (sum(range(1000)), "in time")
        ours.close()
    assert looks, "it was awake for some of it"
