"""Managers whose engines only count."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.manager import Manager
from serving.repository import Repository, VersionPolicy
from tests.serving.manager.counting import Log
from tests.serving.manager.tables import Engines


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def make(tmp_path: Path, log: Log) -> Callable[..., Manager]:
    def manager(versions: str = "latest") -> Manager:
        (tmp_path / "models").mkdir(exist_ok=True)
        return Manager(Repository(tmp_path / "models", policy=VersionPolicy.parse(versions)), log.load)

    return manager


@pytest.fixture
def engines() -> Engines:
    return Engines()


@pytest.fixture
def put(saved_models: Path, tmp_path: Path) -> Callable[..., Path]:
    """Make a version in a folder, one that loads or one that does not."""

    def make(folder: str, version: int, *, broken: bool = False) -> Path:
        path = tmp_path / folder / str(version)
        path.mkdir(parents=True)
        shutil.copy(saved_models / "affine2" / "saved_model.pb", path)
        if broken:
            (path / "broken").touch()
        return path

    return make
