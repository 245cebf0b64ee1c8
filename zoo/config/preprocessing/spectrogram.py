"""Sound as a picture of its frequencies over time."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from zoo.config.base import Size
from zoo.config.preprocessing.step import StepConfig
from zoo.config.spec import Spec

Samples = Annotated[int, Field(gt=0, le=2**20)]
"""Samples of one Fourier transform; at 44100 Hz, at most 24 seconds."""
_MOST_FILTERS = 2**23
"""Numbers that the matrix of mel filters may hold."""


class SpectrogramConfig(StepConfig):
    """A waveform (samples,) becomes (frames, bins): magnitudes of its Fourier transform, frame by frame.

    Frames are weighted with a Hann window; what does not fill a last frame is left out. A tone of amplitude
    1 has a magnitude of about frame_length / 4.
    """

    kind: Literal["spectrogram"]
    frame_length: Samples
    """Samples of a frame."""
    frame_step: Size
    """Samples from one frame to the next."""
    fft_length: Samples | None = None
    """Samples of the Fourier transform, frames being padded with 0: more give finer bins; null is frame_length."""
    mel_bins: Size | None = None
    """Gather the fft_length / 2 + 1 bins into so many on the mel scale, as ears do; needs sampling_rate."""
    sampling_rate: PositiveFloat | None = None
    """Samples per second (Hz), for the mel scale."""
    min_frequency: NonNegativeFloat = 0.0
    """Where the first mel bin begins (Hz)."""
    max_frequency: PositiveFloat | None = None
    """Where the last mel bin ends (Hz); null is half of the sampling rate."""
    log: bool = False
    """Whether to take the natural logarithm, of x + 1e-6."""
    channels: bool = False
    """Whether to give (frames, bins, 1), an image for a cnn."""

    @model_validator(mode="after")
    def _fft_covers_frames(self) -> Self:
        if self.fft_length is not None and self.fft_length < self.frame_length:
            raise ValueError(f"fft_length {self.fft_length} is shorter than frame_length {self.frame_length}")
        return self

    @model_validator(mode="after")
    def _mel_bins_hold_something(self) -> Self:
        if self.mel_bins is None:
            if self.sampling_rate or self.min_frequency or self.max_frequency:
                raise ValueError("sampling_rate, min_frequency and max_frequency belong to mel_bins: set it, too")
            return self
        if self.sampling_rate is None:
            raise ValueError("mel_bins needs sampling_rate: the mel scale is one of Hz")
        half = self.sampling_rate / 2
        if not self.min_frequency < (self.max_frequency or half) <= half:
            raise ValueError(
                f"mel bins from min_frequency {self.min_frequency:g} to max_frequency {self.max_frequency or half:g} Hz: "
                f"expected the first below the second, and that at most half of the sampling rate, {half:g}"
            )
        if self.mel_bins * (self.fft_size // 2 + 1) > _MOST_FILTERS:
            raise ValueError(
                f"{self.mel_bins} mel_bins of a Fourier transform over {self.fft_size} samples need too large a matrix: "
                "lower mel_bins, or shorten the frames"
            )
        from zoo.layers.spectrogram import mel_filters

        filters = mel_filters(
            self.fft_size, self.mel_bins, self.sampling_rate, (self.min_frequency, self.max_frequency or half)
        )
        empty = int((filters.max(axis=0) == 0).sum())
        if empty:
            raise ValueError(
                f"{empty} of {self.mel_bins} mel_bins lie between two bins of the Fourier transform and would always be 0: "
                f"lower mel_bins, or raise fft_length ({self.fft_size})"
            )
        return self

    @property
    def fft_size(self) -> int:
        """Samples of the Fourier transform, `null` worked out."""
        return self.fft_length or self.frame_length

    def keeps_zeros(self) -> bool:
        """Tell whether silence stays 0: it does but for the logarithm."""
        return not self.log

    def output(self, spec: Spec) -> Spec:
        """Return (frames, bins). Raises ValueError where this is no waveform, or one shorter than a frame."""
        self.refuse_unless_numbers(spec)
        if len(spec.shape) != 1:
            raise ValueError(f"spectrogram takes a waveform (samples,), got {spec}")
        samples = spec.shape[0]
        if samples is not None and samples < self.frame_length:
            raise ValueError(f"frame_length {self.frame_length} is longer than the waveform of {samples} samples")
        frames = None if samples is None else 1 + (samples - self.frame_length) // self.frame_step
        bins = self.mel_bins or self.fft_size // 2 + 1
        return Spec((frames, bins, 1) if self.channels else (frames, bins), spec.dtype)
