"""The cases of gRPC's interop tests by Node's client, which shares no code with gRPC's C core."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from serving.transports.transport import Stream, Unary
from tests.serving.transports.test_calls import Waiting, fail, tell
from tests.serving.transports.wire import ECHO, running

HERE = Path(__file__).parent / "node"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "keras-zoo" / "node"
UNAVAILABLE, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, UNIMPLEMENTED = 14, 1, 2, 3, 4, 12
EXPECTED = {
    "empty_unary": {"code": 0, "length": 0},
    "large_unary": {"code": 0, "length": 5_000_000, "same": True},
    "client_compressed_unary": {"code": 0, "same": True},
    "ping_pong": {"code": 0, "lengths": [27182, 8, 1828, 45904]},
    "streams": {"code": 0, "lengths": [31415, 9, 2653, 58979]},
    "empty_stream": {"code": 0, "lengths": []},
    "cancel_after_begin": {"code": CANCELLED, "lengths": []},
    "cancel_after_first_response": {"code": CANCELLED, "lengths": [5]},
    "timeout_on_sleeping_server": {"code": DEADLINE_EXCEEDED},
    "cancelled_unary": {"code": CANCELLED},
    "status_code_and_message": {"code": UNKNOWN, "details": "test status message"},
    "special_status_message": {"code": UNKNOWN, "same": True},
    "custom_metadata": {
        "code": 0, "text": "test_initial_metadata_value", "bytes": [0xAB, 0xAB, 0xAB], "trailing": ["yes"]
    },
    "trailing_bytes_of_an_error": {"code": INVALID_ARGUMENT, "bytes": [0, 255]},
    "unimplemented_method": {"code": UNIMPLEMENTED},
    "many_at_once": {"same": True},
}  # fmt: skip


def library() -> Path:
    """Return Node's gRPC, fetched by npm where it is not there."""
    npm = shutil.which("npm")
    assert npm is not None, "`make test-node` needs Node and npm"
    CACHE.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", CACHE)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    subprocess.run(command, cwd=CACHE, check=True, timeout=200)
    return CACHE / "node_modules" / "@grpc" / "grpc-js"


@pytest.mark.node
def test_node_s_client_is_answered_as_grpc_s_interop_tests_want_it() -> None:
    grpc_js = library()
    waiting = Waiting()
    methods = [
        *ECHO,
        Unary("/zoo.Echo/Fail", fail),
        Unary("/zoo.Echo/Tell", tell),
        Unary("/zoo.Echo/Wait", waiting.unary),
        Stream("/zoo.Echo/WaitStream", waiting.stream),
    ]
    with running(methods) as server:
        command = ["node", str(HERE / "interop.js"), f"127.0.0.1:{server.port}", str(grpc_js)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert json.loads(done.stdout) == EXPECTED
