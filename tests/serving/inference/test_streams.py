"""ModelStreamInfer: Triton's client, threaded and asyncio."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import InferenceServerClient, InferResult, service_pb2_grpc
from tritonclient.grpc import service_pb2 as peer
from tritonclient.utils import InferenceServerException

import serving
from tests.serving.inference.cases import raw_request, triton_input

Install = Callable[[str, str, int], Path]


class Answers:
    """What a stream's callback is told, in its order."""

    def __init__(self) -> None:
        self._told: queue.Queue[tuple[InferResult | None, InferenceServerException | None]] = queue.Queue()

    def __call__(self, result: InferResult | None, error: InferenceServerException | None) -> None:
        self._told.put((result, error))

    def take(self) -> InferResult:
        result, error = self._told.get(timeout=30)
        assert error is None
        assert result is not None
        return result

    def take_error(self) -> str:
        result, error = self._told.get(timeout=30)
        assert result is None
        return str(error)


@pytest.fixture
def answers(triton: InferenceServerClient) -> Iterator[Answers]:
    told = Answers()
    triton.start_stream(callback=told)
    yield told
    triton.stop_stream()


def x(*values: float) -> list[Any]:
    return [triton_input("x", np.array(values, np.float32))]


def test_requests_are_answered_in_their_order(triton: InferenceServerClient, answers: Answers) -> None:
    for i in range(200):
        rows = [float(i)] * (1 + i % 50)
        triton.async_stream_infer("affine", x(*rows), request_id=str(i))
    for i in range(200):
        answer = answers.take()
        assert answer.get_response().id == str(i)
        assert answer.as_numpy("y").tolist() == [i / 2 + 3] * (1 + i % 50)


def test_an_error_is_an_answer_and_the_stream_goes_on(triton: InferenceServerClient, answers: Answers) -> None:
    triton.async_stream_infer("affine", x(1), request_id="a")
    triton.async_stream_infer("nobody", x(1), request_id="b")
    triton.async_stream_infer("affine", x(2), request_id="c")
    assert answers.take().get_response().id == "a"
    assert "Request for unknown model: 'nobody' is not found" in answers.take_error()
    assert answers.take().as_numpy("y").tolist() == [4.0]


def test_every_answer_is_the_final_one(triton: InferenceServerClient, answers: Answers) -> None:
    triton.async_stream_infer("affine", x(1), enable_empty_final_response=True)
    assert answers.take().get_response().parameters["triton_final_response"].bool_param


def streamed(channel: grpc.Channel, *requests: peer.ModelInferRequest, **metadata: str) -> Any:
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    return stub.ModelStreamInfer(iter(requests), timeout=30, metadata=tuple(metadata.items()))


def test_an_error_says_which_request_it_is_of(channel: grpc.Channel) -> None:
    wrong = raw_request("affine", {"z": np.zeros(1, np.float32)}, id="z")
    right = raw_request("affine", {"x": np.zeros(1, np.float32)}, id="x")
    first, second = streamed(channel, wrong, right)
    assert "unexpected inference input 'z' for model 'affine'" in first.error_message
    assert (first.infer_response.id, second.error_message, second.infer_response.id) == ("z", "", "x")


def test_bytes_that_are_no_request_are_an_error_of_one_answer(channel: grpc.Channel) -> None:
    right = raw_request("affine", {"x": np.zeros(1, np.float32)}, id="x").SerializeToString()
    call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
    first, second = (
        peer.ModelStreamInferResponse.FromString(each) for each in call(iter([b"\xff", right]), timeout=30)
    )
    assert "not a ModelInferRequest" in first.error_message
    assert second.infer_response.id == "x"


def test_a_client_may_have_its_stream_ended_by_an_error(channel: grpc.Channel) -> None:
    wrong = raw_request("nobody", {"x": np.zeros(1, np.float32)})
    with pytest.raises(grpc.RpcError) as caught:
        list(streamed(channel, wrong, triton_grpc_error="true"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_an_empty_stream_ends(channel: grpc.Channel) -> None:
    assert list(streamed(channel)) == []


class SlowEngine:
    """Answers only once it is let."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.began = threading.Semaphore(0)

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.began.release()
        assert self.gate.wait(60)
        return {"y": inputs["x"]}

    def close(self) -> None:
        pass


@pytest.fixture
def slow(install: Install, tmp_path: Path) -> Iterator[tuple[serving.Server, SlowEngine]]:
    install("affine2", "m", 1)
    engine = SlowEngine()
    with serving.Server(
        tmp_path / "models", port=0, poll_seconds=0, load_engine=lambda _: engine, adaptive_batching=False
    ) as server:
        yield server, engine
        engine.gate.set()


def test_requests_of_a_stream_are_computed_side_by_side(slow: tuple[serving.Server, SlowEngine]) -> None:
    server, engine = slow
    requests = [raw_request("m", {"x": np.full(1, i, np.float32)}, id=str(i)) for i in range(4)]
    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        call = streamed(channel, *requests)
        for _ in range(4):
            assert engine.began.acquire(timeout=30)
        engine.gate.set()
        assert [response.infer_response.id for response in call] == ["0", "1", "2", "3"]


def test_a_stream_that_its_client_leaves_ends(slow: tuple[serving.Server, SlowEngine]) -> None:
    server, engine = slow
    silence = threading.Event()

    def requests() -> Iterator[peer.ModelInferRequest]:
        yield raw_request("m", {"x": np.zeros(1, np.float32)})
        silence.wait(60)

    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(requests(), timeout=60)
        assert engine.began.acquire(timeout=30)
        call.cancel()
        silence.set()
    engine.gate.set()
    assert server.stop(grace=30)


def test_a_drain_answers_what_is_in_a_stream(slow: tuple[serving.Server, SlowEngine]) -> None:
    server, engine = slow
    silence = threading.Event()

    def requests() -> Iterator[peer.ModelInferRequest]:
        yield raw_request("m", {"x": np.zeros(1, np.float32)}, id="in time")
        silence.wait(60)

    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(requests(), timeout=60)
        assert engine.began.acquire(timeout=30)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        engine.gate.set()
        assert next(call).infer_response.id == "in time"
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        silence.set()
        stopping.join(30)


def test_asyncio_client(server: serving.Server) -> None:
    async def scenario() -> None:
        async with triton_aio.InferenceServerClient(f"localhost:{server.port}") as client:
            assert await client.is_server_ready()
            assert (await client.get_model_metadata("affine")).name == "affine"
            results = await asyncio.gather(*(client.infer("affine", x(i), request_id=str(i)) for i in range(20)))
            assert [result.as_numpy("y").tolist() for result in results] == [[i / 2 + 3] for i in range(20)]
            with pytest.raises(InferenceServerException, match="Request for unknown model: 'nobody' is not found"):
                await client.infer("nobody", x(1))

    asyncio.run(scenario())


def test_asyncio_stream(server: serving.Server) -> None:
    async def requests() -> AsyncIterator[dict[str, object]]:
        for i in range(20):
            yield {"model_name": "affine", "inputs": x(i), "request_id": str(i)}
        yield {"model_name": "nobody", "inputs": x(1)}

    async def scenario() -> None:
        async with triton_aio.InferenceServerClient(f"localhost:{server.port}") as client:
            told = [each async for each in client.stream_infer(requests())]
        for i, (result, error) in enumerate(told[:20]):
            assert error is None
            assert (result.get_response().id, result.as_numpy("y").tolist()) == (str(i), [i / 2 + 3])
        assert "Request for unknown model: 'nobody' is not found" in str(told[20][1])
        assert len(told) == 21

    asyncio.run(scenario())
