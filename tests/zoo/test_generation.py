import gc
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import given, settings

import zoo
from zoo.decoding import decoding_models
from zoo.errors import ConfigError
from zoo.generation import decoder_of, generate

VOCABULARY, LENGTH, TARGET_LENGTH, START = 11, 10, 8, 1
SMALL: dict[str, Any] = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "vocabulary_size": VOCABULARY}
PROMPTS = [[3, 1, 4], [5], [9, 2, 6, 5, 3]]


def build(variant: str, **fields: Any) -> keras.Model:
    """A model whose answers differ much between tokens and places: its weights are larger than those drawn at first."""
    keras.utils.set_random_seed(3)
    more = {"target_length": TARGET_LENGTH, "num_decoder_layers": 1} if variant == "seq2seq" else {}
    model = zoo.build(
        "transformer",
        **{"variant": variant, "input_shape": (LENGTH,), "head": {"kind": "token", "units": VOCABULARY}, **SMALL, **more},
        **fields,
    )  # fmt: skip
    random = np.random.default_rng(8)
    for weight in model.weights:
        weight.assign(weight + 0.3 * random.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def causal() -> keras.Model:
    return build("causal", position="rotary")


@pytest.fixture(scope="module")
def seq2seq() -> keras.Model:
    return build("seq2seq")


def padded(rows: Sequence[Sequence[int]], length: int) -> np.ndarray:
    return np.array([[*row, *[0] * (length - len(row))] for row in rows], "int32")


def following(model: keras.Model, rows: Any, places: Sequence[int]) -> np.ndarray:
    """What the whole model answers at a place of each row."""
    answers = keras.ops.convert_to_numpy(model(rows)["probabilities"])
    return answers[range(len(places)), list(places)]


def probabilities(state: dict[str, Any]) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.softmax(state["logits"]))


def greedily(model: keras.Model, prompts: Sequence[Sequence[int]], new: int, source: Any = None) -> list[list[int]]:
    """Generate without a cache: the whole model over all tokens for each new one."""
    rows = [list(prompt) for prompt in prompts]
    for _ in range(new):
        ids = padded(rows, LENGTH if source is None else TARGET_LENGTH)
        given = ids if source is None else {"inputs": source, "decoder_inputs": ids}
        found = following(model, given, [len(row) - 1 for row in rows])
        for row, answer in zip(rows, found, strict=True):
            row.append(1 + int(answer[1:].argmax()))  # 0 is padding
    return [row[len(prompt) :] for row, prompt in zip(rows, prompts, strict=True)]


def lists(arrays: list[np.ndarray]) -> list[list[int]]:
    return [array.tolist() for array in arrays]


@pytest.mark.parametrize("position", ["sinusoidal", "learned", "rotary"])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("variant", ["causal", "seq2seq"])
def test_every_cached_step_answers_as_the_whole_model(variant: str, position: str, *, norm_first: bool) -> None:
    model = build(variant, norm_first=norm_first, position=position)
    parts = decoder_of(model)
    rows = np.random.default_rng(2).integers(1, VOCABULARY, (3, 7)).astype("int32")
    lengths = np.array([3, 1, 2], "int32")
    beginnings = padded([row[:length].tolist() for row, length in zip(rows, lengths, strict=True)], 4)
    source = {"inputs": padded(PROMPTS, LENGTH)} if variant == "seq2seq" else {}
    ids = "decoder_inputs" if source else "inputs"
    width = TARGET_LENGTH if source else LENGTH

    def whole(lengths: np.ndarray) -> np.ndarray:
        so_far = padded([row[:length].tolist() for row, length in zip(rows, lengths, strict=True)], width)
        return following(model, {**source, ids: so_far} if source else so_far, lengths - 1)

    state = parts.prefill({**source, ids: beginnings})
    np.testing.assert_allclose(probabilities(state), whole(lengths), atol=1e-5)
    for step in range(4):  # rows of different ages share every step
        kept = {name: value for name, value in state.items() if name != "logits"}
        tokens = rows[range(3), lengths + step][:, None]
        state = {**kept, **parts.decode({**kept, "inputs": tokens, "positions": lengths + step})}
        np.testing.assert_allclose(probabilities(state), whole(lengths + step + 1), atol=1e-5)


@pytest.mark.parametrize("normalization", [None, "rms"])
def test_greedy_tokens_are_those_of_the_whole_model(normalization: str | None) -> None:
    model = build("causal", regularization={"normalization": normalization})

    assert lists(generate(model, PROMPTS, max_new_tokens=5)) == greedily(model, PROMPTS, 5)


def test_greedy_targets_are_those_of_the_whole_model(seq2seq: keras.Model) -> None:
    expected = greedily(seq2seq, [[START]] * 3, 6, padded(PROMPTS, LENGTH))

    assert lists(generate(seq2seq, PROMPTS, start_id=START, max_new_tokens=6)) == expected


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=7), min_size=3, max_size=3))
def test_rows_of_any_lengths_get_what_each_gets_alone(causal: keras.Model, prompts: list[list[int]]) -> None:
    together = lists(generate(causal, prompts, max_new_tokens=3))

    assert together == greedily(causal, prompts, 3)


@pytest.mark.parametrize("fixture", ["causal", "seq2seq"])
def test_a_loaded_model_generates_the_same(fixture: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(fixture)
    options: dict[str, Any] = {"max_new_tokens": 4, **({"start_id": START} if fixture == "seq2seq" else {})}
    before = lists(generate(model, PROMPTS, **options))
    model.save(tmp_path / "model.keras")  # after it generated, which must leave no trace in the file

    assert lists(generate(keras.models.load_model(tmp_path / "model.keras"), PROMPTS, **options)) == before


def test_vectors_can_be_a_source() -> None:
    model = build("seq2seq", mask_zero=True).zoo_config.to_dict() | {
        "vocabulary_size": None, "target_vocabulary_size": VOCABULARY, "input_shape": [LENGTH, 2],
    }  # fmt: skip
    built = zoo.build(zoo.ModelConfig.parse(model))
    sources = [np.random.default_rng(n).normal(size=(n, 2)).astype("float32") for n in (3, LENGTH)]
    table = np.stack([np.pad(source, [(0, LENGTH - len(source)), (0, 0)]) for source in sources])

    expected = greedily(built, [[START]] * 2, 4, table)

    assert lists(generate(built, sources, start_id=START, max_new_tokens=4)) == expected


def test_a_row_ends_before_the_stop_token(causal: keras.Model) -> None:
    free = lists(generate(causal, PROMPTS, max_new_tokens=5))
    stop = free[0][2]

    stopped = lists(generate(causal, PROMPTS, max_new_tokens=5, stop_id=stop))

    assert stopped == [row[: row.index(stop)] if stop in row else row for row in free]
    assert len(stopped[0]) <= 2


def test_a_seed_makes_what_is_drawn_the_same(causal: keras.Model) -> None:
    options = {"max_new_tokens": 6, "temperature": 2.0}

    once = lists(generate(causal, [[1]] * 4, seed=5, **options))

    assert lists(generate(causal, [[1]] * 4, seed=5, **options)) == once
    assert lists(generate(causal, [[1]] * 4, seed=6, **options)) != once
    assert len({tuple(row) for row in once}) > 1  # rows draw apart from one another


def test_what_a_row_draws_does_not_depend_on_the_rows_after_it(causal: keras.Model) -> None:
    options = {"max_new_tokens": 4, "temperature": 2.0, "seed": 5}

    assert lists(generate(causal, [[1, 2]], **options))[0] == lists(generate(causal, [[1, 2], [7]], **options))[0]


def test_top_k_of_1_is_greedy(causal: keras.Model) -> None:
    drawn = lists(generate(causal, PROMPTS, max_new_tokens=4, temperature=1.0, top_k=1))

    assert drawn == lists(generate(causal, PROMPTS, max_new_tokens=4))


def test_the_whole_room_can_be_used(causal: keras.Model) -> None:
    (new,) = generate(causal, [[1] * LENGTH], max_new_tokens=1)

    assert new.tolist() == greedily(causal, [[1] * LENGTH], 1)[0]


def test_weights_that_change_are_seen() -> None:
    model = build("causal")
    before = lists(generate(model, PROMPTS, max_new_tokens=5))
    for weight in model.weights:
        weight.assign(-1.5 * weight)

    after = lists(generate(model, PROMPTS, max_new_tokens=5))

    assert after != before
    assert after == greedily(model, PROMPTS, 5)


def test_the_parts_are_made_once_and_go_with_their_model() -> None:
    model = build("causal")
    parts = weakref.ref(decoder_of(model))

    assert decoder_of(model) is parts()
    del model
    gc.collect()
    assert parts() is None


def test_the_interface_of_the_parts(seq2seq: keras.Model) -> None:
    parts = decoding_models(seq2seq)
    cache, source_cache = (1, 2, None, TARGET_LENGTH, 2, 4), (1, 2, None, LENGTH, 2, 4)

    assert {name: x.shape for name, x in parts.prefill.input.items()} == {
        "inputs": (None, LENGTH),
        "decoder_inputs": (None, None),
    }
    assert {name: x.shape for name, x in parts.decode.input.items()} == {
        "inputs": (None, 1),
        "positions": (None,),
        "cache": cache,
        "source_cache": (1, 2, None, None, 2, 4),
        "source_mask": (None, None),
    }
    assert {name: x.shape for name, x in parts.decode.output.items()} == {"logits": (None, VOCABULARY), "cache": cache}
    assert {name: x.shape for name, x in parts.prefill.output.items()} == {
        "logits": (None, VOCABULARY),
        "cache": cache,
        "source_cache": source_cache,
        "source_mask": (None, LENGTH),
    }


def test_the_parts_share_the_weights_of_the_model(causal: keras.Model) -> None:
    parts = decoding_models(causal)

    weights = {id(weight) for weight in causal.weights}
    assert (
        {id(weight) for weight in parts.prefill.weights} == {id(weight) for weight in parts.decode.weights} == weights
    )


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ([[1], []], {}, "prompt 1 is empty: give it a token at least"),
        ([[1, 0, 2]], {}, "prompt 0, token 1: expected an id from 1 to 10, got 0; 0 is padding"),
        ([[1], [2, 11]], {}, "prompt 1, token 1: expected an id from 1 to 10, got 11"),
        ([[1, -1]], {}, "prompt 0, token 1: expected an id from 1 to 10, got -1"),
        ([[1.5]], {}, "prompt 0: expected token ids, which are whole numbers, got dtype float64"),
        ([1, 2], {}, r"prompt 0: expected a row of token ids, got shape \(\)"),
        ([[1] * 11], {}, "prompt 0 has 11 tokens, but the model has room for 10: shorten it"),
        ([[1] * 8], {"max_new_tokens": 4}, "max_new_tokens is 4, but beside the 8 tokens of prompt 0 .* room for 3"),
        ([[1]], {"max_new_tokens": 0}, "max_new_tokens: expected a whole number of at least 1, got 0"),
        ([[1]], {"stop_id": 11}, "stop_id: expected an id from 1 to 10, got 11"),
        ([[1]], {"start_id": 2}, "start_id belongs to seq2seq models, got 2: begin every prompt with it"),
        ([[1]], {"seed": -1}, "seed: expected a whole number from 0, got -1"),
        ([[1]], {"top_k": 2}, "give a temperature above 0"),
    ],
    ids=str,
)
def test_prompts_and_options_that_cannot_be_are_refused(
    causal: keras.Model, prompts: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        generate(causal, prompts, **{"max_new_tokens": 1, **options})


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        ([[1]], {"start_id": None}, "start_id: is required by a seq2seq model"),
        ([[1]], {"start_id": 0}, "start_id: expected an id from 1 to 10, got 0"),
        ([[1], [1] * 11], {}, r"source 1: expected shape \(1 to 10\), got \(11,\)"),
        ([[]], {}, r"source 0: expected shape \(1 to 10\), got \(0,\)"),
        ([[1]], {"max_new_tokens": 9}, "room for 8"),
    ],
    ids=str,
)
def test_sources_that_cannot_be_are_refused(
    seq2seq: keras.Model, sources: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        generate(seq2seq, sources, **{"max_new_tokens": 1, "start_id": START, **options})


def test_no_prompts_get_no_tokens(causal: keras.Model) -> None:
    assert generate(causal, [], max_new_tokens=3) == []


@pytest.mark.parametrize("architecture", ["mlp_tiny", "transformer_tiny"])
def test_a_model_that_does_not_generate_is_refused(architecture: str) -> None:
    from zoo.registry import example_config

    with pytest.raises(ConfigError, match="does not generate: expected a transformer with variant causal or seq2seq"):
        generate(zoo.build(example_config(architecture)), [[1]], max_new_tokens=1)


def test_a_model_without_a_head_for_the_next_token_is_refused() -> None:
    model = zoo.build("transformer", variant="causal", input_shape=(4,), head={"kind": "softmax", "units": 3}, **SMALL)

    with pytest.raises(ConfigError, match="one head with a unit for each of the 11 tokens, found 0"):
        generate(model, [[1]], max_new_tokens=1)


ON_JAX = """
import sys, json, keras
from zoo.generation import generate
causal, seq2seq = (keras.models.load_model(path) for path in sys.argv[1:3])
prompts = json.loads(sys.argv[3])
lists = lambda arrays: [array.tolist() for array in arrays]
print(json.dumps([keras.backend.backend(), lists(generate(causal, prompts, max_new_tokens=5)),
    lists(generate(seq2seq, prompts, start_id=1, max_new_tokens=5))]))
"""


@pytest.mark.slow
def test_tokens_are_the_same_on_jax(
    causal: keras.Model, seq2seq: keras.Model, tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    import json

    causal.save(tmp_path / "causal.keras")
    seq2seq.save(tmp_path / "seq2seq.keras")
    paths = [str(tmp_path / "causal.keras"), str(tmp_path / "seq2seq.keras")]

    ran = run_python(ON_JAX, *paths, json.dumps(PROMPTS), KERAS_BACKEND="jax")

    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads(ran.stdout) == [
        "jax",
        lists(generate(causal, PROMPTS, max_new_tokens=5)),
        lists(generate(seq2seq, PROMPTS, start_id=START, max_new_tokens=5)),
    ]


def test_a_model_in_half_precision_generates(dtype_policy: Callable[[str], None]) -> None:
    dtype_policy("mixed_bfloat16")
    model = build("causal")

    assert decoding_models(model).decode.input["cache"].dtype == "bfloat16"
    assert [len(new) for new in generate(model, PROMPTS, max_new_tokens=4)] == [4, 4, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 2.5}, "max_new_tokens: expected a whole number"),
        ({"max_new_tokens": 2, "seed": 1.5}, "seed: expected a whole number"),
        ({"max_new_tokens": 2, "stop_id": 2.5}, "stop_id: expected a whole number"),
        ({"max_new_tokens": 2, "temperature": "1"}, "temperature: expected a number"),
        ({"max_new_tokens": 2, "temperature": 1.0, "top_k": 2.5}, "top_k: expected a whole number"),
    ],
)
def test_an_option_of_another_type_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate(build("causal"), [[1, 2]], **options)


def test_weights_that_are_no_numbers_are_told() -> None:
    model = build("causal")
    model.set_weights([weight * np.nan for weight in model.get_weights()])

    with pytest.raises(ConfigError, match="the model answers NaN"):
        generate(model, [[1, 2]], max_new_tokens=1)
