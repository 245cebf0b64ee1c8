import re
from pathlib import Path

import numpy as np
import pytest

import training
import zoo
from training.recipe import read_recipe

SERIES = ["sunspots_lstm", "elnino_gru", "co2_transformer"]
SLOWEST = {"pydoc_gpt", "phonemes_seq2seq", "prompts_cnn", "prompts_gru", "snippets_gru"}
RECIPES = [
    *SERIES,
    *("snippets_gru", "snippets_transformer", "pydoc_gpt", "phonemes_seq2seq", "prompts_cnn", "prompts_gru"),
]


@pytest.mark.parametrize("name", RECIPES)
def test_the_header_gives_a_measured_result_and_the_floor_below_it(name: str) -> None:
    header = "".join(line for line in read_recipe(name).splitlines(keepends=True) if line.startswith("#"))
    for what in ("held-out", "floor"):
        assert re.search(rf"^# {what}: .*\d\.\d", header, re.MULTILINE), what


@pytest.mark.parametrize("name", RECIPES)
def test_the_model_builds(name: str) -> None:
    config = training.load_recipe(name).model
    model = zoo.build(config)
    assert {tensor.name for tensor in model.inputs} == set(config.input_specs())


@pytest.mark.parametrize("name", SERIES)
def test_a_forecaster_starts_near_its_labels_and_speaks_their_units(name: str) -> None:
    head = training.load_recipe(name).model.named_heads()[""]
    mean, deviation = {"sunspots_lstm": (47.5, 35.9), "elnino_gru": (22.9, 2.24), "co2_transformer": (0.02, 0.479)}[
        name
    ]
    np.testing.assert_allclose(head.offset, mean, atol=deviation / 10)
    np.testing.assert_allclose(head.scale, deviation, rtol=0.1)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.exhaustive if name in SLOWEST else ()) for name in RECIPES],
)
def test_it_trains_on_a_slice_of_its_data(name: str, tmp_path: Path) -> None:
    run = training.train(training.quick(training.load_recipe(name)), runs=tmp_path)
    assert run.status == "finished"
    assert all(np.isfinite(value) for split in run.metrics.values() for value in split.values())
