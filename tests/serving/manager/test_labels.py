"""Labels of versions: what they lead to, and where they may point."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from serving.manager import Manager
from serving.repository import ModelTable
from serving.status import Code, StatusError
from serving.version_labels import LabelRules
from tests.serving.manager.tables import ALL, Engines, asked, model, refused, specific

Put = Callable[..., Path]


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
