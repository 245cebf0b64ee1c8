"""What a transformer is a stack of: attention and a feed-forward network, each on a residual branch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from zoo.layers.attention import Attention
from zoo.layers.composite import Composite
from zoo.layers.feed_forward import FeedForward
from zoo.layers.stochastic_depth import StochasticDepth

EPSILON = 1e-5
"""Added to variances. Keras's own 1e-3 would shrink what has a small variance, as embeddings may."""


@keras.saving.register_keras_serializable("keras_zoo")
class TransformerBlock(Composite):
    """Self-attention, attention to a context where there is one, feed-forward: (N, T, D) -> (N, T, D).

    Each is a residual branch, x + f(norm(x)) (pre-norm; Xiong et al., 2020) or norm(x + f(x)) (post-norm; Vaswani et al.,
    2017), with dropout and stochastic depth on f.
    """

    parts = ("attention", "cross_attention", "feed_forward")

    def __init__(
        self,
        attention: Attention,
        feed_forward: FeedForward,
        cross_attention: Attention | None = None,
        *,
        norm_first: bool = True,
        normalization: str = "layer",
        dropout: float = 0.0,
        skip_rates: Sequence[float] = (0.0, 0.0),
        **options: Any,
    ) -> None:
        """Take the branches.

        Args:
            attention: of the sequence to itself.
            feed_forward: at every step.
            cross_attention: of the sequence to a context.
            norm_first: pre-norm rather than post-norm.
            normalization: `layer` or `rms`.
            dropout: fraction of what a branch adds that is zeroed in training.
            skip_rates: the chance of each branch, in order, to be skipped in training.
            **options: those of every Keras layer.
        """
        super().__init__(**options)
        self.attention, self.feed_forward, self.cross_attention = attention, feed_forward, cross_attention
        self.norm_first, self.normalization, self.dropout = norm_first, normalization, dropout
        self.skip_rates = list(skip_rates)
        branches = [part for part in self.parts if getattr(self, part) is not None]
        if len(skip_rates) != len(branches):
            raise ValueError(f"expected a rate for each of {', '.join(branches)}, got {list(skip_rates)}")
        self.norms = [normalization_layer(normalization, f"{branch}_norm") for branch in branches]
        self.drops = [keras.layers.Dropout(dropout, name=f"{branch}_dropout") for branch in branches]
        self.skips = [
            StochasticDepth(rate, name=f"{branch}_skip") for rate, branch in zip(skip_rates, branches, strict=True)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        for part in self.parts:
            if getattr(self, part) is not None:
                getattr(self, part).build(input_shape)
        for norm in self.norms:
            norm.build(input_shape)

    def call(
        self,
        inputs: Any,
        context: Any = None,
        padding_mask: Any = None,
        context_mask: Any = None,
        training: bool = False,  # noqa: FBT001, FBT002 - Keras's signature
    ) -> Any:
        """Apply the branches.

        Args:
            inputs: (N, T, D).
            context: (N, S, D), for cross-attention.
            padding_mask: bool (N, T), which steps count.
            context_mask: bool (N, S), which steps of the context count.
            training: whether dropout and stochastic depth are on.

        Returns:
            (N, T, D).
        """
        own = {"counts": padding_mask}
        return self._branches(inputs, own, {"context": context, "counts": context_mask}, training=training)[0]

    def extend(self, inputs: Any, own: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[Any, Any]:
        """Apply the branches, in inference, to steps that follow others; see `Attention.call`.

        Args:
            inputs: (N, T, D).
            own: `positions` and `cache` for self-attention.
            context: `cache` and `counts` for cross-attention.

        Returns:
            (N, T, D), and the cache with these steps.
        """
        return self._branches(inputs, own, context, training=False)

    def compute_output_spec(self, inputs: keras.KerasTensor, **_: Any) -> keras.KerasTensor:
        """Return the spec of what `call` returns, which Keras would otherwise find out by tracing it, at length."""
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def multiply_adds(self, input_shape: tuple[int, ...], context_shape: tuple[int, ...] | None = None) -> int:
        """Return the multiplications with addition that one example takes; arguments as of `Attention.multiply_adds`."""
        count = self.attention.multiply_adds(input_shape) + self.feed_forward.multiply_adds(input_shape)
        if self.cross_attention is not None:
            count += self.cross_attention.multiply_adds(input_shape, context_shape)
        return count

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer."""
        own = ("norm_first", "normalization", "dropout", "skip_rates")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    def _branches(
        self, x: Any, own: Mapping[str, Any], context: Mapping[str, Any], *, training: bool
    ) -> tuple[Any, Any]:
        cache = None

        def attend(x: Any) -> Any:
            nonlocal cache
            answers, cache = self.attention(x, **own)
            return answers

        x = self._add(x, 0, attend, training=training)
        cross = self.cross_attention
        if cross is not None:
            x = self._add(x, 1, lambda x: cross(x, **context)[0], training=training)
        return self._add(x, -1, self.feed_forward, training=training), cache

    def _add(self, x: Any, branch: int, function: Callable[[Any], Any], *, training: bool) -> Any:
        norm, drop, skip = self.norms[branch], self.drops[branch], self.skips[branch]
        added = function(norm(x) if self.norm_first else x)
        x = x + skip(drop(added, training=training), training=training)
        return x if self.norm_first else norm(x)


def normalization_layer(kind: str, name: str) -> keras.layers.Layer:
    """Return the layer over the features that is called `layer` (Ba et al., 2016) or `rms` (Zhang and Sennrich, 2019)."""
    kinds = {"layer": keras.layers.LayerNormalization, "rms": keras.layers.RMSNormalization}
    if kind not in kinds:
        raise ValueError(f"expected a normalization of {', '.join(kinds)}, got {kind!r}")
    return kinds[kind](epsilon=EPSILON, name=name)
