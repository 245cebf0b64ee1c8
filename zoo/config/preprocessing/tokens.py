"""Text as numbers."""

import string
import unicodedata
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.config.base import FITS_INT32, Listed, Size
from zoo.config.preprocessing.step import StepConfig, unencodable
from zoo.config.spec import Spec

RESERVED = ("", "[UNK]")
"""What Keras's vocabularies begin with; here, ids 0 and 1 need no string."""
BYTE_IDS = 257
"""Padding, and one id per byte."""


class TokensConfig(StepConfig):
    """Text (`input_shape: []`) becomes `length` token ids: 0 is padding, 1 an unknown token, then those of the vocabulary.

    At byte level an id is the byte + 1: nothing is unknown, and text need not be valid UTF-8.
    """

    kind: Literal["tokens"]
    length: Size
    """How many tokens come out: longer texts are cut off, shorter ones padded with 0."""
    level: Literal["word", "character", "byte"] = "word"
    """What a token is: what stands between white space, a Unicode character, or a byte."""
    standardize: Literal["lower_and_strip_punctuation", "lower", "none"] | None = None
    """What happens to text first, by Unicode's rules, the same in every locale; null: all for words, nothing otherwise."""
    vocabulary_size: Annotated[int, Field(ge=3), FITS_INT32] | None = None
    """How many ids there are, 0 and 1 included: the most frequent tokens of the training data have one."""
    vocabulary: Annotated[tuple[str, ...], Field(min_length=1), Listed] | None = None
    """The tokens themselves, the first of which gets id 2; in place of `vocabulary_size`."""

    @model_validator(mode="after")
    def _vocabulary_suits_level(self) -> Self:
        given = [name for name in ("vocabulary_size", "vocabulary") if getattr(self, name) is not None]
        if self.level == "byte" and given:
            raise ValueError(f"bytes have their {BYTE_IDS} ids already: leave {' and '.join(given)} out")
        if self.level != "byte" and len(given) != 1:
            raise ValueError(
                "give vocabulary_size, for the most frequent tokens of the training data, or the vocabulary itself, got "
                + ("both" if given else "neither")
            )
        return self

    @model_validator(mode="after")
    def _tokens_can_occur(self) -> Self:
        seen = set()
        for token in self.vocabulary or ():
            if token in RESERVED:
                raise ValueError(f"vocabulary holds {token!r}: leave it out, 0 is padding and 1 is unknown already")
            if token in seen:
                raise ValueError(f"vocabulary holds {token!r} twice")
            seen.add(token)
            fault = self._fault(token)
            if fault:
                raise ValueError(f"vocabulary holds {token!r}, which no text contains: {fault}")
        return self

    def _fault(self, token: str) -> str | None:
        """Tell why a token cannot occur, if so."""
        if unencodable(token):
            return "it cannot be written as UTF-8"
        if self.level == "character" and len(token) > 1:
            return "it is more than one character"
        if self.level == "word" and token.split() != [token]:
            return "words are what stands between white space"
        if self.standardization != "none" and token != token.lower():
            return "text is lower-cased first; change it, or set standardize"
        if self.standardization == "lower_and_strip_punctuation" and any(map(_is_punctuation, token)):
            return "punctuation is stripped first; change it, or set standardize"
        return None

    @property
    def standardization(self) -> str:
        """What happens to text first, `null` worked out."""
        return self.standardize or ("lower_and_strip_punctuation" if self.level == "word" else "none")

    def input_dtype(self) -> str:
        """Return `string`."""
        return "string"

    def output(self, spec: Spec) -> Spec:
        """Return (length,) ids. Raises ValueError where this is not one text per row."""
        if spec != Spec((), "string"):
            raise ValueError(f"tokens takes one text per row, {Spec((), 'string')}, got {spec}: set input_shape to []")
        return Spec((self.length,), "int32")

    def needs_adapting(self) -> bool:
        """Tell whether the vocabulary is to be found in the data."""
        return self.vocabulary_size is not None

    def ids(self, spec: Spec) -> int:  # noqa: ARG002 - one text has one vocabulary
        """Return how many ids there are, padding and unknown included."""
        return self.vocabulary_size or (len(self.vocabulary) + 2 if self.vocabulary else BYTE_IDS)


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P") or character in string.punctuation
