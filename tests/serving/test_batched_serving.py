"""Batches, urgency and full queues as clients see them, through a real server."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

import serving
from serving.answering import Limits
from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.call_record import CallRecord
from serving.codec import decode, encode
from serving.engines.engine import Engine
from serving.engines.saved_model import SavedModelEngine
from serving.job import Ticket
from serving.job_queue import Short
from serving.manager import Manager
from serving.model_ref import ModelRef
from serving.offload import Offload
from serving.predictor import Predictor
from serving.protos import prediction_pb2 as pb
from serving.query import Query
from serving.repository import Repository
from serving.scheduler import Scheduler
from serving.services.predict_service import ProtoSource
from serving.status import StatusError
from serving.wire import PREDICT
from zoo.artifact import read_passport

ROOT = Path(__file__).parents[2]
Install = Callable[[str, str, int], Path]


class Watched:
    """An engine whose calls are remembered by their numbers of rows."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rows: list[int] = []

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.rows.append(len(next(iter(inputs.values()))))
        return self.engine.run(signature, inputs)

    def close(self) -> None:
        self.engine.close()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {
            "enable_batching": True,
            "batching_parameters": BatchingParameters(
                8, 2000, max_enqueued_batches=64, allowed_batch_sizes=(4, 8), num_batch_threads=2
            ),
        },
        {"adaptive_batching": False},
    ],
    ids=["default", "parameters", "off"],
)
def test_concurrent_clients_get_the_answers_to_their_own_rows(fields: dict[str, object]) -> None:
    """The real digits_mlp: each client's answer is what the model says to its image alone."""
    watched: list[Watched] = []

    def load(path: Path) -> Watched:
        watched.append(Watched(SavedModelEngine(path)))
        return watched[-1]

    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1)).astype(np.float32)
    with (
        serving.Server(
            ROOT / "saved_models" / "digits_mlp", model_name="m", port=0, poll_seconds=0, load_engine=load, **fields
        ) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        alone = np.concatenate(
            [watched[0].engine.run("serving_default", {"inputs": image[None]})["probabilities"] for image in images]
        )
        watched[0].rows.clear()  # of what it was asked before it went live
        call = channel.unary_unary(PREDICT)
        futures = []
        for number in range(256):
            request = pb.PredictRequest(model_spec=pb.ModelSpec(name="m"))
            request.inputs["inputs"].CopyFrom(encode(images[number % 64 : number % 64 + 1 + number % 2]))
            futures.append(call.future(request.SerializeToString(), timeout=60))
        for number, future in enumerate(futures):
            got = decode(pb.PredictResponse.FromString(future.result()).outputs["probabilities"])
            np.testing.assert_allclose(got, alone[number % 64 : number % 64 + 1 + number % 2], atol=1e-6)
    rows = watched[0].rows
    if "adaptive_batching" in fields:
        assert set(rows) == {1, 2}
        assert len(rows) == 256
    else:
        assert len(rows) < 256
        assert max(rows) > 2
    if "batching_parameters" in fields:
        tolerated = len(read_passport(ROOT / "saved_models/digits_mlp/1").golden)  # the trial of independence
        assert sum(size not in (4, 8) for size in rows) <= 12 + tolerated


class Stuck:
    """An engine that answers once it is let."""

    def __init__(self) -> None:
        self.began, self.gate = threading.Semaphore(0), threading.Semaphore(0)
        self.rows: list[list[float]] = []

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.rows.append(inputs["x"].tolist())
        self.began.release()
        assert self.gate.acquire(timeout=30)
        return {"y": inputs["x"]}

    def close(self) -> None:
        pass


def predict(value: float) -> bytes:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="m"))
    request.inputs["x"].CopyFrom(encode(np.array([value], np.float32)))
    return request.SerializeToString()


@dataclass
class DirectCall:
    """A call that came by no wire."""

    metadata: dict[str, str | bytes] = field(default_factory=dict)
    peer: str = "test"
    identities: tuple[str, ...] = ()
    record: CallRecord = field(default_factory=lambda: CallRecord("test"))
    trailing: dict[str, str | bytes] = field(default_factory=dict)

    def time_remaining(self) -> float | None:
        return None


@pytest.mark.parametrize(("metadata", "priority"), [({"zoo-priority": "1"}, 0), ({}, 1), ({"zoo-priority": "5"}, 1)])
def test_metadata_and_protocols_say_how_urgent_a_call_is(
    install: Install, tmp_path: Path, metadata: dict[str, str | bytes], priority: int
) -> None:
    install("affine2", "m", 1)
    stuck = Stuck()
    manager = Manager(Repository(tmp_path / "models"), lambda _: stuck)
    manager.refresh()
    scheduler = Scheduler(threads=1, max_pending=10, rules=BatchingRules.off())
    predictor = Predictor(manager, scheduler, Offload(), Limits(1 << 20, 10))

    def ask(value: float, priority: int = 0, metadata: dict[str, str | bytes] | None = None) -> asyncio.Task[object]:
        query = Query(ModelRef("m"), {"x": ProtoSource("x", encode(np.array([value], np.float32)))}, priority=priority)
        return asyncio.ensure_future(predictor.answer(query, DirectCall(metadata or {})))

    async def ask_all() -> None:
        tasks = [ask(0)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(stuck.began.acquire, timeout=30)
        tasks += [ask(1), ask(2), ask(3, priority, metadata)]
        await asyncio.sleep(0)  # each runs until it waits for its turn
        stuck.gate.release(4)
        await asyncio.gather(*tasks)

    asyncio.run(ask_all())
    assert stuck.rows == [[0.0], [3.0], [1.0], [2.0]]
    scheduler.close()


def test_nonsense_about_urgency_is_refused(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError, match="zoo-priority") as caught:
        channel.unary_unary(PREDICT)(affine_request(), timeout=30, metadata=(("zoo-priority", "high"),))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def affine_request() -> bytes:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="affine"))
    request.inputs["x"].CopyFrom(encode(np.zeros(1, np.float32)))
    return request.SerializeToString()


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"max_pending": 1}, "1 requests are waiting already"), ({"latency_target_ms": 1e-4}, "this server's target is")],
)
def test_who_is_refused_is_told_when_to_try_again(
    fields: dict[str, float], words: str, install: Install, tmp_path: Path
) -> None:
    install("affine2", "m", 1)
    stuck = Stuck()
    with (
        serving.Server(
            tmp_path / "models", port=0, poll_seconds=0, threads=1, load_engine=lambda _: stuck, **fields
        ) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        call = channel.unary_unary(PREDICT)
        stuck.gate.release()
        call(predict(1), timeout=30)  # measured
        assert stuck.began.acquire(timeout=30)
        running = call.future(predict(1), timeout=30)
        assert stuck.began.acquire(timeout=30)
        with pytest.raises(grpc.RpcError) as caught:
            call(predict(2), timeout=30)
        stuck.gate.release()
        running.result(30)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert words in caught.value.details()
    packed = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    details = status_pb2.Status.FromString(packed).details
    retry = error_details_pb2.RetryInfo()
    assert details[0].Unpack(retry)
    assert 0 <= retry.retry_delay.ToTimedelta().total_seconds() < 30


def test_a_bad_bound_is_refused(repository: Path) -> None:
    with pytest.raises(serving.ServerError, match="max_pending_per_model 0"):
        serving.Server(repository, max_pending_per_model=0)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_scheduler_is_told_what_takes_one_core(install: Install, tmp_path: Path, threads: int) -> None:
    install("affine2", "m", 1)
    told: list[bool] = []

    class OneCore(Stuck):
        def takes_one_core(self, signature: str) -> bool:
            return threads == 1

    class Listening(Scheduler):
        def submit_all(self, tickets: Sequence[Ticket], short: Short | None = None) -> list[tuple[Ticket, StatusError]]:
            told.extend(ticket.job.takes_one_core for ticket in tickets)
            return super().submit_all(tickets, short)

    engine = OneCore()
    engine.gate.release()
    manager = Manager(Repository(tmp_path / "models"), lambda _: engine)
    manager.refresh()
    scheduler = Listening(threads=1, max_pending=10, rules=BatchingRules.off())
    predictor = Predictor(manager, scheduler, Offload(), Limits(1 << 20, 10))
    query = Query(ModelRef("m"), {"x": ProtoSource("x", encode(np.zeros(1, np.float32)))})
    asyncio.run(asyncio.wait_for(predictor.answer(query, DirectCall()), 30))
    scheduler.close()
    assert told == [threads == 1]
