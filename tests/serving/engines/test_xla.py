"""What XLA compiles answers as TensorFlow does, whatever the number of rows; and it is told what it cannot have."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.engines import xla
from serving.engines.by_files import EngineByFiles
from serving.engines.chooser import EngineChooser
from serving.engines.discovery import Discovery
from serving.engines.engine import ChoosingEngine
from serving.engines.findings_cache import FindingsCache
from serving.engines.saved_model import SavedModelEngine
from serving.engines.work_order import RESULT, WorkOrder
from serving.engines.workshop import Workshop
from serving.engines.xla import XlaEngine
from serving.saved_model import read_signature_defs
from serving.signature import to_signatures
from serving.status import ServerError, StatusError
from tests.serving.engines.models import QUIET

WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp" / "1"


class Several(tf.Module):
    """Signatures that XLA can have, and that it cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
        self.calls = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def dense(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.nn.softmax(x @ self.weights), "largest": tf.argmax(x @ self.weights, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def mixed(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x - tf.reduce_mean(x, axis=0)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"length": tf.strings.length(text)}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def named(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x, "name": tf.as_string(x[:, 0])}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def counted(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([self.calls.assign_add(1)]):
            return {"y": 2.0 * x}


NAMES = ("dense", "mixed", "text", "named", "counted")


def made_here(order: WorkOrder) -> None:
    (Path(order.folder) / RESULT).write_text(json.dumps(asdict(Workshop(order, QUIET).findings())))


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "several" / "1"
    module = Several()
    tf.saved_model.save(module, str(path), signatures={name: getattr(module, name) for name in NAMES})
    return path


@pytest.fixture(scope="module")
def findings(version: Path, tmp_path_factory: pytest.TempPathFactory) -> ChoosingEngine:
    cache = FindingsCache(tmp_path_factory.mktemp("cache"))
    engine = EngineChooser(EngineByFiles(), "xla", Discovery(cache, made_here, QUIET))(version)
    assert isinstance(engine, ChoosingEngine)
    return engine


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 32, 100])
def test_it_answers_as_tensorflow_does(version: Path, findings: ChoosingEngine, rows: int) -> None:
    x = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
    got = findings.run("dense", {"x": x})
    weights = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    powers = np.exp(x @ weights)
    np.testing.assert_allclose(got["y"], powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(got["largest"], (x @ weights).argmax(axis=1))


def test_why_a_signature_is_not_compiled_is_told(findings: ChoosingEngine) -> None:
    assert findings.choices["dense"] == "xla"
    assert "otherwise" in findings.choices["mixed"]  # batches are filled up
    assert "XLA has no text, which the input 'text' is" in findings.choices["text"]
    assert "XLA has no text" in findings.choices["named"]
    assert "it writes variables or tables: AssignAddVariableOp" in findings.choices["counted"]
    with pytest.raises(StatusError, match="is not served"):
        findings.run("mixed", {"x": np.zeros((2, 4), np.float32)})


def test_labels_that_it_lacks_come_from_the_passport(tmp_path: Path) -> None:
    engine = EngineChooser(EngineByFiles(), "xla", Discovery(FindingsCache(tmp_path), made_here, QUIET))(WINE)
    x = np.random.default_rng(0).normal(size=(5, 13)).astype(np.float32)
    got, expected = (
        engine.run("serving_default", {"inputs": x}),
        SavedModelEngine(WINE).run("serving_default", {"inputs": x}),
    )
    assert got["label"].tolist() == expected["label"].tolist()
    np.testing.assert_allclose(got["probabilities"], expected["probabilities"], atol=1e-6)
    engine.close()


def test_it_compiles_for_so_many_shapes_and_no_more(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xla, "_MOST_SHAPES", 2)
    signatures = to_signatures(read_signature_defs(version, frozenset({"serve"})))
    engine, plain = XlaEngine(version, signatures), SavedModelEngine(version)
    for rows in (1, 2, 4, 8, 3, 5):
        x = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
        got, expected = engine.run("dense", {"x": x}), plain.run("dense", {"x": x})
        np.testing.assert_allclose(got["y"], expected["y"], rtol=1e-6)
    assert len(engine._shapes["dense"]) == 2  # noqa: SLF001


def test_a_version_of_which_it_can_have_nothing_is_refused(tmp_path: Path) -> None:
    module = Several()
    tf.saved_model.save(module, str(tmp_path / "m" / "1"), signatures={"text": module.text})
    with pytest.raises(ServerError, match=r"--engine=xla can run no signature of .*: 'text': .*--engine=auto can"):
        EngineChooser(EngineByFiles(), "xla", Discovery(FindingsCache(tmp_path / "c"), made_here, QUIET))(
            tmp_path / "m" / "1"
        )
