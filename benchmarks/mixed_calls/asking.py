"""A process that asks, by gRPC's threaded client or its asyncio client."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import Queue

import grpc

from benchmarks.mixed_calls.case import OK, Case, Outcome
from benchmarks.mixed_calls.cases import STREAM_INFER, Cases
from benchmarks.mixed_calls.source import Source
from benchmarks.mixed_calls.tally import Tally

_AT_ONCE = 16
"""Calls in flight of each process."""
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


def ask(kind: str, target: str, cases: Cases, calls: int, results: "Queue[Tally | str]") -> None:
    """Be a process that asks; what became of it goes into a queue, at last a word: empty, or what was wrong."""
    source = Source(iter(cases), calls, results.put)
    try:
        if kind == "threads":
            _ask_with_threads(target, source)
        else:
            asyncio.run(_ask_in_loop(target, source))
        results.put("")
    except BaseException as error:  # noqa: BLE001 - the process that waits is told
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        results.put(f"{type(error).__name__}: {error}")


def _ask_with_threads(target: str, source: Source) -> None:
    """Make calls by gRPC's threaded client."""

    def work(channel: grpc.Channel) -> None:
        while (case := source.take()) is not None:
            source.note(case, _call(channel, case))

    with grpc.insecure_channel(target, options=_OPTIONS) as channel, ThreadPoolExecutor(_AT_ONCE) as pool:
        for each in [pool.submit(work, channel) for _ in range(_AT_ONCE)]:
            each.result()


def _call(channel: grpc.Channel, case: Case) -> Outcome:
    try:
        if case.method == STREAM_INFER:
            return Outcome(OK, list(channel.stream_stream(case.method)(iter(case.requests), **case.options())))
        future = channel.unary_unary(case.method).future(case.requests[0], **case.options())
        if case.is_cancelled:
            future.cancel()
        return Outcome(OK, [future.result()])
    except grpc.FutureCancelledError:
        return Outcome("CANCELLED")
    except grpc.RpcError as error:
        return Outcome(error.code().name, text=error.details())


async def _ask_in_loop(target: str, source: Source) -> None:
    """Make calls by gRPC's asyncio client."""

    async def work(channel: grpc.aio.Channel) -> None:
        while (case := source.take()) is not None:
            source.note(case, await _call_in_loop(channel, case))

    async with grpc.aio.insecure_channel(target, options=_OPTIONS) as channel, asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work(channel))


async def _call_in_loop(channel: grpc.aio.Channel, case: Case) -> Outcome:
    try:
        if case.method == STREAM_INFER:
            stream = channel.stream_stream(case.method)(iter(case.requests), **case.options())
            return Outcome(OK, [each async for each in stream])
        call = channel.unary_unary(case.method)(case.requests[0], **case.options())
        if case.is_cancelled:
            await asyncio.sleep(0)
            call.cancel()
        return Outcome(OK, [await call])
    except asyncio.CancelledError:
        if not case.is_cancelled:
            raise
        return Outcome("CANCELLED")
    except grpc.RpcError as error:
        return Outcome(error.code().name, text=str(error.details()))
