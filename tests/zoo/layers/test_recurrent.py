from pathlib import Path

import keras
import pytest

from zoo.layers.recurrent import GRU, LSTM


@pytest.mark.parametrize("layer", [LSTM, GRU])
def test_it_does_without_cudnn_after_saving_and_loading_too(layer: type[keras.layers.RNN], tmp_path: Path) -> None:
    inputs = keras.Input((4, 3), name="inputs")
    outputs = keras.layers.Bidirectional(layer(2, return_sequences=True))(layer(3, return_sequences=True)(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")

    _, forward, both = keras.models.load_model(tmp_path / "model.keras").layers

    for found in (forward, both.forward_layer, both.backward_layer):
        assert type(found) is layer
        assert found.use_cudnn is False
