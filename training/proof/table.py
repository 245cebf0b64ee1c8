"""A proof as people read it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from training.proof.comparison import Difference
from training.proof.proof import Proof

_HEADINGS = ("largest", "relative", "typical", "allowed")
SHOWN = 12
"""How many of the weights, those closest to being too far off, are shown unless all are asked for."""


def show(proof: Proof, console: Console, *, everything: bool = False) -> None:
    """Print what was compared: a table on a terminal, plain lines elsewhere."""
    rows, left_out = _rows(proof, everything=everything)
    for note in proof.notes:
        console.print(f"proof      {note}", highlight=False, markup=False, soft_wrap=True)
    if console.is_terminal:
        table = Table(box=SIMPLE_HEAD)
        table.add_column("", overflow="fold")
        for heading in (*_HEADINGS, ""):
            table.add_column(heading, justify="right", no_wrap=True)
        for difference in rows:
            style = None if difference.ok else "bold red"
            table.add_row(*_cells(difference), style=style)
        console.print(table)
    else:
        width = max(len(difference.name) for difference in rows)
        console.print(f"{'':{width}}  {'  '.join(f'{h:8}' for h in _HEADINGS)}", highlight=False, soft_wrap=True)
        for difference in rows:
            name, *numbers, verdict = _cells(difference)
            line = f"{name:{width}}  {'  '.join(f'{n:8}' for n in numbers)}  {verdict}"
            console.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)
    if left_out:
        console.print(f"and {left_out} more, all within what rounding explains (--all shows them)", highlight=False)
    console.print(verdict_of(proof), highlight=False, markup=False, soft_wrap=True)


def verdict_of(proof: Proof) -> str:
    """Return the outcome as a sentence."""
    where: str = proof.strategy.kind
    if proof.strategy.replicas:
        where += f" over {proof.strategy.replicas} replicas"
    if proof.processes > 1:
        where += f" of {proof.processes} processes"
    wrong = [difference for difference in proof.comparison.all if not difference.ok]
    if not wrong:
        return f"same       {where} trained what one device trained, over {proof.steps} steps"
    return (
        f"DIFFERENT  {where} did not train what one device trained: {len(wrong)} of {len(proof.comparison.all)} numbers are "
        f"further apart than rounding explains, first {wrong[0].name}"
    )


def _cells(difference: Difference) -> tuple[str, ...]:
    numbers = (
        f"{number:.1e}" for number in (difference.largest, difference.relative, difference.typical, difference.allowed)
    )
    return (difference.name, *numbers, "" if difference.ok else "DIFFERS")


def _rows(proof: Proof, *, everything: bool) -> tuple[list[Difference], int]:
    found = proof.comparison
    if everything:
        return list(found.all), 0
    worst = sorted(found.weights, key=_strain, reverse=True)
    failing = sum(not difference.ok for difference in worst)
    shown = {difference.name for difference in worst[: max(SHOWN, failing)]}
    weights = [difference for difference in found.weights if difference.name in shown]
    rows = [*_losses(found.losses), *found.metrics, *weights, *_worst(found.others, "the rest of the state")]
    return rows, len(found.weights) - len(weights)


def _losses(losses: Sequence[Difference]) -> Iterator[Difference]:
    """Yield the first, the one that is furthest off, and the last."""
    worst = max(losses, key=_strain)
    for number, loss in enumerate(losses):
        if loss is worst or number in {0, len(losses) - 1}:
            yield replace(loss, name=f"loss at {loss.name}")


def _worst(differences: Sequence[Difference], name: str) -> Iterator[Difference]:
    if differences:
        worst = max(differences, key=_strain)
        yield replace(worst, name=f"{name} ({worst.name})")


def _strain(difference: Difference) -> float:
    """Return how much of what is allowed was needed."""
    if not difference.largest < float("inf"):
        return float("inf")
    return difference.typical / difference.allowed if difference.allowed else difference.largest * 1e30
