"""Answers from threads, in an event loop."""

import asyncio
import threading
from concurrent.futures import CancelledError, Future

import pytest

from serving.mailbox import Mailbox


def test_every_answer_reaches_its_own_caller() -> None:
    mailbox = Mailbox()
    futures: list[Future[int]] = [Future() for _ in range(2000)]

    def answer(part: int) -> None:
        for number in range(part, 2000, 4):
            futures[number].set_result(number)

    async def ask() -> list[int]:
        waiting = [asyncio.ensure_future(mailbox.wait(future)) for future in futures]
        threads = [threading.Thread(target=answer, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        found = await asyncio.wait_for(asyncio.gather(*waiting), 30)
        for thread in threads:
            thread.join()
        return found

    assert asyncio.run(ask()) == list(range(2000))


def test_an_answer_that_is_there_already_is_given() -> None:
    future: Future[int] = Future()
    future.set_result(3)
    assert asyncio.run(asyncio.wait_for(Mailbox().wait(future), 30)) == 3


def test_errors_are_raised_where_they_are_waited_for() -> None:
    future: Future[int] = Future()
    future.set_exception(ValueError("bad"))
    with pytest.raises(ValueError, match="bad"):
        asyncio.run(Mailbox().wait(future))


def test_who_is_cancelled_gives_up_the_answer() -> None:
    future: Future[int] = Future()

    async def ask() -> None:
        waiting = asyncio.ensure_future(Mailbox().wait(future))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())
    assert future.cancelled()


def test_an_answer_that_is_dropped_cancels_who_waits() -> None:
    future: Future[int] = Future()

    async def ask() -> None:
        waiting = asyncio.ensure_future(Mailbox().wait(future))
        await asyncio.sleep(0)
        future.cancel()
        await waiting

    with pytest.raises((asyncio.CancelledError, CancelledError)):
        asyncio.run(ask())


def test_answers_after_the_end_of_the_loop_hurt_nobody() -> None:
    mailbox, future = Mailbox(), Future[int]()
    future.set_running_or_notify_cancel()

    async def ask() -> None:
        waiting = asyncio.ensure_future(mailbox.wait(future))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(ask())
    future.set_result(1)
    assert future.result() == 1
