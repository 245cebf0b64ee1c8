"""Requests that were kept: read with TensorFlow Serving's own messages, asked again, used as warm-up."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import serving
from serving.engines.saved_model import SavedModelEngine
from serving.recording.replay import Replay
from serving.servable import load_servable
from serving.status import ServerError
from zoo.cli import main

Install = Callable[[str, str, int], Path]


def kept(folder: Path) -> list[prediction_log_pb2.PredictionLog]:
    """Read every record that there is, with TensorFlow's reader."""
    files = sorted(map(str, folder.glob("*.tfrecord")))
    return [prediction_log_pb2.PredictionLog.FromString(each.numpy()) for each in tf.data.TFRecordDataset(files)]


@pytest.fixture
def models(install: Install, tmp_path: Path) -> Path:
    install("affine2", "affine", 1)
    install("sum", "sum", 1)
    return tmp_path / "models"


@pytest.fixture
def record(models: Path, tmp_path: Path) -> Callable[..., Path]:
    """Ask the first version, of a server that keeps everything, and return the folder."""

    def run(values: list[float], **fields: object) -> Path:
        folder = tmp_path / "log"
        options = {"versions": "all", "request_log_rate": 1.0, **fields}
        with (
            serving.Server(models, port=0, poll_seconds=0, request_log_dir=folder, **options) as server,
            serving.Client(f"localhost:{server.port}", token="not to be kept") as client,
        ):
            for value in values:
                client.predict("affine", {"x": np.full(3, value, np.float32)}, timeout=30, version=1)
        return folder

    return run


def test_what_was_asked_and_answered_is_kept(record: Callable[..., Path]) -> None:
    logs = kept(record([4.0, 8.0]))
    assert [tf.make_ndarray(log.predict_log.request.inputs["x"]).tolist() for log in logs] == [[4.0] * 3, [8.0] * 3]
    assert [tf.make_ndarray(log.predict_log.response.outputs["y"]).tolist() for log in logs] == [[4.0] * 3, [6.0] * 3]
    metadata = logs[0].log_metadata
    assert (metadata.model_spec.name, metadata.model_spec.version.value) == ("affine", 1)
    assert metadata.sampling_config.sampling_rate == 1.0
    assert metadata.timestamp_secs > 1_700_000_000


def test_what_is_redacted_is_in_no_file(record: Callable[..., Path]) -> None:
    folder = record([1234.5], request_log_redact="x,nothing")
    (log,) = kept(folder)
    tensor = log.predict_log.request.inputs["x"]
    assert [dim.size for dim in tensor.tensor_shape.dim] == [3]
    assert not tensor.tensor_content
    assert not tensor.float_val
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    assert np.float32(1234.5).tobytes() not in content
    assert b"not to be kept" not in content


def test_names_to_redact_may_have_spaces_between_them(record: Callable[..., Path]) -> None:
    (log,) = kept(record([1234.5], request_log_redact="nothing, x ,y"))
    for tensor in (log.predict_log.request.inputs["x"], log.predict_log.response.outputs["y"]):
        assert tensor.tensor_shape.dim[0].size == 3
        assert not tensor.tensor_content
        assert not tensor.float_val


def test_a_feature_to_redact_is_not_written_in_an_example_either(models: Path, tmp_path: Path) -> None:
    secret, open_ = (
        tf.train.Example(features=tf.train.Features(feature={name: _bytes_feature(b"my street 7")})).SerializeToString()
        for name in ("address", "colour")
    )
    folder = tmp_path / "log"
    options = {"request_log_dir": folder, "request_log_rate": 1.0, "request_log_redact": "address"}
    with (
        serving.Server(models, port=0, poll_seconds=0, **options) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        for rows in ([open_], [b"any text", secret]):
            client.predict("sum", {"text": np.array(rows, dtype=object)}, timeout=30, signature="length")
    first, second = (log.predict_log for log in kept(folder))
    assert tf.make_ndarray(first.request.inputs["text"]).tolist() == [open_]
    assert [tensor.string_val[:] for tensor in (second.request.inputs["text"], second.response.outputs["text"])] == [
        [],
        [],
    ]


def _bytes_feature(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def test_recording_goes_on_once_the_folder_can_be_written_again(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()
    caplog.handler.addFilter(lambda line: failed.set() or True if "cannot be recorded" in line.getMessage() else True)
    folder = tmp_path / "log"
    options = {"request_log_dir": folder, "request_log_rate": 1.0, "request_log_max_bytes": 1000}
    with (
        serving.Server(models, port=0, poll_seconds=0, **options) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):

        def ask(rows: int) -> None:
            client.predict("affine", {"x": np.zeros(rows, np.float32)}, timeout=30)

        ask(1)
        shutil.move(folder, tmp_path / "moved")
        ask(300)  # it needs a new file
        assert failed.wait(timeout=30)
        folder.mkdir()
        ask(2)
    (log,) = kept(folder)
    assert tf.make_ndarray(log.predict_log.request.inputs["x"]).size == 2
    assert "requests are recorded again, 1 were not" in caplog.text
    assert len(kept(tmp_path / "moved")) == 1


def test_a_share_of_the_calls_is_kept(record: Callable[..., Path]) -> None:
    assert 5 <= len(kept(record(list(range(100)), request_log_rate=0.3))) <= 60  # five deviations around 30


def test_a_model_may_have_a_share_of_its_own(models: Path, tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    path, platform = models / "affine", 'model_platform: "tensorflow"'
    own = "logging_config { sampling_config { sampling_rate: 1 } }"
    config.write_text(
        f'model_config_list {{ config {{ name: "affine" base_path: "{path}" {platform} {own} }}'
        f' config {{ name: "other" base_path: "{path}" {platform} }} }}'
    )
    folder = tmp_path / "log"
    chosen = {"model_config_file": config, "request_log_dir": folder, "request_log_rate": 0.0}
    with (
        serving.Server(port=0, poll_seconds=0, **chosen) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        for name in ("affine", "other"):
            client.predict(name, {"x": np.zeros(1, np.float32)}, timeout=30)
    assert [log.log_metadata.model_spec.name for log in kept(folder)] == ["affine"]


def test_a_share_of_a_models_own_that_nobody_keeps_is_warned_of(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "affine" base_path: "{models / "affine"}" model_platform: "tensorflow"'
        " logging_config { sampling_config { sampling_rate: 1 } } } }"
    )
    with serving.Server(port=0, poll_seconds=0, model_config_file=config):
        pass
    assert "logging_config of affine does nothing: no request is kept without --request_log_dir" in caplog.messages


def test_old_files_go_and_other_peoples_stay(record: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "requests-notes.txt").write_text("mine")
    folder = record([float(i) for i in range(10)], request_log_max_bytes=300, request_log_keep=2)
    assert (folder / "requests-notes.txt").exists()
    assert len(list(folder.glob("requests-*.tfrecord"))) == 2
    last = tf.make_ndarray(kept(folder)[-1].predict_log.request.inputs["x"])
    assert last[0] == 9


@pytest.fixture
def other(install: Install, models: Path) -> Iterator[serving.Server]:
    """A server of the same model in two versions, of which the second adds 1 more."""
    install("affine3", "affine", 2)
    with serving.Server(models, port=0, poll_seconds=0, versions="all") as server:
        yield server


def test_replayed_requests_are_answered_the_same_or_it_is_told(
    record: Callable[..., Path], other: serving.Server
) -> None:
    files = sorted(record([1.0, 2.0, 3.0]).iterdir())
    with serving.Client(f"localhost:{other.port}") as client:
        old = Replay(client, timeout=30, version=1).run(files, concurrency=2)
        new = Replay(client, timeout=30).run(files)
        near = Replay(client, timeout=30, tolerance=1.0).run(files)
        wrong = Replay(client, timeout=30, model="sum").run(files)
    assert (old.same, old.different, old.failed, len(old.seconds)) == (3, 0, 0, 3)
    assert (new.same, new.different) == (0, 3)
    assert new.examples[0].endswith("record 0: y: 3 of 3 numbers differ, by up to 1")
    assert near.same == 3
    assert wrong.failed == 3
    assert "INVALID_ARGUMENT" in wrong.examples[0]


def test_the_command_line_does_the_same(
    record: Callable[..., Path], other: serving.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    files = list(map(str, record([1.0, 2.0]).iterdir()))
    target = f"--target=localhost:{other.port}"
    assert main(["replay", *files, target, "--version", "1"]) == 0
    assert capsys.readouterr().out.startswith("2 answered the same, 0 otherwise, 0 failed\nmilliseconds: median ")
    assert main(["replay", *files, target]) == 1
    assert "0 answered the same, 2 otherwise, 0 failed" in capsys.readouterr().out


def test_a_replay_of_nothing_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").touch()
    assert main(["replay", str(tmp_path / "empty"), "--target", "localhost:1"]) == 2
    assert "there is no recorded request in" in capsys.readouterr().err


@pytest.mark.parametrize("concurrency", ["1", "8"])
def test_a_server_that_is_not_there_is_told_once(
    record: Callable[..., Path], capsys: pytest.CaptureFixture[str], concurrency: str
) -> None:
    files = list(map(str, record([1.0, 2.0, 3.0]).iterdir()))
    assert main(["replay", *files, "--target", "localhost:1", "--concurrency", concurrency]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("no server answers at localhost:1")) == ("", 1)


def test_a_share_of_calls_that_nobody_keeps_is_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(models), "--port", "0", "--request_log_rate", "0.5"]) == 2
    assert "--request_log_rate goes with --request_log_dir" in capsys.readouterr().err


def test_a_model_is_warmed_up_by_what_it_was_asked(record: Callable[..., Path], models: Path) -> None:
    (file,) = record([1.0, 2.0]).iterdir()
    extra = models / "affine" / "1" / "assets.extra"
    extra.mkdir()
    shutil.copy(file, extra / "tf_serving_warmup_requests")
    assert load_servable("affine", 1, models / "affine" / "1", SavedModelEngine).name == "affine"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no records", "record 0 is cut short"), (b"", None)],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes, message: str | None) -> None:
    (tmp_path / "file").write_bytes(content)
    with serving.Client("localhost:1") as client:
        replay = Replay(client, timeout=1)
        if message is None:
            assert replay.run([tmp_path / "file"]).seconds == []
            return
        with pytest.raises(ServerError, match=message):
            replay.run([tmp_path / "file"])


def test_a_folder_that_cannot_be_written_stops_the_server_before_it_starts(models: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match=r"requests cannot be recorded in .*file/log: Not a directory"):
        serving.Server(models, port=0, request_log_dir=tmp_path / "file" / "log")


@pytest.mark.parametrize(
    "fields",
    [{"request_log_rate": 1.5}, {"request_log_keep": 0}, {"request_log_max_bytes": 0}],
    ids=lambda x: next(iter(x)),
)
def test_a_number_that_makes_no_sense_is_refused(models: Path, tmp_path: Path, fields: dict[str, float]) -> None:
    with pytest.raises(ServerError, match="request_log_"):
        serving.Server(models, port=0, request_log_dir=tmp_path, **fields)
