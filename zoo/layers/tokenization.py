"""Text as token ids."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from zoo.errors import ConfigError
from zoo.layers.adapted import AdaptedLayer
from zoo.layers.strings import byte_ids, look_up, make_table, require_tensorflow, split, standardize
from zoo.layers.vocabulary import most_frequent, read_vocabularies, texts_of, write_vocabularies

SPECIAL = 2
"""Ids that are no tokens: 0 for padding, 1 for unknown ones."""


@keras.saving.register_keras_serializable("keras_zoo")
class Tokenization(AdaptedLayer):
    """Texts (N,) become int32 ids (N, length): words, characters or bytes. TensorFlow only, and not under XLA."""

    def __init__(
        self,
        length: int,
        *,
        level: str = "word",
        standardization: str = "lower_and_strip_punctuation",
        vocabulary_size: int | None = None,
        vocabulary: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        """Make the layer; for the arguments see `TokensConfig`. Options are those of every Keras layer.

        Raises:
            ConfigError: Keras runs on another backend.
        """
        super().__init__(**options)
        require_tensorflow(f"{self.name!r}, which turns text into tokens,")
        self.length = length
        self.level = level
        self.standardization = standardization
        self.vocabulary_size = vocabulary_size
        self.given = None if vocabulary is None else tuple(vocabulary)
        self.supports_jit = False
        self._tokens: tuple[str, ...] | None = None
        self._table: Any = None
        if self.given is not None:
            self._set(self.given)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens that have an id, the first of which has 2; none before adapting, and none of bytes."""
        return self._tokens or ()

    def call(self, inputs: Any) -> Any:
        """Return the ids."""
        texts = standardize(inputs, self.standardization)
        if self.level == "byte":
            return byte_ids(texts, self.length)
        self.refuse_unadapted()
        return look_up(self._table, split(texts, self.level), length=self.length)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, length)."""
        return (*input_shape, self.length)

    def output_dtype(self) -> str:
        """Return `int32`."""
        return "int32"

    @property
    def from_data(self) -> bool:
        """Whether the vocabulary comes from data."""
        return self.level != "byte" and self.given is None

    @property
    def adapted(self) -> bool:
        """Whether the vocabulary is known, or none is needed."""
        return self.level == "byte" or self._tokens is not None

    def fit(self, batches: Iterable[np.ndarray]) -> None:
        """Count tokens and keep the most frequent; of those that occur as often, the first by code point."""
        counts: Counter[str] = Counter()
        for batch in batches:
            tokens = split(standardize(keras.ops.convert_to_tensor(batch, "string"), self.standardization), self.level)
            counts.update(texts_of(tokens.flat_values.numpy().tolist()))
        if not counts:
            raise ConfigError(f"{self.name!r} finds no {self.level} in the rows: the texts are empty")
        self._set(most_frequent(counts, (self.vocabulary_size or 0) - SPECIAL))

    def _set(self, tokens: Sequence[str]) -> None:
        if self._tokens != tuple(tokens):  # functions traced before would lose their table
            self._tokens = tuple(tokens)
            self._table = make_table(self._tokens, first=SPECIAL, otherwise=1)

    def state(self) -> dict[str, np.ndarray]:
        """Return the vocabulary."""
        return {} if self._tokens is None else {"vocabulary": write_vocabularies([self._tokens])}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take the vocabulary."""
        self._set(read_vocabularies(state["vocabulary"])[0])

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer, but for what was learnt."""
        return {
            **super().get_config(),
            "length": self.length,
            "level": self.level,
            "standardization": self.standardization,
            "vocabulary_size": self.vocabulary_size,
            "vocabulary": None if self.given is None else list(self.given),
        }
