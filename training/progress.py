"""What a person sees while a model trains: a live bar on a terminal, a line per epoch elsewhere."""

import math
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from training.callbacks import Call, Callback, End, EpochEnd, Rollback, Start


class ProgressView(Callback):
    """Shows epoch, step, loss, metrics, images per second and the time left."""

    def __init__(self, console: Console) -> None:
        """Show it on a console; a live bar only where that is a terminal."""
        self._console = console
        self._epochs = self._steps = 0
        self._task = TaskID(0)
        self._bar: Progress | None = None
        self._diverged = False

    def on_start(self, start: Start) -> None:
        """Say what is about to happen and put up the bar."""
        self._epochs, self._steps = start.epochs, start.steps_per_epoch
        for note in start.notes:
            self._console.print(note, highlight=False, markup=False, soft_wrap=True)
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[text]}"),
                TimeRemainingColumn(compact=True),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("starting", total=self._epochs * self._steps, text="")
            self._bar.start()

    def on_call(self, call: Call) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=(call.epoch - 1) * self._steps + call.step,
                description=f"epoch {call.epoch}/{self._epochs} step {call.step}/{self._steps}",
                text=f"{_numbers(call.metrics)}  {call.examples_per_second:,.0f} examples/s",
            )

    def on_rollback(self, rollback: Rollback) -> None:
        """Say that it happened."""
        self._console.print(f"warning: {rollback}", highlight=False, markup=False, soft_wrap=True)

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        """Leave a line behind."""
        self._console.print(
            f"epoch {epoch.epoch:>{len(str(self._epochs))}}/{self._epochs}  {_numbers(epoch.metrics['train'])}  "
            f"validation {_numbers(epoch.metrics['validation'])}  {epoch.examples_per_second:,.0f} examples/s"
            + ("  best" if epoch.best else ""),
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        self._warn_once(epoch)

    def on_end(self, end: End) -> None:  # noqa: ARG002 - only that it is over
        """Take the bar down."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _warn_once(self, epoch: EpochEnd) -> None:
        losses = {split: metrics.get("loss", 0.0) for split, metrics in epoch.metrics.items()}
        bad = next((split for split, loss in losses.items() if not math.isfinite(loss)), None)
        if bad is None or self._diverged:
            return
        self._diverged = True
        self._console.print(
            f"warning: training diverged, the {bad} loss of epoch {epoch.epoch} is {losses[bad]}: "
            f"lower optimizer.learning_rate (it is {epoch.learning_rate:g} now) or set optimizer.global_clipnorm",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _numbers(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in metrics.items())
