import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.sampling import Sampling

PROBABILITIES = np.array([0.0, 0.1, 0.4, 0.2, 0.3])
LOGITS = np.log(np.maximum(PROBABILITIES, 1e-30)).astype("float32")


def drawn(sampling: Sampling, logits: np.ndarray = LOGITS, times: int = 4000) -> np.ndarray:
    random = np.random.default_rng(6)
    return np.bincount([sampling.choose(logits, random) for _ in range(times)], minlength=len(logits)) / times


def test_at_temperature_0_it_is_the_likeliest() -> None:
    assert drawn(Sampling(), times=20)[2] == 1


def test_at_temperature_1_tokens_come_as_often_as_they_are_likely() -> None:
    np.testing.assert_allclose(drawn(Sampling(temperature=1.0)), PROBABILITIES, atol=0.03)


def test_a_higher_temperature_is_the_power_of_its_inverse() -> None:
    flatter = PROBABILITIES**0.5 / (PROBABILITIES**0.5).sum()

    np.testing.assert_allclose(drawn(Sampling(temperature=2.0)), flatter, atol=0.03)


def test_top_k_leaves_so_many_of_the_likeliest() -> None:
    np.testing.assert_allclose(drawn(Sampling(1.0, top_k=2)), [0, 0, 4 / 7, 0, 3 / 7], atol=0.03)


@pytest.mark.parametrize(("top_p", "left"), [(0.3, [2]), (0.5, [2, 4]), (0.75, [2, 3, 4]), (1.0, [1, 2, 3, 4])])
def test_top_p_leaves_the_likeliest_that_have_that_much_together(top_p: float, left: list[int]) -> None:
    assert np.flatnonzero(drawn(Sampling(1.0, top_p=top_p))).tolist() == left


def test_top_p_comes_after_top_k() -> None:
    assert np.flatnonzero(drawn(Sampling(1.0, top_k=2, top_p=0.6))).tolist() == [2, 4]  # 4/7 is less than 0.6


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0), Sampling(9.0, top_k=5), Sampling(1.0, top_p=1.0)])
def test_padding_is_never_chosen(sampling: Sampling) -> None:
    assert drawn(sampling, np.array([50.0, 1, 1, 1]), times=50)[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature: expected a number from 0, got -1"),
        ({"temperature": float("nan")}, "temperature: expected a number from 0, got nan"),
        ({"temperature": 1.0, "top_k": 0}, "top_k: expected at least 1 token to draw from, got 0"),
        ({"temperature": 1.0, "top_p": 0.0}, "top_p: expected a probability above 0"),
        ({"temperature": 1.0, "top_p": 1.1}, "top_p: expected a probability above 0"),
        ({"top_k": 3}, "give a temperature above 0"),
        ({"top_p": 0.5}, "give a temperature above 0"),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampling(**options)  # type: ignore[arg-type]
