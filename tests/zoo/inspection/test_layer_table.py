import keras
import pytest

import zoo
from zoo.errors import ConfigError
from zoo.inspection import summarize

L = keras.layers


def test_a_table_has_a_row_for_every_layer_in_the_order_of_the_flow() -> None:
    model = zoo.build("mlp", input_shape=(4,), units=[3], head={"kind": "softmax", "units": 2})

    assert [(row.name, row.output, row.parameters) for row in summarize(model).rows] == [
        ("inputs", (4,), 0),
        ("dense_1", (3,), 4 * 3 + 3),
        ("dense_1_activation", (3,), 0),
        ("logits", (2,), 3 * 2 + 2),
        ("probabilities", (2,), 0),
    ]


def test_totals_are_those_of_keras() -> None:
    model = zoo.build(
        "cnn_tiny", input_shape=(8, 8, 1), head={"kind": "linear"}, regularization={"normalization": "batch"}
    )
    table = summarize(model)

    assert table.parameters == model.count_params() == sum(row.parameters for row in table.rows)
    moving = 2 * 16 + 2 * 32
    assert table.parameters - table.trainable == moving == table.parameters - sum(row.trainable for row in table.rows)


def test_inputs_and_outputs_have_their_names() -> None:
    heads = {"age": {"kind": "linear"}, "sex": {"kind": "sigmoid"}}
    table = summarize(zoo.build("mlp", input_shape=(4,), heads=heads))

    assert table.inputs == {"inputs": (4,)}
    assert table.outputs == {"age_value": (1,), "sex_probabilities": (1,)}


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float16", 2), ("bfloat16", 2), ("float64", 8)])
def test_bytes_are_those_of_the_weights_dtype(dtype: str, size: int) -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Dense(5, dtype=dtype)(inputs))

    assert summarize(model).size == (3 * 5 + 5) * size


def test_a_shared_layer_is_one_row_that_says_so() -> None:
    shared = L.Dense(4, name="shared")
    a, b = keras.Input((3,)), keras.Input((3,))
    table = summarize(keras.Model([a, b], L.Add()([shared(a), shared(b)])))

    (row,) = [row for row in table.rows if row.name == "shared"]
    assert (row.calls, row.parameters, row.multiply_adds) == (2, 16, 24)
    assert table.parameters == 16


def test_what_cannot_be_counted_is_named() -> None:
    inputs = keras.Input((None, 3))
    table = summarize(keras.Model(inputs, L.Dense(2, name="dense")(L.LSTM(4, name="lstm")(inputs))))

    assert table.not_counted == ("lstm",)
    assert table.multiply_adds == 4 * 2


def test_a_sequential_model_has_a_table() -> None:
    model = keras.Sequential([keras.Input((3,)), L.Dense(4, name="a"), L.Dense(2, name="b")])

    assert [row.name for row in summarize(model).rows][1:] == ["a", "b"]
    assert summarize(model).outputs == {"b": (2,)}


def test_a_model_without_a_graph_is_refused() -> None:
    class Own(keras.Model):
        def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
            return x

    with pytest.raises(ConfigError, match="only functional and built sequential models"):
        summarize(Own())


def test_an_encoder_stands_before_the_decoder_that_looks_at_it() -> None:
    model = zoo.build(
        "seq2seq_tiny", input_shape=(4,), vocabulary_size=9, num_layers=2, head={"kind": "token", "units": 9}
    )
    names = [row.name for row in summarize(model).rows]

    encoder = [number for number, name in enumerate(names) if name.startswith("encoder_")]
    decoder = [number for number, name in enumerate(names) if name.startswith("decoder_block")]
    assert max(encoder) < min(decoder)
