"""The words for how urgent a request is."""

import pytest

from serving.priority import DEFAULT_LEVEL, LEVELS, level_of, read_priority
from serving.status import StatusError


def test_one_is_the_most_urgent_and_zero_the_middle() -> None:
    assert [level_of(priority) for priority in (0, 1, 2, 3, 4, 5, 6, 1 << 60)] == [3, 1, 2, 3, 4, 5, 5, 5]
    assert LEVELS == 5
    assert DEFAULT_LEVEL == 3


def test_metadata_says_a_number_or_nothing() -> None:
    assert [read_priority(text) for text in (None, "0", "1", "007", b"4")] == [0, 0, 1, 7, 4]


@pytest.mark.parametrize("text", ["", "-1", "high", "1.5", "²", "9" * 30, b"\xff"])
def test_anything_else_is_refused_by_name(text: str | bytes) -> None:
    with pytest.raises(StatusError, match=r"zoo-priority.* expected 0") as caught:
        read_priority(text)
    assert caught.value.code.name == "INVALID_ARGUMENT"
    assert caught.value.field == 'metadata["zoo-priority"]'
