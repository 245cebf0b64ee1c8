"""What signatures are called, and what they take and give, is the same in every process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo import signatures
from zoo.signatures import Signature, Subject


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("more", "output_0", "signature 'more': 'output_0' is no stable name"),
        ("input_1", "value", "'input_1' is no stable name"),
        ("predict", "value", "several signatures are called predict"),
    ],
)
def test_a_name_that_may_be_another_tomorrow_is_refused(
    name: str, output: str, message: str, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def maker(subject: Subject) -> Iterator[Signature]:
        yield Signature(name, lambda inputs: {output: subject.serve(inputs)["probabilities"]}, subject.named.specs())

    monkeypatch.setattr(signatures, "MAKERS", (*signatures.MAKERS, maker))
    with pytest.raises(zoo.ExportError, match=message):
        zoo.export(model, tmp_path / "m")
    assert list((tmp_path / "m").glob("*")) == []
