"""Strings in TensorFlow, which alone of Keras's backends has them: the one place of the layers that imports it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras

from zoo.errors import ConfigError

# TensorFlow lower-cases by the rules of the process's locale, in which these letters differ between languages: in Turkish
# I becomes a dotless i, in Lithuanian accents keep the dot. Those that remain once ASCII is lower-cased, by hand:
_LOCAL = {"\u0130": "i\u0307", "\u00cc": "\u00ec", "\u00cd": "\u00ed", "\u0128": "\u0129", "\u012e": "\u012f"}
_WHITE_SPACE = r"[\p{Z}\x{09}-\x{0d}\x{1c}-\x{20}\x{85}]+"
_PUNCTUATION = r"[\p{P}$+<=>^`|~]"


def require_tensorflow(what: str) -> None:
    """Raise ConfigError where Keras runs on a backend that has no strings."""
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"{what} works on strings, which only TensorFlow has, and Keras runs on {keras.backend.backend()}: "
            "set KERAS_BACKEND=tensorflow in the environment, or do this step before the model"
        )


def standardize(texts: Any, how: str) -> Any:
    """Return texts as `TokensConfig.standardize` says.

    Where they are lower-cased, a NUL becomes a space, and what is no UTF-8 becomes U+FFFD.
    """
    import tensorflow as tf

    if how == "none":
        return texts
    texts = tf.strings.regex_replace(tf.strings.lower(texts), r"\x{00}", " ")  # where `lower` would end the text
    for letter, lowered in _LOCAL.items():
        texts = tf.strings.regex_replace(texts, letter, lowered)
    texts = tf.strings.lower(texts, encoding="utf-8")
    return tf.strings.regex_replace(texts, _PUNCTUATION, "") if how == "lower_and_strip_punctuation" else texts


def split(texts: Any, level: str) -> Any:
    """Return the words or the characters of texts (N,), ragged (N, any)."""
    import tensorflow as tf

    if level == "character":
        return tf.strings.unicode_split(texts, "UTF-8", errors="replace")
    return tf.strings.split(tf.strings.regex_replace(texts, _WHITE_SPACE, " "))


def byte_ids(texts: Any, length: int) -> Any:
    """Return the bytes of texts (N,), each + 1, cut or padded with 0 to int32 (N, length)."""
    import tensorflow as tf

    values = tf.cast(tf.io.decode_raw(texts, tf.uint8, fixed_length=length), tf.int32) + 1
    return tf.where(tf.sequence_mask(tf.strings.length(texts), length), values, 0)


def make_table(keys: Sequence[str], *, first: int, otherwise: int) -> Any:
    """Return a table that gives every key its position, counted from `first`, and `otherwise` what is not among them.

    Raises:
        ConfigError: a key is there twice.
    """
    import tensorflow as tf

    again = [key for key, count in Counter(keys).items() if count > 1]
    if again:
        raise ConfigError(f"a vocabulary names {again[0]!r} twice: which of its numbers is it?")

    with tf.init_scope():  # it outlives the function that may be being traced
        values = tf.range(first, first + len(keys), dtype=tf.int64)
        contents = tf.lookup.KeyValueTensorInitializer(tf.constant(list(keys), tf.string), values)
        return tf.lookup.StaticHashTable(contents, default_value=otherwise)


def look_up(table: Any, strings: Any, *, length: int | None = None) -> Any:
    """Return the int32 numbers of strings; of ragged ones, cut or padded with 0 to `length`."""
    import tensorflow as tf

    found = table.lookup(strings)
    return tf.cast(found if length is None else found.to_tensor(0, shape=(None, length)), tf.int32)
