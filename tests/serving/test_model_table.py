"""What a manager does with a table of models: other folders, policies, labels and tables; with engines that only count."""

import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.manager import Loading, Manager, State
from serving.model_ref import ModelRef
from serving.repository import ModelEntry, ModelTable, Repository, VersionPolicy
from serving.status import Code, ServerError, StatusError
from serving.version_labels import LabelRules

ALL = VersionPolicy(latest=None)


class Engine:
    """Counts how many are open."""

    def __init__(self, engines: "Engines", path: Path) -> None:
        self.engines, self.path, self.closed = engines, path, False
        engines.events.append(f"load {path.parent.name}/{path.name}")

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True
        self.engines.events.append(f"close {self.path.parent.name}/{self.path.name}")


class Engines:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.faults = 0

    def load(self, path: Path) -> Engine:
        if (path / "broken").exists():
            self.faults += 1
            raise ServerError(f"{path.name} is broken")
        return Engine(self, path)


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


Put = Callable[..., Path]


def model(name: str, folder: Path, policy: VersionPolicy = ALL, labels: Mapping[str, int] | None = None) -> ModelEntry:
    return ModelEntry(name, folder, policy, labels or {})


def specific(*versions: int) -> VersionPolicy:
    return VersionPolicy(latest=None, specific=frozenset(versions))


def live(manager: Manager, name: str) -> set[int]:
    return {status.version for status in manager.statuses(name) if status.state is State.AVAILABLE}


def asked(manager: Manager, name: str, label: str) -> int:
    with manager.lease(ModelRef(name, label=label)) as servable:
        return servable.version


def refused(manager: Manager, name: str, label: str) -> tuple[Code, str]:
    with pytest.raises(StatusError) as caught, manager.lease(ModelRef(name, label=label)):
        pass
    return caught.value.code, caught.value.message


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


def test_labels_lead_to_versions(put: Put, tmp_path: Path, engines: Engines) -> None:
    for version in (1, 2):
        put("x", version)
    canary = ModelTable((model("a", tmp_path / "x", specific(1, 2), {"stable": 1, "canary": 2}),))
    manager = Manager(canary, engines.load)
    manager.refresh()
    assert (asked(manager, "a", "stable"), asked(manager, "a", "canary")) == (1, 2)
    manager.reload(ModelTable((model("a", tmp_path / "x", specific(1, 2), {"stable": 2}),)))
    assert asked(manager, "a", "stable") == 2
    code, message = refused(manager, "a", "canary")
    assert code is Code.INVALID_ARGUMENT
    assert message == "Unrecognized servable version label: canary; known: stable"
    assert refused(manager, "b", "stable")[0] is Code.INVALID_ARGUMENT


def test_a_label_and_what_it_points_at_change_in_one_step(put: Put, tmp_path: Path, engines: Engines) -> None:
    for version in (1, 2):
        put("x", version)
    manager = Manager(ModelTable((model("a", tmp_path / "x", specific(1), {"stable": 1}),)), engines.load)
    manager.refresh()
    seen: list[int] = []
    manager.on_change(lambda: seen.append(asked(manager, "a", "stable")))
    manager.reload(ModelTable((model("a", tmp_path / "x", specific(2), {"stable": 2}),)))
    assert set(seen) == {1, 2}  # somebody answered at every moment
    assert asked(manager, "a", "stable") == 2


NOT_AVAILABLE = "Request to assign label to version {} of model a, which is not currently available for inference"


def test_a_label_is_not_moved_to_a_version_that_does_not_answer(put: Put, tmp_path: Path, engines: Engines) -> None:
    put("x", 1)
    put("x", 2, broken=True)
    manager = Manager(ModelTable((model("a", tmp_path / "x", ALL, {"stable": 1}),)), engines.load)
    manager.refresh()
    (tmp_path / "x" / "2").rename(tmp_path / "later")
    with pytest.raises(StatusError, match=NOT_AVAILABLE.format(2)) as caught:
        manager.reload(ModelTable((model("a", tmp_path / "x", ALL, {"stable": 2, "canary": 2}),)))
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert asked(manager, "a", "stable") == 1
    assert refused(manager, "a", "canary")[0] is Code.INVALID_ARGUMENT
    (tmp_path / "later" / "broken").unlink()
    (tmp_path / "later").rename(tmp_path / "x" / "2")
    manager.refresh()
    assert (asked(manager, "a", "stable"), asked(manager, "a", "canary")) == (2, 2)


@pytest.mark.parametrize(
    ("rules", "moved"),
    [(LabelRules(allow_new=True), {"old": 1, "new": 3}), (LabelRules(allow_any=True), {"old": 3, "new": 3})],
)
def test_labels_of_versions_that_are_not_there_are_an_operators_choice(
    put: Put, tmp_path: Path, engines: Engines, rules: LabelRules, moved: dict[str, int]
) -> None:
    put("x", 1)
    manager = Manager(ModelTable((model("a", tmp_path / "x", ALL, {"old": 1}),)), engines.load, label_rules=rules)
    manager.refresh()
    with ExitStack() as stack:
        if moved["old"] == 1:
            stack.enter_context(pytest.raises(StatusError, match=NOT_AVAILABLE.format(3)))
        manager.reload(ModelTable((model("a", tmp_path / "x", ALL, {"old": 3, "new": 3}),)))
    assert manager.labels("a") == moved
    code, message = refused(manager, "a", "new")
    assert code is Code.NOT_FOUND
    assert message.startswith("Servable not found for request: Specific(a, 3)")


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
