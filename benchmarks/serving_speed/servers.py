"""The table of servers, a line each. To measure another one, or another way to start ours, add a line."""

from benchmarks.serving_speed.server import Server

NAIVE = "naive"
"""What the others are held against, asked by Predict."""
INFER_BASES = ("MLServer", "Triton")
"""The same, asked by ModelInfer: another Python server, and one in C++."""
OURS = "ours"
"""What the names of ours begin with."""
LIMIT = "null handler"

_ZOO = "{python} -m zoo serve {repository} --host 127.0.0.1 --port {port} --log_level error"
_HERE = "{python} -m benchmarks.serving_speed"
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
_PREDICT = ("predict",)
_INFER = ("infer",)

SERVERS = (
    Server(
        NAIVE,
        "{python} benchmarks/naive_server.py {repository} {port}",
        "hand-rolled: grpcio, 16 threads, the SavedModel's signature in TensorFlow, no checks",
        _PREDICT,
        environment=_QUIET,
    ),
    Server(
        "naive, LiteRT",
        "{python} benchmarks/naive_server.py {repository} {port} --tflite",
        "the same, with model.tflite in place of the SavedModel",
        _PREDICT,
        environment=_QUIET,
    ),
    Server(OURS, _ZOO, "`zoo serve`", environment=_QUIET),
    Server("ours, LiteRT", _ZOO + " --prefer_tflite_model", "`zoo serve --prefer_tflite_model`", environment=_QUIET),
    Server(
        LIMIT,
        _HERE + ".null_server {answers} {port}",
        "our transport with a handler that looks the answer up: what a model that takes no time would give",
        _PREDICT,
    ),
    Server(
        "MLServer",
        "{python} {here}/peers/mlserver_launch.py {repository} {port} {spare} {work}",
        "MLServer, a runtime of a few lines around model.tflite",
        _INFER,
        peer="mlserver",
    ),
    Server(
        "KServe",
        "{python} {here}/peers/kserve_server.py {repository} {port} {spare}",
        "KServe's Python server, a model of a few lines around model.tflite",
        _INFER,
        peer="kserve",
    ),
    Server(
        "Triton",
        "{python} {here}/peers/triton_launch.py {repository} {port} {spare} {work}",
        "Triton's C++ server, its Python backend around model.tflite",
        _INFER,
        peer="triton",
    ),
)
BY_NAME = {server.name: server for server in SERVERS}
