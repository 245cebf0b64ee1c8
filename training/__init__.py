"""How a model learns: recipes, data, the one train and evaluation loop, runs.

Example:
    >>> from training import load_recipe, train
    >>> run = train(load_recipe("digits_cnn", ["train.epochs=3"]))  # doctest: +SKIP

`import training` is quick: TensorFlow is imported by the first training.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_names

if TYPE_CHECKING:
    from training.callbacks import Callback
    from training.cluster.addresses import Cluster
    from training.cluster.lost import WorkerLostError
    from training.config import TrainConfig, quick
    from training.cross_validation import CrossValidation, cross_validate
    from training.data import Dataset, Split
    from training.experiment import TrainingInterrupted, evaluate, train
    from training.recipe import list_recipes, load_recipe
    from training.report import write_report
    from training.run import Run
    from training.run_export import export_run

__getattr__ = lazy_names(
    __name__,
    {
        "training.callbacks": ("Callback",),
        "training.cluster.addresses": ("Cluster",),
        "training.cluster.lost": ("WorkerLostError",),
        "training.config": ("TrainConfig", "quick"),
        "training.cross_validation": ("CrossValidation", "cross_validate"),
        "training.data": ("Dataset", "Split"),
        "training.experiment": ("TrainingInterrupted", "evaluate", "train"),
        "training.recipe": ("list_recipes", "load_recipe"),
        "training.report": ("write_report",),
        "training.run": ("Run",),
        "training.run_export": ("export_run",),
    },
)

__all__ = [
    "Callback",
    "Cluster",
    "CrossValidation",
    "Dataset",
    "Run",
    "Split",
    "TrainConfig",
    "TrainingInterrupted",
    "WorkerLostError",
    "cross_validate",
    "evaluate",
    "export_run",
    "list_recipes",
    "load_recipe",
    "quick",
    "train",
    "write_report",
]


def __dir__() -> list[str]:
    return __all__
