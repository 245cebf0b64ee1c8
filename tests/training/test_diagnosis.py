import math

import pytest

from training.diagnosis import Diagnosis, Judge, LayerHealth


def diagnosis(*gradients: float, weight: float = 1.0, dead: float | None = None) -> Diagnosis:
    kernels = {f"dense_{i}/kernel": (gradient, weight) for i, gradient in enumerate(gradients, start=1)}
    norm = math.hypot(*gradients)
    return Diagnosis(norm, {"relu": LayerHealth(dead=dead)}, kernels, rows=64)


def test_healthy_gradients_are_not_spoken_of() -> None:
    judge = Judge()
    for scale in (1.0, 0.5, 0.1):
        assert judge.judge(diagnosis(0.02 * scale, 0.3 * scale, scale, dead=0.4), rate=0.1) == ()


def test_gradients_vanish_where_no_early_layer_gets_any() -> None:
    [text] = Judge().judge(diagnosis(1e-8, 1e-6, 0.5, 1.0))
    assert text.startswith(
        "gradients vanish: that of all layers up to dense_2/kernel is one part in 1,000,000 of that of later"
    )


def test_one_small_gradient_amid_others_has_not_vanished() -> None:
    assert Judge().judge(diagnosis(0.5, 1e-9, 1.0)) == ()


def test_before_the_first_step_a_zero_may_be_right() -> None:
    assert Judge().judge(diagnosis(0.0, 1.0), started=False) == ()


def test_gradients_that_grow_on_their_way_back_explode() -> None:
    [text] = Judge().judge(diagnosis(1e6, 1e3, 1.0))
    assert "explode on their way back: that of dense_1/kernel is 1e+06 times" in text


def test_a_norm_far_above_its_median_explodes() -> None:
    judge = Judge()
    for norm in (1.0, 2.0, 3.0):
        assert judge.judge(diagnosis(norm, norm)) == ()
    [text] = judge.judge(diagnosis(3000.0, 3000.0))
    assert "1.5e+03 times what it was before" in text


def test_gradients_that_are_no_numbers_explode() -> None:
    [text] = Judge().judge(diagnosis(1.0, math.nan))
    assert "no numbers any more, first in dense_2/kernel" in text


@pytest.mark.parametrize(
    ("rate", "clipped_to", "told"),
    [(0.5, None, True), (0.05, None, False), (0.5, 0.1, False), (None, None, False)],
)
def test_a_step_longer_than_the_weights_explodes(rate: float | None, clipped_to: float | None, told: bool) -> None:  # noqa: FBT001
    texts = Judge(clipped_to=clipped_to).judge(diagnosis(5.0, 5.0), rate=rate)
    assert [("changes dense_1/kernel by 2.5 times" in text) for text in texts] == [True] * told


def test_dead_units_are_told_of_by_the_worst_layer() -> None:
    [text] = Judge().judge(diagnosis(1.0, 1.0, dead=0.75))
    assert text.startswith("75% of the units of relu are dead, 0 for each of 64 rows")


def test_each_thing_is_told_once() -> None:
    judge = Judge()
    assert len(judge.judge(diagnosis(1e-9, 1.0))) == 1
    assert judge.judge(diagnosis(1e-9, 1.0)) == ()
