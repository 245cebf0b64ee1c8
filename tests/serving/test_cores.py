"""Cores are divided among workers."""

import os
from collections.abc import Collection

import pytest

from serving import cores


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Four physical cores of two threads each: 0 and 4 are one core, as Linux numbers them."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(cores, "_topology", lambda core, what: core % 4 if what == "core_id" else 0)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        (1, [range(8)]),
        (2, [{0, 4, 1, 5}, {2, 6, 3, 7}]),
        (3, [{0, 4}, {1, 5, 2}, {6, 3, 7}]),
        (8, [{0}, {4}, {1}, {5}, {2}, {6}, {3}, {7}]),
        (10, [{0}, {4}, {1}, {5}, {2}, {6}, {3}, {7}, {0}, {4}]),
    ],
)
def test_neighbours_stay_together(workers: int, expected: list[Collection[int]]) -> None:
    assert cores.shares(workers) == [frozenset(each) for each in expected]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("quota", "expected"), [("max 100000", 8), ("150000 100000", 2), ("10000 100000", 1), ("", 8)])
def test_a_containers_quota_counts(
    quota: str, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    path = tmp_path / "cpu.max"  # type: ignore[operator]
    path.write_text(quota)
    monkeypatch.setattr(cores, "_QUOTA", path)
    assert cores.affordable_cores() == expected
