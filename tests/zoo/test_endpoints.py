import numpy as np
import pytest

from zoo.endpoints import Classes, find_classes, is_probabilities, sibling
from zoo.errors import ExportError

SOFTMAX = np.array([[0.25, 0.75], [0.5, 0.5]])
SIGMOIDS = np.array([[0.9, 0.8], [0.1, 0.3]])


@pytest.mark.parametrize(
    ("output", "holds"),
    [("probabilities", True), ("age_probabilities", True), ("value", False), ("improbabilities", False)],
)
def test_outputs_of_probabilities_are_known_by_name(output: str, *, holds: bool) -> None:
    assert is_probabilities(output) is holds


@pytest.mark.parametrize(("output", "label"), [("probabilities", "label"), ("age_probabilities", "age_label")])
def test_what_belongs_to_an_output_has_its_head_before_its_name(output: str, label: str) -> None:
    assert sibling(output, "label") == label


def test_rows_that_sum_to_1_are_a_softmax() -> None:
    assert find_classes({"probabilities": SOFTMAX}, None, {}) == {"probabilities": Classes(("0", "1"), exclusive=True)}


def test_rows_that_do_not_sum_to_1_are_independent() -> None:
    assert not find_classes({"probabilities": SIGMOIDS}, None, {})["probabilities"].exclusive


@pytest.mark.parametrize(("kind", "exclusive"), [("softmax", True), ("sigmoid", False)])
def test_the_kind_of_head_wins_over_the_sum(kind: str, *, exclusive: bool) -> None:
    assert (
        find_classes({"probabilities": SOFTMAX}, None, {"probabilities": kind})["probabilities"].exclusive is exclusive
    )


def test_one_unit_tells_two_classes_apart() -> None:
    found = find_classes({"probabilities": np.array([[0.2]])}, ["no", "yes"], {"probabilities": "sigmoid"})

    assert found == {"probabilities": Classes(("no", "yes"), exclusive=True)}


def test_one_list_of_names_is_for_every_output_of_probabilities() -> None:
    found = find_classes({"a_probabilities": SOFTMAX, "b_probabilities": SOFTMAX, "c_value": SOFTMAX}, ["x", "y"], {})

    assert {output: choice.labels for output, choice in found.items()} == {
        "a_probabilities": ("x", "y"),
        "b_probabilities": ("x", "y"),
    }


def test_names_for_an_output_without_classes_are_refused() -> None:
    with pytest.raises(ExportError, match="class_names names 'value'"):
        find_classes({"probabilities": SOFTMAX, "value": SOFTMAX}, {"value": ["x", "y"]}, {})


@pytest.mark.parametrize("own", ["label", "class_id"])
def test_an_output_with_the_name_of_what_is_added_is_refused(own: str) -> None:
    with pytest.raises(
        ExportError,
        match=rf"own output '{own}' has the name .* output_names=\[...\], in the order probabilities, {own}",
    ):
        find_classes({"probabilities": SOFTMAX, own: SOFTMAX}, None, {})


def test_an_output_named_label_is_fine_where_nothing_of_that_name_is_added() -> None:
    assert find_classes({"probabilities": SIGMOIDS, "label": SOFTMAX}, None, {}).keys() == {"probabilities"}
    assert find_classes({"a_probabilities": SOFTMAX, "label": SOFTMAX}, None, {}).keys() == {"a_probabilities"}
