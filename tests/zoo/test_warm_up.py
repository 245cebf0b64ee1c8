"""The requests that TensorFlow Serving runs when it loads a model, read back with its own messages."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import zoo
from zoo.artifact import read_passport
from zoo.passport import WarmUp
from zoo.warm_up import FILE, MOST_BYTES, write_warm_up


def logs(version: Path) -> list[prediction_log_pb2.PredictionLog]:
    records = tf.data.TFRecordDataset(str(version / "assets.extra" / "tf_serving_warmup_requests"))
    return [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in records]


def test_each_batch_size_has_a_predict_request_that_the_model_answers(artifact: Path, examples: np.ndarray) -> None:
    served = tf.saved_model.load(str(artifact)).signatures
    sizes = []
    for log in logs(artifact):
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert (request.model_spec.name, request.model_spec.signature_name) == ("iris", "serving_default")
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        answers = served[request.model_spec.signature_name](**{name: tf.constant(x) for name, x in inputs.items()})
        sizes.append(len(answers["label"]))
        np.testing.assert_array_equal(inputs["inputs"], examples[np.arange(sizes[-1]) % 8])
    assert sizes == [1, 8, 32]


def test_what_is_written_is_what_their_own_messages_write(artifact: Path) -> None:
    for record in tf.data.TFRecordDataset(str(artifact / FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.SerializeToString(deterministic=True) == record.numpy()


def test_the_passport_tells_of_the_file(artifact: Path) -> None:
    passport = read_passport(artifact)

    assert passport.warm_up == WarmUp(FILE, (1, 8, 32), 3)
    assert FILE in passport.files
    assert zoo.verify(artifact).ok


def test_strings_and_several_inputs_are_sent_as_they_are(tmp_path: Path) -> None:
    rows = {"word": np.array([[b"\xff"], ["ü"]], dtype=object), "id": np.array([7, 8], np.int32)}
    write_warm_up(tmp_path, "m", rows)

    inputs = logs(tmp_path)[1].predict_log.request.inputs
    assert tf.make_ndarray(inputs["word"]).tolist() == [[b"\xff"], ["ü".encode()]] * 4
    assert tf.make_ndarray(inputs["id"]).tolist() == [7, 8] * 4


def test_large_batches_are_left_out_and_one_row_never(tmp_path: Path) -> None:
    row = np.zeros((1, MOST_BYTES // 4), "float32")

    assert write_warm_up(tmp_path, "m", {"x": row[:, :-100]}).batch_sizes == (1,)
    assert write_warm_up(tmp_path, "m", {"x": row}).batch_sizes == (1,)
    assert write_warm_up(tmp_path, "m", {"x": row[:, : MOST_BYTES // 64]}).batch_sizes == (1, 8)
