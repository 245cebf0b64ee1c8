"""What a manager does with a table of models: other folders, policies, labels and tables; with engines that only count."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.manager import Loading, Manager, State
from serving.model_ref import ModelRef
from serving.repository import ModelTable, Repository, VersionPolicy
from serving.status import Code, StatusError
from tests.serving.manager.tables import ALL, Engine, Engines, live, model, specific

Put = Callable[..., Path]


def test_models_come_from_folders_of_their_own(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("here/x", 1)
    put("there/y", 4)
    manager = Manager(ModelTable((model("a", tmp_path / "here/x"), model("b", tmp_path / "there/y"))), engines.load)
    manager.refresh()
    assert (live(manager, "a"), live(manager, "b")) == ({1}, {4})


def test_a_new_table_loads_before_it_unloads(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("x", 1)
    put("y", 2)
    manager = Manager(ModelTable((model("a", tmp_path / "x"),)), engines.load)
    manager.refresh()
    manager.reload(ModelTable((model("b", tmp_path / "y"),)))
    assert engines.events == ["load x/1", "load y/2", "close x/1"]
    assert manager.models() == {"a": False, "b": True}
    assert [status.state for status in manager.statuses("a")] == [State.END]
    told: list[dict[str, bool]] = []
    manager.on_change(lambda: told.append(manager.models()))
    manager.refresh()
    assert told == [{"b": True}]


def test_a_table_takes_a_repositorys_place(put: Put, tmp_path: Path, engines: Engines) -> None:
    for folder in ("models/a", "models/b"):
        put(folder, 1)
    manager = Manager(Repository(tmp_path / "models"), engines.load)
    manager.refresh()
    manager.reload(ModelTable((model("a", tmp_path / "models/a"),)))
    assert (live(manager, "a"), live(manager, "b")) == ({1}, set())
    assert engines.events.count("load a/1") == 1  # the same files are not loaded twice


def test_an_empty_table_unloads_everything(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("x", 1)
    manager = Manager(ModelTable((model("a", tmp_path / "x"),)), engines.load)
    manager.refresh()
    manager.reload(ModelTable())
    assert live(manager, "a") == set()


def test_a_models_policy_can_change(put: Put, tmp_path: Path, engines: Engines) -> None:
    for version in (1, 2, 3):
        put("x", version)
    manager = Manager(ModelTable((model("a", tmp_path / "x", VersionPolicy()),)), engines.load)
    manager.refresh()
    for policy, expected in (
        (ALL, {1, 2, 3}),
        (specific(1, 2), {1, 2}),
        (VersionPolicy(latest=2), {2, 3}),
        (specific(1), {1}),
    ):
        manager.reload(ModelTable((model("a", tmp_path / "x", policy),)))
        assert live(manager, "a") == expected


def test_the_first_failure_is_told_and_the_rest_is_live(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("good", 1)
    put("bad", 7, broken=True)
    manager = Manager(ModelTable(), engines.load)
    with pytest.raises(StatusError) as caught:
        manager.reload(
            ModelTable((model("a", tmp_path / "bad"), model("b", tmp_path / "good"), model("c", tmp_path / "none")))
        )
    assert caught.value.code is Code.UNKNOWN
    assert "1 model(s) did not become available: {{name: a version: 7} due to error: 7 is broken}" in str(caught.value)
    assert (live(manager, "b"), manager.models()) == ({1}, {"a": False, "b": True, "c": False})


def test_a_bad_table_never_takes_a_good_version_down(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("x", 1)
    put("bad", 2, broken=True)
    manager = Manager(ModelTable((model("a", tmp_path / "x"),)), engines.load)
    manager.refresh()
    for config in (
        model("a", tmp_path / "bad"),
        model("a", tmp_path / "none"),
        model("a", tmp_path / "x", specific(9)),
    ):
        with pytest.raises(StatusError):
            manager.reload(ModelTable((config,)))
        assert live(manager, "a") == {1}
        with pytest.raises(StatusError):  # as often as it is asked for
            manager.reload(ModelTable((config,)))


def test_a_model_without_a_folder_says_so_to_who_asks(tmp_path: Path, engines: Engines) -> None:
    manager = Manager(ModelTable((model("a", tmp_path / "none"),)), engines.load)
    manager.refresh()
    with pytest.raises(StatusError, match=r"Servable not found for request: Latest\(a\).*Could not find base path"):
        manager.lease(ModelRef("a")).__enter__()


def test_a_version_that_moves_to_a_broken_folder_is_told_and_stays(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("x", 1)
    put("bad", 1, broken=True)
    manager = Manager(ModelTable((model("a", tmp_path / "x"),)), engines.load)
    manager.refresh()
    for _ in range(2):
        with pytest.raises(StatusError, match="1 is broken"):
            manager.reload(ModelTable((model("a", tmp_path / "bad"),)))
    assert live(manager, "a") == {1}


def test_a_version_that_is_wanted_back_while_a_request_holds_it_is_not_loaded_again(
    put: Put, tmp_path: Path, engines: Engines
) -> None:
    for version in (1, 2):
        put("x", version)
    one, two = (ModelTable((model("a", tmp_path / "x", specific(version)),)) for version in (1, 2))
    manager = Manager(one, engines.load)
    manager.refresh()
    with manager.lease(ModelRef("a")):
        manager.reload(two)
        assert [status.state for status in manager.statuses("a")] == [State.AVAILABLE, State.UNLOADING]
        manager.reload(one)
        assert live(manager, "a") == {1}
    assert engines.events == ["load x/1", "load x/2", "close x/2"]


def test_models_load_at_the_same_time_in_so_many_threads(put: Put, tmp_path: Path, engines: Engines) -> None:
    together = threading.Barrier(3, timeout=30)
    for folder in ("x", "y", "z"):
        put(folder, 1)

    def load(path: Path) -> Engine:
        together.wait()
        return engines.load(path)

    table = ModelTable(tuple(model(name, tmp_path / name) for name in ("x", "y", "z")))
    manager = Manager(table, load, loading=Loading(threads=3, unload_threads=3))
    manager.refresh()
    assert manager.models() == {"x": True, "y": True, "z": True}
    assert manager.close()
    assert sorted(engines.events)[:3] == ["close x/1", "close y/1", "close z/1"]


def test_a_table_loads_what_was_unloaded_by_hand(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("x", 1)
    table = ModelTable((model("a", tmp_path / "x"),))
    manager = Manager(table, engines.load)
    manager.refresh()
    manager.unload("a")
    manager.refresh()
    assert live(manager, "a") == set()
    manager.reload(table)
    assert live(manager, "a") == {1}


@pytest.mark.parametrize(
    ("common", "text", "expected"),
    [
        (None, "max_batch_size { value: 4 }", None),
        (BatchingParameters(), None, BatchingRules.off()),
        (BatchingParameters(), "max_batch_size { value: 4 }", BatchingRules.of(BatchingParameters(max_batch_size=4))),
    ],
)
def test_versions_bring_their_own_batching_where_they_may(
    put: Put,
    tmp_path: Path,
    engines: Engines,
    common: BatchingParameters | None,
    text: str | None,
    expected: BatchingRules | None,
) -> None:
    path = put("x", 1)
    if text is not None:
        (path / "batching_params.pbtxt").write_text(text)
    manager = Manager(ModelTable((model("a", tmp_path / "x"),)), engines.load, loading=Loading(own_batching=common))
    manager.refresh()
    with manager.lease(ModelRef("a")) as servable:
        assert servable.batching == expected


def test_a_version_whose_batching_cannot_be_read_is_not_loaded(put: Put, tmp_path: Path, engines: Engines) -> None:
    (put("x", 1) / "batching_params.pbtxt").write_text("max_batch_size: 4")
    manager = Manager(
        ModelTable((model("a", tmp_path / "x"),)), engines.load, loading=Loading(own_batching=BatchingParameters())
    )
    manager.refresh()
    assert "Error parsing text-format tensorflow.serving.BatchingParameters" in manager.statuses("a")[0].error
