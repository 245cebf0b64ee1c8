"""What the documents show is run: a reader who copies it gets what it says."""

import base64
import doctest
import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest

import training
import zoo
from training.config import LoopConfig, ScheduleConfig
from training.config.objective import LossKind, MetricName

ROOT = Path(__file__).parents[2]


def blocks(document: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def modules_with_examples() -> list[str]:
    files = [path for package in ("zoo", "training", "serving") for path in (ROOT / package).rglob("*.py")]
    with_examples = [path for path in files if ">>> " in path.read_text(encoding="utf-8")]
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in with_examples)


@pytest.mark.parametrize("module", modules_with_examples())
def test_the_examples_of_docstrings(module: str) -> None:
    assert doctest.testmod(import_module(module)).failed == 0


def test_the_guide_to_the_zoo_runs_as_it_stands(run_python: Callable[..., Any], tmp_path: Path) -> None:
    program = "\n".join(blocks("docs/zoo.md", "python")).replace('runs="runs"', f"runs={str(tmp_path)!r}")
    said = re.findall(r"^(zoo\.list_\w+\(.*?\))\s+# (\[.*\])$", program, re.MULTILINE)

    run = run_python("import zoo\n" + "".join(f"print({code})\n" for code, _ in said) + program)

    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [lists for _, lists in said]
    assert len(said) == 2


def test_the_readme_says_how_many_parameters_a_model_has() -> None:
    [first, *_] = blocks("README.md", "python")
    names: dict[str, object] = {}
    exec(first, names)  # noqa: S102 - our own README
    said = re.search(r"count_params\(\)\s+# (\d+) = (.*?) weights \+ (.*?) biases", first)
    assert said is not None
    weights, biases = (eval(sums) for sums in (said[2], said[3]))  # noqa: S307
    assert names["model"].count_params() == int(said[1]) == weights + biases  # type: ignore[attr-defined]


def test_the_readmes_models_build_and_list_as_it_says() -> None:
    block = next(block for block in blocks("README.md", "python") if "list_architectures" in block)
    for line in block.splitlines():
        code, _, comment = line.partition("#")
        value = eval(code, {"zoo": zoo})  # noqa: S307 - our own README
        if "[" in comment:
            assert value == eval(comment[: comment.index("]") + 1])  # noqa: S307
        else:
            assert isinstance(value, keras.Model)


def test_the_recipe_of_the_guide_to_training_is_one() -> None:
    [recipe] = blocks("docs/training.md", "yaml")
    config = training.TrainConfig.from_yaml(recipe)
    assert config.optimizer.schedule.kind == "cosine"
    zoo.build(config.model)


def test_the_guide_to_training_names_every_field_loss_and_metric() -> None:
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    names = {*LoopConfig.model_fields, *get_args(MetricName), *get_args(LossKind), *get_args(kinds(ScheduleConfig))}
    assert [name for name in sorted(names) if f"`{name}`" not in text and f"kind: {name}" not in text] == []


def kinds(config: Any) -> Any:
    return config.model_fields["kind"].annotation


def test_the_readmes_recipe_is_one() -> None:
    [recipe] = blocks("README.md", "yaml")
    config = training.TrainConfig.from_yaml(recipe)
    assert config.model.architecture == "cnn"
    zoo.build(config.model)


@pytest.mark.parametrize("kind", ["softmax", "linear"])
def test_an_artifact_can_be_checked_by_hand_as_its_document_says(kind: str, tmp_path: Path) -> None:
    units = 3 if kind == "softmax" else 2
    model = zoo.build("mlp", input_shape=(4,), head={"kind": kind, "units": units})
    version = zoo.export(model, tmp_path / "m", examples=np.eye(4, dtype=np.float32))
    [program] = blocks("docs/artifact.md", "python")
    program = re.sub(r'version = ".*"', f"version = {str(version)!r}", program)
    names: dict[str, object] = {}
    exec(program, names)  # noqa: S102 - our own document
    assert (
        names["answers"].keys()
        == zoo.Passport.from_json(  # type: ignore[attr-defined]
            (version / "assets.extra" / "passport.json").read_text()
        )
        .golden["serving_default"]
        .outputs.keys()
    )
    passport = version / "assets.extra" / "passport.json"
    facts = json.loads(passport.read_text())
    output = facts["golden"]["serving_default"]["outputs"]["probabilities" if kind == "softmax" else "value"]
    output["base64"] = base64.b64encode(bytes(len(base64.b64decode(output["base64"])))).decode()  # zeros
    passport.write_text(json.dumps(facts))
    with pytest.raises(AssertionError):
        exec(program, {})  # noqa: S102
