"""`predict_bytes` of sounds: a WAV file in, what the model says of its samples out."""

import io
import wave
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import zoo

RATE, STEPS = 8000, 1600


def wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    """Samples (steps, channels), whole numbers of 16 bits, as the standard library writes them."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(samples.shape[1])
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def noise(steps: int, channels: int = 1, seed: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(-20000, 20000, size=(steps, channels))


@pytest.fixture(scope="module")
def model() -> Any:
    frames = {"frame_length": 256, "frame_step": 128, "mel_bins": 20, "sampling_rate": RATE}
    return zoo.build(
        "cnn",
        input_shape=(STEPS,),
        preprocessing=[{"kind": "spectrogram", "log": True, "channels": True, **frames}],
        filters=[4],
        global_pooling="average",
        head={"kind": "softmax", "units": 3},
    )


@pytest.fixture(scope="module")
def signatures(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    examples = (noise(4 * STEPS).reshape(4, STEPS) / 32768).astype("float32")
    version = zoo.export(model, tmp_path_factory.mktemp("r") / "m", examples=examples)
    assert zoo.verify(version).ok
    return tf.saved_model.load(str(version)).signatures


def test_sounds_of_any_length_and_channels_are_served_as_they_were_trained_on(model: Any, signatures: Any) -> None:
    short, long, stereo = noise(900), noise(2500), noise(STEPS, 2)
    waveforms = np.zeros((3, STEPS), "float32")
    waveforms[0, :900] = short[:, 0] / 32768
    waveforms[1] = long[:STEPS, 0] / 32768
    waveforms[2] = stereo.mean(axis=1) / 32768
    expected = model.predict(waveforms, verbose=0)["probabilities"]

    got = signatures["predict_bytes"](audio_bytes=tf.constant([wav(short), wav(long), wav(stereo)]))
    np.testing.assert_allclose(got["probabilities"], expected, atol=1e-5)
    served = signatures["serving_default"](inputs=tf.constant(waveforms))
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(b"RIFF of nothing", "(?i)wav|RIFF"), (wav(noise(100), rate=16000), "expected 8000 samples a")],
)
def test_what_is_no_sound_of_the_model_is_refused_in_words(signatures: Any, wrong: bytes, message: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures["predict_bytes"](audio_bytes=tf.constant([wrong]))
