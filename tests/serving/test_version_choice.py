"""Who asks for a version that is not served is told why, and how to have it served where that can be."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import serving

Install = Callable[[str, str, int], Path]


def refusals(models: Path, *versions: int) -> list[str]:
    """What follows the name of the version that was asked for, of the model `m`."""
    told = []
    with (
        serving.Server(models, port=0, poll_seconds=0) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        for version in versions:
            with pytest.raises(serving.CallError) as caught:
                client.predict("m", {"x": np.zeros(1, np.float32)}, version=version, timeout=30)
            assert caught.value.code == "NOT_FOUND"
            told.append(caught.value.details.partition("; ")[2])
    return told


def test_how_to_have_a_version_served_is_told_where_it_is_there(install: Install, tmp_path: Path) -> None:
    install("affine2", "m", 1)
    install("affine3", "m", 2)
    there, nowhere = refusals(tmp_path / "models", 1, 7)
    assert there.startswith("versions being served: 2; version 1 is there too: --versions all serves it")
    assert nowhere == "versions being served: 2"


def test_why_a_version_did_not_load_is_told(install: Install, tmp_path: Path) -> None:
    install("affine2", "m", 1)
    (install("affine3", "m", 2) / "saved_model.pb").write_bytes(b"broken")
    (told,) = refusals(tmp_path / "models", 2)
    assert told.startswith("versions being served: 1; version 2 is not: ")
    assert "saved_model.pb" in told
    assert "--versions" not in told
