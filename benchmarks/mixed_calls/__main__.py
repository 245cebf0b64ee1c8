"""A million mixed calls to a server of ours, every answer checked: what is right once has to be right under any mixture.

    python -m benchmarks.mixed_calls [--transport asyncio|grpcio] [--calls 1000000] [--workers 1]

Predict and ModelInfer, in every encoding; one row to four thousand; streams; compression; requests that have to be refused;
deadlines that cannot be kept, and calls that are cancelled: in any order, from processes that use gRPC's threaded client and
its asyncio client. No two calls send the same rows, and y = 2 x + 1 is exact in whole numbers: an answer that belongs to
another call, or to an earlier one, cannot be right. Ends with 1 at the first wrong answer, and says which it was.
"""

import argparse
import multiprocessing
import sys
from multiprocessing.queues import Queue

from benchmarks.mixed_calls.affine import served_affine
from benchmarks.mixed_calls.asking import ask
from benchmarks.mixed_calls.cases import Cases
from benchmarks.mixed_calls.report import Report
from benchmarks.mixed_calls.tally import Tally


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
    with served_affine(arguments.transport, arguments.workers) as server:
        report = Report(arguments.calls, server.pid)
        processes = [
            context.Process(
                target=ask,
                args=(
                    kind,
                    server.target,
                    Cases(2 * arguments.seed + number, takes_compression=arguments.transport != "grpcio"),
                    each,
                    results,
                ),
                daemon=True,
            )
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
