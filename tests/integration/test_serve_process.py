"""`zoo serve` and `zoo predict` as a person runs them: real processes on loopback."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import serving
import zoo
from tests.spinning import spin_function

Serve = Callable[..., "Served"]


class Served:
    """A running `zoo serve`."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zoo", "serve", "--host=127.0.0.1", "--port=0", "--engine=saved_model", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        announcement = self.process.stdout.readline()
        found = re.search(r"on port (\d+)", announcement)
        if found is None:
            _, log = self.process.communicate()
            raise AssertionError(f"no server: {announcement!r} {log}")
        self.target = f"localhost:{found[1]}"

    def terminate(self) -> tuple[int, str]:
        """Send SIGTERM; returns the exit code and the log."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Served] = []

    def start(*arguments: object) -> Served:
        started.append(Served(*map(str, arguments)))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
            served.process.communicate()


def run_zoo(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "zoo", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def digits() -> object:
    """A small CNN with the shapes of the digits."""
    return zoo.build("cnn", input_shape=(8, 8, 1), filters=[4, 8], head={"kind": "softmax", "units": 10})


@pytest.fixture(scope="module")
def models(digits: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    zoo.export(digits, root / "digits", variants=())
    wide = zoo.build("mlp", input_shape=(784,), units=[16, 16], head={"kind": "softmax", "units": 10})
    zoo.export(wide, root / "mlp", variants=())
    return root


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain TensorFlow model that takes as long as it is told to: `one` after `times` products."""
    import tensorflow as tf

    root = tmp_path_factory.mktemp("plain")
    tf.saved_model.save(tf.Module(), str(root / "spin" / "1"), signatures=spin_function())
    return root


def test_sigterm_drains_what_is_in_flight_and_exits_with_0(serve: Serve, templates: Path) -> None:
    served = serve(templates)
    with serving.Client(served.target) as client, ThreadPoolExecutor(1) as pool:
        client.predict("spin", np.array([1]), timeout=30)
        slow = pool.submit(client.predict, "spin", {"times": np.array([8_000])}, timeout=60)
        while not slow.running():
            pass
        for _ in range(20):  # calls behind the slow one on the same connection: by then it has arrived
            client.health(timeout=30)
        assert not slow.done()
        code, log = served.terminate()
        assert slow.result(30)["one"] == [1.0]
    assert code == 0, log
    assert "draining" in log


def test_what_outlasts_the_grace_is_ended_with_another_code(serve: Serve, templates: Path) -> None:
    served = serve(templates, "--grace", 0.2)
    with serving.Client(served.target) as client, ThreadPoolExecutor(1) as pool:
        client.predict("spin", np.array([1]), timeout=30)
        endless = pool.submit(client.predict, "spin", {"times": np.array([10_000_000])}, timeout=120)
        while not endless.running():
            pass
        for _ in range(20):
            client.health(timeout=30)
        code, log = served.terminate()
        with pytest.raises(serving.CallError):
            endless.result(30)
    assert code == 1
    assert "still running after 0.2 s" in log


def test_tensorflow_servings_flags(serve: Serve, models: Path) -> None:
    served = serve("--model_name=mine", f"--model_base_path={models / 'digits'}")
    with serving.Client(served.target) as client:
        client.wait_until_serving("mine", timeout=30)
        assert {"serving_default", "logits", "classify"} <= set(client.signatures("mine", timeout=30))
    assert served.terminate()[0] == 0


@pytest.mark.parametrize("name", ["digits", "mlp"])
def test_served_answers_equal_model_predict(name: str, models: Path) -> None:
    import tensorflow as tf

    shape = {"digits": (8, 8, 1), "mlp": (784,)}[name]
    rows = np.random.default_rng(0).random((64, *shape), dtype=np.float32)
    loaded = tf.saved_model.load(str(models / name / "1")).signatures["serving_default"]
    with serving.Server(models, port=0, poll_seconds=0) as server, serving.Client(f"localhost:{server.port}") as client:
        for batch in (1, 2, 7, 64):
            served = client.predict(name, {"inputs": rows[:batch]}, timeout=30)
            expected = loaded(tf.constant(rows[:batch]))["probabilities"].numpy()
            np.testing.assert_allclose(served["probabilities"], expected, rtol=0, atol=1e-6)
            np.testing.assert_array_equal(served["class_id"], expected.argmax(axis=1))


def test_served_answers_equal_those_of_the_keras_model(digits: object, models: Path) -> None:
    rows = np.random.default_rng(1).random((64, 8, 8, 1), dtype=np.float32)
    with serving.Server(models, port=0, poll_seconds=0) as server, serving.Client(f"localhost:{server.port}") as client:
        for batch in (1, 2, 7, 64):
            served = client.predict("digits", {"inputs": rows[:batch]}, timeout=30)["probabilities"]
            expected = digits.predict(rows[:batch], verbose=0)["probabilities"]  # type: ignore[attr-defined]
            assert np.abs(served - expected).max() <= 1e-6


def test_inputs_that_would_abort_tensorflow_leave_the_server_up(serve: Serve, models: Path) -> None:
    """A rank-3 batch ends a process that hands it to TensorFlow; another image size would be answered with nonsense."""
    served = serve(models)
    with serving.Client(served.target) as client:
        for shape in ((8, 8, 1), (1, 8, 8), (1, 20, 20, 1), (1, 8, 8, 3), (0, 8, 8, 1), (8,), (1, 1, 8, 8, 1)):
            with pytest.raises(serving.CallError, match="INVALID_ARGUMENT"):
                client.predict("digits", {"inputs": np.zeros(shape, np.float32)}, timeout=30)
        answer = client.predict("digits", {"inputs": np.zeros((2, 8, 8, 1), np.float32)}, timeout=30)
        assert answer["probabilities"].shape == (2, 10)
    assert served.terminate()[0] == 0


def test_a_new_and_a_broken_version_while_serving(serve: Serve, digits: object, tmp_path: Path) -> None:
    zoo.export(digits, tmp_path / "digits", variants=())  # type: ignore[arg-type]
    served = serve(tmp_path, "--file_system_poll_wait_seconds", 0.05)
    with serving.Client(served.target) as client:

        def versions_until(wanted: dict[int, str]) -> None:
            for _ in range(20_000):
                client.predict("digits", {"inputs": np.zeros((1, 8, 8, 1), np.float32)}, timeout=30)
                found = {line.version: line.state for line in client.versions("digits", timeout=30)}
                if found == wanted:
                    return
            raise AssertionError(found)

        zoo.export(digits, tmp_path / "digits", variants=())  # type: ignore[arg-type]
        versions_until({2: "AVAILABLE", 1: "END"})
        shutil.copytree(tmp_path / "digits" / "2", tmp_path / "staging")
        weights = next((tmp_path / "staging" / "variables").glob("*.data*"))
        first, *others = weights.read_bytes()
        weights.write_bytes(bytes([first ^ 1, *others]))
        (tmp_path / "staging").rename(tmp_path / "digits" / "3")
        versions_until({3: "END", 2: "AVAILABLE", 1: "END"})
        assert "not what was exported" in client.versions("digits", timeout=30)[0].error
    code, log = served.terminate()
    assert code == 0
    assert "cannot load digits version 3" in log


EXPORTER = """
import os, signal, sys
import zoo

top, last = sys.argv[1], int(sys.argv[2])
model = zoo.build("cnn", input_shape=(8, 8, 1), filters=[4], head={"kind": "softmax", "units": 10})
count = 0

def hook(event, arguments):
    global count
    if event in ("open", "os.mkdir", "os.rename") and str(arguments[0]).startswith(top):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
zoo.export(model, top + "/digits", variants=())
"""


@pytest.mark.exhaustive
def test_a_server_never_loads_what_a_killed_exporter_leaves(serve: Serve, digits: object, tmp_path: Path) -> None:
    zoo.export(digits, tmp_path / "digits", variants=())  # type: ignore[arg-type]
    served = serve(tmp_path, "--file_system_poll_wait_seconds", 0.02)
    with serving.Client(served.target) as client:
        for last in (1, 4, 9, 14):
            killed = subprocess.run(
                [sys.executable, "-c", EXPORTER, str(tmp_path), str(last)], stderr=subprocess.DEVNULL, check=False
            )
            assert killed.returncode == -signal.SIGKILL, f"the exporter ended before operation {last}"
            assert [(line.version, line.state) for line in client.versions("digits", timeout=30)] == [(1, "AVAILABLE")]
    code, log = served.terminate()
    assert code == 0
    assert "cannot load" not in log
    assert zoo.verify(zoo.export(digits, tmp_path / "digits", variants=())).ok  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def running(models: Path) -> Iterator[str]:
    served = Served(str(models))
    yield served.target
    assert served.terminate()[0] == 0


@pytest.mark.parametrize("kind", ["npy", "npz", "json", "json_mapping", "png"])
def test_predict_reads_files(kind: str, running: str, digits: object, tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8), dtype=np.uint8)
    rows = pixels[np.newaxis, :, :, np.newaxis].astype(np.float32)
    path = tmp_path / f"image.{kind.split('_', maxsplit=1)[0]}"
    if kind == "npy":
        np.save(path, rows)
    elif kind == "npz":
        np.savez(path, inputs=rows)
    elif kind == "json":
        path.write_text(json.dumps(rows[0].tolist()))
    elif kind == "json_mapping":
        path.write_text(json.dumps({"inputs": rows.tolist()}))
    else:
        Image.fromarray(pixels).save(path)
    done = run_zoo("predict", "digits", "--input", path, "--target", running)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    expected = digits.predict(rows, verbose=0)["probabilities"][0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    assert answer["label"] == str(expected.argmax())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npy", None, "there is no file"),
        ("text.npy", b"not an array", "cannot read"),
        ("broken.json", b"[1, 2", "cannot read"),
        ("ragged.json", b"[[1, 2], [3]]", "rectangular"),
        ("words.json", b'["a"]', "takes numbers"),
        ("other.json", b'{"input": [1]}', "did you mean 'inputs'"),
        ("small.json", b"[[1, 2]]", "rank 4"),
        ("image.tiff", b"", "expected a .npy"),
        ("image.png", b"no image", "cannot read"),
    ],
)
def test_predict_explains_a_bad_file(
    running: str, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run_zoo("predict", "digits", "--input", tmp_path / name, "--target", running)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_flags_and_files_of_tensorflow_model_server(serve: Serve, models: Path, tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text(
        "model_config_list {\n"
        + "".join(
            f"config {{ name: '{name}' base_path: '{models}/{folder}' model_platform: 'tensorflow' }}\n"
            for name, folder in (("a", "digits"), ("b", "mlp"))
        )
        + "}"
    )
    served = serve(
        f"--model_config_file={config}", "--model_name=ignored", "--enable_batching=false", "--num_load_threads=2",
        "--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=2", "--use_tflite_model=false",
        "--flush_filesystem_caches=false", "--per_process_gpu_memory_fraction=0.5", "--file_system_poll_wait_seconds=1",
        "--grpc_channel_arguments=grpc.max_connection_idle_ms=60000", "--grpc_max_threads=3",
    )  # fmt: skip
    with serving.Client(served.target) as client:
        assert client.predict("a", {"inputs": np.zeros((2, 8, 8, 1), np.float32)}, timeout=60.0)["class_id"].shape == (
            2,
        )
        assert client.predict("b", {"inputs": np.zeros((1, 784), np.float32)}, timeout=60.0)["class_id"].shape == (1,)
    status, log = served.terminate()
    assert status == 0
    assert "TensorFlow has 1 threads in an operation and 2 operations at once" in log
    for flag in ("flush_filesystem_caches", "per_process_gpu_memory_fraction"):
        assert log.count(f"--{flag} does nothing here") == 1
    assert "--model_name is ignored" in log


def test_predict_explains_a_missing_server_and_model(running: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 8, 8, 1)))
    nobody = run_zoo("predict", "digits", "--input", tmp_path / "x.npy", "--target", "localhost:1")
    assert (nobody.returncode, "no server answers at localhost:1" in nobody.stderr) == (2, True)
    unknown = run_zoo("predict", "digit", "--input", tmp_path / "x.npy", "--target", running)
    assert (unknown.returncode, "did you mean 'digits'" in unknown.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["--model_name", "m"], "go together"),
        ([".", "--model_name", "m", "--model_base_path", "."], "not both"),
        ([".", "--port", "99999"], "port 99999"),
        ([".", "--model_config_file=x"], "not both"),
        ([".", "--versions", "newest"], "versions 'newest'"),
    ],
)
def test_serve_explains_a_bad_argument(arguments: list[str], message: str) -> None:
    done = run_zoo("serve", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
