"""What the steps refuse, and what they say that they give."""

from typing import Any

import pytest

from zoo.config import LookupConfig, ModelConfig, Spec, SpectrogramConfig, TokensConfig
from zoo.errors import ConfigError

MLP: dict[str, Any] = {"architecture": "mlp", "units": [3], "head": {"kind": "sigmoid"}}
TOKENS = {"kind": "tokens", "length": 4, "vocabulary": ["a"]}
SOUND = {"kind": "spectrogram", "frame_length": 16, "frame_step": 8}
RESIZING = {"kind": "resizing", "height": 3, "width": 3}


def parse(shape: list[int | None], *steps: Any) -> ModelConfig:
    return ModelConfig.parse({**MLP, "input_shape": shape, "preprocessing": list(steps)})


@pytest.mark.parametrize(
    ("shape", "steps", "message"),
    [
        (
            [],
            [TOKENS, {"kind": "rescaling", "scale": 2.0}],
            r"preprocessing\.1: rescaling takes float32, got int32 \[4\]",
        ),
        ([], [TOKENS, {"kind": "normalization"}], r"preprocessing\.1: normalization takes float32, got int32"),
        ([], [TOKENS], "preprocessing gives token ids"),
        ([3], [TOKENS], r"tokens takes one text per row, string \[\], got string \[3\]: set input_shape to \[\]"),
        ([3], [{"kind": "rescaling", "scale": 2.0}, TOKENS], r"preprocessing\.1: tokens takes one text per row"),
        ([3], [RESIZING], r"resizing takes images \(height, width, channels\), got float32 \[3\]"),
        ([None, None, 3], [], "mlp takes null nowhere"),
        ([15], [SOUND], "frame_length 16 is longer than the waveform of 15 samples"),
        ([3, 16], [SOUND], r"takes a waveform \(samples,\), got float32 \[3, 16\]"),
        (
            [None, None],
            [{"kind": "normalization"}],
            r"per feature takes a fixed number of features, got float32 \[any, any\]",
        ),
        ([None, 2], [{"kind": "normalization", "per": "element"}], "per element takes a fixed number"),
        ([], [{"kind": "normalization"}], "per feature takes a fixed number of features"),
        (
            [3],
            [{"kind": "normalization", "mean": [1, 2], "variance": [1, 1]}],
            "mean has 2 numbers, .* has 3 per feature",
        ),
        ([2, 2], [{"kind": "lookup", "vocabulary": ["a"]}], r"lookup takes string of shape \[columns\] or \[\]"),
        ([3], [{"kind": "lookup", "vocabularies": [["a"], ["b"]]}], "vocabularies has 2 entries for 3 columns"),
        ([3], [{"kind": "lookup", "vocabulary_sizes": [2, 2]}], "vocabulary_sizes has 2 entries for 3 columns"),
        (
            [3],
            [{"kind": "lookup", "vocabulary": ["a"]}] * 2,
            r"preprocessing\.1: lookup takes string .* got float32 \[6\]",
        ),
    ],
    ids=str,
)
def test_a_step_that_cannot_take_what_comes_to_it_is_refused(shape: list[Any], steps: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(shape, *steps)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            {"kind": "tokns"},
            r"preprocessing\.0\.kind: got 'tokns'; did you mean 'tokens'\? known: lookup, normalization",
        ),
        ({"length": 3}, r"preprocessing\.0\.kind: is required"),
        ("tokens", r"preprocessing\.0: expected a mapping with a kind, got 'tokens' \(str\)"),
        ({**TOKENS, "lenght": 3}, r"preprocessing\.0: unknown field 'lenght'; did you mean 'length'"),
        ({**TOKENS, "length": 0}, r"preprocessing\.0\.length: .*greater than 0, got 0"),
        ({"kind": "tokens", "vocabulary": ["a"]}, r"preprocessing\.0\.length: is required"),
        ({**TOKENS, "level": "sentence"}, r"preprocessing\.0\.level: got 'sentence' .*known: byte, character, word"),
        ({**TOKENS, "vocabulary": ["a", "b", "a"]}, "vocabulary holds 'a' twice"),
        (
            {**TOKENS, "vocabulary": ["", "a"]},
            "vocabulary holds '': leave it out, 0 is padding and 1 is unknown already",
        ),
        ({**TOKENS, "vocabulary": ["a", "[UNK]"]}, r"vocabulary holds '\[UNK\]': leave it out"),
        ({**TOKENS, "vocabulary": ["Ärger"]}, "'Ärger', which no text contains: text is lower-cased first"),
        ({**TOKENS, "vocabulary": ["don't"]}, "which no text contains: punctuation is stripped first"),
        ({**TOKENS, "vocabulary": ["a b"]}, "which no text contains: words are what stands between white space"),
        ({**TOKENS, "level": "character", "vocabulary": ["ab"]}, "it is more than one character"),
        ({**TOKENS, "vocabulary_size": 9}, "give vocabulary_size, .* or the vocabulary itself, got both"),
        ({"kind": "tokens", "length": 4}, "or the vocabulary itself, got neither"),
        ({"kind": "tokens", "length": 4, "vocabulary_size": 2}, r"vocabulary_size: .*greater than or equal to 3"),
        ({**TOKENS, "level": "byte"}, "bytes have their 257 ids already: leave vocabulary out"),
        ({"kind": "lookup"}, "give one of vocabulary, vocabularies, .* got none"),
        ({"kind": "lookup", "vocabulary": ["a"], "vocabulary_size": 3}, "got vocabulary and vocabulary_size"),
        (
            {"kind": "lookup", "vocabulary": ["a", 3]},
            "values are string, but a vocabulary holds 3: quote it, '3', or set",
        ),
        ({"kind": "lookup", "vocabulary": ["a"], "values": "int32"}, "holds 'a': set values to 'string'"),
        ({"kind": "lookup", "vocabulary": [2**31], "values": "int32"}, "2147483648: it does not fit into 32 bits"),
        ({"kind": "lookup", "vocabularies": [["a"], ["b", "b"]]}, "a vocabulary holds 'b' twice"),
        (
            {"kind": "lookup", "vocabulary": ["a"], "unknown": "zeros", "encoding": "index"},
            "an unknown category has no index",
        ),
        ({"kind": "lookup", "vocabulary": ["\ud800"]}, r"'.ud800': it cannot be written as UTF-8"),
        ({**TOKENS, "vocabulary": ["\udfff"]}, r"'.udfff', which no text contains: it cannot be written as UTF-8"),
        ({"kind": "rescaling", "scale": 1e300}, r"scale: expected a number that float32 has room for, got 1e\+300"),
        ({"kind": "rescaling", "scale": 1.0, "offset": -1e39}, r"offset: expected a number that float32 has room for"),
        ({"kind": "normalization", "mean": [1e39], "variance": [1.0]}, r"mean\.0: .* float32 has room for"),
        ({**SOUND, "frame_length": 10**9}, r"frame_length: .*less than or equal to 1048576, got 1000000000"),
        ({**SOUND, "mel_bins": 10**9, "sampling_rate": 100}, "1000000000 mel_bins .* need too large a matrix"),
        ({"kind": "normalization", "mean": [1.0]}, "give mean and variance, or neither"),
        ({"kind": "normalization", "mean": [1.0], "variance": [1.0, 2.0]}, "mean has 1 numbers, variance has 2"),
        ({"kind": "normalization", "mean": [1.0], "variance": [-1.0]}, r"variance\.0: .*greater than or equal to 0"),
        ({**RESIZING, "pad_to_aspect_ratio": True, "crop_to_aspect_ratio": True}, "exclude each other"),
        ({**RESIZING, "interpolation": "cubic"}, "interpolation: got 'cubic' .*did you mean 'bicubic'"),
        ({**SOUND, "fft_length": 8}, "fft_length 8 is shorter than frame_length 16"),
        ({**SOUND, "mel_bins": 4}, "mel_bins needs sampling_rate"),
        ({**SOUND, "sampling_rate": 100}, "belong to mel_bins"),
        ({**SOUND, "mel_bins": 4, "sampling_rate": 100, "max_frequency": 51}, "at most half of the sampling rate, 50"),
        ({**SOUND, "mel_bins": 4, "sampling_rate": 100, "min_frequency": 50}, "expected the first below the second"),
        (
            {**SOUND, "mel_bins": 30, "sampling_rate": 16000},
            r"of 30 mel_bins lie between two bins .*raise fft_length \(16\)",
        ),
    ],
    ids=str,
)
def test_a_step_that_is_wrong_in_itself_is_refused(step: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse([3], step)


def test_a_fault_in_a_step_of_a_recipe_is_found_without_pydantics_names() -> None:
    from training import TrainConfig

    model = {**MLP, "input_shape": [3], "preprocessing": [{"kind": "rescaling", "scale": "x"}]}
    with pytest.raises(ConfigError, match=r"^model\.preprocessing\.0\.scale: "):
        TrainConfig.parse({"name": "a", "data": {"name": "a"}, "model": model})


@pytest.mark.parametrize(
    ("step", "ids"),
    [
        (TokensConfig(kind="tokens", length=3, level="byte"), 257),
        (TokensConfig(kind="tokens", length=3, vocabulary=("a", "b")), 4),
        (TokensConfig(kind="tokens", length=3, vocabulary_size=10), 10),
        (LookupConfig(kind="lookup", vocabulary=("a", "b"), encoding="index"), 6),
        (LookupConfig(kind="lookup", vocabulary_sizes=(3, 4), encoding="index"), 7),
        (LookupConfig(kind="lookup", vocabulary=("a", "b")), None),
        (SpectrogramConfig(kind="spectrogram", frame_length=4, frame_step=2), None),
    ],
    ids=str,
)
def test_a_step_tells_how_many_ids_it_gives(step: Any, ids: int | None) -> None:
    assert step.ids(Spec((2,), "string")) == ids


@pytest.mark.parametrize(("samples", "frames"), [(16, 1), (23, 1), (24, 2), (32, 3), (None, None)])
def test_a_spectrogram_has_the_frames_that_fit(samples: int | None, frames: int | None) -> None:
    step = SpectrogramConfig(kind="spectrogram", frame_length=16, frame_step=8)

    assert step.output(Spec((samples,), "float32")) == Spec((frames, 9), "float32")


def test_steps_survive_yaml() -> None:
    steps = [
        {"kind": "lookup", "vocabularies": [["a", "ü"], ["yes", "no"]], "unknown": "zeros"},
        {"kind": "normalization", "mean": [0.0] * 4, "variance": [1.0] * 4},
    ]
    config = parse([2], *steps)

    assert ModelConfig.from_yaml(config.to_yaml()) == config
    assert [step.to_dict()["kind"] for step in config.preprocessing] == ["lookup", "normalization"]


def test_the_json_schema_knows_every_step() -> None:
    from zoo.registry import get

    steps = get("mlp").config.model_json_schema()["properties"]["preprocessing"]["items"]
    kinds = {"lookup", "normalization", "rescaling", "resizing", "spectrogram", "tokens"}
    assert set(steps["discriminator"]["mapping"]) == kinds


def test_needing_data_is_said_of_a_config() -> None:
    from zoo.preprocessing import needs_adapting

    assert needs_adapting(parse([2], {"kind": "normalization"}))
    assert not needs_adapting(parse([2], {"kind": "normalization", "mean": [0, 0], "variance": [1, 1]}))
    assert not needs_adapting(parse([2]))


def test_columns_of_categories_are_limited() -> None:
    with pytest.raises(ConfigError, match="lookup takes at most 4096 columns, got 4097"):
        parse([4097], {"kind": "lookup", "vocabulary": ["a"]})
