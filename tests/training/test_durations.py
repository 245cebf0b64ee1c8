import pytest

from training.durations import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (8.12, "8.1 s"), (42.4, "42 s"), (185, "3 min 5 s"), (3600, "1 h 0 min"), (7475, "2 h 4 min")],
)
def test_seconds_are_said_in_two_units_at_most(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
