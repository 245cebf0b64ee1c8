"""What is kept of the requests that were answered: how much of it, and how old it may be."""

from collections import defaultdict
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from serving.recent_requests import MOST_ROWS, SPAN_SECONDS, RecentRequests
from serving.signature import Signature, TensorSpec

ROWS = Signature("f", {"x": TensorSpec("uint8", (None, None))}, {})
WHOLE = Signature("f", {"x": TensorSpec("uint8", (None, None)), "scale": TensorSpec("uint8", ())}, {})
TEXT = Signature("f", {"x": TensorSpec("string", (None,))}, {})


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def mean(seconds: float) -> float:
    """Wait for exactly the mean."""
    return seconds


OFFERS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(1, 40),  # rows
        st.integers(0, 60),  # bytes of a row
        st.sampled_from([0.0, 0.001, 1.0, SPAN_SECONDS]),  # until it comes
        st.booleans(),  # whether its rows may be told apart
    ),
    max_size=80,
)


@given(OFFERS, st.integers(0, 5), st.integers(0, 3000))
def test_never_more_is_kept_than_allowed_and_always_of_the_latest(
    offers: list[tuple[str, int, int, float, bool]], count: int, max_bytes: int
) -> None:
    clock = Clock()
    recent = RecentRequests(count, max_bytes, clock=clock)
    offered: defaultdict[str, list[int]] = defaultdict(list)
    for number, (model, rows, width, wait, is_batched) in enumerate(offers):
        clock.now += wait
        inputs = {"x": np.full((rows, width), number, np.uint8)}
        if not is_batched:
            inputs["scale"] = np.array(number, np.uint8)
        recent.offer(model, ROWS if is_batched else WHOLE, inputs)
        offered[model].append(number)
        every = {name: recent.of(name) for name in "abc"}
        held = [array for requests in every.values() for each in requests for array in each.inputs.values()]
        assert all(len(requests) <= count for requests in every.values())
        assert recent.nbytes == sum(array.nbytes for array in held) <= max_bytes
    for name, requests in every.items() if offers else ():
        numbers = [int(each.inputs["x"].flat[0]) for each in requests if each.inputs["x"].size]
        assert numbers == sorted(set(numbers), reverse=True)
        assert set(numbers) <= set(offered[name])


def test_what_is_kept_of_a_busy_model_is_spread_over_minutes() -> None:
    clock = Clock()
    recent = RecentRequests(10, 1 << 20, clock=clock, wait=mean)
    for second in range(1000):
        clock.now = float(second)
        for _ in range(5):
            recent.offer("m", ROWS, {"x": np.array([[second]], np.int32)})
    ages = [999 - int(each.inputs["x"][0, 0]) for each in recent.of("m")]
    assert ages == [ages[0] + 30 * place for place in range(10)]
    assert ages[0] < 30, "the newest first"


def test_the_first_requests_are_kept_at_once() -> None:
    recent = RecentRequests(3, 1 << 20, clock=Clock())
    for number in range(5):
        recent.offer("m", ROWS, {"x": np.full((1, 1), number, np.uint8)})
    assert [int(each.inputs["x"][0, 0]) for each in recent.of("m")] == [2, 1, 0]


def test_a_copy_of_the_first_rows_is_kept() -> None:
    recent = RecentRequests(3, 1 << 20)
    sent = np.arange(200, dtype=np.uint8).reshape(100, 2)
    recent.offer("m", ROWS, {"x": sent})
    (request,) = recent.of("m")
    sent[:] = 0
    assert request.signatures == ("f",)
    assert request.inputs["x"].tolist() == np.arange(2 * MOST_ROWS).reshape(-1, 2).tolist()
    assert request.inputs["x"].base is None, "nothing else is held by it"


def test_what_stood_in_for_an_input_that_was_not_sent_is_not_kept() -> None:
    recent = RecentRequests(3, 1 << 20)
    signature = replace(WHOLE, defaults={"scale": np.array(2, np.uint8)})
    recent.offer("m", signature, {**signature.defaults, "x": np.zeros((1, 1), np.uint8)})
    recent.offer("m", signature, {"scale": np.array(2, np.uint8), "x": np.zeros((1, 1), np.uint8)})
    assert [each.inputs.keys() for each in recent.of("m")] == [{"scale", "x"}, {"x"}]


def test_strings_count_with_their_lengths() -> None:
    recent = RecentRequests(3, 8000)
    recent.offer("m", TEXT, {"x": np.array([b"a" * 500], dtype=object)})
    recent.offer("m", TEXT, {"x": np.array([b"a" * 2000], dtype=object)})
    assert [len(each.inputs["x"][0]) for each in recent.of("m")] == [500]
    assert recent.nbytes > 500


def test_what_is_too_large_is_not_looked_at_again_and_again() -> None:
    clock = Clock()
    recent = RecentRequests(3, 80, clock=clock, wait=mean)
    recent.offer("m", ROWS, {"x": np.zeros((1, 11), np.uint8)})
    recent.offer("m", ROWS, {"x": np.zeros((1, 5), np.uint8)})
    assert recent.of("m") == []
    clock.now += SPAN_SECONDS / 3
    recent.offer("m", ROWS, {"x": np.zeros((1, 5), np.uint8)})
    assert len(recent.of("m")) == 1


def test_models_that_are_gone_are_forgotten() -> None:
    recent = RecentRequests(3, 100)
    for name in "ab":
        recent.offer(name, ROWS, {"x": np.zeros((1, 5), np.uint8)})
    recent.keep_models({"b": True})
    assert recent.of("a") == []
    assert recent.nbytes == 5


@pytest.mark.parametrize(("count", "max_bytes"), [(0, 100), (3, 0)])
def test_nothing_at_all_can_be_kept(count: int, max_bytes: int) -> None:
    recent = RecentRequests(count, max_bytes)
    recent.offer("m", ROWS, {"x": np.zeros((1, 5), np.uint8)})
    assert recent.of("m") == []
