"""Models that are loaded when they are asked for, and unloaded where others need their memory."""

from pathlib import Path

from serving.manager import State
from serving.metrics import LoadMetrics
from serving.model_ref import ModelRef
from serving.status import Code, StatusError
from tests.serving.fleet import MIB, PATIENCE, Fleet, ask, refusal, states, use, write_version


def test_what_was_not_used_for_longest_goes_where_another_needs_its_memory(tmp_path: Path, fleet: Fleet) -> None:
    for model, size in (("a", 1), ("b", 1), ("c", 1), ("d", 2)):
        write_version(tmp_path, model, 1, size)
    manager = fleet.manager(tmp_path, budget=3)
    for model in ("a", "b", "c", "a"):
        use(manager, model)
    use(manager, "d")  # takes the place of two
    assert fleet.live() == {"a/1", "d/1"}
    assert states(manager, "b") == {1: State.START}
    use(manager, "b")
    assert fleet.live() == {"d/1", "b/1"}
    use_of_memory = manager.memory_use()
    assert use_of_memory is not None
    assert (use_of_memory.limit, use_of_memory.held) == (3 * MIB, 3 * MIB)
    assert fleet.largest <= 3


def test_what_a_request_uses_never_goes(tmp_path: Path, fleet: Fleet) -> None:
    for model, size in (("a", 2), ("b", 1), ("c", 2)):
        write_version(tmp_path, model, 1, size)
    manager = fleet.manager(tmp_path, budget=3)
    use(manager, "b")
    with ask(manager, "a").result(PATIENCE) as servable:
        error = refusal(manager, "c")
        assert error.code is Code.RESOURCE_EXHAUSTED
        assert error.retry_after == 1.0
        assert "version 1 of c takes 2.0 MiB" in error.message
        assert "3.0 MiB of the 3.0 MiB that --memory_budget_mb allows" in error.message
        assert "of a" not in error.message, "who may use c, may not see a"
        assert fleet.live() == {"a/1", "b/1"}, "nothing goes where that is not enough"
        assert not servable.engine.closed
    assert use(manager, "c") == 1


def test_a_load_waits_for_requests_that_are_about_to_end(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path, budget=1, room_seconds=PATIENCE)
    first = ask(manager, "a").result(PATIENCE)
    second = ask(manager, "b")
    third = ask(manager, "a", 1).result(PATIENCE)
    assert not second.done()
    for each in (first, third):
        each.close()
    second.result(PATIENCE).close()
    assert fleet.largest == 1


def test_a_version_larger_than_the_budget_is_refused_at_once_and_the_one_before_it_answers(
    tmp_path: Path, fleet: Fleet
) -> None:
    write_version(tmp_path, "a", 1, 2)
    write_version(tmp_path, "a", 2, 4)
    write_version(tmp_path, "b", 1, 4)
    manager = fleet.manager(tmp_path, budget=3)
    assert manager.models() == {"a": True, "b": False}
    why = "it takes 4.0 MiB by itself, more than the 3.0 MiB that --memory_budget_mb allows"
    assert why in manager.statuses("a")[0].error
    assert why in refusal(manager, "b").message
    assert use(manager, "a") == 1
    assert manager.retry_in() is None, "its size does not change with time"


def test_a_new_version_of_a_model_in_use_is_loaded_before_the_old_one_goes(tmp_path: Path, fleet: Fleet) -> None:
    write_version(tmp_path, "a", 1)
    manager = fleet.manager(tmp_path, budget=2)
    use(manager, "a")
    write_version(tmp_path, "a", 2)
    manager.refresh()
    assert states(manager, "a") == {2: State.AVAILABLE, 1: State.END}
    write_version(tmp_path, "a", 3, broken=True)
    manager.refresh()
    assert use(manager, "a") == 2
    assert fleet.largest == 2


def test_a_new_version_takes_no_memory_from_what_was_used_since(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b", "c"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path, budget=3)
    for model in ("c", "a", "b"):
        use(manager, model)
    write_version(tmp_path, "a", 2)
    manager.refresh()
    assert fleet.live() == {"a/2", "b/1"}, "of c, which was used before"
    use(manager, "c")
    write_version(tmp_path, "a", 3)
    manager.refresh()
    assert fleet.live() == {"b/1", "c/1"}
    assert states(manager, "a")[3] is State.START
    assert use(manager, "a") == 3


def test_metrics_tell_loads_and_evictions(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path, budget=1)
    metrics = LoadMetrics(manager)
    for model in ("a", "b", "a"):
        use(manager, model)
    manager.unload("a")
    assert metrics.loads == {("a", True): 2, ("b", True): 1}
    assert metrics.evictions == {"a": 1, "b": 1}
    assert metrics.unloads == {"a": 2, "b": 1}


def test_a_model_tells_what_it_takes_without_being_loaded(tmp_path: Path, fleet: Fleet) -> None:
    write_version(tmp_path, "a", 7)
    manager = fleet.manager(tmp_path)
    described = manager.describe(ModelRef("a"))
    use(manager, "a")
    assert (described.name, described.version) == ("a", 7)
    assert described == manager.describe(ModelRef("a"))
    assert fleet.loads == {"a/7": 1}


def test_what_was_loaded_for_a_request_is_not_taken_before_the_request_has_it(tmp_path: Path, fleet: Fleet) -> None:
    for model in ("a", "b"):
        write_version(tmp_path, model, 1)
    manager = fleet.manager(tmp_path, budget=1, threads=2)
    refused: list[BaseException | None] = []

    def ask_for_another() -> None:
        if states(manager, "a") == {1: State.AVAILABLE} and not refused:
            refused.append(None)
            refused[0] = ask(manager, "b").exception(PATIENCE)

    manager.on_change(ask_for_another)
    assert use(manager, "a") == 1
    assert isinstance(refused[0], StatusError)
    assert refused[0].code is Code.RESOURCE_EXHAUSTED
    assert fleet.loads == {"a/1": 1}
