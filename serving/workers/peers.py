"""What a worker knows of the others: how to have something done, or told, by all of them."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from serving.call_record import CallRecord
from serving.caller import current_caller
from serving.control import CONTROL
from serving.status import Code, StatusError
from serving.transports.transport import Call, Stream, Unary, UnaryHandler
from serving.wire import MODEL_STATISTICS
from serving.workers.link import Link
from serving.workers.messages import (
    Answer,
    Answers,
    Failure,
    Listen,
    Loaded,
    Orders,
    Outcome,
    Request,
    WorkerState,
)
from serving.workers.shared_statistics import summed

Combine = Callable[[Mapping[int, bytes]], bytes]
"""Makes one answer of those of several workers, by their numbers."""


class Peers:
    """Has calls answered by all workers, this one among them, through the supervisor.

    State: the requests whose answers are waited for, and those that are to be done in turn. Lives in a server's event loop
    from `start` on; `await_turn` and `tell_state` are for other threads.
    """

    def __init__(self, link: Link, orders: Orders, lost: Callable[[], None]) -> None:
        """Use the link to the supervisor that gave these orders; `lost` is called, in any thread, once it is gone."""
        self.worker = orders.worker
        """The number of this one."""
        self.state = orders.state
        """What it has to serve; None for what its config says."""
        self._link = link
        self._lost = lost
        self._own: dict[str, UnaryHandler] = {}
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[Mapping[int, Outcome]]] = {}
        self._turns: asyncio.Queue[Request | Listen] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._may_listen = threading.Event()

    def shared(self, methods: Iterable[Unary | Stream]) -> list[Unary | Stream]:
        """Return the methods, those that concern all workers answered by all of them."""
        combine: dict[str, Combine] = {**dict.fromkeys(CONTROL, _first), MODEL_STATISTICS: summed}
        return [
            replace(method, handler=self._by_all(method.path, method.handler, combine[method.path]))
            if isinstance(method, Unary) and method.path in combine
            else method
            for method in methods
        ]

    def offer(self, path: str, handler: UnaryHandler) -> None:
        """Have a handler answer for this worker when another one gathers what all have to say."""
        self._own[path] = handler

    async def gather(self, path: str, message: bytes = b"", *, peer: str = "") -> Mapping[int, bytes]:
        """Return what each worker answers, by its number. Raises StatusError where one refuses or fails."""
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._link.send(Request(number, path, message, current_caller.get(None), peer))
            return unanimous(await future)
        finally:
            del self._asked[number]

    def start(self, loop: asyncio.AbstractEventLoop, state: Callable[[], WorkerState]) -> None:
        """Begin to hear the others.

        Args:
            loop: the server's.
            state: tells what is served now; called in a thread.
        """
        self._state = state
        self._loop = loop
        self._link.start(self._pass_on, self._lost)

    def await_turn(self) -> None:
        """Tell that everything is loaded, do what others were told meanwhile, and return when it is time to listen."""
        asyncio.run_coroutine_threadsafe(self._begin_turns(), self._loop).result()
        self._link.send(Loaded())
        self._may_listen.wait()

    def tell_state(self) -> None:
        """Tell the supervisor what is served now, for workers that are yet to come."""
        self._link.send(self._state())

    def _by_all(self, path: str, handler: UnaryHandler, combine: Combine) -> UnaryHandler:
        self.offer(path, handler)

        async def answer(message: bytes, call: Call) -> bytes:
            return combine(await self.gather(path, message, peer=call.peer))

        return answer

    def _pass_on(self, message: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is about to end
            self._loop.call_soon_threadsafe(self._receive, message)

    def _receive(self, message: object) -> None:
        match message:
            case Request() if message.path in CONTROL:
                self._turns.put_nowait(message)
            case Request():
                self._begin(self._do(message))
            case Listen():
                self._turns.put_nowait(message)
            case Answers(number, outcomes):
                future = self._asked.get(number)
                if future is not None and not future.done():
                    future.set_result(outcomes)

    async def _begin_turns(self) -> None:
        self._begin(self._take_turns())

    def _begin(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps no hold of it
        task.add_done_callback(self._tasks.discard)

    async def _take_turns(self) -> None:
        """Do one thing after the other, as the other workers do, for good."""
        while True:
            turn = await self._turns.get()
            if isinstance(turn, Listen):
                self._may_listen.set()
            else:
                await self._do(turn)

    async def _do(self, request: Request) -> None:
        if request.caller is not None:
            current_caller.set(request.caller)
        outcome: Outcome
        try:
            outcome = await self._own[request.path](request.message, _PassedOn(CallRecord(request.path), request.peer))
        except StatusError as error:
            outcome = Failure.of(error)
        except Exception as error:  # noqa: BLE001 - whoever asked has to hear of it
            outcome = Failure(Code.INTERNAL, f"{type(error).__name__}: {error}")
        state = await asyncio.to_thread(self._state) if request.path in CONTROL else None
        self._link.send(Answer(request.number, outcome, state))


@dataclass
class _PassedOn:
    """A call that another worker took; see `serving.transports.transport.Call`."""

    record: CallRecord
    peer: str
    metadata: Mapping[str, str | bytes] = field(default_factory=dict)
    identities: Sequence[str] = ()
    trailing: MutableMapping[str, str | bytes] = field(default_factory=dict)

    def time_remaining(self) -> float | None:
        """Return None: what was begun is done in all workers, though the caller may not wait for that."""
        return None


def _first(answers: Mapping[int, bytes]) -> bytes:
    return next(iter(answers.values()))


def unanimous(outcomes: Mapping[int, Outcome]) -> Mapping[int, bytes]:
    """Return the answers by worker. Raises StatusError where one failed, and says which where others did not."""
    failures = {worker: outcome for worker, outcome in outcomes.items() if isinstance(outcome, Failure)}
    answers = {worker: outcome for worker, outcome in outcomes.items() if isinstance(outcome, bytes)}
    if not failures:
        return answers
    first = next(iter(failures.values()))
    if not answers and len({failure.message for failure in failures.values()}) == 1:
        raise first.error()
    told = "; ".join(f"worker {worker}: {failure.message}" for worker, failure in sorted(failures.items()))
    done = f"; done by {_names(answers)}" if answers else ""
    raise replace(first, message=f"not done by all workers: {told}{done}").error()


def _names(workers: Iterable[int]) -> str:
    return ", ".join(f"worker {worker}" for worker in sorted(workers))
