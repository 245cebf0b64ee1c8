"""`predict_bytes` of sounds: what is in a WAV file, as it is."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from zoo.endpoints import Tensors
from zoo.layers.spectrogram import Spectrogram
from zoo.signatures.front import front_layers
from zoo.signatures.image_bytes import PREDICT_BYTES
from zoo.signatures.serving import ranges_of
from zoo.signatures.signature import Signature
from zoo.signatures.subject import Subject, few

AUDIO = "audio_bytes"
_SPECTROGRAMS = (Spectrogram, keras.layers.STFTSpectrogram, keras.layers.MelSpectrogram)
_PASSED_OVER = (keras.layers.Rescaling, keras.layers.Reshape)
_GOLDEN_SAMPLES = 2000
"""A golden sound is cut to so many samples; what is missing is silence."""
_ANY_RATE = 8000
"""Hz, of golden sounds for models that do not say what they take."""


def audio_bytes(subject: Subject) -> Iterator[Signature]:
    """Give `predict_bytes`: WAV files in, `audio_bytes` string (N,), the outputs of `serving_default` out.

    A file of 16-bit PCM is decoded to samples from -1 to 1, its channels are averaged, and it is cut at its end, or filled
    up with silence, to the length that the model takes. Left out unless the one input is a waveform of a fixed length and
    the model begins with a spectrogram. Where that has a sampling rate, a file of another is refused.
    """
    ((name, spec), *more) = subject.named.specs().items()
    shape = spec.shape[1:]
    if more or shape.as_list()[1:] not in ([], [1]) or shape[:1] == [None] or not spec.dtype.is_floating:
        return
    spectrogram = _spectrogram_of(subject.named.model)
    if spectrogram is None:
        return
    rate = getattr(spectrogram, "sampling_rate", None)

    def samples_of(encoded: tf.Tensor) -> tf.Tensor:
        sound, found = tf.audio.decode_wav(encoded, desired_samples=shape[0])
        checks = []
        if rate is not None:
            message = f"{AUDIO}: expected {rate:g} samples a second, got"
            checks.append(tf.debugging.Assert(tf.cast(found, tf.float32) == float(rate), [message, found]))
        with tf.control_dependencies([each for each in checks if each is not None]):
            return tf.reshape(tf.cast(tf.reduce_mean(sound, axis=-1), spec.dtype), shape)

    def answer(inputs: Tensors) -> dict[str, tf.Tensor]:
        samples = tf.map_fn(samples_of, inputs[AUDIO], fn_output_signature=tf.TensorSpec(shape, spec.dtype))
        return dict(subject.serve({name: samples}))

    yield Signature(
        PREDICT_BYTES,
        answer,
        {AUDIO: tf.TensorSpec((None,), tf.string, name=AUDIO)},
        golden=_golden(subject, int(rate or _ANY_RATE)),
        ranges=ranges_of(subject.classes),
    )


def _spectrogram_of(model: keras.Model) -> keras.layers.Layer | None:
    for layer in front_layers(model):
        if isinstance(layer, _SPECTROGRAMS):
            return layer
        if not isinstance(layer, _PASSED_OVER):
            return None
    return None


def _golden(subject: Subject, rate: int) -> dict[str, np.ndarray] | None:
    (rows,) = subject.rows.values()
    sounds = np.clip(rows[:2].reshape(len(rows[:2]), -1, 1)[:, :_GOLDEN_SAMPLES], -1, 1)
    return few({AUDIO: np.array([tf.audio.encode_wav(sound, rate).numpy() for sound in sounds], dtype=object)})
