"""The two transports of gRPC behind a handler that does nothing: what a call costs the server, and how many it takes.

    python -m benchmarks.transport_speed [--rounds 5] [--seconds 3]

Each transport is a process of its own; the load comes from a third (benchmarks/load.py). All on one machine, in turns, the
median of the rounds. The server's processor time is read from /proc, and is what counts: calls per second are bounded by
whoever shares the cores.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.environment import RESULTS, describe
from benchmarks.load import Load, describe_generator, put_load
from serving.transports.grpcio import GrpcioTransport
from serving.transports.http2.transport import AsyncioTransport
from serving.transports.place import Place
from serving.transports.transport import Call, Transport, Unary

TRANSPORTS = {"grpcio": GrpcioTransport, "asyncio": AsyncioTransport}
METHOD = "/zoo.Benchmark/Nothing"
SIZES = {"3 kB": 3_000, "600 kB": 600_000}
CONCURRENCY = (1, 8, 64)
_TICKS = os.sysconf("SC_CLK_TCK")


async def answer_little(message: bytes, call: Call) -> bytes:  # noqa: ARG001 - every handler takes both
    """Answer as a classifier does: much in, little out."""
    return message[:40]


async def serve(name: str) -> None:
    """Be a server until standard input ends; prints the port."""
    methods = [Unary(METHOD, answer_little, 1 << 30)]
    transport: Transport = TRANSPORTS[name](methods, Place("127.0.0.1", 0), max_message_bytes=1 << 30)
    print(await transport.start(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await transport.stop(0)


@contextmanager
def running(name: str) -> Iterator[tuple[int, int]]:
    """Start a server; give its process and port."""
    command = [sys.executable, "-m", "benchmarks.transport_speed", "--serve", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.pid, int(process.stdout.readline())
        process.stdin.close()
        process.wait(30)


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def ask(server: tuple[int, int], request: bytes, concurrency: int, seconds: float) -> dict[str, float]:
    """Put a load on a server; give what was measured, and microseconds of the server's processor per call."""
    pid, port = server
    before = cpu_seconds(pid)
    measured, _ = put_load(f"127.0.0.1:{port}", METHOD, [request], Load("closed", concurrency, seconds))
    if measured.failed:
        raise SystemExit(f"calls failed: {measured.failure}")
    return {
        "calls_per_second": measured.per_second,
        "p99_us": measured.p99_us,
        "cpu_us": (cpu_seconds(pid) - before) / measured.calls * 1e6,
    }


def measure(rounds: int, seconds: float) -> list[dict[str, object]]:
    """Return a row for every size and concurrency."""
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(name)) for name in TRANSPORTS}
        for label, size in SIZES.items():
            request = os.urandom(size)
            for concurrency in CONCURRENCY:
                found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
                for _ in range(rounds):
                    for name, server in servers.items():
                        found[name].append(ask(server, request, concurrency, seconds))
                row: dict[str, object] = {"request": label, "concurrency": concurrency}
                for name, results in found.items():
                    row[name] = {key: statistics.median(each[key] for each in results) for key in results[0]}
                rows.append(row)
    return rows


def main() -> None:
    """Measure, print and write benchmarks/results/transport_speed.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--smoke", action="store_true", help="a round of a moment, nothing written")
    parser.add_argument("--serve", choices=TRANSPORTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.serve))
        return
    facts = {**describe(["grpcio", "hpack"]), "load": describe_generator()}
    rows = measure(1, 0.3) if args.smoke else measure(args.rounds, args.seconds)
    lines = ["# The transports of gRPC", "", *(f"- {key}: {value}" for key, value in facts.items()), ""]
    lines += ["A handler that answers 40 bytes at once. Processor time is the server's.", ""]
    lines += ["| request | calls at once | grpcio: us | asyncio: us | ratio | grpcio: calls/s | asyncio: calls/s |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in rows:
        old, new = row["grpcio"], row["asyncio"]
        assert isinstance(old, dict)
        assert isinstance(new, dict)
        lines.append(
            f"| {row['request']} | {row['concurrency']} | {old['cpu_us']:.0f} | {new['cpu_us']:.0f} | "
            f"{old['cpu_us'] / new['cpu_us']:.1f}x | {old['calls_per_second']:.0f} | {new['calls_per_second']:.0f} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if not args.smoke:
        (RESULTS / "transport_speed.md").write_text(text, encoding="utf-8")
        (RESULTS / "transport_speed.json").write_text(
            json.dumps({**facts, "rows": rows}, indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
