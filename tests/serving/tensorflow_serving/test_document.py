"""The example of docs/tensorflow-serving.md runs."""

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_wine

import serving

DOCUMENT = Path(__file__).parents[3] / "docs" / "tensorflow-serving.md"


def test_the_example_of_the_document(example_server: serving.Server, capsys: pytest.CaptureFixture[str]) -> None:
    program = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]
    program = program.replace("localhost:8500", f"localhost:{example_server.port}").replace("wine_mlp", "wine")
    exec(compile(program, str(DOCUMENT), "exec"), {"measurements": load_wine().data[0]})  # noqa: S102
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [label for label, _ in printed] == ["grower_0", "grower_1", "grower_2"]
    assert max(printed, key=lambda line: float(line[1]))[0] == "grower_0"  # which is whose wine the first row is
