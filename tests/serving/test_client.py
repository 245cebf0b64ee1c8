import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import trustme

import serving
from serving.protos import prediction_pb2 as pb
from serving.signature import TensorSpec
from serving.tls import Certificates


def test_predict_takes_and_gives_arrays(client: serving.Client) -> None:
    answer = client.predict("affine", {"x": np.array([1, 2], np.float32)}, timeout=20)
    assert answer["y"].dtype == np.float32
    np.testing.assert_array_equal(answer["y"], [3.5, 4])


def test_one_array_is_enough_for_a_model_of_one_input(client: serving.Client) -> None:
    np.testing.assert_array_equal(client.predict("affine", np.ones(1, np.float32), timeout=20)["y"], [3.5])
    with pytest.raises(serving.CallError, match="takes 2 inputs, give a dict of a, b"):
        client.predict("sum", np.ones((1, 3), np.float32), timeout=20)


def test_version_signature_and_outputs_can_be_chosen(client: serving.Client) -> None:
    x = np.ones(1, np.float32)
    assert client.predict("affine", x, timeout=20, version=1)["y"] == [2.5]
    text = np.array(["zoo"], dtype=object)
    assert client.predict("sum", text, timeout=20, signature="length", outputs=["length"]) == {"length": [3]}


def test_signatures_and_versions(client: serving.Client) -> None:
    assert client.signatures("affine", timeout=20)["serving_default"].inputs == {"x": TensorSpec("float32", (None,))}
    assert [(line.version, line.state) for line in client.versions("affine", timeout=20)] == [
        (2, "AVAILABLE"),
        (1, "AVAILABLE"),
    ]


def test_health(client: serving.Client) -> None:
    client.wait_until_serving(timeout=20)
    client.wait_until_serving("affine", timeout=20)
    assert client.health(timeout=20) == client.health("sum", timeout=20) == "SERVING"
    with pytest.raises(serving.CallError) as caught:
        client.health("afine", timeout=20)
    assert caught.value.code == "NOT_FOUND"


def test_a_refusal_carries_code_and_details(client: serving.Client) -> None:
    with pytest.raises(serving.CallError, match=r"INVALID_ARGUMENT: .*float64") as caught:
        client.predict("affine", {"x": np.ones(1)}, timeout=20)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_a_server_that_is_not_there_is_named() -> None:
    with (
        serving.Client("localhost:1") as nobody,
        pytest.raises(serving.CallError, match="no server answers at localhost:1"),
    ):
        nobody.predict("m", {"x": np.ones(1)}, timeout=5)


def test_a_server_that_answers_that_it_cannot_is_not_taken_for_none() -> None:
    def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("x-request-id", "1"),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "the process that runs it ended")

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.method_handlers_generic_handler("s", {"m": grpc.unary_unary_rpc_method_handler(refuse)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("localhost:0")
    server.start()
    with (
        serving.Client(f"localhost:{port}") as client,
        pytest.raises(serving.CallError, match=r"^UNAVAILABLE: the process that runs it ended$"),
    ):
        client.call("/s/m", pb.GetModelStatusRequest(), pb.GetModelStatusResponse, 5)
    server.stop(None)


def test_the_deadline_ends_a_call(client: serving.Client) -> None:
    times = np.array([5_000], np.int64)
    with pytest.raises(serving.CallError) as caught:
        client.predict("sum", {"times": times}, signature="spin", timeout=0.05)
    assert caught.value.code == "DEADLINE_EXCEEDED"


def test_a_deadline_is_required(client: serving.Client) -> None:
    with pytest.raises(TypeError, match="timeout"):
        client.predict("affine", np.ones(1, np.float32))  # type: ignore[call-arg]


def test_messages_over_four_megabytes_pass_both_ways(client: serving.Client) -> None:
    text = np.array([b"a" * (6 << 20)], dtype=object)
    answer = client.predict("sum", text, signature="length", timeout=60)
    assert answer["length"].tolist() == [6 << 20]
    assert answer["text"][0] == text[0]


def test_tls(install: Callable[[str, str, int], Path], tmp_path: Path) -> None:
    install("affine2", "affine", 1)
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
    credentials = Certificates(tmp_path / "key.pem", tmp_path / "chain.pem").credentials()
    with serving.Server(tmp_path / "models", port=0, poll_seconds=0, credentials=credentials) as server:
        target = f"localhost:{server.port}"
        trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        with serving.Client(target, credentials=trusted) as client:
            assert client.predict("affine", np.ones(1, np.float32), timeout=20)["y"] == [2.5]
        with serving.Client(target) as plain, pytest.raises(serving.CallError, match="UNAVAILABLE"):
            plain.health(timeout=5)


def test_the_client_works_where_tensorflow_and_keras_cannot_be_imported(server: serving.Server) -> None:
    program = """
        import sys

        class Forbid:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {"tensorflow", "keras", "tensorflow_datasets", "pydantic", "sklearn"}:
                    raise ImportError(f"{name} is forbidden here")

        sys.meta_path.insert(0, Forbid())
        import numpy as np
        from serving.client import Client

        with Client(sys.argv[1]) as client:
            print(client.predict("affine", np.ones(1, np.float32), timeout=20)["y"].tolist())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), f"localhost:{server.port}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "[3.5]", done.stderr


def test_importing_the_client_imports_nothing_heavy() -> None:
    heavy = {
        "tensorflow",
        "keras",
        "jax",
        "ai_edge_litert",
        "ml_dtypes",
        "pydantic",
        "yaml",
        "uvicorn",
        "hpack",
        "prometheus_client",
    }
    own = {
        "zoo.exporting",
        "zoo.passport",
        "serving.server",
        "serving.engines",
        "serving.transports",
        "serving.services",
        "serving.http",
    }
    program = "import sys, serving.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & (heavy | own)
