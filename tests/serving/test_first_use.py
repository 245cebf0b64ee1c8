"""Models that are loaded when they are asked for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.manager import State
from serving.model_ref import ModelRef
from serving.repository import ModelEntry, ModelTable, VersionPolicy
from serving.status import Code, StatusError
from tests.serving.fleet import MIB, PATIENCE, Fleet, ask, refusal, states, use, write_version


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path)
    assert not fleet.loads
    assert states(manager, "a") == {1: State.START}
    assert manager.models() == {"a": True, "b": True}
    assert use(manager, "a") == 1
    assert states(manager, "a") == {1: State.AVAILABLE}
    assert fleet.loads == {"a/1": 1}


def test_one_load_answers_all_who_wait_for_it(tmp_path: Path, fleet: Fleet) -> None:
    write_version(tmp_path, "a", 1)
    manager = fleet.manager(tmp_path)
    gate = fleet.gate("a")
    waiting = [ask(manager, "a", version) for version in (None, 1) * 10]
    assert fleet.loading["a"].wait(PATIENCE)
    assert states(manager, "a") == {1: State.LOADING}
    gate.set()
    for each in waiting:
        each.result(PATIENCE).close()
    assert fleet.loads == {"a/1": 1}


def test_a_load_that_fails_answers_all_who_wait_and_is_not_tried_for_each_request(tmp_path: Path, fleet: Fleet) -> None:
    path = write_version(tmp_path, "a", 1, broken=True)
    manager = fleet.manager(tmp_path)
    gate = fleet.gate("a")
    waiting = [ask(manager, "a") for _ in range(10)]
    gate.set()
    for each in waiting:
        error = each.exception(PATIENCE)
        assert isinstance(error, StatusError)
        assert (error.code, "it is broken" in error.message) == (Code.NOT_FOUND, True)
    for _ in range(10):
        assert "it is broken" in refusal(manager, "a").message
    manager.refresh()
    assert fleet.loads == {"a/1": 1}
    assert states(manager, "a") == {1: State.END}
    (path / "broken").unlink()
    manager.refresh()
    assert use(manager, "a") == 1


def test_a_failed_load_is_tried_again_after_its_interval_and_not_more_often_than_said(
    tmp_path: Path, fleet: Fleet
) -> None:
    write_version(tmp_path, "a", 1, broken=True)
    manager = fleet.manager(tmp_path, max_retries=2, retry_seconds=1e-9)
    for _ in range(6):
        refusal(manager, "a")
        manager.refresh()
    assert fleet.loads == {"a/1": 3}


def test_where_the_newest_does_not_load_the_one_before_it_answers(tmp_path: Path, fleet: Fleet) -> None:
    for version in (1, 2, 3):
        write_version(tmp_path, "a", version, broken=version > 1)
    manager = fleet.manager(tmp_path)
    assert use(manager, "a") == 1
    assert states(manager, "a") == {3: State.END, 2: State.END, 1: State.AVAILABLE}
    assert refusal(manager, "a", 3).code is Code.NOT_FOUND
    assert fleet.loads == {"a/3": 1, "a/2": 1, "a/1": 1}


def test_what_nobody_waits_for_any_more_is_not_loaded(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b", "c"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path)
    gate = fleet.gate("a")
    first, second, third = (ask(manager, model) for model in ("a", "b", "c"))
    assert fleet.loading["a"].wait(PATIENCE)
    assert second.cancel()
    assert first.cancel()
    gate.set()
    third.result(PATIENCE).close()
    assert set(fleet.loads) == {"a/1", "c/1"}, "what was begun goes on"


def test_what_was_loaded_for_who_has_gone_is_there_for_the_next(tmp_path: Path, fleet: Fleet) -> None:
    write_version(tmp_path, "a", 1)
    manager = fleet.manager(tmp_path)
    gate = fleet.gate("a")
    gone = ask(manager, "a")
    assert fleet.loading["a"].wait(PATIENCE)
    assert gone.cancel()
    gate.set()
    assert use(manager, "a") == 1
    assert fleet.loads == {"a/1": 1}
    manager.unload("a")
    assert states(manager, "a") == {1: State.END}, "nobody holds it"


def test_only_so_many_may_wait(tmp_path: Path, fleet: Fleet) -> None:
    write_version(tmp_path, "a", 1)
    manager = fleet.manager(tmp_path, most_waiting=2)
    gate = fleet.gate("a")
    first, second = ask(manager, "a"), ask(manager, "a")
    error = refusal(manager, "a")
    assert (error.code, error.retry_after) == (Code.RESOURCE_EXHAUSTED, 1.0)
    assert first.cancel()
    third = ask(manager, "a")
    gate.set()
    for each in (second, third):
        each.result(PATIENCE).close()


def test_a_new_version_of_a_dormant_model_is_the_one_that_is_loaded(tmp_path: Path, fleet: Fleet) -> None:
    write_version(tmp_path, "a", 1)
    manager = fleet.manager(tmp_path)
    write_version(tmp_path, "a", 2)
    manager.refresh()
    assert states(manager, "a") == {2: State.START, 1: State.END}
    assert use(manager, "a") == 2
    assert fleet.loads == {"a/2": 1}


def test_each_version_is_loaded_by_itself(tmp_path: Path, fleet: Fleet) -> None:
    for version in (1, 2, 3):
        write_version(tmp_path, "a", version)
    manager = fleet.manager(tmp_path, versions="all", budget=1)
    assert use(manager, "a", 1) == 1
    assert fleet.live() == {"a/1"}
    assert use(manager, "a") == 3, "who names none gets the newest, be it loaded or not"
    assert fleet.live() == {"a/3"}
    manager.refresh()
    assert fleet.live() == {"a/3"}


def test_labels_point_at_versions_that_are_not_loaded(tmp_path: Path, fleet: Fleet) -> None:
    for version in (1, 2):
        write_version(tmp_path, "a", version)
    manager = fleet.manager(tmp_path)
    entry = ModelEntry("a", tmp_path / "a", VersionPolicy(latest=None), {"stable": 1, "canary": 2})
    manager.reload(ModelTable((entry,)))
    assert manager.labels("a") == {"stable": 1, "canary": 2}
    assert not fleet.loads
    with manager.lease_loaded(ModelRef("a", label="stable")).result(PATIENCE) as servable:
        assert servable.version == 1


def test_a_changed_version_is_loaded_with_its_new_files(tmp_path: Path, fleet: Fleet) -> None:
    path = write_version(tmp_path, "a", 1, 1)
    manager = fleet.manager(tmp_path, budget=3)
    shutil.rmtree(path)
    write_version(tmp_path, "a", 1, 2)
    manager.refresh()
    use(manager, "a")
    held = manager.memory_use()
    assert held is not None
    assert held.held == 2 * MIB
    shutil.rmtree(path)
    write_version(tmp_path, "a", 1, 3)
    manager.refresh()  # no room beside the old files
    assert fleet.loads == {"a/1": 1}
    assert use(manager, "a") == 1


def test_a_version_whose_files_are_gone_is_kept_since_it_could_not_come_back(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path, budget=1)
    use(manager, "a")
    shutil.rmtree(tmp_path / "a" / "1")
    manager.refresh()
    assert refusal(manager, "b").code is Code.RESOURCE_EXHAUSTED
    assert use(manager, "a") == 1


def test_a_model_can_be_unloaded_loaded_and_set_to_a_version(tmp_path: Path, fleet: Fleet) -> None:
    for version in (1, 2):
        write_version(tmp_path, "a", version)
    write_version(tmp_path, "b", 1)
    manager = fleet.manager(tmp_path, budget=1)
    manager.unload("a")
    assert states(manager, "a") == {2: State.END}
    assert refusal(manager, "a").code is Code.NOT_FOUND
    manager.refresh()
    assert refusal(manager, "a").code is Code.NOT_FOUND
    manager.load("a")
    assert fleet.live() == {"a/2"}, "who says `load` has it loaded"
    manager.load("a", VersionPolicy(latest=None, specific=frozenset({1})))
    assert (fleet.live(), use(manager, "a")) == ({"a/1"}, 1)
    with ask(manager, "a").result(PATIENCE):
        for name, policy in (("b", None), ("a", VersionPolicy(latest=None, specific=frozenset({2})))):
            with pytest.raises(StatusError, match="for which there is no room") as caught:
                manager.load(name, policy)
            assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert use(manager, "a") == 1, "what could not be done changes nothing"
    assert states(manager, "a") == {2: State.END, 1: State.AVAILABLE}
    assert use(manager, "b") == 1


def test_a_model_that_leaves_the_config_while_it_loads_is_unloaded(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path)
    gate = fleet.gate("a")
    waiting = ask(manager, "a")
    assert fleet.loading["a"].wait(PATIENCE)
    manager.on_change(gate.set)  # the config is obeyed: `b` is looked at, then `a` waited for
    write_version(tmp_path, "b", 2)
    manager.reload(ModelTable((ModelEntry("b", tmp_path / "b"),)))
    waiting.result(PATIENCE).close()  # who had asked is answered
    assert refusal(manager, "a").code is Code.NOT_FOUND
    manager.close()
    assert fleet.live() == set()


def test_who_waits_for_a_load_is_told_when_the_server_stops(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path)
    gate = fleet.gate("a")
    waiting = [ask(manager, "a"), ask(manager, "b")]
    assert fleet.loading["a"].wait(PATIENCE)
    assert not manager.close(timeout=0), "a load is under way"
    for each in waiting:
        error = each.exception(PATIENCE)
        assert isinstance(error, StatusError)
        assert error.code is Code.UNAVAILABLE
    assert refusal(manager, "b").code in (Code.UNAVAILABLE, Code.NOT_FOUND)
    gate.set()
    assert manager.close()
    assert fleet.live() == set()
    assert set(fleet.loads) == {"a/1"}


def test_several_models_are_loaded_at_once_where_so_many_threads_may(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b", "c"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path, threads=2, budget=2)
    gates = [fleet.gate(model) for model in ("a", "b")]
    waiting = [ask(manager, model) for model in ("a", "b")]
    assert all(fleet.loading[model].wait(PATIENCE) for model in ("a", "b"))
    third = ask(manager, "c")
    for gate in gates:
        gate.set()
    for each in waiting:
        each.result(PATIENCE).close()
    error = third.exception(PATIENCE)
    assert error is None or (isinstance(error, StatusError) and error.code is Code.RESOURCE_EXHAUSTED)
    assert fleet.largest == 2


def test_a_failing_close_takes_nothing_else_with_it(
    tmp_path: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path, budget=1)
    with ask(manager, "a").result(PATIENCE) as servable:
        close: Callable[[], None] = servable.engine.close

        def fail() -> None:
            close()
            raise RuntimeError("so be it")

        monkeypatch.setattr(servable.engine, "close", fail)
    assert use(manager, "b") == 1
    assert "version 1 of a could not be closed as it should be" in caplog.text
