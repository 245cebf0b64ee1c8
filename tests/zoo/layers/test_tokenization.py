import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from sklearn.feature_extraction.text import CountVectorizer

from zoo.errors import ConfigError, NotAdaptedError
from zoo.layers.tokenization import Tokenization

TEXTS = np.array(
    ["The cat sat on the mat.", "The dog, the CAT!", "a mat — a “dog”", "Ärger über ÄRGER", "don't", ""], object
)


def without_punctuation(text: str) -> str:
    kept = [c for c in text if not unicodedata.category(c).startswith("P") and c not in string.punctuation]
    return "".join(kept)


def words_of(text: str) -> list[str]:
    return without_punctuation(text.lower().replace("\0", " ")).split()


def ids(layer: Tokenization, texts: Sequence[Any] | np.ndarray) -> list[list[int]]:
    return layer(tf.constant(np.array(texts, object))).numpy().tolist()


def fitted(texts: np.ndarray, **options: Any) -> Tokenization:
    layer = Tokenization(5, **{"vocabulary_size": 100, **options})
    layer.fit([texts])
    return layer


def test_given_words_have_the_ids_from_2_on() -> None:
    layer = Tokenization(4, vocabulary=["cat", "the"])

    assert ids(layer, ["The cat, the DOG.", "cat"]) == [[3, 2, 3, 1], [2, 0, 0, 0]]


def test_a_longer_text_is_cut_off() -> None:
    assert ids(Tokenization(2, vocabulary=["a", "b"]), ["b a a b"]) == [[3, 2]]


def test_no_texts_give_no_ids() -> None:
    answers = Tokenization(3, vocabulary=["a"])(tf.zeros([0], tf.string))

    assert (answers.shape, answers.dtype) == ((0, 3), "int32")


def test_the_vocabulary_is_that_of_scikit_learn() -> None:
    counting = CountVectorizer(preprocessor=lambda text: without_punctuation(text.lower()), token_pattern=r"\S+").fit(
        TEXTS
    )

    assert sorted(fitted(TEXTS).vocabulary) == sorted(counting.vocabulary_)


def test_the_most_frequent_come_first_and_equals_by_code_point() -> None:
    counts = Counter(word for text in TEXTS for word in words_of(text))
    expected = sorted(counts, key=lambda word: (-counts[word], word))

    assert list(fitted(TEXTS).vocabulary) == expected
    assert list(fitted(TEXTS, vocabulary_size=5).vocabulary) == expected[:3], "0 and 1 are two of the five ids"


def test_the_order_and_the_batches_of_texts_do_not_matter() -> None:
    layer = Tokenization(5, vocabulary_size=6)
    layer.fit([TEXTS[3:], TEXTS[:1], TEXTS[1:3]])

    assert layer.vocabulary == fitted(TEXTS, vocabulary_size=6).vocabulary


def test_a_second_fit_forgets_the_first() -> None:
    layer = fitted(TEXTS)
    layer.fit([np.array(["new"], object)])

    assert layer.vocabulary == ("new",)


def test_characters_are_those_of_unicode() -> None:
    layer = Tokenization(4, level="character", standardization="none", vocabulary=["é", "😀", "a"])

    assert ids(layer, ["a😀é", "Aé"]) == [[4, 3, 2, 0], [1, 2, 0, 0]]


@given(st.lists(st.binary(max_size=12), max_size=5))
@settings(deadline=None, max_examples=50)
def test_any_bytes_have_the_ids_of_their_bytes(texts: list[bytes]) -> None:
    layer = Tokenization(8, level="byte", standardization="none")

    expected = [([byte + 1 for byte in text] + [0] * 8)[:8] for text in texts]
    assert layer(tf.constant(texts, tf.string, shape=[len(texts)])).numpy().tolist() == expected


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
@pytest.mark.parametrize("level", ["word", "character"])
@pytest.mark.parametrize("standardization", ["lower_and_strip_punctuation", "lower", "none"])
def test_bytes_that_are_no_text_are_no_error(level: str, standardization: str, texts: list[bytes]) -> None:
    layer = Tokenization(3, level=level, standardization=standardization, vocabulary=["a"])

    assert set(np.ravel(ids(layer, texts))) <= {0, 1, 2}


# Left out are the few letters that Unicode's newer versions lower-case, or count as punctuation, and older ones do not.
assigned = st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn"]).filter(
    lambda c: unicodedata.ucd_3_2_0.category(c) == unicodedata.category(c)
)


@given(st.lists(st.text(assigned | st.sampled_from("aA\0 İÌÍĨĮΣσς.\u00a0\u3000\t\n")), min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_words_are_those_of_python(texts: list[str]) -> None:
    words = sorted({word for text in texts for word in words_of(text)})
    layer = Tokenization(30, vocabulary=[*words, "no word, it has blanks"])

    expected = [([words.index(word) + 2 for word in words_of(text)] + [0] * 30)[:30] for text in texts]
    assert ids(layer, texts) == expected


LOCALES = """
import tensorflow as tf
from zoo.layers.strings import standardize
texts = ["TITI I J", "\\u0130 \\u00cc \\u00cd \\u0128 \\u012e", "I\\u0307"]
print(standardize(tf.constant(texts), "lower").numpy().tolist())
"""


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["tr_TR.UTF-8", pytest.param("lt_LT.UTF-8", marks=pytest.mark.exhaustive)])
def test_lower_casing_is_the_same_in_every_locale(locale: str, run_python: Callable[..., Any]) -> None:
    """In a Turkish process, TensorFlow lower-cases I to a dotless i: the ids of a model would change with its server."""
    printed = run_python(LOCALES, LC_ALL=locale, LANG=locale).stdout

    expected = [text.lower().encode() for text in ("TITI I J", "\u0130 \u00cc \u00cd \u0128 \u012e", "I\u0307")]
    assert printed == f"{expected}\n"


def test_before_it_saw_data_it_refuses_to_answer() -> None:
    with pytest.raises(NotAdaptedError, match="has not seen the training data"):
        Tokenization(3, vocabulary_size=9)(tf.constant(["a"]))


def test_texts_without_a_word_are_refused() -> None:
    with pytest.raises(ConfigError, match="finds no word in the rows"):
        fitted(np.array(["", " . "], object))


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_the_vocabulary_is_saved(file: str, tmp_path: Path) -> None:
    def make() -> keras.Model:
        return keras.Sequential([keras.Input((), dtype="string"), Tokenization(5, vocabulary_size=6)])

    model = make()
    model.layers[0].fit([TEXTS])
    if file.endswith(".keras"):
        model.save(tmp_path / file)
        loaded = keras.models.load_model(tmp_path / file)
    else:
        model.save_weights(tmp_path / file)
        loaded = make()
        loaded.load_weights(tmp_path / file)

    assert loaded.layers[0].vocabulary == model.layers[0].vocabulary
    np.testing.assert_array_equal(loaded(tf.constant(TEXTS)), model(tf.constant(TEXTS)))


def test_a_function_traced_before_weights_were_loaded_again_goes_on_working(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((), dtype="string"), Tokenization(5, vocabulary_size=6)])
    model.layers[0].fit([TEXTS])
    answer = tf.function(model)
    before = answer(tf.constant(TEXTS)).numpy()

    model.save_weights(tmp_path / "model.weights.h5")
    model.load_weights(tmp_path / "model.weights.h5")

    np.testing.assert_array_equal(answer(tf.constant(TEXTS)), before)


def test_a_vocabulary_that_names_a_token_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="names 'b' twice"):
        Tokenization(5, vocabulary=["a", "b", "b"])
