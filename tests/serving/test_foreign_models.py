"""SavedModels of other makers and damaged ones of ours: served where they can be, else refused with the reason."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import serving
from zoo.artifact import PASSPORT

TESTDATA = Path(__file__).parents[1] / "testdata"


def write_tf1(path: Path) -> None:
    """A graph with a session's variables, as TensorFlow 1 wrote it: `y = w x`, w being 3."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2], name="x")
        w = tf.compat.v1.get_variable("w", initializer=3.0, use_resource=False)
        session.run(w.initializer)
        tf.compat.v1.saved_model.simple_save(session, str(path), {"x": x}, {"y": w * x})


def ask(repository: Path, model: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with serving.Server(repository, port=0) as server, serving.Client(f"localhost:{server.port}") as client:
        return dict(client.predict(model, inputs, timeout=60))


def test_a_saved_model_of_tensorflow_1_is_served(tmp_path: Path) -> None:
    write_tf1(tmp_path / "tripled" / "1")

    answers = ask(tmp_path, "tripled", {"x": np.array([[1, 2], [3, 4]], np.float32)})
    np.testing.assert_array_equal(answers["y"], [[3, 6], [9, 12]])


def test_a_saved_model_of_keras_2_is_served() -> None:
    """The answers are those that Keras 2 gave to the rows of the identity when the model was saved."""
    answers = ask(TESTDATA / "keras_2", "dense", {"dense_input": np.eye(3, dtype=np.float32)})
    expected = [[0.1918029, -0.2172400], [-0.3111030, -0.0804394], [0.0818473, -0.2394083]]
    np.testing.assert_allclose(answers["dense_1"], expected, atol=1e-6)


def newer_format(version: Path) -> None:
    passport = json.loads((version / PASSPORT).read_text())
    (version / PASSPORT).write_text(json.dumps({**passport, "format": 99}))


def missing_weights(version: Path) -> None:
    (version / "variables" / "variables.index").unlink()


def missing_graph(version: Path) -> None:
    (version / "saved_model.pb").unlink()


def no_passport_and_cut_short(version: Path) -> None:
    shutil.rmtree(version / "assets.extra")
    graph = version / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (newer_format, "has format 99, this version of keras-zoo reads formats 1 to 2: upgrade keras-zoo"),
        (missing_weights, "variables.index is missing"),
        (missing_graph, "saved_model.pb is missing"),
        (no_passport_and_cut_short, "saved_model.pb"),
    ],
)
def test_a_damaged_version_is_refused_with_the_reason_and_the_one_before_stays(
    damage: Callable[[Path], None], reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wine = TESTDATA / "format_1" / "wine" / "1"
    for number in ("1", "2"):
        shutil.copytree(wine, tmp_path / "wine" / number)
    damage(tmp_path / "wine" / "2")

    with caplog.at_level(logging.WARNING):
        answers = ask(tmp_path, "wine", {"inputs": np.zeros((1, 13), np.float32)})
    assert answers["probabilities"].shape == (1, 3)
    assert reason in caplog.text


def test_a_saved_model_without_passport_serves_with_what_is_known(tmp_path: Path) -> None:
    shutil.copytree(TESTDATA / "format_1" / "wine" / "1", tmp_path / "wine" / "1")
    shutil.rmtree(tmp_path / "wine" / "1" / "assets.extra")

    assert ask(tmp_path, "wine", {"inputs": np.zeros((2, 13), np.float32)})["class_id"].shape == (2,)
