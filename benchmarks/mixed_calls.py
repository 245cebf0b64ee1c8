"""A million mixed calls to a server of ours, every answer checked: what is right once has to be right under any mixture.

    python -m benchmarks.mixed_calls [--transport asyncio|grpcio] [--calls 1000000] [--workers 1]

Predict and ModelInfer, in every encoding; one row to four thousand; streams; compression; requests that have to be refused;
deadlines that cannot be kept, and calls that are cancelled: in any order, from processes that use gRPC's threaded client and
its asyncio client. No two calls send the same rows, and y = 2 x + 1 is exact in whole numbers: an answer that belongs to
another call, or to an earlier one, cannot be right. Ends with 1 at the first wrong answer, and says which it was.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as oip

from serving.protos import prediction_pb2 as pb
from serving.protos import tensor_pb2

PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"
WIDTH = 8
_FLOAT, _INT64 = 1, 9
_AT_ONCE = 16
"""Calls in flight of each process."""
_PATIENCE = 60.0
"""Seconds of calls that are to be answered."""
_REPORT_CALLS = 500
_SHOW_SECONDS = 10.0
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
OK, UNIMPORTANT = "OK", "any"


class WrongAnswerError(Exception):
    """An answer that is not the one to its request."""


@dataclass(frozen=True)
class Case:
    """One call, and what has to come of it."""

    kind: str
    method: str
    requests: Sequence[bytes]
    check: Callable[[Sequence[bytes]], None] = lambda _: None
    """Raises WrongAnswerError."""
    code: str = OK
    """With which it has to end; UNIMPORTANT: with an answer that is right, or any error."""
    timeout: float = _PATIENCE
    compression: grpc.Compression = grpc.Compression.NoCompression
    is_cancelled: bool = False
    metadata: tuple[tuple[str, str], ...] = ()

    def options(self) -> dict[str, Any]:
        """Return them as gRPC's clients take them."""
        return {"timeout": self.timeout, "compression": self.compression, "metadata": self.metadata}


class Cases:
    """Makes calls that nobody else makes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._next = seed << 16  # whole numbers below 2^23 are exact, doubled and one more too
        self._makers: dict[Callable[[], Case], int] = {
            self.predict: 50,
            self.infer: 20,
            self.infer_stream: 3,
            self.compressed: 4,
            self.large: 1,
            self.wrong_dtype: 4,
            self.wrong_shape: 4,
            self.unknown_model: 3,
            self.unknown_method: 1,
            self.cut_short: 2,
            self.too_late: 3,
            self.cancelled: 3,
            self.status: 2,
        }

    def __iter__(self) -> Iterator[Case]:
        """Return calls without end."""
        while True:
            (maker,) = self._random.choices(list(self._makers), list(self._makers.values()))
            yield maker()

    def predict(self, rows: int = 0, **fields: Any) -> Case:
        """Predict, in any of its forms."""
        sent = self._rows(rows or self._few())
        request = self._predict_request(sent)
        wants_content = self._random.random() < 0.5

        def check(answers: Sequence[bytes]) -> None:
            outputs = pb.PredictResponse.FromString(_only(answers)).outputs
            _compare(_read_tensor(outputs["y"]), sent)

        metadata = (("zoo-tensor-content", "1"),) if wants_content else ()
        kind = fields.pop("kind", "Predict")
        return Case(kind, PREDICT, [request.SerializeToString()], check, metadata=metadata, **fields)

    def infer(self) -> Case:
        """ModelInfer, in any of its forms."""
        sent, request = self._infer_request()
        return Case("ModelInfer", INFER, [request], lambda answers: _check_infer(_only(answers), sent))

    def infer_stream(self) -> Case:
        """Several requests in a stream; answers come with their ids, in any order."""
        asked = {f"{number}": self._infer_request(f"{number}") for number in range(self._random.randint(1, 6))}

        def check(answers: Sequence[bytes]) -> None:
            got = {}
            for each in answers:
                response = oip.ModelStreamInferResponse.FromString(each)
                if response.error_message:
                    raise WrongAnswerError(response.error_message)
                got[response.infer_response.id] = response.infer_response.SerializeToString()
            if got.keys() != asked.keys() or len(answers) != len(asked):
                raise WrongAnswerError(f"a stream of {sorted(asked)} was answered by {sorted(got)}")
            for name, (sent, _) in asked.items():
                _check_infer(got[name], sent)

        return Case("ModelStreamInfer", STREAM_INFER, [request for _, request in asked.values()], check)

    def compressed(self) -> Case:
        """Predict, compressed."""
        algorithm = self._random.choice([grpc.Compression.Gzip, grpc.Compression.Deflate])
        return self.predict(self._random.choice([1, 30]), kind="compressed", compression=algorithm)

    def large(self) -> Case:
        """Predict of up to 128 kB."""
        return self.predict(self._random.randint(500, 4000), kind="large")

    def wrong_dtype(self) -> Case:
        """Another dtype than the signature's."""
        request = pb.PredictRequest()
        request.model_spec.name = "affine"
        request.inputs["x"].dtype = _INT64
        request.inputs["x"].tensor_shape.dim.add(size=1)
        request.inputs["x"].tensor_shape.dim.add(size=WIDTH)
        request.inputs["x"].int64_val.extend(range(WIDTH))
        return Case("wrong dtype", PREDICT, [request.SerializeToString()], code="INVALID_ARGUMENT")

    def wrong_shape(self) -> Case:
        """Another width than the signature's."""
        request = self._predict_request(np.ones((2, WIDTH + 1), np.float32))
        return Case("wrong shape", PREDICT, [request.SerializeToString()], code="INVALID_ARGUMENT")

    def unknown_model(self) -> Case:
        """A model that is not served."""
        request = self._predict_request(self._rows(1))
        request.model_spec.name = "afine"
        return Case("unknown model", PREDICT, [request.SerializeToString()], code="NOT_FOUND")

    def unknown_method(self) -> Case:
        """A method that does not exist."""
        return Case("unknown method", "/tensorflow.serving.PredictionService/Guess", [b""], code="UNIMPLEMENTED")

    def cut_short(self) -> Case:
        """A request cut short: where that leaves one, its answer is right."""
        case = self.predict(3, kind="cut short", code=UNIMPORTANT)
        (request,) = case.requests
        return replace(case, requests=[request[: self._random.randint(1, len(request) - 1)]])

    def too_late(self) -> Case:
        """A deadline of as long as a call takes: an answer that comes is right."""
        return self.predict(kind="deadline", code=UNIMPORTANT, timeout=self._random.uniform(0.0001, 0.01))

    def cancelled(self) -> Case:
        """A call whose client changes its mind."""
        return self.predict(kind="cancelled", code=UNIMPORTANT, is_cancelled=True)

    def status(self) -> Case:
        """Another method."""
        request = b"\x0a\x08\x0a\x06affine"  # a ModelSpec of a name

        def check(answers: Sequence[bytes]) -> None:
            if not _only(answers):
                raise WrongAnswerError("no state of the model")

        return Case("GetModelStatus", STATUS, [request], check)

    def _few(self) -> int:
        return self._random.choice([1, 1, 1, 1, 2, 3, 5, 8, 13, 32])

    def _rows(self, count: int) -> np.ndarray:
        """Return rows of whole numbers, each number once until they begin anew."""
        first = self._next
        self._next += count * WIDTH
        numbers = (first + np.arange(count * WIDTH)) % (1 << 22)
        return numbers.astype(np.float32).reshape(count, WIDTH)

    def _predict_request(self, rows: np.ndarray) -> pb.PredictRequest:
        request = pb.PredictRequest()
        request.model_spec.name = "affine"
        if self._random.random() < 0.3:
            request.model_spec.signature_name = "serving_default"
        if self._random.random() < 0.2:
            request.output_filter.append("y")
        tensor = request.inputs["x"]
        tensor.dtype = _FLOAT
        for size in rows.shape:
            tensor.tensor_shape.dim.add(size=size)
        if self._random.random() < 0.5:
            tensor.tensor_content = rows.tobytes()
        else:
            tensor.float_val.extend(rows.ravel().tolist())
        return request

    def _infer_request(self, name: str = "") -> tuple[np.ndarray, bytes]:
        sent = self._rows(self._few())
        request = oip.ModelInferRequest(model_name="affine", id=name)
        tensor = request.inputs.add(name="x", datatype="FP32", shape=sent.shape)
        if self._random.random() < 0.5:
            request.raw_input_contents.append(sent.tobytes())
        else:
            tensor.contents.fp32_contents.extend(sent.ravel().tolist())
        return sent, request.SerializeToString()


def _only(answers: Sequence[bytes]) -> bytes:
    if len(answers) != 1:
        raise WrongAnswerError(f"{len(answers)} answers to one request")
    return answers[0]


def _read_tensor(tensor: tensor_pb2.TensorProto) -> np.ndarray:
    """Read a tensor without the code of the server or its client."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, np.float32).reshape(shape)
    return np.array(tensor.float_val, np.float32).reshape(shape)


def _check_infer(answer: bytes, sent: np.ndarray) -> None:
    response = oip.ModelInferResponse.FromString(answer)
    (output,) = response.outputs
    raw = response.raw_output_contents
    values = np.frombuffer(raw[0], np.float32) if raw else np.array(output.contents.fp32_contents, np.float32)
    _compare(values.reshape(tuple(output.shape)), sent)


def _compare(got: np.ndarray, sent: np.ndarray) -> None:
    if not np.array_equal(got, 2 * sent + 1):
        raise WrongAnswerError(f"asked {sent.shape} {sent.ravel()[:4]}, got {got.shape} {got.ravel()[:4]}")


@dataclass
class Tally:
    """What became of calls."""

    kinds: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        """How many there were."""
        return sum(self.codes.values())

    def note(self, case: Case, outcome: "Outcome") -> None:
        """Count a call. Raises WrongAnswerError where it did not end as it should."""
        if outcome.code == OK:
            try:
                case.check(outcome.answers)
            except WrongAnswerError as error:
                raise WrongAnswerError(f"{case.kind}: {error}") from None
        if case.code not in (outcome.code, UNIMPORTANT):
            raise WrongAnswerError(f"{case.kind} ended with {outcome.code} ({outcome.text}), not {case.code}")
        self.kinds[case.kind] += 1
        self.codes[outcome.code] += 1


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    code: str
    answers: Sequence[bytes] = ()
    text: str = ""


class Source:
    """Gives out calls, to any number of threads, and gathers what became of them."""

    def __init__(self, cases: Iterator[Case], calls: int, report: Callable[[Tally], None]) -> None:
        self._cases, self._left, self._report = cases, calls, report
        self._lock = threading.Lock()
        self._tally = Tally()

    def take(self) -> Case | None:
        """Return the next call; None once there were enough."""
        with self._lock:
            if not self._left:
                return None
            self._left -= 1
            return next(self._cases)

    def note(self, case: Case, outcome: Outcome) -> None:
        """Take down what became of a call. Raises WrongAnswerError where it did not end as it should."""
        with self._lock:
            try:
                self._tally.note(case, outcome)
            except WrongAnswerError:
                self._left = 0
                raise
            if self._tally.calls >= _REPORT_CALLS or not self._left:
                self._report(self._tally)
                self._tally = Tally()


def ask_with_threads(target: str, source: Source) -> None:
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


async def ask_in_loop(target: str, source: Source) -> None:
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


def client(kind: str, target: str, seed: int, calls: int, results: "Queue[Tally | str]") -> None:
    """Be a process that asks; what became of it goes into a queue, at last a word: empty, or what was wrong."""
    source = Source(iter(Cases(seed)), calls, results.put)
    try:
        if kind == "threads":
            ask_with_threads(target, source)
        else:
            asyncio.run(ask_in_loop(target, source))
        results.put("")
    except BaseException as error:  # noqa: BLE001 - the process that waits is told
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        results.put(f"{type(error).__name__}: {error}")


@contextmanager
def served(transport: str, workers: int) -> Iterator[tuple[int, str]]:
    """Serve y = 2 x + 1; give the process and its address."""
    with tempfile.TemporaryDirectory() as folder:
        write = f"from benchmarks.mixed_calls import write_model; write_model({folder!r})"
        subprocess.run([sys.executable, "-c", write], check=True, stderr=subprocess.DEVNULL)
        command = [str(Path(sys.executable).with_name("zoo")), "serve", folder, "--host=127.0.0.1", "--port=0"]
        command += [f"--transport={transport}", f"--workers={workers}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            found = re.search(r"on port (\d+)", process.stdout.readline())
            if found is None:
                raise SystemExit("the server did not start")
            try:
                yield process.pid, f"127.0.0.1:{found[1]}"
            finally:
                process.terminate()


def write_model(folder: str) -> None:
    """Write the model into a folder of models."""
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], tf.float32, name="x")])
    def affine(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 2.0 * x + 1.0}

    tf.saved_model.save(module, str(Path(folder) / "affine" / "1"), signatures=affine)


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Report:
    """Sums up, and says so now and then."""

    def __init__(self, calls: int, pid: int) -> None:
        self._calls, self._pid = calls, pid
        self._total = Tally()
        self._began = self._shown = time.monotonic()

    def add(self, tally: Tally) -> None:
        """Add what became of some calls."""
        self._total.kinds += tally.kinds
        self._total.codes += tally.codes
        if time.monotonic() - self._shown > _SHOW_SECONDS:
            self._shown = time.monotonic()
            pace = self._total.calls / (self._shown - self._began)
            print(f"{self._total.calls:,} of {self._calls:,} calls, {pace:,.0f} a second, "
                  f"the server takes {memory_mb(self._pid):.0f} MB", flush=True)  # fmt: skip

    def __str__(self) -> str:
        """Return all of it."""
        kinds = ", ".join(f"{name} {count:,}" for name, count in self._total.kinds.most_common())
        codes = ", ".join(f"{name} {count:,}" for name, count in self._total.codes.most_common())
        seconds = time.monotonic() - self._began
        memory = memory_mb(self._pid)
        return f"{self._total.calls:,} calls in {seconds:,.0f} s, the server takes {memory:.0f} MB\n{kinds}\n{codes}"


def main() -> int:
    """Make the calls, and say what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transport", choices=("asyncio", "grpcio"), default="asyncio")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="another one makes other calls")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    results: Queue[Tally | str] = context.Queue()
    kinds = ("threads", "loop")
    each = arguments.calls // len(kinds)
    wrong = ""
    with served(arguments.transport, arguments.workers) as (pid, target):
        report = Report(arguments.calls, pid)
        processes = [
            context.Process(target=client, args=(kind, target, 2 * arguments.seed + number, each, results), daemon=True)
            for number, kind in enumerate(kinds)
        ]
        for process in processes:
            process.start()
        running = len(processes)
        while running and not wrong:
            result = results.get()
            if isinstance(result, Tally):
                report.add(result)
            else:
                running -= 1
                wrong = result
        for process in processes:
            process.terminate()
        print(report)
    print(f"WRONG: {wrong}" if wrong else "every answer was right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
