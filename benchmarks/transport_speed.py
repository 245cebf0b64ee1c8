"""The two transports of gRPC behind a handler that does nothing: what a call costs the server, and how many it takes.

    python benchmarks/transport_speed.py [--rounds 5] [--seconds 3]

Each transport is a process of its own; the load comes from a third, which is C++ (load_generator.cc, built each time: g++,
pkg-config and libgrpc++-dev are needed). All on one machine, in turns, the median of the rounds. The server's processor time
is read from /proc, and is what counts: calls per second are bounded by whoever shares the cores.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from environment import RESULTS, describe

from serving.transports.grpcio import GrpcioTransport
from serving.transports.http2.transport import AsyncioTransport
from serving.transports.transport import Call, Transport, Unary

TRANSPORTS = {"grpcio": GrpcioTransport, "asyncio": AsyncioTransport}
METHOD = "/zoo.Benchmark/Nothing"
SIZES = {"3 kB": 3_000, "600 kB": 600_000}
CONCURRENCY = (1, 8, 64)
_SOURCE = Path(__file__).with_name("load_generator.cc")
_TICKS = os.sysconf("SC_CLK_TCK")


async def answer_little(message: bytes, call: Call) -> bytes:  # noqa: ARG001 - every handler takes both
    """Answer as a classifier does: much in, little out."""
    return message[:40]


async def serve(name: str) -> None:
    """Be a server until standard input ends; prints the port."""
    methods = [Unary(METHOD, answer_little, 1 << 30)]
    transport: Transport = TRANSPORTS[name](methods, host="127.0.0.1", port=0, max_message_bytes=1 << 30)
    print(await transport.start(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await transport.stop(0)


@contextmanager
def running(name: str) -> Iterator[tuple[int, int]]:
    """Start a server; give its process and port."""
    command = [sys.executable, __file__, "--serve", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.pid, int(process.stdout.readline())
        process.stdin.close()
        process.wait(30)


def built(folder: Path) -> Path:
    """Build the load generator."""
    program = folder / "load_generator"
    if shutil.which("g++") is None or shutil.which("pkg-config") is None:
        raise SystemExit("needs g++, pkg-config and gRPC's C++ library: apt-get install g++ pkg-config libgrpc++-dev")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "grpc++"], capture_output=True, text=True, check=True)  # noqa: S607
    command = ["g++", "-O2", "-std=c++17", str(_SOURCE), "-o", str(program), *flags.stdout.split(), "-lpthread"]
    subprocess.run(command, check=True)
    return program


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def load(program: Path, server: tuple[int, int], requests: Path, concurrency: int, seconds: float) -> dict[str, float]:
    """Put a load on a server; give what the generator says, and microseconds of the server's processor per call."""
    pid, port = server
    command = [str(program), f"127.0.0.1:{port}", METHOD, str(requests), str(concurrency), "0.3"]
    subprocess.run([*command, "0.1"], check=True, capture_output=True)  # the connection's first calls are others
    before = cpu_seconds(pid)
    done = subprocess.run([*command[:-1], "0", str(seconds)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    if found["errors"]:
        raise SystemExit(f"calls failed: {found['last_error']}")
    spent = cpu_seconds(pid) - before
    return {
        "calls_per_second": found["calls_per_second"],
        "p99_us": found["p99_us"],
        "cpu_us": spent / found["calls"] * 1e6,
    }


def measure(rounds: int, seconds: float) -> list[dict[str, object]]:
    """Return a row for every size and concurrency."""
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program = built(folder)
        servers = {name: stack.enter_context(running(name)) for name in TRANSPORTS}
        for label, size in SIZES.items():
            requests = folder / label
            requests.write_bytes(struct.pack("<I", size) + os.urandom(size))
            for concurrency in CONCURRENCY:
                found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
                for _ in range(rounds):
                    for name, server in servers.items():
                        found[name].append(load(program, server, requests, concurrency, seconds))
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
    facts = describe(["grpcio", "hpack"])
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
