"""Where the time of some steps goes: a trace for TensorBoard, and a table for people."""

import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import tensorflow as tf

from training.callbacks import Call, Callback, End, Start
from training.run_log import TENSORBOARD
from zoo.errors import ConfigError
from zoo.inspection.columns import lay_out

PROFILE = "profile.txt"
_MOST_OPS = 12
_WAITING = "IteratorGetNextOp::DoCompute"
_PS = 1e12
"""Picoseconds of a second, in which traces count."""
_log = logging.getLogger(__name__)


@dataclass
class TimeSpent:
    """Seconds of the profiled stretch."""

    wall: float = 0.0
    steps: int = 0
    train: float = 0.0
    """In calls that train, waiting for rows included."""
    waiting: float = 0.0
    """Of training: until the rows of a step were there."""
    evaluate: float = 0.0
    ops: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By kind of TensorFlow operation, over all threads; those that run at once are added up."""

    def table(self) -> str:
        """Return it for people."""
        rest = max(0.0, self.wall - self.train - self.evaluate)
        parts = [
            ("steps", self.train - self.waiting),
            ("waiting for input", self.waiting),
            ("evaluation", self.evaluate),
            ("checkpoints, logs and the rest", rest),
        ]
        rows = [["", "seconds", "of wall time"]]
        rows += [[name, f"{seconds:.3f}", f"{seconds / self.wall:.1%}"] for name, seconds in parts if self.wall]
        lines = [f"profile of {self.steps} steps, {1000 * self.train / max(1, self.steps):.2f} ms each"]
        lines += lay_out(rows, right=(1, 2))
        whole = sum(self.ops.values())
        if whole:
            ops = [[name, f"{seconds:.3f}", f"{seconds / whole:.1%}"] for name, seconds in self._longest()]
            lines += ["", *lay_out([["operation", "seconds", "of all operations"], *ops], right=(1, 2))]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _longest(self) -> list[tuple[str, float]]:
        return sorted(self.ops.items(), key=lambda item: -item[1])[:_MOST_OPS]


class Profile(Callback):
    """Profiles a run once, from its second call on: the first compiles.

    Writes a trace below `tensorboard/plugins/profile` in the run's folder (TensorBoard shows it with its profile plugin, and
    Perfetto after conversion), and `profile.txt`.
    """

    def __init__(self, steps: int) -> None:
        """Profile so many steps, rounded up to whole calls.

        Raises:
            ConfigError: not even one.
        """
        if steps < 1:
            raise ConfigError(f"expected to profile 1 step or more, got {steps}")
        self.spent: TimeSpent | None = None
        """What was found; None while there is nothing."""
        self._wanted = steps
        self._folder = Path()
        self._per_epoch = 0
        self._first: int | None = None
        self._began = 0.0
        self._done = False

    def on_start(self, start: Start) -> None:
        """Note where to write."""
        self._folder, self._per_epoch = start.folder, start.steps_per_epoch

    def on_call(self, call: Call) -> None:
        """Begin after the first call, and end after enough steps."""
        step = (call.epoch - 1) * self._per_epoch + call.step
        if self._done:
            return
        if self._first is None:
            self._begin(step)
        elif step - self._first >= self._wanted:
            self._finish(step - self._first)

    def on_end(self, end: End) -> None:  # noqa: ARG002 - only that it is over
        """End a trace that is still on."""
        if not self._done:
            self._done = True
            if self._first is not None:
                tf.profiler.experimental.stop(save=False)
            _log.warning("the run was over before %d steps could be profiled: train longer", self._wanted)

    def _begin(self, step: int) -> None:
        try:
            tf.profiler.experimental.start(str(self._folder / TENSORBOARD))
        except tf.errors.OpError as error:
            self._done = True
            _log.warning("nothing is profiled: %s", error.message)
            return
        self._first, self._began = step, time.perf_counter()

    def _finish(self, steps: int) -> None:
        self._done = True
        wall = time.perf_counter() - self._began
        tf.profiler.experimental.stop()
        self.spent = read_trace(self._folder / TENSORBOARD)
        self.spent.wall, self.spent.steps = wall, steps
        (self._folder / PROFILE).write_text(self.spent.table(), encoding="utf-8")


def read_trace(folder: Path) -> TimeSpent:
    """Return what the newest trace below a folder says, as the profiler names it; nothing where it has no trace."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    spent = TimeSpent()
    traces = sorted(folder.glob("plugins/profile/*/*.xplane.pb"))
    training: list[tuple[int, int]] = []
    waits: list[tuple[int, int]] = []
    for plane in xplane_pb2.XSpace.FromString(traces[-1].read_bytes()).planes if traces else ():
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                begin = 1000 * line.timestamp_ns + event.offset_ps
                if name == "_train_steps":
                    training.append((begin, begin + event.duration_ps))
                elif name == _WAITING:
                    waits.append((begin, event.duration_ps))
                elif name == "_evaluate_steps":
                    spent.evaluate += event.duration_ps / _PS
                elif "/" in name and ":" in name:  # `while/body/dense_1/MatMul:MatMul`: an operation and its kind
                    spent.ops[name.rpartition(":")[2].removeprefix("_MklNative")] += event.duration_ps / _PS
    spent.train = sum(end - begin for begin, end in training) / _PS
    # The evaluation waits for its rows too.
    inside = [long for at, long in waits if any(begin <= at < end for begin, end in training)]
    spent.waiting = min(spent.train, sum(inside) / _PS)
    return spent
