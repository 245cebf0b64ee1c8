from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from zoo.layers.attention import Attention
from zoo.tensorflow_noise import hushed

ROWS, STEPS, WIDTH, HEADS = 2, 5, 6, 3


def make(**options: Any) -> Attention:
    keras.utils.set_random_seed(4)
    layers = {part: keras.layers.Dense(WIDTH, name=part, bias_initializer="normal") for part in Attention.parts}
    attention = Attention(**layers, num_heads=HEADS, **options)
    attention.build((None, None, WIDTH))
    return attention


def vectors(steps: int = STEPS, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, steps, WIDTH)).astype("float32")


def answer(attention: Attention, x: np.ndarray, **options: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(attention(x, **options)[0])


def by_hand(attention: Attention, x: np.ndarray, context: np.ndarray, sees: np.ndarray) -> np.ndarray:
    """The formula of the paper, one query at a time; `sees` is (rows, steps, context steps)."""
    named = {weight.path.split("/", 1)[-1]: weight.numpy() for weight in attention.weights}

    def linear(part: str, inputs: np.ndarray) -> np.ndarray:
        return inputs @ named[f"{part}/kernel"] + named[f"{part}/bias"]

    query, key, value = linear("query", x), linear("key", context), linear("value", context)
    size = WIDTH // HEADS
    mixed = np.zeros_like(query)
    for row in range(len(x)):
        for head in range(HEADS):
            cut = slice(head * size, (head + 1) * size)
            for step in range(x.shape[1]):
                scores = key[row, :, cut] @ query[row, step, cut] / np.sqrt(size)
                weights = np.where(sees[row, step], np.exp(scores), 0)
                mixed[row, step, cut] = (weights / weights.sum()) @ value[row, :, cut]
    return linear("projection", mixed)


def test_it_is_the_formula_of_the_paper() -> None:
    attention, x = make(), vectors()

    np.testing.assert_allclose(
        answer(attention, x), by_hand(attention, x, x, np.ones((ROWS, STEPS, STEPS), bool)), atol=1e-5
    )


def test_a_causal_step_sees_itself_and_those_before() -> None:
    attention, x = make(causal=True), vectors()
    sees = np.broadcast_to(np.tril(np.ones((STEPS, STEPS), bool)), (ROWS, STEPS, STEPS))

    np.testing.assert_allclose(answer(attention, x), by_hand(attention, x, x, sees), atol=1e-5)


def test_steps_that_do_not_count_are_not_seen() -> None:
    attention, x = make(), vectors()
    counts = np.array([[True] * 5, [True, True, False, True, False]])
    sees = np.broadcast_to(counts[:, None], (ROWS, STEPS, STEPS))

    np.testing.assert_allclose(answer(attention, x, counts=counts), by_hand(attention, x, x, sees), atol=1e-5)


def test_a_context_is_looked_at_in_place_of_the_inputs() -> None:
    attention, x, context = make(), vectors(), vectors(steps=3, seed=2)
    counts = np.array([[True, True, False], [True, True, True]])
    sees = np.broadcast_to(counts[:, None], (ROWS, STEPS, 3))

    np.testing.assert_allclose(
        answer(attention, x, context=context, counts=counts), by_hand(attention, x, context, sees), atol=1e-5
    )


@pytest.mark.parametrize("causal", [True, False])
def test_rows_of_padding_alone_get_finite_answers(*, causal: bool) -> None:
    assert np.isfinite(answer(make(causal=causal), vectors(), counts=np.zeros((ROWS, STEPS), bool))).all()


def test_padding_at_the_beginning_does_not_let_a_causal_step_see_ahead() -> None:
    attention, x = make(causal=True), vectors()
    counts = np.array([[False, True, True, True, True]] * ROWS)
    later = x.copy()
    later[:, 1:] += 1

    np.testing.assert_array_equal(
        answer(attention, later, counts=counts)[:, 0], answer(attention, x, counts=counts)[:, 0]
    )


@pytest.mark.parametrize("rotary", [True, False])
@pytest.mark.parametrize("pieces", [(5,), (1, 1, 1, 1, 1), (2, 3), (3, 1, 1)])
def test_a_sequence_in_pieces_with_a_cache_is_the_sequence_at_once(pieces: tuple[int, ...], *, rotary: bool) -> None:
    attention, x = make(causal=True, rotary=rotary, max_length=7), vectors()
    cache, done, answers = None, 0, []

    for steps in pieces:
        piece = x[:, done : done + steps]
        given, cache = attention(piece, cache=cache, positions=np.full(ROWS, done, "int32"))
        answers.append(keras.ops.convert_to_numpy(given))
        done += steps

    np.testing.assert_allclose(np.concatenate(answers, axis=1), answer(attention, x), atol=1e-6)


def test_rows_at_different_positions_share_a_step() -> None:
    attention, x = make(causal=True, rotary=True, max_length=STEPS), vectors()
    whole = answer(attention, x)
    _, cache = attention(x, positions=np.zeros(ROWS, "int32"))  # later steps of a row are overwritten, or not seen
    positions = np.array([1, 4], "int32")

    given, _ = attention(x[[0, 1], positions][:, None], cache=cache, positions=positions)

    np.testing.assert_allclose(keras.ops.convert_to_numpy(given)[:, 0], whole[[0, 1], positions], atol=1e-6)


def test_a_cache_has_keys_before_values_by_row_step_and_head() -> None:
    attention, x = make(max_length=8), vectors()
    _, cache = attention(x, positions=np.zeros(ROWS, "int32"))
    key = keras.ops.convert_to_numpy(attention.key(x)).reshape(ROWS, STEPS, HEADS, WIDTH // HEADS)

    assert cache.shape == attention.cache_shape(ROWS, 8) == (2, ROWS, 8, HEADS, WIDTH // HEADS)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(cache)[0, :, :STEPS], key, atol=1e-6)


def test_large_scores_in_half_precision_stay_finite(dtype_policy: Any) -> None:
    dtype_policy("mixed_float16")

    assert np.isfinite(answer(make(), 100 * vectors())).all()


def test_heads_that_do_not_divide_the_units_are_refused() -> None:
    with pytest.raises(ValueError, match="num_heads to divide 6 units, got 4"):
        Attention(*(keras.layers.Dense(6) for _ in range(4)), num_heads=4)


def test_without_max_length_there_is_no_cache() -> None:
    with pytest.raises(ValueError, match="no max_length"):
        make()(vectors(), positions=np.zeros(ROWS, "int32"))


def test_multiply_adds_are_those_of_the_matrix_products() -> None:
    linear = 4 * STEPS * WIDTH * WIDTH
    scores_and_values = 2 * STEPS * STEPS * WIDTH

    assert make().multiply_adds((None, STEPS, WIDTH)) == linear + scores_and_values  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"rotary": True}])
@pytest.mark.parametrize("looks_at", ["itself", "a context"])
def test_litert_neither_puts_keys_and_values_together_nor_takes_them_apart(
    options: dict[str, Any], looks_at: str
) -> None:
    """As a cache they have five axes; nothing else has more than four."""
    attention = make(**options)
    x = tf.TensorSpec([ROWS, STEPS, WIDTH], tf.float32)

    def attend(inputs: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        return attention(inputs, context=None if looks_at == "itself" else context)[0]

    function = tf.function(attend).get_concrete_function(x, x)
    with hushed():
        content = tf.lite.TFLiteConverter.from_concrete_functions([function], attention).convert()
    tensors = Interpreter(model_content=content).get_tensor_details()
    assert max(len(tensor["shape"]) for tensor in tensors) == 4
