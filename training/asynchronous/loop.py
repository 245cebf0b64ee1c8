"""The loop of parameter servers: every step is one worker's, and nobody waits for anybody within a call.

What is random or scheduled in a step hangs on the step's number, which the coordinator hands out: the learning rate, the
optimizer's own corrections, dropout, the order of rows, augmentation. Keras's counters are read and then written, which
loses counts when workers race, and counts twice what a lost worker had begun; here they are not consulted. What workers
share is changed by additions, which the servers make one at a time; see docs/decisions/0018-steps-that-wait-for-nobody.md.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.asynchronous.batches import HandedOut
from training.asynchronous.counter import apply_at
from training.augmentation import Augmentation
from training.cluster.attendance import Attendance
from training.cluster.lost import WorkerLostError
from training.config import TrainConfig
from training.data import Split
from training.loop import Batch, Loop, as_it_is, check_jit
from training.objectives import Objective
from training.strategy import BatchPlan
from zoo.errors import ConfigError

POLL_SECONDS = 0.002
"""How often the coordinator looks whether all steps of a call were taken."""


def check_asynchronous(config: TrainConfig) -> None:
    """Refuse what workers that do not wait for each other cannot do.

    Raises:
        ConfigError: the config asks for it.
    """
    train = config.train
    why = None
    if train.deterministic:
        why = (
            "train.deterministic: workers of parameter servers do not wait for each other, so that no two runs are the "
            "same: leave it out, or use strategy: multi_worker"
        )
    elif train.precision == "mixed_float16":
        why = (
            "train.precision mixed_float16: its loss scale is decided by all replicas together, which workers of parameter "
            "servers do not do: use mixed_bfloat16"
        )
    if why:
        raise ConfigError(why)


class AsynchronousLoop(Loop):
    """A model on parameter servers and workers that train it. For use from one thread, of the coordinator.

    A call schedules its steps, waits until each was taken once, and adds up what they returned. A step whose worker is lost
    is taken again by another: what is counted is steps that were completed, never attempts.
    """

    def __init__(
        self,
        strategy: tf.distribute.ParameterServerStrategy,
        model: keras.Model,
        objectives: tuple[Objective, ...],
        optimizer: keras.Optimizer | None = None,
        *,
        accumulation: int = 1,
        jit: bool = False,
        ema: float | None = None,
        attendance: Attendance,
    ) -> None:
        """Make a loop. For the arguments see `Loop`.

        Args:
            strategy: where the model lives.
            model: one of `zoo.build`.
            objectives: what to minimise and measure.
            optimizer: from `make_optimizer`.
            accumulation: into how many pieces a batch is cut.
            jit: compile forward and backward pass with XLA.
            ema: momentum of an average of the weights.
            attendance: says whether there is a worker left.
        """
        super().__init__(strategy, model, objectives, optimizer, accumulation=accumulation, ema=ema)
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
        self._attendance = attendance
        self._seeds = _seeds(model)
        self._others = [v for v in model.non_trainable_variables if tf.as_dtype(v.dtype).is_floating]
        if jit:
            check_jit(model, several=False)
        self._passed = tf.function(self._pass, jit_compile=True, autograph=False) if jit else self._pass
        self._pieces = accumulation
        self._step: Any = None
        """The number of the step that is being traced."""
        self._traced = 0
        """Pieces of it so far."""
        self._functions: dict[tuple[int, bool], Any] = {}

    def batches(
        self,
        split: Split,
        plan: BatchPlan,
        *,
        seed: int | None = None,
        first_step: int = 0,
        augmentation: Augmentation | None = None,
    ) -> Iterator[Any]:
        """Return the steps over a split."""
        return HandedOut(self._coordinator, split, plan, seed=seed, first_step=first_step, augmentation=augmentation)

    def train(self, batches: Iterator[Any], steps: int, *, stop: bool = False) -> tuple[np.ndarray, bool]:
        """Take so many steps, each on some worker, and return once all of them were taken.

        Raises:
            WorkerLostError: no worker is left.
        """
        sums, last = self._run(batches, steps, training=True)
        # For whoever reads it: the rate of the next step, a checkpoint.
        self._optimizer.iterations.assign(last + 1)
        return sums, stop or self._attendance.asks_to_stop

    def _measured(self, batches: Iterator[Any], steps: int) -> np.ndarray:
        return self._run(batches, steps, training=False)[0]

    def _run(self, batches: Any, steps: int, *, training: bool) -> tuple[np.ndarray, int]:
        """Have steps taken. Returns the sums over all of them, and the number of the last."""
        function = self._function_of(batches, training=training)
        scheduled, last = [], 0
        for _ in range(steps):
            arguments = next(batches)
            last = int(arguments[1])
            scheduled.append(self._coordinator.schedule(function, args=arguments))
        while not self._coordinator.done():
            self._refuse_desertion()
            time.sleep(POLL_SECONDS)
        found = [np.asarray(result.fetch(), np.float64) for result in scheduled]
        return np.sum(found, axis=0), last

    def _refuse_desertion(self) -> None:
        if self._attendance.is_deserted:
            raise WorkerLostError(
                "no worker came back, and there is nobody to take the steps: start all processes again, with --resume "
                "(`zoo launch` does so by itself)"
            )

    def _function_of(self, batches: HandedOut, *, training: bool) -> Any:
        key = id(batches), training
        if key not in self._functions:

            def take(rows: Any, step: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
                batch = batches.taken(rows, step, indices)
                if training:
                    return self._strategy.run(as_it_is(self._take), args=(batch, step))
                return self._strategy.run(as_it_is(self._measure), args=(batch,))

            self._functions[key] = tf.function(take, autograph=False)
        return self._functions[key]

    def _take(self, batch: Batch, step: tf.Tensor) -> tf.Tensor:
        self._step, self._traced = step, 0
        gradients, sums = self._gradients(batch)
        self._apply(gradients)
        return sums

    def _differentiate(self, batch: Batch, wholes: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Return gradients and sums, of weights that are read once; what the pass changes is added to what is there then."""
        weights = [tf.identity(variable.value) for variable in self.model.trainable_variables]
        before = [tf.identity(variable.value) for variable in self._others]
        gradients, sums, changes = self._passed(batch, wholes, weights, before, self._drawn())
        for number, change in changes.items():
            self._others[int(number)].value.assign_add(change)
        return gradients, sums

    def _pass(
        self, batch: Batch, wholes: tf.Tensor, weights: list[tf.Tensor], others: list[tf.Tensor], seeds: list[tf.Tensor]
    ) -> tuple[list[tf.Tensor], tf.Tensor, dict[str, tf.Tensor]]:
        """Return gradients, sums, and by its number how each of the other variables changes. Touches no variable."""
        variables = [*self.model.trainable_variables, *self._others, *(state for state, _ in self._seeds)]
        known = list(zip(variables, [*weights, *others, *seeds], strict=True))
        with tf.GradientTape() as tape:
            tape.watch(weights)
            with keras.StatelessScope(state_mapping=known) as scope:
                loss, sums = self._forward(batch, wholes)
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        news = [scope.get_current_value(variable) for variable in self._others]
        changes = {str(n): new - old for n, (new, old) in enumerate(zip(news, others, strict=True)) if new is not old}
        return [tf.convert_to_tensor(gradient) for gradient in gradients], sums, changes

    def _drawn(self) -> list[tf.Tensor]:
        """Return the states of all random generators at this piece of this step: where they would be on one device."""
        at = tf.stack([tf.zeros([], tf.int64), self._step * self._pieces + self._traced])
        self._traced += 1
        return [tf.constant(seed, state.dtype) + tf.cast(at, state.dtype) for state, seed in self._seeds]

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        apply_at(self._optimizer, self._step, gradients, self.model.trainable_variables)
        if self.average is not None:
            self.average.move()


def _seeds(model: keras.Model) -> list[tuple[keras.Variable, np.ndarray]]:
    """Return the state of every random generator of a model, and what it was at first."""
    layers: Iterable[Any] = model._flatten_layers()  # noqa: SLF001 - the only way to see nested layers
    generators = [generator for layer in layers for generator in getattr(layer, "_seed_generators", ())]
    return [(generator.state, generator.state.numpy()) for generator in generators]
