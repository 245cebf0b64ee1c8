"""Versions that do not load are tried again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from serving.manager import Loading, Manager
from serving.repository import ModelTable, VersionPolicy
from serving.status import ServerError
from tests.serving.manager.tables import Engine, Engines, live, model

Put = Callable[..., Path]


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (3, 4)])
def test_a_version_that_does_not_load_is_tried_again_so_often(
    put: Put, tmp_path: Path, engines: Engines, retries: int, tries: int
) -> None:
    put("x", 1, broken=True)
    manager = Manager(
        ModelTable((model("a", tmp_path / "x"),)), engines.load, loading=Loading(max_retries=retries, retry_seconds=0)
    )
    for _ in range(10):
        manager.refresh()
    assert engines.faults == tries
    assert manager.retry_in() is None


def test_between_tries_it_waits_and_what_is_mended_meanwhile_is_loaded_at_once(
    put: Put, tmp_path: Path, engines: Engines
) -> None:
    path = put("x", 1, broken=True)
    manager = Manager(
        ModelTable((model("a", tmp_path / "x"),)), engines.load, loading=Loading(max_retries=2, retry_seconds=1000)
    )
    for _ in range(3):
        manager.refresh()
    assert engines.faults == 1
    wait = manager.retry_in()
    assert wait is not None
    assert 900 < wait <= 1000
    (path / "broken").unlink()
    manager.refresh()
    assert live(manager, "a") == {1}
    assert manager.retry_in() is None


def test_a_transient_fault_is_got_over_without_a_change_of_files(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("x", 1)
    faults = [ServerError("out of memory"), ServerError("out of memory")]

    def load(path: Path) -> Engine:
        if faults:
            raise faults.pop()
        return engines.load(path)

    manager = Manager(ModelTable((model("a", tmp_path / "x"),)), load, loading=Loading(retry_seconds=1e-9))
    for _ in range(3):
        manager.refresh()
    assert live(manager, "a") == {1}


def test_a_retry_is_kept_in_mind_while_others_load_and_forgotten_with_its_model(
    put: Put, tmp_path: Path, engines: Engines
) -> None:
    put("bad", 1, broken=True)
    put("good", 1)
    bad, good = model("bad", tmp_path / "bad"), model("good", tmp_path / "good")
    manager = Manager(ModelTable((bad, good)), engines.load)
    manager.refresh()
    manager.load("good")
    assert manager.retry_in() is not None
    manager.reload(ModelTable((good,)))
    assert manager.retry_in() is None


def test_a_broken_version_that_is_not_wanted_any_more_is_not_tried_again(
    put: Put, tmp_path: Path, engines: Engines
) -> None:
    put("x", 1, broken=True)
    manager = Manager(ModelTable((model("a", tmp_path / "x", VersionPolicy()),)), engines.load)
    manager.refresh()
    assert manager.retry_in() is not None
    put("x", 2)
    manager.refresh()
    assert manager.retry_in() is None
