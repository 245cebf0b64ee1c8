"""The best weights of a run, on disk."""

from pathlib import Path

import keras

from training.objectives import is_better


class BestWeights:
    """Keeps the weights of the best epoch so far. The file is always whole: it is written aside and renamed."""

    def __init__(self, path: Path, metric: str) -> None:
        """Keep them at `path` (`*.weights.h5`), by the value of a metric on the validation split."""
        self.path = path
        self.metric = metric
        self.value: float | None = None
        self.epoch: int | None = None

    def offer(self, model: keras.Model, epoch: int, value: float) -> bool:
        """Save the weights if the value is better than every one before; tell whether it was."""
        if not is_better(self.metric, value, self.value):
            return False
        self._save(model)
        self.value, self.epoch = value, epoch
        return True

    def keep(self, model: keras.Model, epoch: int) -> None:
        """Save the weights where there are none yet: better than nothing."""
        if self.epoch is None:
            self._save(model)
            self.epoch = epoch

    def restore(self, model: keras.Model) -> None:
        """Load the best weights into a model of the same architecture."""
        model.load_weights(self.path)

    def _save(self, model: keras.Model) -> None:
        staging = self.path.with_name("." + self.path.name)
        model.save_weights(staging)
        staging.replace(self.path)
