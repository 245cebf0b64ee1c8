"""Steps between what a client sends and what a backbone sees; each tells what it makes of a spec."""

from typing import Annotated

from pydantic import Field

from zoo.config.base import Listed
from zoo.config.preprocessing.lookup import LookupConfig
from zoo.config.preprocessing.normalization import NormalizationConfig
from zoo.config.preprocessing.rescaling import RescalingConfig
from zoo.config.preprocessing.resizing import ResizingConfig
from zoo.config.preprocessing.spectrogram import SpectrogramConfig
from zoo.config.preprocessing.step import StepConfig
from zoo.config.preprocessing.tokens import TokensConfig

PreprocessingConfig = (
    LookupConfig | NormalizationConfig | RescalingConfig | ResizingConfig | SpectrogramConfig | TokensConfig
)
Preprocessing = Annotated[tuple[Annotated[PreprocessingConfig, Field(discriminator="kind")], ...], Listed]

__all__ = [
    "LookupConfig",
    "NormalizationConfig",
    "Preprocessing",
    "PreprocessingConfig",
    "RescalingConfig",
    "ResizingConfig",
    "SpectrogramConfig",
    "StepConfig",
    "TokensConfig",
]
