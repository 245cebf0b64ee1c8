"""Transformer: an encoder, an image encoder, a language model, or an encoder and a decoder, of the same blocks.

Layers are found again by name to generate (`zoo.decoding`): `<part>token_embedding`, `<part>position`, `<part>block_1` ...,
`<part>norm`, where part is `encoder_` and `decoder_` in seq2seq, and empty otherwise.
"""

from collections.abc import Mapping
from typing import Any

import keras

from zoo.activations import activation_layer
from zoo.blocks import bias_options, kernel_options
from zoo.builders.transformer_config import DECODER_INPUT, TransformerConfig
from zoo.config import INPUT_NAME, ActivationConfig
from zoo.layers.attention import Attention
from zoo.layers.class_token import ClassToken
from zoo.layers.feed_forward import FeedForward
from zoo.layers.masked_mean import MaskedMean
from zoo.layers.padding_mask import PaddingMask
from zoo.layers.patches import Patches
from zoo.layers.position_embedding import PositionEmbedding
from zoo.layers.transformer_block import TransformerBlock, normalization_layer
from zoo.registry import register, register_model
from zoo.regularization import drop, kernel_constraint, skip_rate

ENCODER, DECODER = "encoder_", "decoder_"
"""What the layers of seq2seq's two parts are named with."""


@register(
    "transformer",
    TransformerConfig,
    example={
        "input_shape": (16,),
        "vocabulary_size": 64,
        "head": {"kind": "softmax", "units": 3},
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 32,
    },
    tags=["sequence"],
)
def transformer_backbone(
    x: keras.KerasTensor | Mapping[str, keras.KerasTensor], config: TransformerConfig
) -> keras.KerasTensor:
    """Ids (N, T), vectors (N, T, features), images (N, H, W, C), or the two inputs of seq2seq -> features.

    They are (N, hidden_dim), or (N, steps, hidden_dim) with pooling none, causal and seq2seq.
    """
    if isinstance(x, Mapping):
        context, mask = encode(x[INPUT_NAME], config, ENCODER)
        return decode(x[DECODER_INPUT], context, mask, config)
    features, mask = encode(x, config)
    if not config.gives_sequence() and config.pooling == "mean":
        return MaskedMean(name="pool")(features, mask=mask)
    return features if config.gives_sequence() else features[:, 0]


def encode(
    x: keras.KerasTensor, config: TransformerConfig, part: str = ""
) -> tuple[keras.KerasTensor, keras.KerasTensor | None]:
    """Return features (N, T, hidden_dim), and which of the steps count, bool (N, T), or None where all do."""
    mask = PaddingMask(name=f"{part}padding_mask")(x) if config.takes_sequence() and config.masks_padding() else None
    if config.patch_size is not None:
        x = Patches(config.patch_size, name="patches")(x)
    if config.vocabulary_size:
        x = embed(x, config.vocabulary_size, config, part)
    else:
        x = _dense(config.hidden_dim, config, f"{part}input_projection")(x)
    length = config.capacity()
    if config.pooling == "cls":
        x = ClassToken(name="class_token")(x)
        length = length + 1 if length is not None else None
        if mask is not None:
            mask = keras.ops.pad(mask, [(0, 0), (1, 0)], constant_values=True)
    x = place(x, length, config, part)
    for number in range(config.num_layers):
        x = block(number, config.num_layers, config, part)(x, padding_mask=mask)
    return _normalized(x, config, part), mask


def decode(
    ids: keras.KerasTensor,
    context: keras.KerasTensor,
    context_mask: keras.KerasTensor | None,
    config: TransformerConfig,
) -> keras.KerasTensor:
    """Return features (N, T, hidden_dim) of target ids (N, T) that look at a context (N, S, hidden_dim)."""
    mask = PaddingMask(name=f"{DECODER}padding_mask")(ids) if config.masks_padding() else None
    x = embed(ids, config.target_vocabulary() or 0, config, DECODER)
    x = place(x, config.decoder_capacity(), config, DECODER)
    layers = config.num_decoder_layers or config.num_layers
    for number in range(layers):
        made = block(number, layers, config, DECODER)
        x = made(x, context=context, padding_mask=mask, context_mask=context_mask)
    return _normalized(x, config, DECODER)


def embed(ids: keras.KerasTensor, vocabulary: int, config: TransformerConfig, part: str) -> keras.KerasTensor:
    """Return a vector for every id: (N, T) -> (N, T, hidden_dim), scaled to variance 1 as in the first paper."""
    scale = config.hidden_dim**0.5
    initializer = keras.initializers.RandomNormal(stddev=1 / scale)
    x = keras.layers.Embedding(
        vocabulary, config.hidden_dim, embeddings_initializer=initializer, name=f"{part}token_embedding"
    )(ids)
    return keras.layers.Rescaling(scale, name=f"{part}embedding_scale")(x)


def place(x: keras.KerasTensor, length: int | None, config: TransformerConfig, part: str) -> keras.KerasTensor:
    """Add positions, unless attention rotates by them, and drop."""
    if config.position != "rotary":
        table = length if config.position == "learned" else None
        x = PositionEmbedding(config.position, table, name=f"{part}position")(x)
    return drop(x, config.regularization, f"{part}embedding_dropout")


def block(number: int, blocks: int, config: TransformerConfig, part: str) -> TransformerBlock:
    """Return one block, by its number from 0."""
    crosses = part == DECODER
    causal = crosses or config.variant == "causal"
    branches = 3 if crosses else 2
    feed_forward = FeedForward(
        _dense(config.feed_forward_dim(), config, "hidden", config.activation),
        activation_layer(config.activation, 3, "activation"),
        _dense(config.hidden_dim, config, "projection"),
        name="feed_forward",
    )
    room = config.decoder_capacity() if crosses else config.capacity()
    rotary = config.position == "rotary"
    return TransformerBlock(
        _attention(config, "attention", causal=causal, rotary=rotary, max_length=room if causal else None),
        feed_forward,
        _attention(config, "cross_attention") if crosses else None,
        norm_first=config.norm_first,
        normalization=config.regularization.normalization or "layer",
        dropout=config.regularization.dropout,
        skip_rates=[
            skip_rate(config.regularization, branch=branches * number + branch, branches=branches * blocks)
            for branch in range(branches)
        ],
        name=f"{part}block_{number + 1}",
    )


def _attention(config: TransformerConfig, name: str, **options: Any) -> Attention:
    parts = {part: _dense(config.hidden_dim, config, part) for part in Attention.parts}
    return Attention(**parts, num_heads=config.num_heads, name=name, **options)


def _dense(
    units: int, config: TransformerConfig, name: str, follows: ActivationConfig | str = "linear"
) -> keras.layers.Dense:
    return keras.layers.Dense(
        units,
        name=name,
        **kernel_options(config, follows),
        **bias_options(config),
        kernel_constraint=kernel_constraint(config.regularization.constraint, 2),
    )


def _normalized(x: keras.KerasTensor, config: TransformerConfig, part: str) -> keras.KerasTensor:
    """Normalize what pre-norm blocks leave as a sum; post-norm ones have done so."""
    if not config.norm_first:
        return x
    return normalization_layer(config.regularization.normalization or "layer", f"{part}norm")(x)


_TEXT = {"input_shape": (16,), "vocabulary_size": 64}
_TOKENS = {**_TEXT, "head": {"kind": "token", "units": 64}}
_IMAGE = {"input_shape": (16, 16, 1), "vocabulary_size": None}
_TINY = {"num_layers": 2, "num_heads": 2, "hidden_dim": 32}
_SMALL = {"num_layers": 4, "num_heads": 4, "hidden_dim": 128}

register_model("transformer_tiny", architecture="transformer", tags=["text"], example=_TEXT, **_TINY)
register_model("transformer_small", architecture="transformer", tags=["text"], example=_TEXT, **_SMALL)
for _size, _fields in (("tiny", _TINY), ("small", _SMALL)):
    register_model(
        f"vit_{_size}",
        architecture="transformer",
        tags=["image"],
        example=_IMAGE,
        variant="vision",
        patch_size=4,
        position="learned",
        pooling="cls",
        **_fields,
    )
    register_model(
        f"gpt_{_size}",
        architecture="transformer",
        tags=["text", "generation"],
        example=_TOKENS,
        variant="causal",
        position="rotary",
        **_fields,
    )
    register_model(
        f"seq2seq_{_size}",
        architecture="transformer",
        tags=["text", "generation"],
        example=_TOKENS,
        variant="seq2seq",
        **{**_fields, "num_layers": int(_fields["num_layers"]) // 2},
    )
