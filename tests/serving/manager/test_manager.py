"""The life of versions, with an engine that only counts, so that every order can be seen."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.manager import Manager, State
from serving.model_ref import ModelRef
from serving.status import Code, StatusError
from tests.serving.manager.counting import Log, leased, states

Install = Callable[[str, str, int], Path]


def test_the_newest_version_is_served(make: Callable[..., Manager], install: Install) -> None:
    install("affine2", "m", 1)
    install("affine2", "m", 10)
    manager = make()
    manager.refresh()
    assert leased(manager) == 10
    assert states(manager) == {10: State.AVAILABLE}


def test_a_new_version_is_loaded_before_the_old_one_goes(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    install("affine2", "m", 2)
    manager.refresh()
    assert leased(manager) == 2
    assert log.events == ["load 1", "load 2", "close 1"]
    assert states(manager) == {2: State.AVAILABLE, 1: State.END}


def wait_until(manager: Manager, condition: Callable[[], bool]) -> None:
    """Wait for something that a change of a version's state brings about."""
    changed = threading.Condition()

    def tell() -> None:
        with changed:
            changed.notify_all()

    manager.on_change(tell)
    with changed:
        assert changed.wait_for(condition, timeout=30)


def test_a_leased_version_is_closed_as_soon_as_it_is_returned(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    with manager.lease(ModelRef("m")) as servable:
        install("affine2", "m", 2)
        manager.refresh()
        assert leased(manager) == 2
        assert states(manager)[1] is State.UNLOADING
        assert servable.engine.run("serving_default", {})["y"] == [1.0]
        assert "close 1" not in log.events
    wait_until(manager, lambda: states(manager)[1] is State.END)
    assert log.events[-1] == "close 1"


def test_a_broken_version_is_reported_and_the_old_one_stays(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    log.refuse.add("2")
    install("affine2", "m", 2)
    manager.refresh()
    assert leased(manager) == 1
    broken = manager.statuses("m")[0]
    assert (broken.version, broken.state, broken.error) == (2, State.END, "version 2 is broken")


def test_at_the_start_too_the_newest_version_that_loads_is_served(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    install("affine2", "m", 1)
    install("affine2", "m", 2)
    log.refuse.add("2")
    manager = make()
    manager.refresh()
    assert leased(manager) == 1


def test_a_half_written_version_is_loaded_once_it_is_whole(
    make: Callable[..., Manager], install: Install, saved_models: Path
) -> None:
    whole = install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    half = whole.parent / "2"
    (half / "variables").mkdir(parents=True)
    manager.refresh()
    assert leased(manager) == 1
    assert "not a whole SavedModel" in manager.statuses("m")[0].error
    shutil.copytree(saved_models / "affine3", half, dirs_exist_ok=True)
    manager.refresh()
    assert leased(manager) == 2


def test_a_broken_version_is_not_tried_again_until_it_changes(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    path = install("affine2", "m", 1)
    log.refuse.add("1")
    manager = make()
    manager.refresh()
    log.refuse.clear()
    manager.refresh()
    assert log.events == []
    (path / "mended").touch()
    manager.refresh()
    assert log.events == ["load 1"]


def test_rolling_back_is_removing_the_newest_folder(make: Callable[..., Manager], install: Install) -> None:
    install("affine2", "m", 1)
    newest = install("affine2", "m", 2)
    manager = make()
    manager.refresh()
    shutil.rmtree(newest)
    manager.refresh()
    assert leased(manager) == 1
    manager.refresh()
    assert states(manager) == {1: State.AVAILABLE}


def test_the_last_live_version_stays_though_its_files_are_gone(
    make: Callable[..., Manager], install: Install, tmp_path: Path
) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    shutil.rmtree(tmp_path / "models" / "m" / "1")
    manager.refresh()
    assert leased(manager) == 1


@pytest.mark.parametrize(
    ("policy", "live"), [("latest", {3}), ("latest:2", {2, 3}), ("all", {1, 2, 3}), ("1,2", {1, 2})]
)
def test_the_policy_says_which_versions_are_live(
    make: Callable[..., Manager], install: Install, policy: str, live: set[int]
) -> None:
    for version in (1, 2, 3):
        install("affine2", "m", version)
    manager = make(policy)
    manager.refresh()
    assert set(states(manager)) == live
    assert all(leased(manager, version) == version for version in live)


def test_what_is_not_live_is_not_found(make: Callable[..., Manager], install: Install) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    for name, version, reason in (("n", None, "did you mean|known: m"), ("m", 7, "versions being served: 1")):
        with (
            pytest.raises(StatusError, match=f"Servable not found for request: .*({reason})") as caught,
            manager.lease(ModelRef(name, version)),
        ):
            pass
        assert caught.value.code is Code.NOT_FOUND


def test_a_new_model_is_picked_up(make: Callable[..., Manager], install: Install) -> None:
    manager = make()
    manager.refresh()
    assert manager.models() == {}
    install("affine2", "m", 1)
    manager.refresh()
    assert manager.models() == {"m": True}


def test_a_version_made_afresh_under_the_same_number_is_loaded_anew(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    path = install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    with manager.lease(ModelRef("m")) as old:
        shutil.rmtree(path)
        install("affine3", "m", 1)
        manager.refresh()
        with manager.lease(ModelRef("m")) as new:
            assert new is not old
        assert old.engine.run("serving_default", {})["y"] == [1.0]
        assert log.events == ["load 1", "load 1"]
    manager.refresh()
    assert log.events == ["load 1", "load 1", "close 1"]


def glances_until_loaded(manager: Manager, log: Log) -> int:
    """Return at which glance something is loaded."""
    before = len(log.events)
    for count in range(1, 12):
        manager.glance()
        if len(log.events) > before:
            return count
    raise AssertionError("never")


def test_one_of_ten_glances_is_at_the_files_of_what_answers(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    names = [f"m{number}" for number in range(8)]
    paths = [install("affine2", name, 1) for name in names]
    manager = make()
    manager.refresh()
    found = []
    for path in paths:
        os.utime(path / "saved_model.pb", (1e9, 1e9 + len(found)))
        found.append(glances_until_loaded(manager, log))
    assert all(1 <= count <= 10 for count in found)
    assert len(set(found)) > 1, "each has its own turn, or all would be looked at by one"
    assert max(found) > 1


def test_a_glance_sees_at_once_what_comes_and_goes_and_what_does_not_load(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.glance()
    assert leased(manager) == 1
    install("affine2", "m", 2)
    manager.glance()
    assert leased(manager) == 2
    install("affine2", "n", 1)
    manager.glance()
    assert manager.models() == {"m": True, "n": True}
    broken = install("affine2", "m", 3)
    (broken / "saved_model.pb").write_bytes(b"\x00damaged")
    manager.glance()
    assert leased(manager) == 2
    shutil.rmtree(broken)
    install("affine2", "m", 3)
    manager.glance()
    assert leased(manager) == 3
    shutil.rmtree(broken)
    manager.glance()
    assert leased(manager) == 2, "its folder is gone, and the one before is still there"


def test_a_live_version_whose_files_are_damaged_stays_up(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    path = install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    (path / "saved_model.pb").write_bytes(b"\x00damaged")
    manager.refresh()
    manager.refresh()
    assert leased(manager) == 1
    assert log.events == ["load 1"]


def test_nothing_is_loaded_after_closing(make: Callable[..., Manager], install: Install, log: Log) -> None:
    manager = make()
    assert manager.close()
    install("affine2", "m", 1)
    manager.refresh()
    assert log.events == []


def test_a_pipe_in_place_of_a_model_is_refused_rather_than_waited_for(
    make: Callable[..., Manager], tmp_path: Path
) -> None:
    (tmp_path / "models" / "m" / "1").mkdir(parents=True)
    os.mkfifo(tmp_path / "models" / "m" / "1" / "saved_model.pb")
    manager = make()
    manager.refresh()
    assert "is not a file" in manager.statuses("m")[0].error


def test_closing_unloads_everything(make: Callable[..., Manager], install: Install, log: Log) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    manager.close()
    assert log.events == ["load 1", "close 1"]
    assert manager.models() == {"m": False}


def test_no_request_ever_meets_a_closed_engine_while_versions_change(
    make: Callable[..., Manager], install: Install
) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    faults: list[BaseException] = []
    seen: set[float] = set()
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                with manager.lease(ModelRef("m")) as servable:
                    answer = float(servable.engine.run("serving_default", {})["y"][0])
                    assert answer == servable.version
                    seen.add(answer)
        except BaseException as error:  # noqa: BLE001 - told below
            faults.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(2, 12):
        install("affine2", "m", version)
        manager.refresh()
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert leased(manager) == 11
