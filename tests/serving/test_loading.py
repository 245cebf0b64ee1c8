"""What happens between the files of a version and its first answer: hashes, golden answers, warm-up."""

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_log_pb2

import serving
from serving.engines.saved_model import SavedModelEngine
from serving.lifetime import load_no_more_then
from serving.servable import load_servable
from serving.status import ServerError
from zoo.artifact import read_passport
from zoo.passport import Passport

SHIPPED = Path(__file__).parents[2] / "saved_models"
Install = Callable[[str, str, int], Path]


class Recording:
    """An engine that notes what it is asked, and may answer something else."""

    def __init__(self, version: Path, change: Callable[[np.ndarray], np.ndarray] = lambda array: array) -> None:
        self._engine = SavedModelEngine(version)
        self._change = change
        self.calls: list[tuple[str, int]] = []
        self.closed = False

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls.append((signature, len(next(iter(inputs.values())))))
        outputs = self._engine.run(signature, inputs)
        return {key: self._change(x) if x.dtype == np.float32 else x for key, x in outputs.items()}

    def close(self) -> None:
        self.closed = True
        self._engine.close()


def test_a_version_answers_its_golden_inputs_and_warm_up_requests_before_it_is_live() -> None:
    version = SHIPPED / "wine_mlp" / "1"
    engine = Recording(version)
    load_servable("wine_mlp", 1, version, lambda _: engine)
    golden = read_passport(version).golden
    assert {"serving_default", "logits", "classify", "embed", "predict_set"} <= golden.keys()
    assert [name for name, _ in engine.calls[: len(golden)]] == list(golden)
    assert engine.calls[len(golden) :] == [("serving_default", 1), ("serving_default", 8), ("serving_default", 32)]


def test_a_passport_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = Passport.from_json

    def count(text: str) -> Passport:
        read.append(len(text))
        return original(text)

    monkeypatch.setattr(Passport, "from_json", count)
    version = SHIPPED / "wine_mlp" / "1"
    servable = load_servable("wine_mlp", 1, version, SavedModelEngine)
    assert servable.passport is not None
    assert read == [len(servable.passport)]
    assert servable.independence["serving_default"].decide()
    assert len(read) == 1


@pytest.mark.parametrize("enable", [True, False])
def test_warm_up_can_be_left_out(*, enable: bool) -> None:
    version = SHIPPED / "wine_mlp" / "1"
    engine = Recording(version)
    load_servable("wine_mlp", 1, version, lambda _: engine, enable_warm_up=enable)
    assert (("serving_default", 32) in engine.calls) is enable


def test_a_version_that_answers_otherwise_does_not_go_live() -> None:
    version = SHIPPED / "wine_mlp" / "1"
    engine = Recording(version, change=lambda array: array + np.float32(1e-3))
    with pytest.raises(ServerError, match=r"wine_mlp/1 does not answer '\w+' as it did at export: .* differ, by up to"):
        load_servable("wine_mlp", 1, version, lambda _: engine)
    assert engine.closed


def write_warm_up(version: Path, *logs: prediction_log_pb2.PredictionLog) -> None:
    """Record requests with TensorFlow Serving's own messages and TensorFlow's own writer."""
    (version / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(version / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def predict_log(array: np.ndarray, name: str = "x", signature: str = "") -> prediction_log_pb2.PredictionLog:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def test_a_model_of_somebody_elses_is_warmed_up_with_its_own_file(install: Install) -> None:
    version = install("affine2", "m", 1)
    classified = prediction_log_pb2.ClassifyLog(request=classification_pb2.ClassificationRequest())
    write_warm_up(
        version,
        predict_log(np.zeros(3, np.float32)),
        prediction_log_pb2.PredictionLog(classify_log=classified),
        predict_log(np.zeros(5, np.float32), signature="serving_default"),
    )
    engine = Recording(version)
    load_servable("m", 1, version, lambda _: engine)
    assert engine.calls == [("serving_default", 3), ("serving_default", 5)]


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (predict_log(np.zeros((1, 1), np.float32)), "record 0: .*refuses its own warm-up request: .*of rank 1"),
        (predict_log(np.zeros(1, np.float32), name="z"), "unknown input 'z'"),
        (predict_log(np.zeros(1, np.float32), signature="nothing"), 'Serving signature name: "nothing" not found'),
    ],
    ids=["rank", "input", "signature"],
)
def test_a_warm_up_request_that_is_refused_stops_the_load(
    install: Install, log: prediction_log_pb2.PredictionLog, message: str
) -> None:
    version = install("affine2", "m", 1)
    write_warm_up(version, log)
    engine = Recording(version)
    with pytest.raises(ServerError, match=message):
        load_servable("m", 1, version, lambda _: engine)
    assert engine.closed


def test_more_warm_up_requests_than_tensorflow_serving_takes_are_refused(install: Install) -> None:
    version = install("affine2", "m", 1)
    write_warm_up(version, *[predict_log(np.zeros(1, np.float32))] * 1001)
    with pytest.raises(ServerError, match="holds more than 1000 requests"):
        load_servable("m", 1, version, SavedModelEngine)


def test_a_damaged_warm_up_file_is_named(install: Install) -> None:
    version = install("affine2", "m", 1)
    write_warm_up(version, predict_log(np.zeros(1, np.float32)))
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ServerError, match="tf_serving_warmup_requests, record 0 is cut short"):
        load_servable("m", 1, version, SavedModelEngine)


def test_a_server_that_is_asked_to_stop_while_it_starts_loads_no_further_model(
    install: Install, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        install("affine2", name, 1)
    asked: SimpleQueue[int] = SimpleQueue()
    loaded: list[str] = []

    def load(version: Path) -> SavedModelEngine:
        loaded.append(version.parent.name)
        asked.put(signal.SIGTERM)
        assert told.get(timeout=30) == signal.SIGTERM
        return SavedModelEngine(version)

    server = serving.Server(tmp_path / "models", port=0, poll_seconds=0, load_engine=load)
    told = load_no_more_then(asked, server)
    server.start()
    assert loaded == ["a"]
    assert server.stop()
