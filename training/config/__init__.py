"""What one experiment is: data, model, objectives, optimizer, loop, strategy and export, in frozen configs."""

from training.config.augmentation import AugmentationConfig
from training.config.data import DataConfig
from training.config.experiment import TrainConfig, quick
from training.config.export import ExportConfig
from training.config.files import (
    ArraysConfig,
    AudioConfig,
    CharactersConfig,
    FileConfigs,
    FilesConfig,
    ImagesConfig,
    TableConfig,
    TextConfig,
)
from training.config.loop import EarlyStoppingConfig, LoopConfig, RecoveryConfig
from training.config.objective import LossConfig
from training.config.optimizer import OptimizerConfig
from training.config.schedule import ScheduleConfig
from training.config.strategy import StrategyConfig

__all__ = [
    "ArraysConfig",
    "AudioConfig",
    "AugmentationConfig",
    "CharactersConfig",
    "DataConfig",
    "EarlyStoppingConfig",
    "ExportConfig",
    "FileConfigs",
    "FilesConfig",
    "ImagesConfig",
    "LoopConfig",
    "LossConfig",
    "OptimizerConfig",
    "RecoveryConfig",
    "ScheduleConfig",
    "StrategyConfig",
    "TableConfig",
    "TextConfig",
    "TrainConfig",
    "quick",
]
