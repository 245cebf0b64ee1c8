from pathlib import Path

import keras
import numpy as np

from zoo.layers.attention_pooling import AttentionPooling

STEPS = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
KERNEL = np.array([[1.0], [-2.0], [0.5]], "float32")


def pooling(**options: object) -> AttentionPooling:
    layer = AttentionPooling(**options)
    layer.build((None, None, 3))
    layer.set_weights([KERNEL])
    return layer


def by_hand(steps: np.ndarray) -> np.ndarray:
    weights = np.exp(steps @ KERNEL[:, 0])
    return np.asarray((weights[:, None] * steps).sum(axis=0) / weights.sum())


def test_steps_are_weighted_by_the_softmax_of_their_scores() -> None:
    np.testing.assert_allclose(pooling()(STEPS), [by_hand(row) for row in STEPS], rtol=1e-5)


def test_masked_steps_have_no_weight_whatever_they_hold() -> None:
    mask = np.array([[True, False, True, True], [False, False, False, True]])
    hidden = np.where(mask[:, :, None], STEPS, np.nan).astype("float32")

    expected = [by_hand(row[counts]) for row, counts in zip(STEPS, mask, strict=True)]
    np.testing.assert_allclose(pooling()(hidden, mask=mask), expected, rtol=1e-5)


def test_padding_alone_gives_0() -> None:
    np.testing.assert_array_equal(pooling()(STEPS, mask=np.zeros((2, 4), bool)), np.zeros((2, 3)))


def test_scores_are_not_rounded_to_half_precision() -> None:
    # The scores are 256 and 257, which bfloat16 rounds to the same; the features themselves are exact in it.
    steps = np.array([[[128.0, 64.0, 0.0], [128.0, 64.0, 1.0]]], "float32")
    layer = AttentionPooling(dtype="mixed_bfloat16")
    layer.build(steps.shape)
    layer.set_weights([np.array([[1.0], [2.0], [1.0]])])

    assert abs(float(layer(steps)[0, 2]) - 1 / (1 + np.exp(-1))) < 0.003


def test_a_penalty_and_a_constraint_are_kept_when_saved(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3), name="inputs")
    layer = AttentionPooling(
        kernel_regularizer=keras.regularizers.L2(0.5), kernel_constraint=keras.constraints.NonNeg()
    )
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([KERNEL])
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(loaded(STEPS), model(STEPS))
    assert float(loaded.losses[0]) == 0.5 * (1 + 4 + 0.25)
    assert isinstance(loaded.weights[0].constraint, keras.constraints.NonNeg)
