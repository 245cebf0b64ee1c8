"""Multi-head attention (Vaswani et al., 2017), with a cache of keys and values where one is asked for."""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.layers.composite import Composite
from zoo.layers.rotary import rotate
from zoo.layers.step_weights import step_weights

_HIDDEN = -1e9
"""Added to the score of what a mask hides: its weight is 0 beside any other, and a row that is all hidden stays finite."""


@keras.saving.register_keras_serializable("keras_zoo")
class Attention(Composite):
    """Every step looks at the steps of its own sequence, or of a context, and takes a mean of their values: (N, T, D).

    Written out in products, because `keras.ops.dot_product_attention` of Keras 3.15 multiplies in half precision before it
    scales, and with flash attention on a TPU applies the mask of the first row to all.
    """

    parts = ("query", "key", "value", "projection")

    def __init__(
        self,
        query: keras.layers.Dense,
        key: keras.layers.Dense,
        value: keras.layers.Dense,
        projection: keras.layers.Dense,
        *,
        num_heads: int,
        causal: bool = False,
        rotary: bool = False,
        max_length: int | None = None,
        **options: Any,
    ) -> None:
        """Take the four linear layers, each of D units.

        Args:
            query: makes queries.
            key: makes keys.
            value: makes values.
            projection: mixes the heads' answers.
            num_heads: how many heads share the D units, D / num_heads each.
            causal: whether a step sees only itself and those before it.
            rotary: whether queries and keys are rotated by their positions.
            max_length: how many steps a cache has.
            **options: those of every Keras layer.
        """
        super().__init__(**options)
        if query.units % num_heads:
            raise ValueError(f"expected num_heads to divide {query.units} units, got {num_heads}")
        self.query, self.key, self.value, self.projection = query, key, value, projection
        self.num_heads, self.causal, self.rotary, self.max_length = num_heads, causal, rotary, max_length
        self.head_dim = query.units // num_heads

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights; a context has as many features as the inputs."""
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.projection.build((*input_shape[:-1], self.query.units))

    def call(
        self, inputs: Any, context: Any = None, counts: Any = None, cache: Any = None, positions: Any = None
    ) -> tuple[Any, Any]:
        """Attend.

        Args:
            inputs: (N, T, D).
            context: (N, S, D), what is looked at; the inputs themselves where not given.
            counts: bool (N, S), which steps of what is looked at count; all where not given. Not used with `positions`.
            cache: keys and values, (2, N, S, heads, D / heads): with `positions` those of earlier steps of the same
                sequence, S being `max_length`; else those of a context, in its place.
            positions: int (N,), where in its sequence the first of the inputs stands. Theirs are then put into the cache
                (an empty one, where none is given), and a step sees what the cache has up to itself.

        Returns:
            (N, T, D), and the keys and values that were looked at, shaped as `cache`.
        """
        steps = ops.arange(ops.shape(inputs)[1])
        at = ops.expand_dims(steps, 0) if positions is None else ops.add(ops.expand_dims(positions, 1), steps)
        query = self._turned(self._heads(self.query(inputs)), at)
        if positions is not None:
            cache = self._write(ops.stack(self._own(inputs, at)), cache, positions)
            seen = ops.less_equal(ops.arange(self.max_length), ops.expand_dims(at, -1))
        else:
            seen = self._seen(counts, steps)
        if cache is not None:
            key, value = cache[0], cache[1]
        else:  # looked at as they are: LiteRT takes an eighth of a transformer's time to put them together and apart
            key, value = self._of(context) if context is not None else self._own(inputs, at)
            cache = ops.stack([key, value])
        answers = _attend(query, key, value, seen)
        answers = ops.reshape(answers, (*_sizes(inputs), self.query.units))
        return self.projection(answers), cache

    def keys_and_values(self, context: Any) -> Any:
        """Return those of a context (N, S, D), as a `cache` for every step that will look at it."""
        return ops.stack(self._of(context))

    def cache_shape(self, rows: int | None, steps: int | None) -> tuple[int | None, ...]:
        """Return the shape of a cache for so many rows and steps: (2, rows, steps, heads, D / heads)."""
        return (2, rows, steps, self.num_heads, self.head_dim)

    def multiply_adds(self, input_shape: tuple[int, ...], context_shape: tuple[int, ...] | None = None) -> int:
        """Return the multiplications with addition that one example takes, biases and softmax left out.

        Args:
            input_shape: (N, T, D).
            context_shape: (N, S, D), where there is one.
        """
        steps, width = input_shape[1:]
        seen = (context_shape or input_shape)[1]
        units = self.query.units
        return 2 * steps * width * units + 2 * seen * width * units + 2 * steps * seen * units

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer."""
        own = ("num_heads", "causal", "rotary", "max_length")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    def _heads(self, x: Any) -> Any:
        return ops.reshape(x, (*_sizes(x), self.num_heads, self.head_dim))

    def _turned(self, x: Any, at: Any) -> Any:
        return rotate(x, at) if self.rotary else x

    def _of(self, looked_at: Any) -> tuple[Any, Any]:
        """Return keys and values, (N, S, heads, D / heads) each."""
        return self._heads(self.key(looked_at)), self._heads(self.value(looked_at))

    def _own(self, inputs: Any, at: Any) -> tuple[Any, Any]:
        key, value = self._of(inputs)
        return self._turned(key, at), value

    def _write(self, new: Any, cache: Any, positions: Any) -> Any:
        """Put keys and values of T new steps (2, N, T, heads, size) where they belong: (2, N, max_length, heads, size)."""
        if self.max_length is None:
            raise ValueError("this attention keeps no cache: it has no max_length")
        steps = ops.shape(new)[2]
        step_of_slot = ops.subtract(ops.arange(self.max_length), ops.expand_dims(positions, 1))
        is_new = ops.logical_and(step_of_slot >= 0, step_of_slot < steps)[None, :, :, None, None]
        if new.shape[2] != 1:  # a single step fits every slot by broadcasting
            taken = ops.clip(step_of_slot, 0, steps - 1)[None, :, :, None, None]
            new = ops.take_along_axis(new, taken, axis=2)
        return ops.where(is_new, new, ops.zeros((), new.dtype) if cache is None else cache)

    def _seen(self, counts: Any, steps: Any) -> Any:
        """Return which steps each step sees, broadcastable to (N, T, S), or None where each sees all."""
        counts = None if counts is None else ops.expand_dims(counts, 1)
        if not self.causal:
            return counts
        before = steps <= ops.expand_dims(steps, 1)
        if counts is None:
            return ops.expand_dims(before, 0)
        # A step always sees itself: a row that began with padding would have nothing to see, and so see all, even what
        # comes later.
        itself = steps == ops.expand_dims(steps, 1)
        return ops.logical_and(before, ops.logical_or(counts, itself))


def _attend(query: Any, key: Any, value: Any, seen: Any) -> Any:
    """Return the values' mean, weighted by the softmax of the scaled products: (N, T, heads, size).

    Scores and softmax are in float32 under every dtype policy. What a mask adds is made in the mask's own, smaller shape:
    to choose among all scores takes LiteRT six times as long as to add to them.
    """
    scores = ops.einsum("nthd,nshd->nhts", query * query.shape[-1] ** -0.5, key)
    scores = ops.cast(scores, "float32")
    if seen is not None:
        scores = scores + ops.expand_dims(ops.where(seen, np.float32(0), np.float32(_HIDDEN)), 1)
    weights = ops.cast(step_weights(scores, axis=-1), value.dtype)
    return ops.einsum("nhts,nshd->nthd", weights, value)


def _sizes(x: Any) -> tuple[Any, Any]:
    """Return rows and steps, to reshape to; a size that is known stays a number, which XLA asks for."""
    if x.shape[1] is not None:
        return x.shape[0] or -1, x.shape[1]
    sizes = ops.shape(x)
    return sizes[0], sizes[1]
