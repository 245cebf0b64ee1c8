"""A model that generates, cut in two: what reads a prompt, and what adds one token and keeps what it looked at.

The keys and values of earlier steps are kept in a cache, so that a step costs the attention of one token rather than the
whole model over all of them. Both parts share the layers, and so the weights, of the model they were made from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import ops

from zoo.builders.transformer import DECODER, ENCODER
from zoo.builders.transformer_config import DECODER_INPUT
from zoo.config import INPUT_NAME
from zoo.errors import ConfigError
from zoo.heads import logits_name
from zoo.layers.cached_blocks import CachedBlocks
from zoo.layers.context_cache import ContextCache
from zoo.layers.transformer_block import TransformerBlock

Step = Callable[..., Any]


@dataclass(frozen=True)
class DecodingModels:
    """The two parts, and what a caller must know of them.

    `prefill` takes token ids, (N, T) padded with 0 on the right, as `inputs` (of seq2seq: as `decoder_inputs`, with the
    source as `inputs`), and gives `logits` of what follows the last token of each row, (N, vocabulary), float32, and
    `cache`, (layers, 2, N, max_length, heads, head_dim), keys before values.

    `decode` takes one token per row, `inputs` (N, 1); where it stands in its row, `positions` (N,), from 0; and the
    `cache`; and gives the `logits` that follow and the `cache` with that token. Rows of one batch may stand at different
    positions. Of seq2seq, `prefill` also gives, and `decode` takes, `source_cache`, (layers, 2, N, S, heads, head_dim), and
    `source_mask`, bool (N, S): these do not change from step to step.
    """

    prefill: keras.Model
    decode: keras.Model
    vocabulary: int
    """How many token ids there are."""
    max_length: int
    """How many tokens of a row, the prompt's included, can be looked at."""
    has_source: bool
    """Whether it is a seq2seq model."""


def decoding_models(model: keras.Model) -> DecodingModels:
    """Make both parts of a causal or seq2seq transformer, as built or as loaded from a `.keras` file.

    Raises:
        ConfigError: it is no such model, or has no head, or several, that tells the next token.
    """
    layers = {layer.name: layer for layer in model.layers}
    has_source = f"{DECODER}block_1" in layers
    part = DECODER if has_source else ""
    blocks = _blocks(layers, part)
    max_length = blocks[0].attention.max_length if blocks else None
    if max_length is None:
        raise ConfigError(
            f"model {model.name!r} does not generate: expected a transformer with variant causal or seq2seq, built by "
            "zoo.build or loaded from its .keras file"
        )
    vocabulary = layers[f"{part}token_embedding"].input_dim
    logits = _token_logits(model, layers, vocabulary)
    step = partial(_step, layers, part, logits)
    if has_source:
        prefill, decode = _prefill_with_source(model, layers, step), _decode_with_source(layers, step)
    else:
        prefill, decode = _prefill(step), _decode(blocks, step)
    return DecodingModels(prefill, decode, vocabulary, max_length, has_source)


def _blocks(layers: dict[str, keras.Layer], part: str) -> list[TransformerBlock]:
    found: list[TransformerBlock] = []
    while isinstance(block := layers.get(f"{part}block_{len(found) + 1}"), TransformerBlock):
        found.append(block)
    return found


def _token_logits(model: keras.Model, layers: dict[str, keras.Layer], vocabulary: int) -> keras.Layer:
    """Return the layer of the one head that has a unit for every token."""
    names = [name for name, tensor in model.output.items() if tensor.shape[-1] == vocabulary]
    heads = [layers[logits_name(name)] for name in names if logits_name(name) in layers]
    if len(heads) != 1:
        raise ConfigError(
            f"expected one head with a unit for each of the {vocabulary} tokens, found {len(heads)} among the outputs "
            f"{', '.join(model.output)}: give the model one head of kind token"
        )
    return heads[0]


def _step(
    layers: dict[str, keras.Layer],
    part: str,
    logits: keras.Layer,
    ids: keras.KerasTensor,
    positions: keras.KerasTensor,
    *,
    last: keras.KerasTensor | None = None,
    cache: keras.KerasTensor | None = None,
    source: dict[str, keras.KerasTensor] | None = None,
) -> dict[str, keras.KerasTensor]:
    """Return `logits` and `cache` after tokens that stand at `positions` and later.

    Args:
        layers: of the model, by name.
        part: what the names of the decoder's layers begin with.
        logits: the layer of the head.
        ids: (N, T).
        positions: of the first token of each row, (N,).
        last: index of the token of each row that the logits are to follow, (N,); of one token, it itself.
        cache: of earlier tokens; none at the beginning.
        source: `source_cache` and `source_mask` of seq2seq.
    """
    x = layers[f"{part}embedding_scale"](layers[f"{part}token_embedding"](ids))
    if f"{part}position" in layers:
        x = layers[f"{part}position"](x, positions=positions)
    x, kept = CachedBlocks(_blocks(layers, part), name="blocks")(x, positions=positions, cache=cache, **(source or {}))
    if last is not None:
        x = ops.take_along_axis(x, ops.reshape(last, (-1, 1, 1)), axis=1)
    if f"{part}norm" in layers:
        x = layers[f"{part}norm"](x)
    return {"logits": ops.cast(ops.squeeze(logits(x), axis=1), "float32"), "cache": kept}


def _beginning(ids: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """Return where prompts begin and end."""
    length = ops.sum(ops.cast(ops.not_equal(ids, 0), "int32"), axis=1)
    return {"positions": ops.zeros_like(length), "last": ops.maximum(length - 1, 0)}


def _prefill(step: Step) -> keras.Model:
    ids = keras.Input((None,), dtype="int32", name=INPUT_NAME)
    return keras.Model({INPUT_NAME: ids}, step(ids, **_beginning(ids)), name="prefill")


def _decode(blocks: list[TransformerBlock], step: Step) -> keras.Model:
    inputs = _inputs_of_step(blocks)
    return keras.Model(inputs, step(*_first_two(inputs), cache=inputs["cache"]), name="decode")


def _prefill_with_source(model: keras.Model, layers: dict[str, keras.Layer], step: Step) -> keras.Model:
    context = layers.get(f"{ENCODER}norm", _blocks(layers, ENCODER)[-1]).output
    if f"{ENCODER}padding_mask" in layers:
        mask = layers[f"{ENCODER}padding_mask"].output
    else:
        mask = ops.ones_like(context[:, :, 0], dtype="bool")
    source = {
        "source_cache": ContextCache(_blocks(layers, DECODER), name="source_cache")(context),
        "source_mask": mask,
    }
    ids = keras.Input((None,), dtype="int32", name=DECODER_INPUT)
    outputs = step(ids, **_beginning(ids), source=source)
    return keras.Model({INPUT_NAME: model.input[INPUT_NAME], DECODER_INPUT: ids}, {**outputs, **source}, name="prefill")


def _decode_with_source(layers: dict[str, keras.Layer], step: Step) -> keras.Model:
    blocks = _blocks(layers, DECODER)
    source = {
        "source_cache": _cache_input(blocks, None, "source_cache"),
        "source_mask": keras.Input((None,), dtype="bool", name="source_mask"),
    }
    inputs = _inputs_of_step(blocks)
    outputs = step(*_first_two(inputs), cache=inputs["cache"], source=source)
    return keras.Model({**inputs, **source}, outputs, name="decode")


def _inputs_of_step(blocks: list[TransformerBlock]) -> dict[str, keras.KerasTensor]:
    return {
        INPUT_NAME: keras.Input((1,), dtype="int32", name=INPUT_NAME),
        "positions": keras.Input((), dtype="int32", name="positions"),
        "cache": _cache_input(blocks, blocks[0].attention.max_length, "cache"),
    }


def _first_two(inputs: dict[str, keras.KerasTensor]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    return inputs[INPUT_NAME], inputs["positions"]


def _cache_input(blocks: list[TransformerBlock], steps: int | None, name: str) -> keras.KerasTensor:
    shape = blocks[0].attention.cache_shape(None, steps)
    return keras.Input(batch_shape=(len(blocks), *shape), dtype=blocks[0].compute_dtype, name=name)
