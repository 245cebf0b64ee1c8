"""What stands around every call costs: the chain of interceptors, the metrics, and HTTP beside gRPC.

    python benchmarks/call_overhead.py [--calls 3000] [--rounds 25]

The chain is measured with a handler that does nothing, in this process, so that nothing else is in the figure; the least
of all rounds, for what else runs on the machine only adds. The protocols are measured with a real server in a process of
its own and one request in flight at a time, in turns: one row to a small MLP.
"""

import argparse
import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Callable, Sequence

import grpc
import prometheus_client
from environment import RESULTS, describe
from served_mlp import mlp_row, served_mlp
from zoo_serve import Served

from serving.call_log import log_call
from serving.call_record import CallRecord
from serving.codec import encode
from serving.http.call import HttpCall
from serving.interceptors import Drain, Interceptor, intercepted
from serving.metrics import CallMetrics
from serving.protos import prediction_pb2 as pb
from serving.recorder import Recorder
from serving.status import Code
from serving.transports.grpcio import GrpcioTransport
from serving.transports.place import Place
from serving.transports.transport import Call, Unary, UnaryHandler
from serving.wire import CONTENT_KEY, PREDICT


async def nothing(message: bytes, call: Call) -> bytes:
    """Answer as a model does that takes no time."""
    call.record.model, call.record.rows, call.record.batch_rows = "m", 1, 1
    call.record.seconds |= {"decode": 1e-5, "queue": 1e-5, "compute": 1e-4, "encode": 1e-5}
    return message


class PrometheusMetrics:
    """The same numbers as CallMetrics, in prometheus_client's own objects, their children looked up once."""

    def __init__(self) -> None:
        registry = prometheus_client.CollectorRegistry()
        where = ["method", "model"]
        self._calls = prometheus_client.Counter("calls", ".", [*where, "code"], registry=registry)
        self._bytes = [prometheus_client.Counter(name, ".", where, registry=registry) for name in ("into", "out")]
        self._seconds = prometheus_client.Histogram("seconds", ".", where, registry=registry)
        self._phases = prometheus_client.Histogram("phases", ".", ["phase", "model"], registry=registry)
        self._rows = [
            prometheus_client.Histogram(name, ".", ["model"], registry=registry) for name in ("rows", "batch")
        ]
        self._children: dict[object, prometheus_client.Histogram | prometheus_client.Counter] = {}

    def _child(self, metric: object, *labels: str) -> "prometheus_client.Histogram | prometheus_client.Counter":
        key = (metric, labels)
        if key not in self._children:
            self._children[key] = metric.labels(*labels)  # type: ignore[attr-defined]
        return self._children[key]

    def __call__(self, record: CallRecord) -> None:
        """Count a call."""
        where = (record.method, record.model)
        self._child(self._calls, *where, Code(record.code).name).inc()
        for metric, size in zip(self._bytes, (record.bytes_in, record.bytes_out), strict=True):
            self._child(metric, *where).inc(size)
        for phase, seconds in record.seconds.items():
            child = (
                self._child(self._seconds, *where)
                if phase == "total"
                else self._child(self._phases, phase, record.model)
            )
            child.observe(seconds)
        for metric, rows in zip(self._rows, (record.rows, record.batch_rows), strict=True):
            self._child(metric, record.model).observe(rows)


def chain_us(interceptors: Sequence[Interceptor], calls: int) -> float:
    """Return microseconds per call through a chain."""
    handler: UnaryHandler = nothing
    for interceptor in reversed(interceptors):
        handler = interceptor.unary(PREDICT, handler)

    async def run() -> float:
        began = time.perf_counter()
        for _ in range(calls):
            await handler(b"12345678", HttpCall(CallRecord(PREDICT), metadata={}))
        return (time.perf_counter() - began) / calls * 1e6

    return asyncio.run(run())


def chains(calls: int, rounds: int) -> dict[str, float]:
    """Return microseconds per call of every chain, what the bare handler takes left out."""
    measured: dict[str, Callable[[], Sequence[Interceptor]]] = {
        "bare": list,
        "draining": lambda: [Drain()],
        "+ record, id, timing, log": lambda: [Recorder([log_call]), Drain()],
        "+ metrics (serving.metrics)": lambda: [Recorder([log_call, CallMetrics()]), Drain()],
        "+ metrics (prometheus_client)": lambda: [Recorder([log_call, PrometheusMetrics()]), Drain()],
    }
    found: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, make in measured.items():
            found[name].append(chain_us(make(), calls))
    least = {name: min(values) for name, values in found.items()}
    bare = least.pop("bare")
    return {name: value - bare for name, value in least.items()}


async def over_the_wire(rounds: int, calls: int = 500) -> dict[str, float]:
    """Return microseconds of an empty gRPC call, client and server in one loop, without and with all that is around it."""
    interceptors = [Recorder([log_call, CallMetrics()]), Drain()]
    methods = {"bare": [Unary(PREDICT, nothing)], "all": intercepted([Unary(PREDICT, nothing)], interceptors)}
    transports, channels = {}, {}
    for name, found in methods.items():
        transports[name] = GrpcioTransport(found, Place("127.0.0.1", 0), max_message_bytes=1 << 20)
        channels[name] = grpc.aio.insecure_channel(f"127.0.0.1:{await transports[name].start()}")
    took: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, channel in channels.items():
            call = channel.unary_unary(PREDICT)
            await call(b"12345678")
            for _ in range(calls):
                began = time.perf_counter()
                await call(b"12345678")
                took[name].append((time.perf_counter() - began) * 1e6)
    for name, channel in channels.items():
        await channel.close()
        await transports[name].stop(1)
    return {name: statistics.median(values) for name, values in took.items()}


def protocols(rounds: int, calls: int = 1000) -> dict[str, float]:
    """Return the median milliseconds of one request, by protocol."""
    with served_mlp("--rest_api_port=-1") as server:
        return _protocols(server, rounds, calls)


def _protocols(server: Served, rounds: int, calls: int) -> dict[str, float]:
    row = mlp_row()
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="m"))
    request.inputs["inputs"].CopyFrom(encode(row))
    message = request.SerializeToString()
    column = json.dumps({"inputs": row.astype(float).tolist()}).encode()
    header = json.dumps(
        {"inputs": [{"name": "inputs", "datatype": "FP32", "shape": [1, 784], "parameters": {"binary_data_size": 3136}}],
         "parameters": {"binary_data_output": True}}
    ).encode()  # fmt: skip
    binary = {"Inference-Header-Content-Length": str(len(header))}
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port)

    def post(path: str, body: bytes, headers: dict[str, str]) -> None:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        assert response.read()
        assert response.status == 200

    with grpc.insecure_channel(server.target) as channel:
        call = channel.unary_unary(PREDICT)
        asked: dict[str, Callable[[], object]] = {
            "gRPC Predict": lambda: call(message, metadata=((CONTENT_KEY, "1"),)),
            "HTTP /infer, binary": lambda: post("/v2/models/m/infer", header + row.tobytes(), binary),
            "HTTP :predict, JSON": lambda: post("/v1/models/m:predict", column, {}),
        }
        found: dict[str, list[float]] = {name: [] for name in asked}
        for ask in asked.values():
            for _ in range(50):
                ask()
        for _ in range(rounds):
            for name, ask in asked.items():
                for _ in range(calls // rounds):
                    began = time.perf_counter()
                    ask()
                    found[name].append((time.perf_counter() - began) * 1e3)
    connection.close()
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Measure, print and write benchmarks/results/call_overhead.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=25)
    args = parser.parse_args()
    facts = describe(["grpcio", "uvicorn", "httptools", "prometheus-client", "numpy"])
    added, latency = chains(args.calls, args.rounds), protocols(args.rounds)
    wire = asyncio.run(over_the_wire(args.rounds))
    lines = ["# What stands around every call", "", *(f"- {key}: {value}" for key, value in facts.items()), ""]
    lines += ["Added to every call, of any protocol:", "", "| chain | us |", "|---|---|"]
    lines += [f"| {name} | {value:.1f} |" for name, value in added.items()]
    lines += ["", "Of an empty gRPC call, client and server in one process, id and timing in its trailing metadata:"]
    lines += [f"{wire['bare']:.0f} us bare, {wire['all']:.0f} us with all of it."]
    lines += [
        "",
        "One row of 784 floats to a small MLP, one request at a time, client and server on the same cores:",
        "",
    ]
    lines += ["| protocol | median ms | to gRPC |", "|---|---|---|"]
    grpc_ms = latency["gRPC Predict"]
    lines += [f"| {name} | {value:.2f} | {value / grpc_ms:.2f}x |" for name, value in latency.items()]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "call_overhead.md").write_text(text, encoding="utf-8")
    (RESULTS / "call_overhead.json").write_text(
        json.dumps({**facts, "added_us": added, "empty_grpc_call_us": wire, "median_ms": latency}, indent=2) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
