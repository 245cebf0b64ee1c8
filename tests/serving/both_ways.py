"""Two servers of the same models: one answers at once what it can, the other leaves all to its handlers."""

import asyncio
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import hpack
import hyperframe.frame as hf
import numpy as np
from google.rpc import status_pb2
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.grpc import service_pb2 as peer

import serving
from serving.interceptors import Interceptor
from serving.protos import prediction_pb2 as pb
from serving.repository import ModelEntry, ModelTable, VersionPolicy
from serving.signature import DEFAULT_SIGNATURE
from serving.status import Code, StatusError, invalid
from serving.transports.transport import Asked, AtOnce, Ended
from tests.serving.access_files import sha256
from tests.serving.fleet import Engine, Fleet, write_version
from tests.serving.http.asking import ask
from tests.serving.transports.wire import RawClient, call_bytes

ACCESS = f"""
clients:
  - name: some
    token_sha256: {sha256("some")}
    models: ["affine"]
  - name: all
    token_sha256: {sha256("all")}
    models: ["*"]
"""
FAULT, REFUSED, NOT_FOUND, CANCELLED, BROKEN_PROMISE, NAN_ANSWER, TOO_LARGE, LARGE = range(900, 908)
"""Values in `x` on which an engine does not answer as always."""
WHIMS = (FAULT, REFUSED, NOT_FOUND, CANCELLED, BROKEN_PROMISE, NAN_ANSWER, TOO_LARGE, LARGE)
MOST_BYTES = 100_000
STATISTICS = "/inference.GRPCInferenceService/ModelStatistics"
_TIMES = re.compile(r"[0-9.]+")


class WhimsicalEngine(Engine):
    """`y = x + version`, and `text` the same in decimal; but for the values above."""

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        x = inputs["x"]
        first = next((int(value) for value in x if np.isfinite(value) and int(value) in WHIMS), 0)
        is_asked = not np.any(np.isfinite(x) & (x != np.round(x)))  # others are the server's, which tries it out
        fleet = self.fleet
        assert isinstance(fleet, WhimsicalFleet)
        with fleet.lock:
            fleet.runs.update([(f"{self.path.parent.name}/{self.path.name}", x.tobytes())] if is_asked else [])
        faults = {
            FAULT: RuntimeError("a fault"),
            REFUSED: invalid("not these", field="inputs[x]"),
            NOT_FOUND: StatusError(Code.NOT_FOUND, "not to be found"),
            CANCELLED: asyncio.CancelledError(),
        }
        if first in faults:
            raise faults[first]
        y = super().run(signature, inputs)["y"]
        if first in {TOO_LARGE, LARGE}:
            y = np.zeros(MOST_BYTES // 4 + 1 if first == TOO_LARGE else MOST_BYTES // 5, np.float32)
        y = np.full_like(y, np.nan) if first == NAN_ANSWER else y
        text = np.array([b"%d" % value if np.isfinite(value) else b"" for value in y[: len(x)]], object)
        return {"y": y.astype(np.float64) if first == BROKEN_PROMISE else y, "text": text}


@dataclass
class WhimsicalFleet(Fleet):
    """Loads them, and counts by version and input how often they were asked of whole numbers."""

    runs: Counter[tuple[str, bytes]] = field(default_factory=Counter)

    def read_signature_defs(self, version: Path) -> pb.SignatureDefMap:
        found = super().read_signature_defs(version)
        info = found.signature_def[DEFAULT_SIGNATURE].outputs["text"]
        info.name, info.dtype = "text:0", 7
        info.tensor_shape.dim.add(size=-1)
        return found

    def __call__(self, version: Path) -> Engine:
        loaded = super().__call__(version)
        loaded.__class__ = WhimsicalEngine
        return loaded


class Counting(Interceptor):
    """Counts the calls that were answered at once."""

    def __init__(self) -> None:
        self.count = 0

    def at_once(self, path: str, answer: AtOnce) -> AtOnce:
        def answer_counted(asked: Sequence[Asked]) -> Sequence[Ended | None]:
            answers = answer(asked)
            self.count += sum(ended is not None for ended in answers)
            return answers

        return answer_counted


class HandlersAlone(Interceptor):
    """Has every call go to its handler."""

    def at_once(self, path: str, answer: AtOnce) -> None:
        return None


class Told(logging.Handler):
    """What the log tells of calls, but for times and names that the server made up."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        call = dict(record.__dict__["call"])
        call["milliseconds"] = list(call["milliseconds"])
        call["request_id"] = "made up" if re.fullmatch("[0-9a-f]{16}", call["request_id"]) else call["request_id"]
        self.calls.append(call | {"level": record.levelname})


class Side:
    """One of the two servers, and how it is asked."""

    def __init__(self, folder: Path, interceptor: Interceptor, **fields: Any) -> None:
        self.fleet = WhimsicalFleet()
        self.models = folder / "models"
        for model in ("affine", "other"):
            for version in (1, 2):
                write_version(self.models, model, version)
        self.models.mkdir(parents=True, exist_ok=True)
        access = folder / "access.yaml"
        access.write_text(ACCESS)
        fields = {"gate_requests": 0, "versions": "all", "nan_inputs": "refuse", "access_file": access} | fields
        self.server = serving.Server(
            self.models,
            port=0,
            transport="asyncio",  # the other one knows handlers alone
            rest_api_port=-1,
            poll_seconds=0,
            load_engine=self.fleet,
            max_message_bytes=MOST_BYTES,
            interceptors=[interceptor],
            **fields,
        )

    @contextmanager
    def running(self) -> Iterator["Side"]:
        with self.server, grpc.insecure_channel(f"localhost:{self.server.port}") as self.channel:
            yield self

    @contextmanager
    def call_log(self) -> Iterator[Told]:
        """Give what the log tells of the calls in the block."""
        logger, told = logging.getLogger("serving.call_log"), Told()
        self._settle()
        level, logger.propagate = logger.level, False
        logger.addHandler(told)
        logger.setLevel(logging.DEBUG)
        try:
            yield told
            self._settle()
        finally:
            logger.removeHandler(told)
            logger.setLevel(level)
            logger.propagate = True

    def _settle(self) -> None:
        """Wait until it is told of calls that were answered: that comes after the answer, and before the next request."""
        loop = self.server._loop  # noqa: SLF001 - a request would be told of too
        assert loop is not None
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()

    def serve(self, versions: Sequence[int], label: int | None) -> str:
        """Serve some versions of `affine`, one of them labelled; and all that there are of `other`."""
        labels = {} if label is None else {"stable": label}
        every, some = VersionPolicy.parse("all"), VersionPolicy.parse(",".join(map(str, versions)))
        entries = (
            ModelEntry("affine", self.models / "affine", some, labels),
            ModelEntry("other", self.models / "other", every),
        )
        try:
            self.server.manager.reload(ModelTable(entries))
        except StatusError as error:
            return f"{error.code.name}: {error.message}".replace(str(self.models), "")
        return ""

    def call(self, path: str, message: bytes, metadata: Mapping[str, str]) -> tuple[Any, ...]:
        """Return all that a client sees of a call, but for times and names that the server made up."""
        try:
            response, ended = self.channel.unary_unary(path).with_call(
                message, timeout=30, metadata=tuple(metadata.items())
            )
            seen: tuple[Any, ...] = (response,)
        except grpc.RpcError as error:
            ended, seen = error, (error.code(), error.details())
        trailing = dict(ended.trailing_metadata())
        trailing["server-timing"] = _TIMES.sub("", trailing["server-timing"])
        if trailing["x-request-id"] != metadata.get("x-request-id"):
            assert re.fullmatch("[0-9a-f]{16}", trailing["x-request-id"])
            del trailing["x-request-id"]
        if "grpc-status-details-bin" in trailing:
            trailing["grpc-status-details-bin"] = str(status_pb2.Status.FromString(trailing["grpc-status-details-bin"]))
        return (*seen, trailing, tuple(ended.initial_metadata()))

    def stream(self, path: str, message: bytes, metadata: Mapping[str, str]) -> tuple[Any, ...]:
        """Return what a stream of one request is answered; of several it is chance how many are read if one is refused."""
        call = self.channel.stream_stream(path)(iter([message]), timeout=30, metadata=tuple(metadata.items()))
        try:
            return (*call,)
        except grpc.RpcError as error:
            return error.code(), error.details()

    def together(self, calls: Sequence[tuple[str, bytes, Mapping[str, str]]]) -> list[tuple[Any, ...]]:
        """Return what a client sees of calls that it sends in one write, each as `call` has it."""
        streams = range(1, 2 * len(calls), 2)
        whole = b"".join(
            call_bytes(stream, message, (":path", path), *metadata.items())
            for stream, (path, message, metadata) in zip(streams, calls, strict=True)
        )
        heads, left = defaultdict[int, list[dict[str, str]]](list), set(streams)
        answers: dict[int, bytes] = defaultdict(bytes)
        decoder = hpack.Decoder()
        with RawClient(self.server.port) as client:
            client.send(whole)
            for frame in client.frames():
                if isinstance(frame, hf.DataFrame):
                    answers[frame.stream_id] += frame.data
                elif isinstance(frame, hf.HeadersFrame):
                    heads[frame.stream_id].append(dict(decoder.decode(frame.data)))
                    left -= {frame.stream_id} if "END_STREAM" in frame.flags else set()
                    if not left:
                        break
        return [_seen(answers[stream][5:], heads[stream]) for stream in streams]

    def counted(self) -> list[Any]:
        """Return what the server counted since it began, but for times."""
        page = ask(self.server.rest_api_port, "GET", "/metrics", headers={"authorization": "Bearer all"})
        assert page.status == 200, page.body
        samples = [each for family in text_string_to_metric_families(page.body.decode()) for each in family.samples]
        metrics = {
            (each.name, tuple(sorted(each.labels.items()))): each.value
            for each in samples
            if each.name.endswith(("_total", "_count"))
            and not each.name.startswith(("process", "python", "zoo_load"))
            and each.labels.get("method") not in {"GET /metrics", STATISTICS}  # they hold times, and so have any length
        }
        message = self.channel.unary_unary(STATISTICS)(b"", timeout=30, metadata=(("authorization", "Bearer all"),))
        statistics = [
            (
                each.name,
                each.version,
                each.inference_count,
                each.execution_count,
                [(phase.name, duration.count) for phase, duration in each.inference_stats.ListFields()],
                [(batch.batch_size, batch.compute_infer.count) for batch in each.batch_stats],
            )
            for each in peer.ModelStatisticsResponse.FromString(message).model_stats
        ]
        return [metrics, statistics, self.fleet.runs, self.fleet.loads]


def _seen(message: bytes, heads: Sequence[Mapping[str, str]]) -> tuple[Any, ...]:
    trailing = {name: value for head in heads for name, value in head.items()}
    timing = _TIMES.sub("", trailing.pop("server-timing"))
    return (message, timing, tuple(sorted(trailing.items())))
