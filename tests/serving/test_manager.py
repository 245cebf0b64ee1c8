"""The life of versions, with an engine that only counts, so that every order can be seen."""

import os
import pickle
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from serving.manager import Manager, State
from serving.model_ref import ModelRef
from serving.repository import ModelTable, Repository, VersionPolicy
from serving.status import Code, ServerError, StatusError

Install = Callable[[str, str, int], Path]


@dataclass
class Log:
    """What the engines of a test did, in order."""

    events: list[str] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)

    def load(self, path: Path) -> "CountingEngine":
        if path.name in self.refuse:
            raise ServerError(f"version {path.name} is broken")
        self.events.append(f"load {path.name}")
        return CountingEngine(path.name, self)


@dataclass
class CountingEngine:
    version: str
    log: Log
    closed: bool = False

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.closed:
            raise RuntimeError("ran after it was closed")
        return {"y": np.array([float(self.version)])}

    def close(self) -> None:
        self.closed = True
        self.log.events.append(f"close {self.version}")


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def make(tmp_path: Path, log: Log) -> Callable[..., Manager]:
    def manager(versions: str = "latest") -> Manager:
        (tmp_path / "models").mkdir(exist_ok=True)
        return Manager(Repository(tmp_path / "models", policy=VersionPolicy.parse(versions)), log.load)

    return manager


def leased(manager: Manager, version: int | None = None) -> int:
    with manager.lease(ModelRef("m", version)) as servable:
        return servable.version


def states(manager: Manager) -> dict[int, State]:
    return {status.version: status.state for status in manager.statuses("m")}


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


def test_what_was_unloaded_stays_so_until_it_is_loaded(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    manager.unload("m")
    assert log.events == ["load 1", "close 1"]
    install("affine2", "m", 2)
    manager.refresh()
    assert states(manager) == {1: State.END}
    manager.load("m")
    assert leased(manager) == 2
    manager.refresh()
    assert leased(manager) == 2


def test_what_is_unloaded_stays_for_those_who_use_it(make: Callable[..., Manager], install: Install, log: Log) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    with manager.lease(ModelRef("m")) as servable:
        manager.unload("m")
        with pytest.raises(StatusError, match="no version of it is loaded: it was unloaded, `zoo models load m` loads"):
            leased(manager)
        manager.load("m")  # beside the one that is still in use
        assert leased(manager) == 1
        assert log.events == ["load 1", "load 1"]
        assert servable.engine.run("", {})["y"] == [1.0]
    manager.refresh()
    assert log.events == ["load 1", "load 1", "close 1"]


def test_a_load_tries_again_what_could_not_be_loaded(make: Callable[..., Manager], install: Install, log: Log) -> None:
    install("affine2", "m", 1)
    log.refuse.add("1")
    manager = make()
    with pytest.raises(
        StatusError, match="load failed for model 'm': version 1 is at UNAVAILABLE state: version 1 is broken"
    ):
        manager.load("m")
    log.refuse.clear()
    manager.refresh()
    assert states(manager) == {1: State.END}
    manager.load("m")
    assert leased(manager) == 1


def test_what_is_not_there_can_neither_be_loaded_nor_unloaded(make: Callable[..., Manager], install: Install) -> None:
    install("affine2", "m", 1)
    manager = make()
    manager.refresh()
    with pytest.raises(StatusError, match="failed to load 'n'"):
        manager.load("n")
    with pytest.raises(StatusError, match="Model to be unloaded has not been served: 'n'"):
        manager.unload("n")


def test_another_manager_can_be_told_to_serve_the_same(
    make: Callable[..., Manager], install: Install, log: Log
) -> None:
    for model, version in (("m", 1), ("m", 2), ("n", 3)):
        install("affine2", model, version)
    first = make()
    first.refresh()
    first.load("m", VersionPolicy(latest=None, specific=frozenset({1})))
    first.unload("n")
    log.events.clear()
    other = Manager(ModelTable(), log.load)
    other.adopt(pickle.loads(pickle.dumps(first.choices())))  # noqa: S301 - of our own
    other.refresh()
    assert other.models() == {"m": True, "n": False}
    assert leased(other) == 1
    assert log.events == ["load 1"], "neither what was gone back from is loaded, nor what was unloaded"
    other.unload("n")
    other.load("n")
    other.load("m")
    assert other.models() == {"m": True, "n": True}
    assert leased(other) == 2
