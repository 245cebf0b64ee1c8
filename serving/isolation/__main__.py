"""`python -m serving.isolation DESCRIPTOR ORDER` runs a version: told by an Order as JSON, and by a socket to the server."""

import importlib
import json
import os
import signal
import sys

from serving.isolation.leisure import STARVED, StarvedError, leisurely

HOST = "serving.isolation.host"


def main(descriptor: str, order: str) -> None:
    """Serve one version to the process that holds the other end of a socket."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it is the server's to say when this ends
    told = json.loads(order)
    if told["cores"]:  # it was started on one
        os.sched_setaffinity(0, told["cores"])
    if told["yields"]:
        try:
            leisurely(lambda: importlib.import_module(HOST))
        except StarvedError:
            os._exit(STARVED)
        except Exception:  # noqa: BLE001, S110 - raised again below
            pass
    importlib.import_module(HOST).main(int(descriptor), order)


if __name__ == "__main__":
    main(*sys.argv[1:])
