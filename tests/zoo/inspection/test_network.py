from collections.abc import Callable

import keras
import pytest

import zoo
from zoo.inspection.blocks import Block
from zoo.inspection.network import network_of
from zoo.inspection.words import Role

L = keras.layers
names = pytest.mark.parametrize("name", [*zoo.list_architectures(), *zoo.list_models()])


def blocks_of(model: keras.Model) -> dict[str, Block]:
    return {block.title: block for block in network_of(model).blocks}


def test_a_layer_and_what_follows_it_are_one_block() -> None:
    inputs = keras.Input((8, 8, 1))
    x = L.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    x = L.Dropout(0.1)(L.Activation("relu")(L.BatchNormalization()(x)))
    block = blocks_of(keras.Model(inputs, L.Flatten()(x)))["Conv 3\N{MULTIPLICATION SIGN}3 · 4"]

    assert block.details == ("batch norm", "ReLU", "dropout 0.1")
    assert block.parameters == 3 * 3 * 4 + 4 * 4


def test_a_norm_before_a_branch_belongs_to_the_branch() -> None:
    inputs = keras.Input((8,))
    branch = L.Dense(8)(L.LayerNormalization()(inputs))
    network = network_of(keras.Model(inputs, L.Add()([inputs, branch])))

    assert [block.title for block in network.blocks[1:]] == ["Dense 8", "add"]
    assert network.blocks[1].details == ("after layer norm",)
    assert network.blocks[2].sources == (0, 1)


def test_a_norm_that_two_read_stands_alone() -> None:
    inputs = keras.Input((8,))
    both = L.BatchNormalization()(L.Add()([inputs, L.Dense(8)(inputs)]))
    model = keras.Model(inputs, [L.Dense(3)(both), L.Dense(4)(both)])

    assert "Batch norm" in blocks_of(model)


def test_what_is_repeated_is_drawn_once(residual_model: keras.Model) -> None:
    network = network_of(residual_model)

    assert [(block.title, block.sources, block.group) for block in network.blocks] == [
        ("inputs", (), None),
        ("Dense 8", (0,), 0),
        ("add", (0, 1), 0),
        ("Dense 1", (2,), None),
    ]
    assert network.repeats == (3,)


def test_groups_that_differ_are_not_folded() -> None:
    inputs = x = keras.Input((8,))
    for units in (8, 8, 9, 8):
        x = L.Dense(units)(x)

    assert network_of(keras.Model(inputs, x)).repeats == ()


def test_a_group_that_something_later_reads_is_not_folded() -> None:
    inputs = x = keras.Input((8,))
    kept = []
    for _ in range(3):
        x = L.Dense(8)(x)
        kept.append(x)

    assert network_of(keras.Model(inputs, L.Concatenate()(kept))).repeats == ()


def test_blocks_that_look_at_one_encoder_are_folded() -> None:
    model = zoo.build(
        "seq2seq_tiny", input_shape=(4,), vocabulary_size=9, num_layers=3, head={"kind": "token", "units": 9}
    )
    network = network_of(model)

    assert sorted(network.repeats) == [3, 3]
    (cross,) = [block for block in network.blocks if block.title == "Cross-attention"]
    assert network.blocks[cross.sources[1]].title == "Layer norm"


def test_masks_are_not_drawn() -> None:
    model = zoo.build("transformer_tiny", input_shape=(4,), vocabulary_size=9, num_layers=1, head={"kind": "linear"})

    assert [block.title for block in network_of(model).blocks] == [
        "inputs",
        "Embedding 9 → 32",
        "Self-attention",
        "add",
        "Feed-forward 128",
        "add",
        "Mean over steps",
        "Dense 1",
    ]


def test_heads_are_told_apart_by_their_outputs() -> None:
    heads = {"age": {"kind": "linear"}, "kind": {"kind": "softmax", "units": 3}}
    network = network_of(zoo.build("mlp", input_shape=(4,), units=[5], heads=heads))

    ends = [(block.title, block.details, block.outputs) for block in network.blocks if block.role is Role.OUTPUT]
    assert sorted(ends) == [("Dense 1", (), ("age_value",)), ("Dense 3", ("softmax",), ("kind_probabilities",))]


@names
def test_the_blocks_of_every_example_have_all_parameters(
    name: str, example_model: Callable[[str], keras.Model]
) -> None:
    model = example_model(name)
    network = network_of(model)

    times = [1 if block.group is None else network.repeats[block.group] for block in network.blocks]
    assert sum(n * block.parameters for n, block in zip(times, network.blocks, strict=True)) == model.count_params()


@names
def test_every_block_comes_after_its_sources(name: str, example_model: Callable[[str], keras.Model]) -> None:
    blocks = network_of(example_model(name)).blocks

    assert all(source < number for number, block in enumerate(blocks) for source in block.sources)
    assert all(block.sources or block.role is Role.INPUT for block in blocks)
