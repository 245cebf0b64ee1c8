from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.preprocessing import OneHotEncoder

from zoo.errors import ConfigError, NotAdaptedError
from zoo.layers.category_lookup import CategoryLookup

TABLE = np.array([["red", "S"], ["blue", "M"], ["red", "L"], ["red", "M"], ["green", "M"]], object)
NUMBERS = np.array([[7, -1], [3, 5], [7, 0], [7, 5], [2**31 - 1, 5]], "int32")


def test_one_hot_vectors_are_those_of_scikit_learn() -> None:
    layer = CategoryLookup([3, 3], vocabularies=[["blue", "green", "red"], ["L", "M", "S"]], unknown="zeros")
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(TABLE)
    rows = np.concatenate([TABLE, np.array([["pink", "S"], ["red", "XS"]], object)])

    np.testing.assert_array_equal(layer(tf.constant(rows)), encoder.transform(rows))


def test_integers_are_looked_up_as_strings_are() -> None:
    vocabularies = [sorted({int(x) for x in NUMBERS[:, c]})[::-1] for c in range(2)]
    as_text = [[str(x) for x in vocabulary] for vocabulary in vocabularies]
    rows = np.concatenate([NUMBERS, np.array([[4, 6], [-(2**31), 2**31 - 1]], "int32")])
    for encoding in ("one_hot", "index"):
        numbers = CategoryLookup([4, 4], values="int32", vocabularies=vocabularies, encoding=encoding)
        strings = CategoryLookup([4, 4], vocabularies=as_text, encoding=encoding)

        np.testing.assert_array_equal(numbers(rows), strings(tf.constant(rows.astype(str).astype(object))))


def test_unknown_categories_have_the_first_slot_of_their_column() -> None:
    layer = CategoryLookup([3, 2], vocabularies=[["red", "blue"], ["S"]])

    answers = layer(tf.constant([["blue", "S"], ["?", "S"], ["red", "?"]]))
    np.testing.assert_array_equal(answers, [[0, 0, 1, 0, 1], [1, 0, 0, 0, 1], [0, 1, 0, 1, 0]])


def test_an_index_is_the_position_in_the_one_hot_vector() -> None:
    options: dict[str, Any] = {"slots": [3, 2], "vocabularies": [["red", "blue"], ["S"]]}
    rows = tf.constant([["blue", "S"], ["?", "S"], ["red", "?"]])

    vectors, ids = CategoryLookup(**options)(rows), CategoryLookup(**options, encoding="index")(rows)

    summed = np.eye(5)[np.asarray(ids)].sum(axis=1)
    np.testing.assert_array_equal(vectors, summed)


@pytest.mark.parametrize("encoding", ["one_hot", "index"])
def test_one_value_per_row_is_one_column(encoding: str) -> None:
    layer = CategoryLookup([3], vocabularies=[["a", "b"]], encoding=encoding)
    table = CategoryLookup([3], vocabularies=[["a", "b"]], encoding=encoding)

    flat, column = layer(tf.constant(["b", "?"])), table(tf.constant([["b"], ["?"]]))

    np.testing.assert_array_equal(np.ravel(flat), np.ravel(column))


def test_the_most_frequent_categories_of_each_column_get_a_slot() -> None:
    layer = CategoryLookup([3, 5])
    layer.fit([TABLE[:2], TABLE[2:]])

    assert layer.vocabularies == [("red", "blue"), ("M", "L", "S")]
    answers = layer(tf.constant([["green", "S"]]))
    np.testing.assert_array_equal(answers, [[1, 0, 0, 0, 0, 0, 1, 0]]), "the last slot stays over"


def test_without_a_slot_for_unknown_ones_there_is_one_more_for_categories() -> None:
    layer = CategoryLookup([2, 2], values="int32", unknown="zeros")
    layer.fit([NUMBERS])

    assert layer.vocabularies == [(7, 3), (5, -1)]


def test_a_column_without_text_has_no_categories_and_is_refused() -> None:
    rows = np.array([["red", b"\xff"], ["blue", b"\xfe"]], object)

    with pytest.raises(ConfigError, match="finds no category in column 1 of the rows: none of it is UTF-8 text"):
        CategoryLookup([3, 3]).fit([rows])


def test_before_it_saw_data_it_refuses_to_answer() -> None:
    with pytest.raises(NotAdaptedError, match="has not seen the training data"):
        CategoryLookup([3, 3])(tf.constant(TABLE))


@pytest.mark.parametrize("values", ["string", "int32"])
@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_the_categories_are_saved(values: str, file: str, tmp_path: Path) -> None:
    def make() -> keras.Model:
        return keras.Sequential([keras.Input((2,), dtype=values), CategoryLookup([3, 4], values=values)])

    rows = TABLE if values == "string" else NUMBERS
    model = make()
    model.layers[0].fit([rows])
    if file.endswith(".keras"):
        model.save(tmp_path / file)
        loaded = keras.models.load_model(tmp_path / file)
    else:
        model.save_weights(tmp_path / file)
        loaded = make()
        loaded.load_weights(tmp_path / file)

    assert loaded.layers[0].vocabularies == model.layers[0].vocabularies
    np.testing.assert_array_equal(loaded(tf.constant(rows)), model(tf.constant(rows)))
