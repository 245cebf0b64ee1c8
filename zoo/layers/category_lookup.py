"""Columns of categories as one-hot vectors or ids."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import ConfigError
from zoo.layers.adapted import AdaptedLayer
from zoo.layers.strings import look_up, make_table, require_tensorflow
from zoo.layers.vocabulary import most_frequent, read_vocabularies, texts_of, write_vocabularies


@keras.saving.register_keras_serializable("keras_zoo")
class CategoryLookup(AdaptedLayer):
    """Categories (N, columns), or (N,), become a float32 vector (N, slots), or int32 ids: the positions of their slots.

    Strings need TensorFlow, and do not go under XLA; integers run everywhere.
    """

    def __init__(
        self,
        slots: Sequence[int],
        *,
        values: str = "string",
        vocabularies: Sequence[Sequence[str | int]] | None = None,
        unknown: str = "slot",
        encoding: str = "one_hot",
        **options: Any,
    ) -> None:
        """Make the layer.

        Args:
            slots: how many each column has, that of unknown categories included.
            values: `string` or `int32`.
            vocabularies: the categories of each column, where they are not to be found in the data.
            unknown: whether unknown categories have a `slot`, the first, or are all `zeros`.
            encoding: `one_hot` or `index`.
            **options: those of every Keras layer.

        Raises:
            ConfigError: strings are to be looked up on another backend than TensorFlow.
        """
        super().__init__(**options)
        if values == "string":
            require_tensorflow(f"{self.name!r}, which looks categories up,")
            self.supports_jit = False
        self.slots = tuple(slots)
        self.values = values
        self.unknown = unknown
        self.encoding = encoding
        self.given = None if vocabularies is None else [tuple(categories) for categories in vocabularies]
        self._categories: list[tuple[Any, ...]] | None = None
        self._tables: list[Any] = []
        if self.given is not None:
            self._set(self.given)

    @property
    def vocabularies(self) -> list[tuple[Any, ...]]:
        """The categories of each column, in the order of their slots; none before adapting."""
        return list(self._categories or ())

    def call(self, inputs: Any) -> Any:
        """Return the vectors or the ids."""
        self.refuse_unadapted()
        flat = len(inputs.shape) == 1
        columns = [inputs] if flat else [inputs[:, column] for column in range(len(self.slots))]
        numbers = [self._look_up(column, values) for column, values in enumerate(columns)]
        if self.encoding == "one_hot":  # of -1, an unknown category without a slot, it is all zeros
            vectors = [ops.one_hot(n, size, dtype="float32") for n, size in zip(numbers, self.slots, strict=True)]
            return ops.concatenate(vectors, axis=-1)
        starts = [0, *accumulate(self.slots[:-1])]
        ids = [number + start for number, start in zip(numbers, starts, strict=True)]
        return ids[0] if flat else ops.stack(ids, axis=-1)

    def _look_up(self, column: int, values: Any) -> Any:
        """Return the slot of every value within its column."""
        first, otherwise = self._numbering()
        if self.values == "string":
            return look_up(self._tables[column], values)
        categories = np.array(self.vocabularies[column], "int32")
        order = np.argsort(categories)
        place = ops.searchsorted(categories[order], values)
        place = ops.minimum(place, len(categories) - 1)
        slots = ops.take((order + first).astype("int32"), place)
        return ops.where(ops.equal(ops.take(categories[order], place), values), slots, np.int32(otherwise))

    def _numbering(self) -> tuple[int, int]:
        """Return the slot of the first category, and that of unknown ones."""
        return (1, 0) if self.unknown == "slot" else (0, -1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, slots), or the same shape for ids."""
        return (input_shape[0], sum(self.slots)) if self.encoding == "one_hot" else input_shape

    def output_dtype(self) -> str:
        """Return `float32` for vectors, `int32` for ids."""
        return "float32" if self.encoding == "one_hot" else "int32"

    @property
    def from_data(self) -> bool:
        """Whether the categories come from data."""
        return self.given is None

    @property
    def adapted(self) -> bool:
        """Whether the categories are known."""
        return self._categories is not None

    def fit(self, batches: Iterable[np.ndarray]) -> None:
        """Count categories and keep the most frequent of each column; of those that occur as often, the first in order."""
        counts: list[Counter[Any]] = [Counter() for _ in self.slots]
        for batch in batches:
            for counter, values in zip(counts, batch.reshape(len(batch), -1).T, strict=True):
                counter.update(texts_of(values.tolist()))
        empty = next((column for column, counter in enumerate(counts) if not counter), None)
        if empty is not None:
            raise ConfigError(
                f"{self.name!r} finds no category in column {empty} of the rows: none of it is UTF-8 text"
            )
        first, _ = self._numbering()
        self._set([tuple(most_frequent(c, size - first)) for c, size in zip(counts, self.slots, strict=True)])

    def _set(self, categories: Sequence[Sequence[Any]]) -> None:
        chosen = [tuple(column) for column in categories]
        if self._categories != chosen:  # functions traced before would lose their tables
            self._categories = chosen
            first, otherwise = self._numbering()
            if self.values == "string":
                self._tables = [make_table(column, first=first, otherwise=otherwise) for column in chosen]

    def state(self) -> dict[str, np.ndarray]:
        """Return the categories."""
        return {} if self._categories is None else {"vocabularies": write_vocabularies(self._categories)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take the categories."""
        self._set(read_vocabularies(state["vocabularies"]))

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer, but for what was learnt."""
        return {
            **super().get_config(),
            "slots": list(self.slots),
            "values": self.values,
            "vocabularies": None if self.given is None else [list(categories) for categories in self.given],
            "unknown": self.unknown,
            "encoding": self.encoding,
        }
