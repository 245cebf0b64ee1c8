"""Becomes MLServer with every artifact of a folder: mlserver_launch.py REPOSITORY GRPC_PORT HTTP_PORT FOLDER.

Needs the environment of `make bench-peers`.
"""

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
MODELS = ("m1", "m2", "m3")

if __name__ == "__main__":
    repository, grpc_port, http_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder = Path(sys.argv[4])
    settings = {
        "host": "127.0.0.1",
        "grpc_port": grpc_port,
        "http_port": http_port,
        "metrics_endpoint": None,
        "parallel_workers": 0,  # a process for the models costs more than these models do
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    for name in MODELS:
        (folder / name).mkdir()
        facts = {
            "name": name,
            "implementation": "mlserver_runtime.Runtime",
            "parameters": {"uri": str(repository / name / "1")},
        }
        (folder / name / "model-settings.json").write_text(json.dumps(facts), encoding="utf-8")
    program = Path(sys.executable).with_name("mlserver")
    os.execve(program, [str(program), "start", str(folder)], {**os.environ, "PYTHONPATH": str(HERE)})  # noqa: S606
