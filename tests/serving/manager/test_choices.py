"""What callers tell a manager to load and to unload."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.manager import Manager, State
from serving.model_ref import ModelRef
from serving.repository import ModelTable, VersionPolicy
from serving.status import StatusError
from tests.serving.manager.counting import Log, leased, states

Install = Callable[[str, str, int], Path]


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
