from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from training.callbacks import Call, End, EpochEnd, Rollback, Start
from training.progress import ProgressView

START = Start("digits", Path("runs/x"), epochs=10, steps_per_epoch=4, notes=("data     digits",))
EPOCH = EpochEnd(
    epoch=1,
    step=4,
    seconds=2.0,
    examples_per_second=30.0,
    learning_rate=0.5,
    metrics={"train": {"loss": 1.5}, "validation": {"loss": float("nan")}},
    best=True,
)
FINITE = replace(EPOCH, metrics={"train": {"loss": 1.0}, "validation": {"loss": 1.0}}, best=False)
END = End("finished", 10, 4, 3.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plain(clock: Clock) -> ProgressView:
    return ProgressView(Console(force_terminal=False, width=200), clock=clock)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    def read() -> list[str]:
        return capsys.readouterr().out.splitlines()

    return read


def call(step: int) -> Call:
    return Call(epoch=1, step=step, metrics={"loss": 1.75}, examples_per_second=1234.5)


def test_it_is_plain_lines_where_there_is_no_terminal(plain: ProgressView, lines: Callable[[], list[str]]) -> None:
    plain.on_start(START)
    plain.on_call(call(2))
    plain.on_epoch_end(EPOCH)
    plain.on_end(END)
    assert lines() == [
        "data     digits",
        "epoch  1/10  loss 1.5000  validation loss nan  30 examples/s  best",
        (
            "warning: training diverged, the validation loss of epoch 1 is nan: "
            "lower optimizer.learning_rate (it is 0.5 now) or set optimizer.global_clipnorm"
        ),
    ]


def test_a_long_epoch_gives_a_line_every_ten_seconds(
    plain: ProgressView, clock: Clock, lines: Callable[[], list[str]]
) -> None:
    plain.on_start(replace(START, steps_per_epoch=400, epochs=2, notes=()))
    for step in range(1, 301):
        clock.now = step / 10
        plain.on_call(call(step))
    assert lines() == [
        "epoch 1/2 step 100/400  loss 1.7500  1,234 examples/s  1 min 10 s left",
        "epoch 1/2 step 200/400  loss 1.7500  1,234 examples/s  1 min 0 s left",
        "epoch 1/2 step 300/400  loss 1.7500  1,234 examples/s  50 s left",
    ], "800 steps at 0.1 s each"


def test_the_time_left_of_a_resumed_run_counts_its_own_steps_alone(
    plain: ProgressView, clock: Clock, lines: Callable[[], list[str]]
) -> None:
    plain.on_start(replace(START, steps_per_epoch=1000, epochs=1, notes=(), first_step=900))
    clock.now = 20.0
    plain.on_call(call(920))
    assert lines() == ["epoch 1/1 step 920/1000  loss 1.7500  1,234 examples/s  1 min 20 s left"]


def test_divergence_is_told_of_once(plain: ProgressView, lines: Callable[[], list[str]]) -> None:
    for epoch in (FINITE, replace(EPOCH, epoch=2), replace(EPOCH, epoch=3)):
        plain.on_epoch_end(epoch)
    shown = lines()
    assert [i for i, line in enumerate(shown) if line.startswith("warning")] == [2]
    assert "epoch 2" in shown[2]


def test_it_is_a_live_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView(Console(force_terminal=True, width=200, color_system=None), clock=lambda: 0.0)
    view.on_start(START)
    view.on_call(call(2))
    view.on_epoch_end(EPOCH)
    view.on_end(END)
    shown = capsys.readouterr().out
    assert "epoch 1/10 step 2/4" in shown
    assert "loss 1.7500  1,234 examples/s" in shown


def test_rows_that_are_images_are_called_so(plain: ProgressView, lines: Callable[[], list[str]]) -> None:
    plain.on_start(replace(START, unit="images", notes=()))
    plain.on_epoch_end(FINITE)
    assert lines() == ["epoch  1/10  loss 1.0000  validation loss 1.0000  30 images/s"]


def test_it_says_what_looks_wrong(plain: ProgressView, lines: Callable[[], list[str]]) -> None:
    plain.on_start(replace(START, notes=(), warnings=("steep",)))
    plain.on_rollback(Rollback(1, float("nan"), 0, 0.25, 0.5, attempt=1, tries=2))
    plain.on_epoch_end(replace(FINITE, warnings=("gradients vanish",)))
    shown = lines()
    assert shown[0] == "warning: steep"
    assert shown[1].startswith("warning: the loss of epoch 1 is nan: back to step 0")
    assert shown[-1] == "warning: gradients vanish"


@pytest.mark.parametrize(
    ("stale", "epoch", "said"),
    [
        (0, 5, ""),
        (1, 5, ""),
        (2, 5, "  stops unless one of the next 2 epochs is better"),
        (3, 5, "  stops unless the next is better"),
        (4, 5, ""),
        (3, 10, ""),
    ],
)
def test_it_says_when_early_stopping_is_near(
    stale: int, epoch: int, said: str, plain: ProgressView, lines: Callable[[], list[str]]
) -> None:
    plain.on_start(replace(START, notes=(), patience=4))
    plain.on_epoch_end(replace(FINITE, stale_epochs=stale, epoch=epoch))
    assert lines()[0].partition("examples/s")[2] == said


def test_it_says_that_it_stopped_early(plain: ProgressView, lines: Callable[[], list[str]]) -> None:
    plain.on_start(replace(START, notes=(), patience=1))
    plain.on_epoch_end(replace(FINITE, stale_epochs=1))
    plain.on_end(END)
    assert lines()[-1] == "stopped early: 1 epoch without an improvement, the best was epoch 4"
