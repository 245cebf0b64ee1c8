"""Folders of runs, written by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
name: {recipe}
seed: {seed}
data: {{name: digits}}
model: {{architecture: mlp, units: {units}}}
train: {{epochs: 3}}
"""
WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Write a run's folder: `write_run("digits", hour=12, losses=[3, 2], test=.9)`."""

    def write(
        recipe: str,
        *,
        hour: int = 12,
        losses: tuple[float | None, ...] = (3.0, 2.0),
        test: float | None = None,
        status: str | None = "finished",
        seed: int = 0,
        units: str = "[4]",
    ) -> Path:
        folder = tmp_path / "runs" / recipe / f"20260102T{hour:02}0000Z-{seed:08x}"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(CONFIG.format(recipe=recipe, seed=seed, units=units))
        records: list[dict[str, Any]] = [
            {
                "event": "epoch",
                "epoch": i,
                "step": i,
                "best": loss == min(known for known in losses[:i] if known is not None),
                "learning_rate": 0.1,
                "metrics": {"train": {"loss": loss}, "validation": {"loss": loss}},
            }
            for i, loss in enumerate(losses, start=1)
        ]
        if status is not None:
            best = min(loss for loss in losses if loss is not None)
            metrics = {"validation": {"loss": best}, **({"test": {"loss": 9.0, "accuracy": test}} if test else {})}
            end = {"event": "end", "status": status, "best_epoch": losses.index(best) + 1, "seconds": 12.5 + seed}
            records.append({**end, "epochs": len(losses), "metrics": metrics})
        (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return folder

    return write
