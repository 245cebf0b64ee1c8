"""Taking the steps of a run: epochs, evaluation, checkpoints, and what to do when the loss blows up."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from training.augmentation import Augmentation
from training.broadcast import is_chief, share_text, share_variables
from training.callbacks import Call, EpochEnd, Rollback
from training.checkpoint import BestWeights, Checkpoints
from training.config import LoopConfig
from training.data import Split
from training.evaluation import Evaluation
from training.loop import Loop
from training.metrics import is_better
from training.objectives import Totals
from training.optimizers import current_rate, lower_rate, state_of
from training.position import Position
from training.strategy import BatchPlan

Tell = Callable[[Call | Rollback], None]


class DivergedError(Exception):
    """The loss is no number or blew up, and there are no tries left."""

    def __init__(self, epoch: int, loss: float) -> None:
        super().__init__(f"training diverged: the loss of epoch {epoch} is {loss}")
        self.epoch = epoch
        self.loss = loss


class StoppedError(Exception):
    """Somebody asked the run to stop, and its state was saved."""


class Trainer:
    """The state of a run, and what moves it on. For use from one thread; the same on every worker."""

    def __init__(
        self,
        loop: Loop,
        strategy: tf.distribute.Strategy,
        optimizer: keras.Optimizer,
        *,
        split: Split,
        plan: BatchPlan,
        validation: Evaluation,
        config: LoopConfig,
        seed: int,
        augmentation: Augmentation | None = None,
    ) -> None:
        """Make a trainer at step 0.

        Args:
            loop: takes the steps.
            strategy: where they are taken.
            optimizer: the loop's.
            split: rows to learn from.
            plan: how they become steps.
            validation: measures after every epoch.
            config: how long, and in what pieces.
            seed: of the order of the rows.
            augmentation: what changes the images on the way.
        """
        self.position = Position()
        self._loop = loop
        self._strategy = strategy
        self._optimizer = optimizer
        self._split = split
        self._plan = plan
        self._validation = validation
        self._config = config
        self._seed = seed
        self._augmentation = augmentation
        self._checkpoints: Checkpoints | None = None
        self._best: BestWeights | None = None
        self._saved_at = time.monotonic()
        self._stopping = False
        self._saving = 0.0

    @property
    def variables(self) -> dict[str, list[keras.Variable]]:
        """Return every variable of the run's state; random generators are among the model's."""
        loop = self._loop
        return {
            "model": list(loop.model.variables),
            "optimizer": state_of(self._optimizer),
            "average": loop.average.variables if loop.average else [],
            "loss_scale": loop.scale.variables if loop.scale else [],
        }

    def keep_in(self, checkpoints: Checkpoints, best: BestWeights) -> None:
        """Save the state there from now on. Only the chief of several workers does."""
        self._checkpoints, self._best = checkpoints, best

    def restore(self) -> bool:
        """Go to the newest checkpoint; tell whether there was one."""
        found = self._checkpoints.restore() if self._checkpoints else None
        text = share_text(self._strategy, found.to_json() if found else None)
        if text is None:
            return False
        share_variables(self._strategy, [v for part in self.variables.values() for v in part])
        self.position = Position.from_json(text)
        return True

    def restore_best(self) -> None:
        """Give the model its best weights."""
        if self._best is not None:
            self._best.restore(self._loop.model)
        share_variables(self._strategy, self._loop.model.variables)

    def epochs(self, tell: Tell, should_stop: Callable[[], bool]) -> Iterator[EpochEnd]:
        """Train on from where the run stands, and yield what came of every epoch.

        Args:
            tell: is told of every return from TensorFlow, and of every return to a checkpoint.
            should_stop: is asked then whether to save everything and stop.

        Raises:
            DivergedError: the loss blew up, and lower rates did not help.
            StoppedError: on request.
        """
        if not self.position.step:
            self._save()
        batches = self._batches()
        while self.position.step < self._plan.steps * self._config.epochs and not self._is_stale():
            try:
                finished = self._finish_epoch(self._train_epoch(batches, tell, should_stop))
            except _BlownUpError as blown_up:
                tell(self._recover(blown_up))
                batches = self._batches()
                continue
            yield finished
            self._save()  # after the epoch was told of: a run killed between the two tells of it again, not never
            if self._stopping:
                raise StoppedError

    def _batches(self) -> Iterator[Any]:
        return self._loop.batches(
            self._split,
            self._plan,
            seed=self._seed,
            first_step=self.position.step,
            augmentation=self._augmentation,
        )

    def _train_epoch(self, batches: Iterator[Any], tell: Tell, should_stop: Callable[[], bool]) -> dict[str, float]:
        """Take what is left of the epoch's steps. Returns what was measured on the way."""
        position, plan = self.position, self._plan
        totals = Totals(self._loop.ledger)
        totals.add(position.sums or totals.sums)
        epoch, into = position.step // plan.steps + 1, position.step % plan.steps
        while into < plan.steps:
            started = time.perf_counter()
            steps = min(self._config.steps_per_call, plan.steps - into)
            sums, stop = self._loop.train(batches, steps, stop=should_stop())
            self._refuse_blow_up(epoch, self._loop.ledger.values(sums)["loss"])
            totals.add(sums)
            into += steps
            position.step += steps
            position.seconds += time.perf_counter() - started
            position.sums = totals.sums.tolist()
            tell(Call(epoch, into, totals.values(), totals.rows / position.seconds))
            if stop and into < plan.steps:
                self._save()
                raise StoppedError
            self._stopping = stop
            if into < plan.steps and time.monotonic() - self._saved_at > self._config.checkpoint_seconds:
                self._save()
        return totals.values()

    def _finish_epoch(self, trained: Mapping[str, float]) -> EpochEnd:
        position, plan, config = self.position, self._plan, self._config
        rate, rows, seconds = current_rate(self._optimizer), position.sums[0], position.seconds
        epoch = position.step // plan.steps
        started = time.perf_counter()
        with self._loop.average.in_place() if self._loop.average else contextlib.nullcontext():
            validated = self._validation.measure()
            timing = {"train": seconds, "evaluate": time.perf_counter() - started}
            # Before the state is saved, for there is no way back from it
            self._refuse_blow_up(epoch, validated["loss"])
            value = validated[config.monitor]
            best = is_better(config.monitor, value, position.best_value) or position.best_epoch is None
            if best:
                position.best_value, position.best_epoch = value, epoch
                self._keep_best()
        self._count_stale(value)
        position.sums, position.seconds = [], 0.0
        timing["save"], self._saving = self._saving, 0.0
        return EpochEnd(
            epoch,
            position.step,
            seconds,
            rows / seconds,
            rate,
            metrics={"train": trained, "validation": validated},
            best=best,
            step_seconds=seconds / plan.steps,
            timing=timing,
            stale_epochs=position.stale_epochs,
        )

    def _keep_best(self) -> None:
        if self._best is not None:
            started = time.perf_counter()
            self._best.save(self._loop.model)
            self._saving += time.perf_counter() - started

    def _count_stale(self, value: float) -> None:
        stopping, position = self._config.early_stopping, self.position
        if stopping is None:
            return
        if is_better(self._config.monitor, value, position.stale_value, min_delta=stopping.min_delta):
            position.stale_value, position.stale_epochs = value, 0
        else:
            position.stale_epochs += 1

    def _is_stale(self) -> bool:
        stopping = self._config.early_stopping
        return stopping is not None and self.position.stale_epochs >= stopping.patience

    def _refuse_blow_up(self, epoch: int, loss: float) -> None:
        position, limit = self.position, self._config.recovery.blow_up
        if math.isfinite(loss):
            position.first_loss = loss if position.first_loss is None else position.first_loss
            if limit is None or abs(loss) <= limit * max(abs(position.first_loss), 1.0):
                return
        raise _BlownUpError(epoch, loss)

    def _recover(self, blown_up: "_BlownUpError") -> Rollback:
        recovery, done = self._config.recovery, self.position.recoveries
        if done >= recovery.tries:
            raise DivergedError(blown_up.epoch, blown_up.loss)
        rate = current_rate(self._optimizer)
        if not self.restore():
            raise DivergedError(blown_up.epoch, blown_up.loss)
        # The checkpoint may be older than the last recovery: its rate falls for every one so far.
        for _ in range(done + 1 - self.position.recoveries):
            lower_rate(self._optimizer, recovery.factor)
        self.position.recoveries = done + 1
        self._save()
        now = current_rate(self._optimizer)
        return Rollback(blown_up.epoch, blown_up.loss, self.position.step, now, rate, done + 1, recovery.tries)

    def _save(self) -> None:
        if self._checkpoints is not None and is_chief(self._strategy):
            started = time.perf_counter()
            self._checkpoints.save(self.position)
            self._saved_at = time.monotonic()
            self._saving += time.perf_counter() - started


class _BlownUpError(Exception):
    def __init__(self, epoch: int, loss: float) -> None:
        super().__init__(epoch, loss)
        self.epoch, self.loss = epoch, loss
