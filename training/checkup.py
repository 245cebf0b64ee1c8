"""A look at the network before the first step and between epochs, and what to say about it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from training.callbacks import EpochEnd
from training.config import OptimizerConfig
from training.data import Split
from training.diagnosis import Judge
from training.diagnostics import Diagnostics
from training.loop import Loop


class Checkup:
    """Diagnoses and judges, within a hundredth of the time of the run. For use on the chief, by the thread that trains."""

    def __init__(self, loop: Loop, split: Split, config: OptimizerConfig) -> None:
        """Look at a loop's model with some rows of a split, before its first step."""
        self._diagnostics = Diagnostics(loop, split)
        self._judge = Judge(clipped_to=config.global_clipnorm or config.clipnorm)
        # Steps of the others are as long whatever the size of the gradient is.
        self._descends = config.name == "sgd" and config.clipvalue is None
        self._spent = 0.0

    def before(self, rate: float, *, started: bool) -> tuple[str, ...]:
        """Return what looks wrong before training.

        Args:
            rate: of the first step.
            started: whether a former process took steps.
        """
        diagnosis = self._diagnostics.diagnose()
        if diagnosis is None:
            return ()
        return self._judge.judge(diagnosis, rate=rate if self._descends else None, started=started)

    def after(self, epoch: EpochEnd) -> EpochEnd:
        """Return an epoch with its diagnosis, where there is time for one, and what looks wrong."""
        self._spent += sum(epoch.timing.values())
        if not self._diagnostics.affordable(self._spent):
            return epoch
        diagnosis = self._diagnostics.diagnose()
        if diagnosis is None:
            return epoch
        warnings = self._judge.judge(diagnosis, rate=epoch.learning_rate if self._descends else None)
        timing: Mapping[str, Any] = {**epoch.timing, "diagnose": self._diagnostics.seconds}
        return replace(epoch, diagnosis=diagnosis, warnings=(*epoch.warnings, *warnings), timing=timing)
