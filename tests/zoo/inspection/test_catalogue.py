import pytest

import zoo
from zoo.errors import UnknownNameError
from zoo.inspection.catalogue import Filter, find_entries


def found(**wanted: object) -> list[str]:
    return [entry.name for entry in find_entries(Filter(**wanted))]  # type: ignore[arg-type]


def test_everything_is_found_architectures_first() -> None:
    assert found() == [*zoo.list_architectures(), *zoo.list_models()]


def test_a_family_has_its_architecture_and_its_sizes() -> None:
    assert set(found(family="mlp")) == {"mlp", *zoo.list_models(family="mlp")}


def test_a_head_leaves_what_can_carry_it() -> None:
    names = found(head="token")

    assert "gpt_tiny" in names
    assert not {"mlp", "mlp_tiny", "cnn"} & set(names)


def test_a_tag_leaves_what_has_it() -> None:
    assert {"cnn", "cnn_tiny"} <= set(found(tag="image"))
    assert "lstm" not in found(tag="image")


def test_parameters_are_those_of_the_built_example() -> None:
    (entry,) = find_entries(Filter("mlp_tiny"), count=True)

    assert entry.parameters == 784 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10


def test_bounds_on_parameters_hold_their_ends_in() -> None:
    assert found(pattern="mlp_*", max_parameters=13002) == ["mlp_tiny"]
    assert found(pattern="mlp_*", min_parameters=13002, max_parameters=13002) == ["mlp_tiny"]
    assert "mlp_tiny" not in found(pattern="mlp_*", min_parameters=13003)


def test_nothing_found_says_what_was_asked() -> None:
    with pytest.raises(UnknownNameError, match=r"nothing matches 'mlp\*', at most 10; loosen a filter"):
        found(pattern="mlp*", max_parameters=10)


@pytest.mark.parametrize("wanted", [{"family": "mpl"}, {"head": "sofmax"}, {"tag": "imge"}], ids=str)
def test_an_unknown_filter_is_refused_with_the_nearest_name(wanted: dict[str, str]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        found(**wanted)
