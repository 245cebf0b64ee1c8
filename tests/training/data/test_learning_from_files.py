"""From files on disk to a trained run, by the one command."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training import TrainConfig, evaluate, train

RECIPE: dict[str, Any] = {
    "name": "stripes",
    "model": {
        "architecture": "cnn",
        "input_shape": [8, 8, 1],
        "preprocessing": [{"kind": "rescaling", "scale": 1 / 255}],
        "filters": [8],
        "head": {"kind": "softmax", "units": 2},
    },
    "optimizer": {"learning_rate": 0.01},
    "train": {"epochs": 6, "batch_size": 16},
}


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """Images of lines that lie or stand, in another phase each."""
    random = np.random.default_rng(0)
    for name in ("lying", "standing"):
        (tmp_path / "stripes" / name).mkdir(parents=True)
        for number in range(60):
            wave = 127 + 120 * np.sign(np.sin(np.arange(8) * np.pi / 2 + random.uniform(0, 6)))
            pixels = np.broadcast_to(wave[:, np.newaxis], (8, 8))
            pixels = pixels if name == "lying" else pixels.T
            noisy = np.clip(pixels + random.normal(scale=10, size=(8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(tmp_path / "stripes" / name / f"{number}.png")
    return tmp_path / "stripes"


def test_a_folder_of_images_is_learnt_from_with_changes_and_measured_without(stripes: Path, tmp_path: Path) -> None:
    data = {"kind": "images", "files": str(stripes), "channels": 1, "augmentation": {"flip": "both", "shift": 0.2}}
    config = TrainConfig.parse({**RECIPE, "data": data})

    run = train(config, runs=tmp_path / "runs")

    assert run.metrics["test"]["accuracy"] > 0.9
    assert evaluate(run)["loss"] == pytest.approx(run.metrics["test"]["loss"], rel=1e-6), "measuring changes no image"
    assert TrainConfig.from_yaml((run.folder / "config.yaml").read_text()) == config
