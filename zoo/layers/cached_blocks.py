"""A stack of transformer blocks that keeps what it looked at."""

from typing import Any

import keras
from keras import ops

from zoo.layers.composite import Composite
from zoo.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable("keras_zoo")
class CachedBlocks(Composite):
    """Applies blocks to steps that follow others, whose keys and values are in a cache.

    It is a layer of its own because Keras counts the outputs of a layer once and for all, so that a block cannot at times
    return a cache too.
    """

    parts = ("blocks",)

    def __init__(self, blocks: list[TransformerBlock], **options: Any) -> None:
        """Take the blocks; options are those of every Keras layer."""
        super().__init__(**options)
        self.blocks = list(blocks)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of blocks that have none yet."""
        for block in self.blocks:
            if not block.built:
                block.build(input_shape)

    def call(
        self, inputs: Any, positions: Any, cache: Any = None, source_cache: Any = None, source_mask: Any = None
    ) -> tuple[Any, Any]:
        """Apply the blocks.

        Args:
            inputs: (N, T, D).
            positions: int (N,), where the first of the inputs stands in its sequence.
            cache: keys and values of earlier steps, (layers, 2, N, max_length, heads, D / heads); none at the beginning.
            source_cache: keys and values that cross-attention looks at, (layers, 2, N, S, heads, D / heads).
            source_mask: bool (N, S), which of these count.

        Returns:
            (N, T, D), and the cache with these steps.
        """
        x, caches = inputs, []
        for number, block in enumerate(self.blocks):
            own = {"positions": positions, "cache": None if cache is None else cache[number]}
            context = {} if source_cache is None else {"cache": source_cache[number], "counts": source_mask}
            x, kept = block.extend(x, own, context)
            caches.append(kept)
        return x, ops.stack(caches)

    def compute_output_spec(self, inputs: keras.KerasTensor, **_: Any) -> tuple[Any, Any]:
        """Return the specs of what `call` returns."""
        attention = self.blocks[0].attention
        shape = attention.cache_shape(inputs.shape[0], attention.max_length)
        return (
            keras.KerasTensor(inputs.shape, dtype=self.compute_dtype),
            keras.KerasTensor((len(self.blocks), *shape), dtype=self.compute_dtype),
        )
