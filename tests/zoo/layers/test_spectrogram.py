import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from zoo.layers.spectrogram import FLOOR, Spectrogram, mel_filters

WAVES = np.random.default_rng(4).normal(size=(3, 200)).astype("float32")


@pytest.mark.parametrize(("length", "step", "fft"), [(32, 16, 32), (30, 7, 64), (25, 25, 25), (16, 40, 31)])
def test_magnitudes_are_those_of_scipy(length: int, step: int, fft: int) -> None:
    window = scipy.signal.get_window("hann", length)
    frames = np.lib.stride_tricks.sliding_window_view(WAVES.astype("float64"), length, axis=1)[:, ::step]
    expected = np.abs(scipy.fft.rfft(frames * window, n=fft))

    np.testing.assert_allclose(
        Spectrogram(frame_length=length, frame_step=step, fft_length=fft)(WAVES), expected, atol=2e-5
    )


def test_whole_frames_are_those_of_scipys_stft() -> None:
    transform = scipy.signal.ShortTimeFFT(
        scipy.signal.get_window("hann", 32), hop=16, fs=1, mfft=64, phase_shift=None, scale_to=None
    )
    every = np.abs(
        transform.stft(WAVES.astype("float64"), axis=1)
    )  # (3, 33, frames), frame p is centred at sample 16 p
    first = 1 - transform.p_min  # the first that lies within the waveform whole is centred at sample 16
    expected = np.swapaxes(every[:, :, first : first + 11], 1, 2)

    np.testing.assert_allclose(Spectrogram(frame_length=32, frame_step=16, fft_length=64)(WAVES), expected, atol=2e-5)


def test_a_tone_of_amplitude_1_peaks_at_its_frequency_with_a_quarter_of_the_frame_length() -> None:
    tone = np.sin(2 * np.pi * 0.125 * np.arange(256))[None].astype("float32")

    (frames,) = np.asarray(Spectrogram(frame_length=64, frame_step=32, fft_length=64)(tone))
    assert (frames.argmax(axis=1) == 8).all()
    np.testing.assert_allclose(frames.max(axis=1), 16, rtol=1e-5)


@pytest.mark.parametrize(("fft", "bins", "rate", "low", "high"), [(512, 40, 16000, 20, 7600), (256, 10, 8000, 0, 4000)])
def test_mel_filters_are_those_of_tensorflow(fft: int, bins: int, rate: float, low: float, high: float) -> None:
    expected = tf.signal.linear_to_mel_weight_matrix(bins, fft // 2 + 1, rate, low, high, dtype=tf.float64)

    np.testing.assert_allclose(mel_filters(fft, bins, rate, (low, high)), expected, atol=1e-5)


def test_mel_bins_are_weighted_sums_of_the_bins_and_the_logarithm_is_of_what_is_above_0() -> None:
    options = {"frame_length": 64, "frame_step": 32, "fft_length": 64}
    plain = np.asarray(Spectrogram(**options)(WAVES), "float64")
    mel = Spectrogram(**options, mel_bins=6, sampling_rate=8000, frequencies=(0, 4000), log=True)

    expected = np.log(plain @ mel_filters(64, 6, 8000, (0, 4000)) + FLOOR)
    np.testing.assert_allclose(mel(WAVES), expected, rtol=1e-4, atol=1e-5)


def test_silence_has_a_finite_logarithm() -> None:
    answers = Spectrogram(frame_length=8, frame_step=8, fft_length=8, log=True)(np.zeros((1, 16), "float32"))

    np.testing.assert_allclose(answers, np.log(1e-6), rtol=1e-5)


def test_an_answer_does_not_depend_on_its_neighbours() -> None:
    layer = Spectrogram(frame_length=16, frame_step=8, fft_length=16, log=True)
    loud = np.concatenate([WAVES[:1], 1e4 * WAVES[1:]])

    np.testing.assert_array_equal(layer(loud)[:1], layer(WAVES[:1]))


def test_channels_add_an_axis() -> None:
    layer = Spectrogram(frame_length=16, frame_step=8, fft_length=16, channels=True)

    assert layer(WAVES).shape == (3, 24, 9, 1)
