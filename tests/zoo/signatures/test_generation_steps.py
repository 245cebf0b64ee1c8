"""`prefill` and `decode`: writing on through signatures is what `generate` writes, and what the whole model says."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.artifact import read_passport
from zoo.generation import generate

VOCABULARY, LENGTH, START = 11, 10, 1
PROMPTS = [[3, 1, 4], [5], [9, 2, 6, 5, 3]]


def build(variant: str) -> keras.Model:
    keras.utils.set_random_seed(3)
    more = {"target_length": 8, "num_layers": 1} if variant == "seq2seq" else {"num_layers": 2, "position": "rotary"}
    model = zoo.build(
        "transformer", variant=variant, input_shape=(LENGTH,), vocabulary_size=VOCABULARY, num_heads=2,
        hidden_dim=8, head={"kind": "token", "units": VOCABULARY}, **more,
    )  # fmt: skip
    random = np.random.default_rng(8)
    for weight in model.weights:
        weight.assign(weight + 0.3 * random.normal(size=weight.shape))
    return model


def padded(rows: list[list[int]]) -> np.ndarray:
    longest = max(map(len, rows))
    return np.array([[*row, *[0] * (longest - len(row))] for row in rows], "int32")


def written(signatures: Any, prompts: list[list[int]], steps: int, **source: Any) -> tuple[np.ndarray, np.ndarray]:
    """Greedy tokens (N, steps), and the logits that they were chosen by, (N, steps, vocabulary)."""
    lengths = np.array([len(row) for row in prompts], "int32")
    state = dict(signatures["prefill"](tokens=tf.constant(padded(prompts)), lengths=tf.constant(lengths), **source))
    logits = []
    for _ in range(steps):
        logits.append(state.pop("logits").numpy())
        token = tf.constant(logits[-1].argmax(axis=-1).astype("int32"))
        state.update(signatures["decode"](token=token, **state))
    chosen = np.stack(logits, axis=1)
    return chosen.argmax(axis=-1), chosen


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Path]:
    model = build("causal")
    examples = np.random.default_rng(1).integers(1, VOCABULARY, (4, LENGTH))
    return model, zoo.export(model, tmp_path_factory.mktemp("r") / "m", examples=examples, variants=())


def test_rows_of_different_age_write_what_generate_writes(causal: tuple[keras.Model, Path]) -> None:
    model, version = causal
    tokens, logits = written(tf.saved_model.load(str(version)).signatures, PROMPTS, 4)

    np.testing.assert_array_equal(tokens, np.stack(generate(model, PROMPTS, max_new_tokens=4)))
    for row, prompt in enumerate(PROMPTS):
        read = np.zeros((1, LENGTH), "int32")
        read[0, : len(prompt) + 3] = [*prompt, *tokens[row][:3]]
        whole = model(read)["probabilities"].numpy()[0, len(prompt) - 1 :][:4]
        np.testing.assert_allclose(tf.nn.softmax(logits[row]), whole, atol=1e-5)


def test_seq2seq_takes_its_source_along(tmp_path: Path) -> None:
    model = build("seq2seq")
    version = zoo.export(model, tmp_path / "m", variants=())
    source = padded([[3, 1, 4, 1], [5, 9], [2, 6, 5]])
    source = np.pad(source, [[0, 0], [0, LENGTH - source.shape[1]]])
    tokens, logits = written(tf.saved_model.load(str(version)).signatures, [[START]] * 3, 4, inputs=tf.constant(source))

    target = np.zeros((3, 8), "int32")
    target[:, 0], target[:, 1:4] = START, tokens[:, :3]
    whole = model({"inputs": source, "decoder_inputs": target})["probabilities"].numpy()[:, :4]
    np.testing.assert_allclose(tf.nn.softmax(logits), whole, atol=1e-5)
    np.testing.assert_array_equal(tokens, whole.argmax(axis=-1))
    assert zoo.verify(version).ok


def test_a_cache_that_is_full_and_rows_without_tokens_are_refused_in_words(causal: tuple[keras.Model, Path]) -> None:
    signatures = tf.saved_model.load(str(causal[1])).signatures
    state = dict(signatures["prefill"](tokens=tf.ones((1, LENGTH), tf.int32), lengths=tf.constant([LENGTH])))
    state.pop("logits")

    with pytest.raises(tf.errors.InvalidArgumentError, match="positions: expected 0 to 9"):
        signatures["decode"](token=tf.constant([1]), **state)
    for tokens, lengths, message in (
        (np.ones((1, LENGTH + 1)), [1], "tokens: expected 10 steps at most"),
        (np.array([[1, 0, 2]]), [3], "no 0, which is padding"),
        (np.ones((1, 2)), [0], "lengths: expected 1 or more"),
        (np.ones((1, 2)), [3], "lengths: expected 1 or more"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            signatures["prefill"](tokens=tf.constant(tokens, tf.int32), lengths=tf.constant(lengths))


def test_the_passport_tells_the_steps(causal: tuple[keras.Model, Path]) -> None:
    passport = read_passport(causal[1])
    cache = passport.signatures["decode"].inputs["cache"]

    assert (cache.dtype, cache.shape) == ("float32", (2, 2, None, LENGTH, 2, 4))
    assert passport.signatures["prefill"].outputs["cache"] == cache
    assert {"prefill", "decode", "logits"} <= passport.golden.keys()
    assert zoo.verify(causal[1]).ok
