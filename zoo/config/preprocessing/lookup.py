"""Categories as numbers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.config.base import FITS_INT32, Listed
from zoo.config.preprocessing.step import StepConfig, unencodable
from zoo.config.spec import Spec
from zoo.errors import shown

Categories = Annotated[tuple[str | int, ...], Field(min_length=1), Listed]
Slots = Annotated[int, Field(ge=2), FITS_INT32]

MOST_COLUMNS = 4096
"""Each column has a table of its own."""
_CHOICES = ("vocabulary", "vocabularies", "vocabulary_size", "vocabulary_sizes")


class LookupConfig(StepConfig):
    """Columns of categories, `input_shape: [columns]` (or [] for one), become a flat one-hot vector, or ids.

    Every column has categories of its own, and slots for them in the vector, one column after the other. With adapted
    vocabularies the most frequent categories of the training data get a slot; slots that stay over are always 0.
    """

    kind: Literal["lookup"]
    values: Literal["string", "int32"] = "string"
    """What a client sends."""
    vocabulary: Categories | None = None
    """The categories, where those of every column are the same."""
    vocabularies: Annotated[tuple[Categories, ...], Field(min_length=1), Listed] | None = None
    """The categories of each column."""
    vocabulary_size: Slots | None = None
    """How many slots each column has, that of unknown categories included; which they are is found in the training data."""
    vocabulary_sizes: Annotated[tuple[Slots, ...], Field(min_length=1), Listed] | None = None
    """Likewise, for each column."""
    unknown: Literal["slot", "zeros"] = "slot"
    """What categories outside of the vocabulary become: the first slot of their column, or no slot at all."""
    encoding: Literal["one_hot", "index"] = "one_hot"
    """`index` gives one id per column, for embeddings: the position of its slot in the vector. 0 is no padding then."""

    @model_validator(mode="after")
    def _one_source_of_categories(self) -> Self:
        given = [name for name in _CHOICES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_CHOICES)}, got {' and '.join(given) or 'none'}")
        if self.encoding == "index" and self.unknown == "zeros":
            raise ValueError("unknown 'zeros' belongs to encoding 'one_hot': an unknown category has no index")
        return self

    @model_validator(mode="after")
    def _categories_are_values(self) -> Self:
        for vocabulary in self.vocabularies or (self.vocabulary or (),):
            for category in vocabulary:
                fault = self._fault(category)
                if fault:
                    raise ValueError(f"values are {self.values}, but a vocabulary holds {shown(category)}: {fault}")
            if len(set(vocabulary)) < len(vocabulary):
                twice = next(category for category in vocabulary if vocabulary.count(category) > 1)
                raise ValueError(f"a vocabulary holds {twice!r} twice")
        return self

    def _fault(self, category: str | int) -> str | None:
        """Tell why a category is not one of the values, if so."""
        if self.values == "string":
            if isinstance(category, str):
                return "it cannot be written as UTF-8" if unencodable(category) else None
            return f"quote it, '{shown(category)}', or set values to 'int32'"
        if isinstance(category, str):
            return "set values to 'string'"
        return None if -(2**31) <= category < 2**31 else "it does not fit into 32 bits"

    def input_dtype(self) -> str:
        """Return `string` or `int32`."""
        return self.values

    def output(self, spec: Spec) -> Spec:
        """Return (slots,) for one-hot vectors, else the ids of what came. Raises ValueError where these are no columns."""
        if spec.dtype != self.values or len(spec.shape) > 1 or None in spec.shape:
            raise ValueError(f"lookup takes {self.values} of shape [columns] or [], got {spec}")
        sizes = self.slots(spec)
        return Spec(spec.shape, "int32") if self.encoding == "index" else Spec((sum(sizes),), "float32")

    def slots(self, spec: Spec) -> tuple[int, ...]:
        """Return how many slots each column has. Raises ValueError where there are more or fewer columns."""
        columns = (spec.shape[0] if spec.shape else 1) or 1
        if columns > MOST_COLUMNS:
            raise ValueError(f"lookup takes at most {MOST_COLUMNS} columns, got {columns}")
        extra = 1 if self.unknown == "slot" else 0
        if self.vocabulary_size is not None:
            return (self.vocabulary_size,) * columns
        if self.vocabulary is not None:
            return (len(self.vocabulary) + extra,) * columns
        sizes = self.vocabulary_sizes or tuple(len(categories) + extra for categories in self.vocabularies or ())
        if len(sizes) != columns:
            name = "vocabulary_sizes" if self.vocabulary_sizes else "vocabularies"
            raise ValueError(f"{name} has {len(sizes)} entries for {columns} columns: give one for each")
        return sizes

    def needs_adapting(self) -> bool:
        """Tell whether the categories are to be found in the data."""
        return self.vocabulary_size is not None or self.vocabulary_sizes is not None

    def ids(self, spec: Spec) -> int | None:
        """Return how many slots all columns have together."""
        return sum(self.slots(spec)) if self.encoding == "index" else None
