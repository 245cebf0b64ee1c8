import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from zoo.cli import main
from zoo.config import ModelConfig
from zoo.registry import example_config

Captured = pytest.CaptureFixture[str]


def lines(capsys: Captured) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# ---- zoo list


def test_list_shows_architectures_and_named_sizes(capsys: Captured) -> None:
    assert main(["list"]) == 0

    printed = lines(capsys)
    assert "mlp image table A multi-layer perceptron. An input of more than one axis is flattened." in printed
    assert "cnn_small cnn image series filters=[32, 64] units=[64]" in printed


def test_list_counts_parameters_where_it_is_filtered_or_asked(capsys: Captured) -> None:
    assert main(["list", "mlp_tiny"]) == 0

    assert "mlp_tiny mlp 13,002 parameters image table units=[16, 16]" in lines(capsys)


def test_list_takes_a_wildcard(capsys: Captured) -> None:
    assert main(["list", "cnn_t*"]) == 0

    assert "mlp" not in capsys.readouterr().out


@pytest.mark.parametrize("bound", ["13002", "13.002k", "0.013002M", "13_002"])
def test_list_takes_bounds_as_people_write_them(bound: str, capsys: Captured) -> None:
    assert main(["list", "mlp_*", "--min-params", bound, "--max-params", bound, "--json"]) == 0

    assert list(json.loads(capsys.readouterr().out)["models"]) == ["mlp_tiny"]


def test_list_refuses_a_bound_that_is_no_number(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["list", "--max-params", "many"])

    assert stopped.value.code == 2
    assert "expected a number such as 5000, 10k or 1.5M, got 'many'" in capsys.readouterr().err


def test_list_gives_json(capsys: Captured) -> None:
    assert main(["list", "mlp_tiny", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "architectures": {},
        "models": {"mlp_tiny": {"architecture": "mlp", "units": [16, 16]}},
        "tags": {"mlp_tiny": ["image", "table"]},
        "parameters": {"mlp_tiny": 13002},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cnn_tny"], "nothing matches 'cnn_tny'; did you mean 'cnn_tiny'"),
        (["--tag", "imag"], "unknown tag 'imag'; did you mean 'image'"),
        (["mlp*", "--max-params", "9"], "nothing matches 'mlp*', at most 9"),
    ],
)
def test_list_of_nothing_says_so_and_exits_with_2(arguments: list[str], message: str, capsys: Captured) -> None:
    assert main(["list", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_list_is_free_of_the_frameworks_noise() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    run = subprocess.run(
        [sys.executable, "-m", "zoo", "list"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    assert run.stderr == ""
    assert "\x1b" not in run.stdout


# ---- zoo show


def test_show_tells_fields_and_what_to_copy(capsys: Captured) -> None:
    assert main(["show", "mlp_tiny"]) == 0

    printed = lines(capsys)
    assert "stands for mlp units=[16, 16]" in printed
    assert "units list of whole numbers >= 1 [16, 16] (fixed by the name) Width of each hidden layer." in printed
    assert any(line.startswith("regularization.l2 number >= 0 0.0 Penalty per squared") for line in printed)
    assert "zoo plot mlp_tiny" in printed


def test_show_gives_json(capsys: Captured) -> None:
    assert main(["show", "mlp_tiny", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert ModelConfig.parse(found["example"]) == example_config("mlp_tiny")
    assert found["heads"] == ["sigmoid", "softmax", "linear"]


def test_show_of_an_unknown_name_exits_with_2(capsys: Captured) -> None:
    assert main(["show", "mlp_tny"]) == 2
    assert "did you mean 'mlp_tiny'" in capsys.readouterr().err


# ---- zoo summary


def test_summary_spells_the_parameters(capsys: Captured) -> None:
    assert main(["summary", "mlp_tiny", "--no-timing"]) == 0

    printed = lines(capsys)
    assert "dense_1 dense 16 16 12,544 12,560 = 784 x 16 weights + 16 biases" in printed
    assert "total 13,002 parameters (13,002 trainable, 0 not), 52,008 bytes (52.0 kB)" in printed
    assert any(line.startswith("multiply-adds 12,960 per example") for line in printed)


def test_summary_measures_unless_told_not_to(capsys: Captured) -> None:
    assert main(["summary", "mlp_tiny"]) == 0

    (timing,) = [line for line in lines(capsys) if line.startswith("time per row")]
    assert "in batches of 1, " in timing
    assert "in batches of 32 (median, compiled, on " in timing


def test_summary_takes_fields_with_and_without_set(capsys: Captured) -> None:
    assert main(["summary", "mlp", "units=[3]", "--set", "model.input_shape=[5]", "--no-timing", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == 5 * 3 + 3 + 3 * 10 + 10
    assert found["config"]["units"] == [3]
    assert found["timing"] is None


def test_summary_says_what_length_it_shows(capsys: Captured) -> None:
    assert main(["summary", "cnn1d_small", "--length", "40", "--no-timing"]) == 0

    printed = lines(capsys)
    assert "axes of any length are shown with 40 (--length)" in printed
    assert any(line.startswith("inputs input float32 40 x 8") for line in printed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mlp_tny"], "did you mean 'mlp_tiny'"),
        (["mlp", "unit=[3]"], "unknown field 'unit'; did you mean 'units'"),
        (["mlp", "units"], "an override is path=value"),
        (["mlp", "--length", "0"], "--length: expected a number of at least 1, got 0"),
    ],
)
def test_summary_refuses_what_cannot_be(arguments: list[str], message: str, capsys: Captured) -> None:
    assert main(["summary", *arguments]) == 2
    assert message in capsys.readouterr().err


# ---- zoo plot


def test_plot_writes_both_kinds_of_file(tmp_path: Path, capsys: Captured) -> None:
    assert main(["plot", "mlp_tiny"]) == 0

    assert capsys.readouterr().out == "wrote mlp_tiny.svg\nwrote mlp_tiny.png\n"
    assert ET.parse(tmp_path / "mlp_tiny.svg").getroot().tag.endswith("svg")  # noqa: S314
    assert (tmp_path / "mlp_tiny.png").read_bytes().startswith(b"\x89PNG")


def test_plot_overwrites_when_forced_only(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "mine.svg"
    path.write_text("precious")

    assert main(["plot", "mlp_tiny", "units=[3]", "--output", str(path)]) == 2
    assert "exists: give --force" in capsys.readouterr().err
    assert path.read_text() == "precious"
    assert main(["plot", "mlp_tiny", "units=[3]", "--output", str(path), "--force"]) == 0
    assert "Dense 3" in path.read_text()


def test_plot_keeps_axes_of_any_length(tmp_path: Path) -> None:
    assert main(["plot", "cnn1d_small", "--output", "series.svg"]) == 0

    assert "any \N{MULTIPLICATION SIGN} 8" in (tmp_path / "series.svg").read_text()


# ---- zoo schema


def test_schema_prints_that_of_recipes(capsys: Captured) -> None:
    assert main(["schema"]) == 0

    assert {"name", "data", "model", "train"} <= set(json.loads(capsys.readouterr().out)["properties"])


def test_schema_writes_a_file_and_says_how_to_use_it(tmp_path: Path, capsys: Captured) -> None:
    assert main(["schema", "mlp", "--output", "mlp.json"]) == 0

    assert "# yaml-language-server: $schema=mlp.json" in capsys.readouterr().out
    assert json.loads((tmp_path / "mlp.json").read_text())["properties"]["architecture"]["enum"] == ["mlp"]


def test_schema_refuses_an_unknown_name(capsys: Captured) -> None:
    assert main(["schema", "recpie"]) == 2
    assert "did you mean 'recipe'" in capsys.readouterr().err


# ---- all of them


@pytest.mark.parametrize("command", ["list", "show", "summary", "plot", "schema"])
def test_help_has_examples(command: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])

    assert f"examples:\n  zoo {command}" in capsys.readouterr().out


def test_the_yaml_of_show_is_a_file_that_summary_takes(tmp_path: Path, capsys: Captured) -> None:
    assert main(["show", "mlp_tiny", "--json"]) == 0
    text = json.loads(capsys.readouterr().out)["uses"]["YAML, the section of a recipe"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(yaml.safe_load(text)))

    assert main(["summary", "mine.yaml", "--no-timing"]) == 0
    assert "13,002 parameters" in capsys.readouterr().out
