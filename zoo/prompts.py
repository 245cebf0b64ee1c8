"""What a model that generates begins with, checked and made into one array."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.errors import ConfigError
from zoo.sampling import PADDING


def check_token(what: str, token: int, vocabulary: int) -> None:
    """Raise ConfigError unless it is the id of a token, padding being none."""
    if isinstance(token, bool) or not isinstance(token, int | np.integer):
        raise ConfigError(f"{what}: expected a whole number, got {token!r:.40}")
    if not PADDING < token < vocabulary:
        hint = "; 0 is padding, and rows of different lengths are padded by themselves" if token == PADDING else ""
        raise ConfigError(f"{what}: expected an id from 1 to {vocabulary - 1}, got {token}{hint}")


def check_prompt(number: int, prompt: Any, vocabulary: int) -> np.ndarray:
    """Return the token ids of a prompt, int32.

    Raises:
        ConfigError: it is no row of ids, it is empty, or it holds padding or an id that is none.
    """
    ids, what = np.asarray(prompt), f"prompt {number}"
    if ids.ndim != 1:
        raise ConfigError(f"{what}: expected a row of token ids, got shape {ids.shape}")
    if not ids.size:
        raise ConfigError(f"{what} is empty: give it a token at least, such as one that every text begins with")
    if ids.dtype.kind not in "iu":
        raise ConfigError(f"{what}: expected token ids, which are whole numbers, got dtype {ids.dtype}")
    for place, token in enumerate(ids.tolist()):
        check_token(f"{what}, token {place}", token, vocabulary)
    return ids.astype("int32")


def check_room(rows: Sequence[np.ndarray], new: int, room: int) -> None:
    """Raise ConfigError unless a model that looks at `room` tokens can add `new` ones to each of the rows."""
    if isinstance(new, bool) or not isinstance(new, int | np.integer) or new < 1:
        raise ConfigError(f"max_new_tokens: expected a whole number of at least 1, got {new!r:.40}")
    for number, row in enumerate(rows):
        if len(row) > room:
            raise ConfigError(f"prompt {number} has {len(row)} tokens, but the model has room for {room}: shorten it")
        most = room + 1 - len(row)  # the last token is not looked at
        if new > most:
            raise ConfigError(
                f"max_new_tokens is {new}, but beside the {len(row)} tokens of prompt {number} the model has room for "
                f"{most}: ask for fewer, or build it with a larger max_length"
            )


def pad_prompts(rows: Sequence[np.ndarray], room: int) -> np.ndarray:
    """Return ids (N, T), padded; T is a power of two or `room`, so that prompts of many lengths need few compilations."""
    longest = max(len(row) for row in rows)
    table = np.full((len(rows), min(room, 1 << (longest - 1).bit_length())), PADDING, "int32")
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def pad_sources(sources: Sequence[Any], taken: keras.KerasTensor) -> np.ndarray:
    """Return sources as one array, as a model's input takes them; ids and vectors are padded with 0 to one length.

    Raises:
        ConfigError: one is empty, too long, or of another shape.
    """
    arrays = [np.asarray(source) for source in sources]
    if taken.dtype == "string":
        return np.array(sources)
    each = tuple(taken.shape[2:])
    longest = taken.shape[1] or max(array.shape[0] if array.ndim else 0 for array in arrays)
    for number, array in enumerate(arrays):
        if array.ndim != 1 + len(each) or array.shape[1:] != each or not 0 < len(array) <= longest:
            wanted = ", ".join([f"1 to {longest}", *map(str, each)])
            raise ConfigError(f"source {number}: expected shape ({wanted}), got {array.shape}")
    table = np.zeros((len(arrays), longest, *each), taken.dtype)
    for line, array in zip(table, arrays, strict=True):
        line[: len(array)] = array
    return table
