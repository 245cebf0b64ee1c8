"""When a quantized model counts as good enough, on answers made by hand."""

import numpy as np
import pytest

from zoo.variants.agreement import agree_exactly, agree_nearly
from zoo.variants.errors import NoVariantError

VALUES = {"value": np.array([[-10.0], [10.0], [-10.0], [10.0]], "float32")}  # a standard deviation of 10


def shifted(by: float) -> dict[str, np.ndarray]:
    return {"value": VALUES["value"] + np.float32(by)}


def test_an_error_of_a_twentieth_of_the_deviation_is_accepted_and_a_larger_one_is_not() -> None:
    found = agree_nearly(shifted(0.49), VALUES, set(), golden=4)
    assert found.error == pytest.approx(0.49, abs=1e-5)
    assert found.tolerance.absolute > found.error

    with pytest.raises(NoVariantError, match=r"moves value by 0.51 of a standard deviation of 10 .* at most 5%"):
        agree_nearly(shifted(0.51), VALUES, set(), golden=4)


def test_of_probabilities_the_error_counts_as_it_is() -> None:
    probabilities = {"probabilities": np.full((4, 2), 0.5, "float32")}  # their deviation is 0
    moved = {"probabilities": probabilities["probabilities"] + np.float32([0.04, -0.04])}
    assert agree_nearly(moved, probabilities, {"probabilities"}, golden=4).error == pytest.approx(0.04)

    moved = {"probabilities": probabilities["probabilities"] + np.float32([0.06, -0.06])}
    with pytest.raises(NoVariantError, match=r"moves probabilities by 0\.06 "):
        agree_nearly(moved, probabilities, {"probabilities"}, golden=4)


def test_one_class_in_fifty_may_change_and_two_may_not() -> None:
    ids = {"class_id": np.zeros(50, "int64")}
    one, two = ids["class_id"].copy(), ids["class_id"].copy()
    one[3], two[:2] = 1, 1
    found = agree_nearly({"class_id": one}, ids, set(), golden=8)
    assert (found.flips, found.tolerance.label_flips) == (0.02, 1 / 8)  # one of the golden rows is the one

    with pytest.raises(NoVariantError, match=r"4\.0% of 50 rows another class, at most 2% is accepted"):
        agree_nearly({"class_id": two}, ids, set(), golden=8)


def test_not_a_number_is_never_near() -> None:
    with pytest.raises(NoVariantError, match="moves value by nan"):
        agree_nearly(shifted(float("nan")), VALUES, set(), golden=4)


def test_what_is_not_quantized_may_differ_by_rounding_alone() -> None:
    assert agree_exactly(shifted(5e-5), VALUES).error == pytest.approx(5e-5, rel=0.1)
    with pytest.raises(NoVariantError, match=r"does not answer as the SavedModel does: value: 4 of 4 numbers differ"):
        agree_exactly(shifted(1e-3), VALUES)
