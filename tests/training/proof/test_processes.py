import pickle
from pathlib import Path
from typing import Any

import pytest

from training import Dataset, TrainConfig
from training.proof.processes import Task, TrialFailedError, run_all
from zoo.errors import ConfigError


@pytest.mark.slow
def test_what_a_process_refuses_is_said_in_its_words(
    blobs_recipe: dict[str, Any], blobs: Dataset, tmp_path: Path
) -> None:
    blobs_recipe["train"]["monitor"] = "f1"
    (tmp_path / "config.yaml").write_text(TrainConfig.parse(blobs_recipe).to_yaml())
    (tmp_path / "data.pickle").write_bytes(pickle.dumps(blobs))
    with pytest.raises(ConfigError, match=r"mirrored: train\.monitor 'f1' is not measured"):
        run_all([Task("mirrored", [str(tmp_path), '{"kind": "mirrored"}', "found"])])


def test_the_end_of_what_a_process_said_that_died_is_shown(tmp_path: Path) -> None:
    with pytest.raises(TrialFailedError, match=r"(?s)the process of one_device died with status 1.*FileNotFoundError"):
        run_all([Task("one_device", [str(tmp_path / "nowhere"), "{}"])])
