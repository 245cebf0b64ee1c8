import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

from training.sources.collection import DataFile, SourceError
from training.sources.tfds import TfdsSource

LINES = b"one\ntwo\nthree\n"


def downloads(content: bytes) -> object:
    """What stands in for TFDS: it downloads under names of its own."""

    def run(command: Sequence[str | Path], *, folder: Path, watch: object, remedy: str) -> None:
        assert command[-2] == "public_lines"
        (Path(command[-1]) / "downloads" / "extracted").mkdir(parents=True)
        (Path(command[-1]) / "downloads" / "Xyz9.gz").write_bytes(content)

    return run


def test_a_file_is_known_by_its_contents_even_packed(
    tmp_path: Path, lines_file: DataFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.sources.tfds.run_client", downloads(gzip.compress(LINES)))
    TfdsSource("public_lines", ("lines.txt",)).provide([lines_file], tmp_path, lambda _: None)
    assert (tmp_path / "lines.txt").read_bytes() == LINES


def test_other_data_of_the_name_is_refused(
    tmp_path: Path, lines_file: DataFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.sources.tfds.run_client", downloads(gzip.compress(LINES + b"four\n")))
    with pytest.raises(SourceError, match=r"no longer the same: nothing in it is our lines\.txt"):
        TfdsSource("public_lines", ("lines.txt",)).provide([lines_file], tmp_path, lambda _: None)
