"""HandleReloadConfigRequest and config files of a running server, by TensorFlow Serving's own stubs and messages."""

import logging
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

import serving
from serving.status import StatusError

TIMEOUT = 30.0
OK, INVALID, MISSING = grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


@pytest.fixture(scope="module")
def folders(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`affine` in versions 1 (offset 2) and 2 (offset 3), `sum`, and `broken`, in one folder."""
    root = tmp_path_factory.mktemp("folders")
    for template, version in (("affine2", "affine/1"), ("affine3", "affine/2"), ("sum", "sum/1")):
        shutil.copytree(saved_models / template, root / version)
    (root / "broken" / "5").mkdir(parents=True)
    (root / "broken" / "5" / "saved_model.pb").write_bytes(b"\xff damaged")
    return root


class Peer:
    """Upstream's stubs against one server."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.insecure_channel(target)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    def reload(self, text: str) -> tuple[grpc.StatusCode, str]:
        request = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(text, request.config)
        try:
            response = self.models.HandleReloadConfigRequest(request, TIMEOUT)
        except grpc.RpcError as error:
            return error.code(), error.details()
        assert response.HasField("status")
        assert response.status.error_code == 0
        return OK, response.status.error_message

    def offset(self, model: str, **choice: object) -> float:
        """The answer to 0, which is the version's offset."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        if "label" in choice:
            request.model_spec.version_label = str(choice["label"])
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.zeros(1, np.float32)))
        return float(tf.make_ndarray(self.prediction.Predict(request, TIMEOUT).outputs["y"])[0])

    def states(self, model: str, **choice: object) -> dict[int, int]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        if "label" in choice:
            request.model_spec.version_label = str(choice["label"])
        found = self.models.GetModelStatus(request, TIMEOUT).model_version_status
        return {status.version: status.state for status in found}


@pytest.fixture(scope="module")
def running(folders: Path) -> Iterator[serving.Server]:
    with serving.Server(folders, port=0, poll_seconds=0) as server:
        yield server


@pytest.fixture
def peer(running: serving.Server) -> Iterator[Peer]:
    connected = Peer(f"localhost:{running.port}")
    yield connected
    connected.channel.close()


def config(name: str, folder: Path, rest: str = "") -> str:
    return f"config {{ name: '{name}' base_path: '{folder}' model_platform: 'tensorflow' {rest} }}"


def config_list(*configs: str) -> str:
    return f"model_config_list {{ {' '.join(configs)} }}"


AVAILABLE, END = 30, 50


def test_a_canary_is_led_to_by_its_label(peer: Peer, folders: Path, running: serving.Server) -> None:
    both = "model_version_policy { specific { versions: 1 versions: 2 } }"
    stable, canary = "version_labels { key: 'stable' value: 1 }", "version_labels { key: 'canary' value: 2 }"
    assert peer.reload(config_list(config("a", folders / "affine", f"{both} {stable} {canary}"))) == (OK, "")
    assert (peer.offset("a", label="stable"), peer.offset("a", label="canary"), peer.offset("a")) == (2.0, 3.0, 3.0)
    assert peer.states("a", label="stable") == {1: AVAILABLE}
    with serving.Client(f"localhost:{running.port}") as client:
        for version, offset in ((1, 2.0), ("stable", 2.0), ("canary", 3.0)):
            answer = client.predict("a", np.zeros(1, np.float32), timeout=TIMEOUT, version=version)
            assert answer["y"].tolist() == [offset]
    promoted = "version_labels { key: 'stable' value: 2 }"
    assert peer.reload(config_list(config("a", folders / "affine", f"{both} {promoted}"))) == (OK, "")
    assert peer.offset("a", label="stable") == 3.0
    with pytest.raises(grpc.RpcError) as caught:
        peer.offset("a", label="canary")
    assert caught.value.code() is INVALID
    assert caught.value.details().startswith("Unrecognized servable version label: canary")


def test_a_config_replaces_all_that_was_served(peer: Peer, folders: Path) -> None:
    assert peer.reload(config_list(config("a", folders / "affine"), config("b", folders / "sum")))[0] is OK
    assert peer.reload(config_list(config("c", folders / "affine")))[0] is OK
    assert peer.states("b") == {1: END}
    assert peer.offset("c") == 3.0
    with pytest.raises(grpc.RpcError) as caught:
        peer.offset("a")
    assert caught.value.code() is MISSING


def test_a_config_that_is_wrong_changes_nothing(peer: Peer, folders: Path) -> None:
    assert peer.reload(config_list(config("a", folders / "affine")))[0] is OK
    good = config("b", folders / "affine")
    for wrong, message in (
        (config_list(good, good), "Illegal to list model b multiple times in config list"),
        (
            config_list(good, config("n", folders / "none")),
            f"Could not find base path {folders}/none for servable n with",
        ),
        (config_list(good, config("n", Path("relative"))), "to have an absolute path or URI"),
        ("custom_model_config { }", "Only ModelConfigList is currently supported"),
        ("", "Only ModelConfigList is currently supported"),
    ):
        code, details = peer.reload(wrong)
        assert code is INVALID
        assert message in details
        assert peer.offset("a") == 3.0
        with pytest.raises(grpc.RpcError, match="Could not find any versions of model b"):
            peer.states("b")  # nothing of it was loaded


def test_what_does_not_load_is_told_and_the_rest_answers(peer: Peer, folders: Path) -> None:
    code, details = peer.reload(config_list(config("bad", folders / "broken"), config("a", folders / "affine")))
    assert code is grpc.StatusCode.UNKNOWN
    assert "1 model(s) did not become available: {{name: bad version: 5} due to error:" in details
    assert (peer.offset("a"), peer.states("bad")) == (3.0, {5: END})


def test_a_label_of_a_version_that_is_not_there_is_refused(peer: Peer, folders: Path) -> None:
    code, details = peer.reload(config_list(config("a", folders / "affine", "version_labels { key: 'old' value: 7 }")))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert details.startswith(
        "Request to assign label to version 7 of model a, which is not currently available for inference"
    )


def test_new_labels_of_absent_versions_are_an_operators_choice_and_answer_not_found(folders: Path) -> None:
    with serving.Server(folders, port=0, poll_seconds=0, allow_version_labels_for_unavailable_models=True) as server:
        peer = Peer(f"localhost:{server.port}")
        label = "version_labels { key: 'next' value: 7 }"
        assert peer.reload(config_list(config("a", folders / "affine", label)))[0] is OK
        with pytest.raises(grpc.RpcError, match=r"Servable not found for request: Specific\(a, 7\)") as caught:
            peer.offset("a", label="next")
        assert caught.value.code() is MISSING
        peer.channel.close()


def test_callers_can_be_kept_from_it(folders: Path) -> None:
    with serving.Server(folders, port=0, poll_seconds=0, disable_control_rpcs=True) as server:
        peer = Peer(f"localhost:{server.port}")
        code, details = peer.reload(config_list(config("a", folders / "affine")))
        assert (code, "--disable_control_rpcs" in details) == (grpc.StatusCode.PERMISSION_DENIED, True)
        for verb in ("Load", "Unload"):
            call = peer.channel.unary_unary(f"/inference.GRPCInferenceService/RepositoryModel{verb}")
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", timeout=TIMEOUT)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert peer.offset("affine") == 3.0
        peer.channel.close()


MUTATIONS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4)


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(max_size=40), mutations=MUTATIONS)
def test_any_bytes_are_answered_or_refused(
    idle: serving.Server, noise: bytes, mutations: list[tuple[int, int]]
) -> None:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(
        config_list(config("m", Path("/nowhere"), "version_labels { key: 'a' value: 1 }")), request.config
    )
    message = bytearray(request.SerializeToString())
    for place, value in mutations:
        message[place % len(message)] = value
    with grpc.insecure_channel(f"localhost:{idle.port}") as channel:
        call = channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest")
        for sent in (noise, bytes(message)):
            try:
                call(sent, timeout=TIMEOUT)
            except grpc.RpcError as error:
                assert error.code() is INVALID, error.details()  # noqa: PT017 - an answer is as good


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    with serving.Server(tmp_path_factory.mktemp("idle"), port=0, poll_seconds=0) as server:
        yield server


def write(path: Path, text: str) -> None:
    """Replace a file at once, as an editor does, with what upstream's own message prints."""
    message = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    staging = path.with_suffix(".new")
    staging.write_text(text_format.MessageToString(message))
    staging.rename(path)


class Changes:
    """Waits for what a server's manager does."""

    def __init__(self, server: serving.Server) -> None:
        self.changed = threading.Condition()
        self.manager = server.manager
        server.manager.on_change(self.tell)

    def tell(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def wait(self, happened: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(happened, timeout=TIMEOUT)


class Complaints(logging.Handler):
    """Waits for what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.told: queue.SimpleQueue[str] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        self.told.put(record.getMessage())

    def wait_for(self, words: str) -> None:
        while words not in self.told.get(timeout=TIMEOUT):
            pass


@pytest.fixture
def complained() -> Iterator[Complaints]:
    handler = Complaints()
    logging.getLogger("serving.watcher").addHandler(handler)
    yield handler
    logging.getLogger("serving.watcher").removeHandler(handler)


def test_a_config_file_is_served_and_followed(folders: Path, tmp_path: Path, complained: Complaints) -> None:
    path = tmp_path / "models.config"
    write(path, config_list(config("a", folders / "affine", "version_labels { key: 'stable' value: 2 }")))
    poll = 0.02
    with serving.Server(
        model_config_file=path, port=0, poll_seconds=poll, model_config_file_poll_wait_seconds=poll
    ) as server:
        peer, changes = Peer(f"localhost:{server.port}"), Changes(server)
        assert peer.offset("a", label="stable") == 3.0  # labels of what is loaded at the start need no flag
        write(path, config_list(config("b", folders / "affine", "model_version_policy { specific { versions: 1 } }")))
        changes.wait(lambda: not server.manager.models().get("a", False))
        assert peer.offset("b") == 2.0
        for wrong, complaint in (
            ("model_config_list {", "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:"),
            ("", "is empty. Cannot transition to requested config."),
            (config_list(config("c", folders / "none")), "Could not find base path"),
        ):
            path.write_text(wrong)
            complained.wait_for(complaint)
            assert peer.offset("b") == 2.0
        write(path, config_list(config("d", folders / "affine")))
        changes.wait(lambda: server.manager.models().get("d", False))
        peer.channel.close()


def test_a_config_file_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("model_config_list { config { nam: 'a' } }")
    with pytest.raises(StatusError, match=r"Error parsing text-format tensorflow\.serving\.ModelServerConfig: 1:30"):
        serving.Server(model_config_file=path)


def test_an_empty_config_file_is_waited_on(folders: Path, tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("")
    with serving.Server(model_config_file=path, port=0, model_config_file_poll_wait_seconds=0.02) as server:
        changes = Changes(server)
        write(path, config_list(config("a", folders / "affine")))
        changes.wait(lambda: server.manager.models().get("a", False))


def test_a_unix_socket_and_channel_arguments(folders: Path, tmp_path: Path) -> None:
    socket = Path(os.path.relpath(tmp_path / "zoo.sock")) if len(str(tmp_path)) > 90 else tmp_path / "zoo.sock"
    with serving.Server(
        folders / "affine", model_name="a", port=0, poll_seconds=0, grpc_socket_path=str(socket),
        grpc_channel_arguments={"grpc.max_receive_message_length": 1000},
    ):  # fmt: skip
        peer = Peer(f"unix:{socket}")
        assert peer.offset("a") == 3.0
        request = predict_pb2.PredictRequest(output_filter=["x" * 2000])
        with pytest.raises(grpc.RpcError, match="larger than max"):  # what was passed on wins over max_message_bytes
            peer.prediction.Predict(request, TIMEOUT)
        peer.channel.close()


def test_a_socket_that_cannot_be_had_is_explained(folders: Path) -> None:
    with pytest.raises(serving.ServerError, match="--grpc_socket_path"):
        serving.Server(folders, port=0, grpc_socket_path="/nowhere/zoo.sock").start()


def test_the_threads_of_a_tensorflow_that_runs_cannot_be_changed(folders: Path) -> None:
    tf.constant(1)
    now = tf.config.threading.get_intra_op_parallelism_threads()
    with pytest.raises(serving.ServerError, match=f"TensorFlow has {now} threads .* start the server first"):
        serving.Server(folders, port=0, tensorflow_intra_op_parallelism=now + 1).start()


def test_models_of_tensorflows_load_side_by_side(folders: Path) -> None:
    configs = [config(f"m{each}", folders / "affine", "model_version_policy { all {} }") for each in range(4)]
    with serving.Server(folders, port=0, poll_seconds=0, num_load_threads=4, num_unload_threads=4) as server:
        peer = Peer(f"localhost:{server.port}")
        assert peer.reload(config_list(*configs))[0] is OK
        assert [peer.offset(f"m{each}") for each in range(4)] == [3.0] * 4
        assert peer.reload(config_list(configs[0]))[0] is OK
        assert peer.offset("m0") == 3.0
        peer.channel.close()
