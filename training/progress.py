"""What a person sees while a model trains: a live bar on a terminal, lines elsewhere."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from training.callbacks import Call, Callback, End, EpochEnd, Rollback, Start
from training.durations import in_words

QUIET_SECONDS = 10.0
"""After so long without a line, one is written where there is no terminal: a log shows that the run is alive."""


class ProgressView(Callback):
    """Shows epoch, step, loss, metrics, rows per second and the time left of the whole run."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Show it on a console; a live bar only where that is a terminal."""
        self._console = console
        self._clock = clock
        self._start = Start("", Path(), epochs=0, steps_per_epoch=0)
        self._task = TaskID(0)
        self._bar: Progress | None = None
        self._diverged = False
        self._began = self._said = 0.0
        self._stale = 0
        self._warm: tuple[float, int] | None = None
        """When the first call, which compiles, was over, and the steps done then."""

    def on_start(self, start: Start) -> None:
        """Say what is about to happen and put up the bar."""
        self._start = start
        self._began = self._said = self._clock()
        for note in start.notes:
            self._say(note)
        for warning in start.warnings:
            self._say(f"warning: {warning}")
        if self._console.is_terminal:
            one_line = Column(no_wrap=True, overflow="ellipsis")
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24 if self._console.width >= 110 else 10),
                TextColumn("{task.fields[left]}"),
                TextColumn("{task.fields[text]}", table_column=one_line),
                console=self._console,
                transient=True,
            )
            steps = start.epochs * start.steps_per_epoch
            self._task = self._bar.add_task(
                "starting", total=steps, completed=start.first_step, text="compiling the first steps", left=""
            )
            self._bar.start()

    def on_call(self, call: Call) -> None:
        """Move the bar; without one, write a line now and then."""
        start = self._start
        where = f"epoch {call.epoch}/{start.epochs} step {call.step}/{start.steps_per_epoch}"
        text = f"{_numbers(call.metrics)}  {call.examples_per_second:,.0f} {start.unit}/s"
        done = (call.epoch - 1) * start.steps_per_epoch + call.step
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=where, text=text, left=self._left(done))
        elif self._clock() - self._said >= QUIET_SECONDS and call.step < start.steps_per_epoch:
            self._say(f"{where}  {text}  {self._left(done)}")

    def on_rollback(self, rollback: Rollback) -> None:
        """Say that it happened."""
        self._say(f"warning: {rollback}")

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        """Leave a line behind."""
        start = self._start
        line = f"epoch {epoch.epoch:>{len(str(start.epochs))}}/{start.epochs}  {_numbers(epoch.metrics['train'])}  "
        line += f"validation {_numbers(epoch.metrics['validation'])}"
        speed = f"  {epoch.examples_per_second:,.0f} {start.unit}/s"
        self._stale = epoch.stale_epochs
        ending = ("  best" if epoch.best else "") + self._near_the_end(epoch)
        narrow = self._console.is_terminal and len(line + speed + ending) > self._console.width
        self._say(line + ending if narrow else line + speed + ending)
        for warning in epoch.warnings:
            self._say(f"warning: {warning}")
        self._warn_once(epoch)

    def on_end(self, end: End) -> None:
        """Take the bar down, and say why training ended early."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        patience = self._start.patience
        if end.status == "finished" and patience is not None and self._stale >= patience:
            self._say(
                f"stopped early: {_epochs(self._stale)} without an improvement, the best was epoch {end.best_epoch}"
            )

    def _near_the_end(self, epoch: EpochEnd) -> str:
        patience = self._start.patience
        if patience is None or not epoch.stale_epochs or epoch.epoch == self._start.epochs:
            return ""
        left = patience - epoch.stale_epochs
        if left <= 0 or 2 * epoch.stale_epochs < patience:
            return ""
        return (
            f"  stops unless one of the next {_epochs(left)} is better"
            if left > 1
            else "  stops unless the next is better"
        )

    def _left(self, done: int) -> str:
        """Return how long the rest will take at the pace so far, evaluation and checkpoints included."""
        start, now = self._start, self._clock()
        if self._warm is None:
            self._warm = now, done
        began, first = self._warm if done > self._warm[1] else (self._began, start.first_step)
        rest = start.epochs * start.steps_per_epoch - done
        return f"{in_words((now - began) * rest / (done - first))} left" if done > first else ""

    def _warn_once(self, epoch: EpochEnd) -> None:
        losses = {split: metrics.get("loss", 0.0) for split, metrics in epoch.metrics.items()}
        bad = next((split for split, loss in losses.items() if not math.isfinite(loss)), None)
        if bad is None or self._diverged:
            return
        self._diverged = True
        self._say(
            f"warning: training diverged, the {bad} loss of epoch {epoch.epoch} is {losses[bad]}: "
            f"lower optimizer.learning_rate (it is {epoch.learning_rate:g} now) or set optimizer.global_clipnorm"
        )

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._said = self._clock()


def _numbers(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
