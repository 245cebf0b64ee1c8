import numpy as np
import pytest

from serving.signature import Signature, TensorSpec
from serving.status import Code, StatusError

SIGNATURE = Signature(
    "serving_default",
    inputs={
        "image": TensorSpec("float32", (None, 4, 4)),
        "count": TensorSpec("int64", (None,)),
        "limit": TensorSpec("float32", ()),
    },
    outputs={"probabilities": TensorSpec("float32", (None, 2)), "class_id": TensorSpec("int64", (None,))},
)


def request(**changes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "image": np.zeros((3, 4, 4), np.float32),
        "count": np.zeros(3, np.int64),
        "limit": np.float32(1) * np.ones((), np.float32),
        **changes,
    }


def specs(arrays: dict[str, np.ndarray]) -> dict[str, TensorSpec]:
    return {name: TensorSpec.of(array) for name, array in arrays.items()}


def refusal(arrays: dict[str, np.ndarray]) -> str:
    with pytest.raises(StatusError) as caught:
        SIGNATURE.check(specs(arrays), max_rows=10)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


def test_a_right_request_passes() -> None:
    SIGNATURE.check(specs(request()), max_rows=3)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert "did you mean 'image'" in refusal(request(images=np.zeros(1, np.float32)))


def test_a_missing_input_is_named_with_its_type_and_shape() -> None:
    arrays = request()
    del arrays["image"]
    message = refusal(arrays)
    assert "'image' (float32 of shape [N, 4, 4])" in message
    assert "got 'count', 'limit'" in message


@pytest.mark.parametrize(
    ("name", "array", "expected", "got"),
    [
        ("image", np.zeros((3, 4, 4)), "float32", "float64"),
        ("image", np.array([["a"]]), "float32", "string"),
        ("count", np.zeros(3, np.int32), "int64", "int32"),
        ("image", np.zeros((4, 4), np.float32), "rank 3", "[4, 4], of rank 2: add a batch axis"),
        ("image", np.zeros((3, 4, 4, 1), np.float32), "rank 3", "of rank 4"),
        ("image", np.zeros((3, 4, 5), np.float32), "axis 2 must be 4", "is 5"),
        ("limit", np.zeros(1, np.float32), "rank 0", "rank 1"),
    ],
)
def test_what_arrived_and_what_was_expected_are_told(name: str, array: np.ndarray, expected: str, got: str) -> None:
    message = refusal(request(**{name: array}))
    assert repr(name) in message
    assert expected in message
    assert got in message


def test_the_axis_that_is_missing_is_told_from_the_shape() -> None:
    signature = Signature("s", {"image": TensorSpec("float32", (None, 8, 8, 1))}, {})
    for shape, hint in (((8, 8, 1), "add a batch axis in front"), ((3, 8, 8), "add an axis of length 1 at the end")):
        with pytest.raises(StatusError, match=hint):
            signature.check({"image": TensorSpec("float32", shape)}, max_rows=10)


def test_inputs_of_different_batch_sizes_are_refused() -> None:
    assert "'image' has 3, 'count' has 2" in refusal(request(count=np.zeros(2, np.int64)))


def test_an_empty_batch_is_refused() -> None:
    empty = request(image=np.zeros((0, 4, 4), np.float32), count=np.zeros(0, np.int64))
    assert "at least 1, got 0" in refusal(empty)


def test_a_batch_over_the_limit_is_refused_with_the_flag_that_raises_it() -> None:
    message = refusal(request(image=np.zeros((11, 4, 4), np.float32), count=np.zeros(11, np.int64)))
    assert "11" in message
    assert "limit of 10" in message
    assert "--max_batch_rows" in message


def test_an_input_of_unknown_rank_is_taken_only_where_that_was_asked_for() -> None:
    signature = Signature("s", {"x": TensorSpec("float32", None)}, {})
    for shape in ((), (2,), (2, 3)):
        signature.check({"x": TensorSpec("float32", shape)}, max_rows=1, allow_unknown_rank=True)
        with pytest.raises(StatusError, match="--allow_unknown_rank") as caught:
            signature.check({"x": TensorSpec("float32", shape)}, max_rows=1)
        assert caught.value.code is Code.FAILED_PRECONDITION


def test_answers_are_held_against_the_signature() -> None:
    right = {"probabilities": np.zeros((3, 2), np.float32), "class_id": np.zeros(3, np.int64)}
    SIGNATURE.check_outputs(right)
    for wrong in (
        {"class_id": right["class_id"]},
        {**right, "probabilities": np.zeros((3, 1), np.float32)},
        {**right, "probabilities": np.zeros(3, np.float32)},
        {**right, "class_id": np.zeros(3, np.int32)},
    ):
        with pytest.raises(StatusError, match="its signature promises") as caught:
            SIGNATURE.check_outputs(wrong)
        assert caught.value.code is Code.INTERNAL


def test_outputs_are_all_or_the_wanted_ones() -> None:
    assert SIGNATURE.choose_outputs([]) == ["probabilities", "class_id"]
    assert SIGNATURE.choose_outputs(["class_id"]) == ["class_id"]
    with pytest.raises(StatusError, match="did you mean 'class_id'"):
        SIGNATURE.choose_outputs(["class"])
