"""`prefill` and `decode`: a model that writes on, one token of each row at a time, its cache kept by the caller."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from zoo.builders.transformer_config import DECODER_INPUT
from zoo.config import INPUT_NAME
from zoo.decoding import DecodingModels, decoding_models
from zoo.endpoints import Tensors, run
from zoo.errors import ConfigError
from zoo.signatures.signature import Signature
from zoo.signatures.subject import GOLDEN_ROWS, Subject, is_small

if TYPE_CHECKING:
    import keras

PREFILL = "prefill"
DECODE = "decode"
SOURCE = ("source_cache", "source_mask")


def generation(subject: Subject) -> Iterator[Signature]:
    """Give `prefill` and `decode` of a causal or seq2seq transformer, one of a head for tokens.

    `prefill` takes `tokens` int32 (N, T) and `lengths` int32 (N,), how many of each row are its prompt; of seq2seq also
    the source, as `inputs`. It gives `logits` float32 (N, vocabulary), of what follows the prompt; `cache` float32
    (layers, 2, N, max_length, heads, head_dim); and `positions` int32 (N,), where the next token of each row will stand.

    `decode` takes `token` int32 (N,), `cache` and `positions`, and gives the three anew. Rows of different age may share a
    step. Of seq2seq, `prefill` gives and `decode` takes `source_cache` and `source_mask` as well, which stay as they are.
    """
    try:
        parts = decoding_models(subject.named.model)
    except ConfigError:
        return
    steps = _Steps(parts, subject.named.specs().get(INPUT_NAME))
    prompt = _golden_prompt(subject, parts)
    step = run(steps.prefill, prompt)
    step = {"token": prompt["tokens"][:, 0], **{name: x for name, x in step.items() if name != "logits"}}
    small = is_small(step)
    yield Signature(PREFILL, steps.prefill, steps.prefill_specs(), golden=prompt if small else None)
    yield Signature(DECODE, steps.decode, steps.decode_specs(), golden=step if small else None)


@dataclass(frozen=True)
class _Steps:
    parts: DecodingModels
    source: tf.TensorSpec | None
    """What a seq2seq model takes as its source."""

    def prefill_specs(self) -> dict[str, tf.TensorSpec]:
        specs = {"tokens": _int32(None, None, name="tokens"), "lengths": _int32(None, name="lengths")}
        return {**({INPUT_NAME: self.source} if self.parts.has_source else {}), **specs}

    def decode_specs(self) -> dict[str, tf.TensorSpec]:
        kept = self._kept()
        specs = {name: tf.TensorSpec(x.shape, x.dtype, name=name) for name, x in kept.items()}
        return {"token": _int32(None, name="token"), "positions": _int32(None, name="positions"), **specs}

    def _kept(self) -> "Mapping[str, keras.KerasTensor]":
        return {name: x for name, x in self.parts.decode.input.items() if name in ("cache", *SOURCE)}

    def prefill(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        tokens, lengths, most = inputs["tokens"], inputs["lengths"], self.parts.max_length
        steps = tf.shape(tokens)[1]
        kept = tf.where(tf.sequence_mask(lengths, steps), tokens, 0)
        whole = (lengths >= 1) & (tf.math.count_nonzero(kept, axis=1, dtype=tf.int32) == lengths)
        checks = _asserted(
            (steps <= most, f"tokens: expected {most} steps at most, which is what the cache holds"),
            (whole, "lengths: expected 1 or more, and no 0, which is padding, among so many tokens of a row"),
        )
        with tf.control_dependencies(checks):
            kept = tf.identity(kept)
        given = {DECODER_INPUT: kept, INPUT_NAME: inputs[INPUT_NAME]} if self.parts.has_source else {INPUT_NAME: kept}
        return {**self.parts.prefill(given, training=False), "positions": tf.identity(lengths)}

    def decode(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        token, positions, most = inputs["token"], inputs["positions"], self.parts.max_length
        room = (positions >= 0) & (positions < most)
        with tf.control_dependencies(_asserted((room, f"positions: expected 0 to {most - 1}, the room of the cache"))):
            at = tf.identity(positions)
        kept = {name: inputs[name] for name in self._kept()}
        outputs = self.parts.decode({**kept, INPUT_NAME: token[:, None], "positions": at}, training=False)
        return {**outputs, "positions": at + 1}


def _asserted(*claims: tuple[tf.Tensor, str]) -> list[tf.Operation]:
    made = [tf.debugging.Assert(tf.reduce_all(claim), [message]) for claim, message in claims]
    return [each for each in made if each is not None]  # what holds leaves nothing behind outside of a graph


def _golden_prompt(subject: Subject, parts: DecodingModels) -> dict[str, np.ndarray]:
    """Return two prompts of different lengths, of ids that every vocabulary has."""
    rows = min(GOLDEN_ROWS, len(next(iter(subject.rows.values()))))
    tokens = np.array([[1, 1], [1, 0]], np.int32)[:rows, : parts.max_length]
    prompt = {"tokens": tokens, "lengths": (tokens != 0).sum(axis=1, dtype=np.int32)}
    return {**prompt, INPUT_NAME: subject.rows[INPUT_NAME][:rows]} if parts.has_source else prompt


def _int32(*shape: int | None, name: str) -> tf.TensorSpec:
    return tf.TensorSpec(shape, tf.int32, name=name)
