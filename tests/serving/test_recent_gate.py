"""New versions of real SavedModels, held against what clients asked the one before."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import serving
from serving.manager import State
from serving.remote_control import RemoteControl
from serving.repository import ModelEntry, ModelTable, VersionPolicy
from tests.serving.conftest import save_affine
from zoo.cli import main

ASKED = np.array([4.0, 8.0], np.float32)


def save(path: Path, function: Callable[[tf.Tensor], dict[str, tf.Tensor]], spec: tf.TensorSpec) -> None:
    module = tf.Module()
    module.function = tf.function(function, input_signature=[spec])
    tf.saved_model.save(module, str(path), signatures=module.function)


X = tf.TensorSpec([None], tf.float32, name="x")


def raising(x: tf.Tensor) -> dict[str, tf.Tensor]:
    with tf.control_dependencies([tf.debugging.assert_less(x, 0.0, message="a secret")]):
        return {"y": x / 2 + 2}


VERSIONS: dict[str, tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], tf.TensorSpec]] = {
    "rounded otherwise": (lambda x: {"y": x / 2 + 2.0001}, X),
    "another output": (lambda x: {"y": x / 2 + 2, "z": x}, X),
    "no number": (lambda x: {"y": x / 2 + tf.where(x > 5, np.nan, 2.0)}, X),
    "raising": (raising, X),
    "another input": (lambda z: {"y": z / 2 + 2}, tf.TensorSpec([None], tf.float32, name="z")),
    "another rank": (lambda x: {"y": x[:, 0]}, tf.TensorSpec([None, 3], tf.float32, name="x")),
    "output gone": (lambda x: {"half": x / 2 + 2}, X),
    "output of another dtype": (lambda x: {"y": tf.cast(x, tf.float64) / 2 + 2}, X),
    "output of another rank": (lambda x: {"y": x[:, None] / 2 + 2}, X),
    "output of another shape": (lambda x: {"y": tf.stack([x[0], x[0], x[0]])}, X),
}
"""What the second version is: of `y = x / 2 + 2`, the first."""

Put = Callable[[str, int], Path]
Serve = Callable[..., AbstractContextManager[serving.Server]]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("versions")
    save_affine(root / "first", offset=2.0)
    save_affine(root / "retrained", offset=3.0)
    for name, (function, spec) in VERSIONS.items():
        save(root / name, function, spec)
    return root


@pytest.fixture
def put(versions: Path, tmp_path: Path) -> Put:
    """Make one of `versions` a version of the model `m`, all at once."""

    def copy(which: str, number: int) -> Path:
        model = tmp_path / "models" / "m"
        model.mkdir(parents=True, exist_ok=True)
        shutil.copytree(versions / which, model / ".incoming")
        return (model / ".incoming").rename(model / str(number))

    return copy


@pytest.fixture
def serve(put: Put, tmp_path: Path) -> Serve:
    """A server of the first version, which looks for others when it is told to."""
    put("first", 1)
    return lambda **fields: serving.Server(tmp_path / "models", **{"port": 0, "poll_seconds": 0, **fields})


@pytest.fixture
def server(serve: Serve) -> Iterator[serving.Server]:
    with serve() as running:
        yield running


def ask(server: serving.Server, **chosen: int) -> list[float]:
    with serving.Client(f"localhost:{server.port}") as client:
        answer: list[float] = client.predict("m", {"x": ASKED}, timeout=30, **chosen)["y"].tolist()
    return answer


def error_of(server: serving.Server, version: int = 2) -> str:
    return next(status.error for status in server.manager.statuses("m") if status.version == version)


def live(server: serving.Server) -> list[int]:
    return [status.version for status in server.manager.statuses("m") if status.state is State.AVAILABLE]


@pytest.mark.parametrize(
    ("which", "change"),
    [
        ("retrained", "y by up to 1"),
        ("rounded otherwise", "y by up to 0.0001"),
        ("another output", ""),
        ("output of another shape", "y of shape [3], was [2]"),
    ],
)
def test_a_version_that_answers_otherwise_goes_live_and_it_is_told_how_far(
    server: serving.Server, put: Put, caplog: pytest.LogCaptureFixture, which: str, change: str
) -> None:
    ask(server)
    put(which, 2)
    with caplog.at_level(logging.INFO, "serving.recent_gate"):
        server.refresh()
    assert live(server) == [2]
    (line,) = [record.message for record in caplog.records if record.name == "serving.recent_gate"]
    assert line.startswith("m version 2 answers what was asked lately (requests: 1, rows: 2) as version 1")
    assert line.endswith(f" as version 1, but for: {change}" if change else " as version 1")


@pytest.mark.parametrize(
    ("which", "reason"),
    [
        ("no number", "output 'y' has 1 of 2 numbers that are not finite, where they were"),
        ("raising", "signature 'serving_default' ends with INVALID_ARGUMENT"),
        ("another input", "input tensor alias not found in signature: x"),
        ("another rank", "input 'x' must be float32 of shape [N, 3], of rank 2"),
        ("output gone", "output 'y' is gone"),
        ("output of another dtype", "output 'y' is float64, was float32"),
        ("output of another rank", "output 'y' is of shape [2, 1], was [2]"),
    ],
)
def test_a_version_that_is_broken_for_those_who_ask_is_refused(
    server: serving.Server, put: Put, which: str, reason: str
) -> None:
    before = ask(server)
    put(which, 2)
    server.refresh()
    assert live(server) == [1]
    assert f"of what was asked lately and version 1 answers, 1 of 1 go wrong: {reason}" in error_of(server)
    assert "zoo models promote m --to 2 serves this one all the same" in error_of(server)
    assert ask(server) == before


def test_what_clients_sent_is_told_to_nobody(
    server: serving.Server, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    ask(server)
    put("raising", 2)
    server.refresh()
    assert "secret" not in error_of(server) + caplog.text, "TensorFlow's message quotes the numbers too"


def test_a_refused_version_is_not_loaded_again_until_its_files_change(
    serve: Serve, put: Put, versions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(load_retry_interval_micros=0) as server:
        ask(server)
        path = put("no number", 2)
        for _ in range(3):
            server.refresh()
        assert sum("cannot load m version 2" in record.message for record in caplog.records) == 1
        assert server.manager.retry_in() is None
        shutil.rmtree(path)
        put("retrained", 2)
        server.refresh()
        assert live(server) == [2]


def test_the_next_version_is_held_against_the_one_that_answers(server: serving.Server, put: Put) -> None:
    ask(server)
    put("no number", 2)
    server.refresh()
    put("output gone", 3)
    server.refresh()
    assert "asked lately and version 1 answers" in error_of(server, 3)
    put("retrained", 4)
    server.refresh()
    assert live(server) == [4]
    assert ask(server) == [5.0, 7.0]


def test_without_any_request_there_is_nothing_to_hold_a_version_against(server: serving.Server, put: Put) -> None:
    put("no number", 2)
    server.refresh()
    assert live(server) == [2]


def test_requests_that_name_their_version_stay_with_it_and_are_not_kept(server: serving.Server, put: Put) -> None:
    ask(server, version=1)
    put("another input", 2)
    server.refresh()
    assert live(server) == [2]


def test_what_differs_from_earlier_requests_in_numbers_alone_is_kept_too(server: serving.Server, put: Put) -> None:
    with serving.Client(f"localhost:{server.port}") as client:
        for value in (1.0, 2.0, 3.0, 8.0):
            client.predict("m", {"x": np.array([value], np.float32)}, timeout=30)
    put("no number", 2)
    server.refresh()
    assert "1 of 4 go wrong" in error_of(server), "of these 8 alone is over 5"


def test_it_can_be_switched_off(serve: Serve, put: Put) -> None:
    with serve(gate_requests=0) as server:
        ask(server)
        put("another input", 2)
        server.refresh()
        assert live(server) == [2]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"gate_max_difference": 0.99}, "too far from those of version 1: y by up to 1"),
        ({"gate_max_difference": 1.01}, None),
        ({"gate_max_flips": 0.0}, None),  # of numbers alone none is a class
    ],
)
def test_a_limit_on_differences_is_kept(serve: Serve, put: Put, fields: dict[str, float], reason: str | None) -> None:
    with serve(**fields) as server:
        ask(server)
        put("retrained", 2)
        server.refresh()
        assert live(server) == ([2] if reason is None else [1])
        assert reason is None or reason in error_of(server)


def test_a_version_that_is_promoted_goes_live_with_a_warning(
    server: serving.Server, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    ask(server)
    put("no number", 2)
    server.refresh()
    with serving.Client(f"localhost:{server.port}") as client:
        RemoteControl(client).load("m", timeout=30)
        assert live(server) == [1], "a load that names no version refuses it again"
        RemoteControl(client).promote("m", 2, timeout=30)
    assert live(server) == [2]
    assert error_of(server) == ""
    assert "m version 2 is served since it was asked for by its number, though of what was asked lately" in caplog.text
    server.refresh()
    assert live(server) == [2]


def test_going_back_is_never_refused(server: serving.Server, put: Put) -> None:
    put("another input", 2)
    server.refresh()
    with serving.Client(f"localhost:{server.port}") as client:
        client.predict("m", {"z": ASKED}, timeout=30)
        assert main(["models", "rollback", "m", f"--target=localhost:{server.port}"]) == 0
    assert live(server) == [1]
    assert ask(server) == [4.0, 6.0]


def test_removing_the_newest_folder_goes_back_too(server: serving.Server, put: Put) -> None:
    path = put("another input", 2)
    server.refresh()
    with serving.Client(f"localhost:{server.port}") as client:
        client.predict("m", {"z": ASKED}, timeout=30)
    shutil.rmtree(path)
    server.refresh()
    assert live(server) == [1]


def test_files_that_change_under_a_live_version_are_held_against_it_too(
    server: serving.Server, put: Put, tmp_path: Path
) -> None:
    ask(server)
    shutil.rmtree(tmp_path / "models" / "m" / "1")
    put("no number", 1)
    server.refresh()
    assert ask(server) == [4.0, 6.0]
    with serving.Client(f"localhost:{server.port}") as client:
        RemoteControl(client).promote("m", 1, timeout=30)
    assert np.isnan(ask(server)[1])


def test_a_config_that_names_a_version_by_number_is_obeyed(server: serving.Server, put: Put, tmp_path: Path) -> None:
    ask(server)
    put("no number", 2)
    server.refresh()
    assert live(server) == [1]
    policy = VersionPolicy.parse("2")
    server.manager.reload(ModelTable((ModelEntry("m", tmp_path / "models" / "m", policy),)))
    assert live(server) == [2]


def test_the_watcher_promotes_what_is_good_and_lists_why_the_rest_is_not(
    serve: Serve, put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(poll_seconds=0.02) as server:
        changed = threading.Condition()

        def tell() -> None:
            with changed:
                changed.notify_all()

        server.manager.on_change(tell)

        def wait_for(claim: Callable[[], bool]) -> None:
            with changed:
                assert changed.wait_for(claim, timeout=60)

        ask(server)
        put("raising", 2)
        wait_for(lambda: any(status.error for status in server.manager.statuses("m")))
        assert main(["models", "list", f"--target=localhost:{server.port}"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[:3] for line in lines] == [["m", "1", "READY"], ["m", "2", "UNAVAILABLE"]]
        assert "of what was asked lately and version 1 answers, 1 of 1 go wrong" in lines[1]
        put("retrained", 3)
        wait_for(lambda: live(server) == [3])
        assert ask(server) == [5.0, 7.0]


def test_models_that_are_loaded_on_first_use_are_held_against_what_is_loaded(serve: Serve, put: Put) -> None:
    with serve(load_on_first_use=True) as server:
        ask(server)
        put("no number", 2)
        server.refresh()
        server.refresh()
        assert live(server) == [1]
        assert ask(server) == [4.0, 6.0]
        with serving.Client(f"localhost:{server.port}") as client:
            RemoteControl(client).promote("m", 2, timeout=30)
        assert np.isnan(ask(server)[1])


def test_what_the_gate_asks_counts_as_nobodys_call(server: serving.Server, put: Put) -> None:
    from tritonclient import grpc as triton

    ask(server)
    put("retrained", 2)
    server.refresh()
    with triton.InferenceServerClient(f"localhost:{server.port}") as peer:
        assert peer.get_inference_statistics("m", "2").model_stats[0].execution_count == 0
