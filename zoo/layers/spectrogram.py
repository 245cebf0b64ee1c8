"""Sound as a picture of its frequencies over time."""

from typing import Any

import keras
import numpy as np
from keras import ops

FLOOR = 1e-6
"""Added before taking a logarithm."""


def mel_filters(fft_length: int, mel_bins: int, sampling_rate: float, between: tuple[float, float]) -> np.ndarray:
    """Return triangles on the mel scale, float64 (fft_length // 2 + 1, mel_bins), each with a peak of 1.

    The mel scale is HTK's, mel = 2595 log10(1 + f / 700), and the triangles have straight sides on it; the bin of 0 Hz
    belongs to none (Young et al., The HTK Book, 5.6).

    Args:
        fft_length: samples of the Fourier transform.
        mel_bins: how many triangles.
        sampling_rate: in Hz.
        between: where the first begins and the last ends, in Hz.
    """
    frequencies = np.arange(fft_length // 2 + 1) * (sampling_rate / fft_length)
    mels = _mel(frequencies)[:, None]
    low, high = _mel(np.array(between))
    edges = np.linspace(low, high, mel_bins + 2)
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling))
    filters[0] = 0
    return filters


def _mel(frequencies: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + frequencies / 700)


@keras.saving.register_keras_serializable("keras_zoo")
class Spectrogram(keras.layers.Layer):
    """Waveforms (N, samples) become magnitudes (N, frames, bins), of frames under a periodic Hann window.

    `keras.layers.STFTSpectrogram` computes the transform as a convolution and has a floor under its magnitudes;
    `keras.layers.MelSpectrogram` cuts off below the loudest of a whole *batch*, so that an answer depends on its neighbours.
    """

    def __init__(
        self,
        *,
        frame_length: int,
        frame_step: int,
        fft_length: int,
        mel_bins: int | None = None,
        sampling_rate: float | None = None,
        frequencies: tuple[float, float] = (0.0, 0.0),
        log: bool = False,
        channels: bool = False,
        **options: Any,
    ) -> None:
        """Make the layer.

        Args:
            frame_length: samples of a frame.
            frame_step: samples from one frame to the next.
            fft_length: samples of the transform, at least those of a frame.
            mel_bins: how many bins on the mel scale; None leaves the fft_length // 2 + 1.
            sampling_rate: in Hz, for the mel scale.
            frequencies: where the mel bins begin and end, in Hz.
            log: whether to take the logarithm.
            channels: whether to add an axis of 1 at the end.
            **options: those of every Keras layer; computes in float32 under every policy.
        """
        super().__init__(**{"dtype": "float32", **options})
        self.frame_length = frame_length
        self.frame_step = frame_step
        self.fft_length = fft_length
        self.mel_bins = mel_bins
        self.sampling_rate = sampling_rate
        self.frequencies = tuple(frequencies)
        self.log = log
        self.channels = channels
        turns = np.arange(frame_length) / frame_length
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * turns)).astype("float32")
        self._filters = None
        if mel_bins is not None and sampling_rate is not None:
            self._filters = mel_filters(fft_length, mel_bins, sampling_rate, frequencies).astype("float32")

    def call(self, inputs: Any) -> Any:
        """Return the spectrogram."""
        samples = inputs.shape[1]
        if samples is None or samples < self.frame_length:  # a clip shorter than a frame is filled up with silence
            missing = ops.maximum(self.frame_length - ops.shape(inputs)[1], 0)
            inputs = ops.pad(inputs, [[0, 0], [0, missing]])
        frames = ops.extract_sequences(inputs, self.frame_length, self.frame_step)
        real, imaginary = ops.rfft(frames * self._window, self.fft_length)
        x = ops.sqrt(ops.square(real) + ops.square(imaginary))
        if self._filters is not None:
            x = ops.matmul(x, self._filters)
        if self.log:
            x = ops.log(x + FLOOR)
        return ops.expand_dims(x, -1) if self.channels else x

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, frames, bins), with a 1 at the end for `channels`."""
        rows, samples = input_shape
        frames = None if samples is None else 1 + (samples - self.frame_length) // self.frame_step
        shape = (rows, frames, self.mel_bins or self.fft_length // 2 + 1)
        return (*shape, 1) if self.channels else shape

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer."""
        return {
            **super().get_config(),
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "fft_length": self.fft_length,
            "mel_bins": self.mel_bins,
            "sampling_rate": self.sampling_rate,
            "frequencies": self.frequencies,
            "log": self.log,
            "channels": self.channels,
        }
