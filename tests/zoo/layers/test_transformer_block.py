from typing import Any

import keras
import numpy as np
import pytest

from zoo.layers.attention import Attention
from zoo.layers.feed_forward import FeedForward
from zoo.layers.transformer_block import EPSILON, TransformerBlock

WIDTH = 4


def attention() -> Attention:
    return Attention(**{part: keras.layers.Dense(WIDTH, name=part) for part in Attention.parts}, num_heads=2)


def make(*, crosses: bool = False, **options: Any) -> TransformerBlock:
    keras.utils.set_random_seed(2)
    feed_forward = FeedForward(
        keras.layers.Dense(8, name="hidden"), keras.layers.ReLU(), keras.layers.Dense(WIDTH, name="projection")
    )
    return TransformerBlock(
        attention(),
        feed_forward,
        attention() if crosses else None,
        **{"skip_rates": [0.0] * (3 if crosses else 2), **options},
    )


def vectors(seed: int = 1, steps: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, steps, WIDTH)).astype("float32")


def norm(x: np.ndarray, kind: str) -> np.ndarray:
    if kind == "rms":
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON)
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + EPSILON)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_branches_are_added_as_pre_norm_and_post_norm_say(kind: str, *, norm_first: bool) -> None:
    block, x, context = make(crosses=True, norm_first=norm_first, normalization=kind), vectors(), vectors(2, steps=5)
    got = keras.ops.convert_to_numpy(block(x, context=context))

    branches = [
        lambda x: np.array(block.attention(x.astype("float32"))[0]),
        lambda x: np.array(block.cross_attention(x.astype("float32"), context=context)[0]),  # type: ignore[misc]
        lambda x: np.array(block.feed_forward(x.astype("float32"))),
    ]
    expected = x
    for branch in branches:
        expected = expected + branch(norm(expected, kind)) if norm_first else norm(expected + branch(expected), kind)

    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_dropout_is_on_what_branches_add() -> None:
    block, x = make(dropout=0.999), vectors()
    block(x)

    np.testing.assert_allclose(keras.ops.convert_to_numpy(block(x, training=True)), x)


def test_a_skipped_branch_adds_nothing() -> None:
    block, x = make(skip_rates=[0.999, 0.999]), vectors()
    block(x)

    np.testing.assert_allclose(keras.ops.convert_to_numpy(block(x, training=True)), x)


def test_every_branch_needs_a_rate() -> None:
    with pytest.raises(ValueError, match="attention, cross_attention, feed_forward"):
        make(crosses=True, skip_rates=[0.1, 0.1])


def test_another_normalization_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a normalization of layer, rms, got 'batch'"):
        make(normalization="batch")


def test_the_kinds_of_branch_are_counted_in_multiply_adds() -> None:
    steps, seen = 3, 5
    own = 4 * steps * WIDTH * WIDTH + 2 * steps * steps * WIDTH
    cross = 2 * steps * WIDTH * WIDTH + 2 * seen * WIDTH * WIDTH + 2 * steps * seen * WIDTH
    feed_forward = 2 * steps * WIDTH * 8

    count = make(crosses=True).multiply_adds((1, steps, WIDTH), (1, seen, WIDTH))

    assert count == own + cross + feed_forward


def test_a_block_is_made_again_from_its_config() -> None:
    block, x = make(crosses=True, norm_first=False, dropout=0.1), vectors()
    expected = block(x, context=x)
    again = TransformerBlock.from_config(block.get_config())
    again.build(x.shape)
    again.set_weights(block.get_weights())

    np.testing.assert_array_equal(np.array(again(x, context=x)), np.array(expected))
    assert [weight.path for weight in again.weights] == [weight.path for weight in block.weights]
