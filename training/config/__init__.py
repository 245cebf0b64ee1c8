"""What one experiment is: data, model, objectives, optimizer, loop, strategy and export, in frozen configs."""

from training.config.data import DataConfig
from training.config.experiment import TrainConfig, quick
from training.config.export import ExportConfig
from training.config.loop import EarlyStoppingConfig, LoopConfig, RecoveryConfig
from training.config.objective import LossConfig
from training.config.optimizer import OptimizerConfig
from training.config.schedule import ScheduleConfig
from training.config.strategy import StrategyConfig

__all__ = [
    "DataConfig",
    "EarlyStoppingConfig",
    "ExportConfig",
    "LoopConfig",
    "LossConfig",
    "OptimizerConfig",
    "RecoveryConfig",
    "ScheduleConfig",
    "StrategyConfig",
    "TrainConfig",
    "quick",
]
