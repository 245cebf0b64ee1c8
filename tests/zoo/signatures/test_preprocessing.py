"""What a client sends unprocessed is answered as the model answers the rows that it was trained on."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.signatures.examples import to_examples

TEXT = np.array([b"the cat sat", b"a dog ran and ran", "schöne Grüße".encode(), b""], dtype=object)
TABLE = np.random.default_rng(4).normal(5, 30, size=(12, 4)).astype("float32")
MODELS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "text": (
        TEXT,
        {
            "architecture": "gru",
            "input_shape": (),
            "units": [4],
            "vocabulary_size": 20,
            "preprocessing": [{"kind": "tokens", "length": 6, "level": "word", "vocabulary_size": 20}],
        },
    ),
    "table": (TABLE, {"architecture": "mlp", "input_shape": (4,), "preprocessing": [{"kind": "normalization"}]}),
}


@pytest.mark.parametrize("kind", list(MODELS))
def test_raw_rows_are_answered_as_in_training(kind: str, tmp_path: Path) -> None:
    rows, fields = MODELS[kind]
    model = zoo.build(zoo.ModelConfig.parse({**fields, "head": {"kind": "softmax", "units": 3}}))
    zoo.preprocessing.adapt(model, rows)
    # As a training loop sees it: the layers of preprocessing on rows of data, then the rest of the model.
    first = next(layer for layer in model.layers if layer.name.startswith("preprocessing_0"))
    rest = keras.Model(first.output, model.output)
    expected = rest(first(tf.constant(rows)), training=False)["probabilities"]

    signatures = tf.saved_model.load(str(zoo.export(model, tmp_path / "m", examples=rows))).signatures
    served = signatures["serving_default"](inputs=tf.constant(rows))
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-6)
    scores = signatures["classify"](inputs=tf.constant(to_examples({"inputs": rows})))["scores"]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert len(np.unique(np.round(expected, 4), axis=0)) > 1  # else this test shows nothing
