"""The example of docs/open-inference.md does what it says."""

import re
from pathlib import Path

import pytest

import serving

ROOT = Path(__file__).parents[3]


def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    document = (ROOT / "docs" / "open-inference.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```python\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    with serving.Server(ROOT / "saved_models" / "wine_mlp", model_name="wine_mlp", port=0, poll_seconds=0) as server:
        assert "localhost:8500" in example
        names: dict[str, object] = {}
        exec(example.replace("8500", str(server.port)), names)  # noqa: S102 - our own document
        names["client"].close()  # type: ignore[attr-defined]
    ready, shapes, best, logits = capsys.readouterr().out.splitlines()
    assert ready == "True [('inputs', 'FP32', [-1, 13])]"
    assert shapes == "(1,) (1, 3)"
    assert re.fullmatch(r"\[\[b'\d\.\d{6}:\d:\w+' b'\d\.\d{6}:\d:\w+'\]\]", best)
    assert logits == "(1, 3)"
