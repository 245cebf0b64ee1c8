"""What the cross-attention of a stack of blocks looks at, made once for every step to come."""

from typing import Any

import keras
from keras import ops

from zoo.layers.composite import Composite
from zoo.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable("keras_zoo")
class ContextCache(Composite):
    """A context (N, S, D) -> its keys and values in every block, (layers, 2, N, S, heads, D / heads)."""

    parts = ("blocks",)

    def __init__(self, blocks: list[TransformerBlock], **options: Any) -> None:
        """Take blocks that have cross-attention; options are those of every Keras layer."""
        super().__init__(**options)
        self.blocks = list(blocks)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of blocks that have none yet."""
        for block in self.blocks:
            if not block.built:
                block.build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return them."""
        attentions = [block.cross_attention for block in self.blocks]
        return ops.stack([attention.keys_and_values(inputs) for attention in attentions if attention is not None])
