from typing import Any

import pytest

from zoo.config import ModelConfig, Spec
from zoo.errors import ConfigError

SOFTMAX = {"kind": "softmax", "units": 3}
TOKEN = {"kind": "token", "units": 9}
ENCODER: dict[str, Any] = {"architecture": "transformer", "input_shape": [8], "vocabulary_size": 9, "head": SOFTMAX}
VISION = {
    "architecture": "transformer", "variant": "vision", "input_shape": [8, 12, 2], "patch_size": 4, "head": SOFTMAX,
}  # fmt: skip
CAUSAL = {**ENCODER, "variant": "causal", "head": TOKEN}
SEQ2SEQ = {**CAUSAL, "variant": "seq2seq"}


def parse(fields: dict[str, Any], **more: Any) -> Any:
    return ModelConfig.parse({**fields, **more})


@pytest.mark.parametrize(
    ("base", "fields", "message"),
    [
        (CAUSAL, {"patch_size": 4}, "patch_size belongs to variant vision, got 4 with variant causal"),
        (CAUSAL, {"pooling": "cls"}, "pooling belongs to variant encoder and vision, got 'cls' with variant causal"),
        (ENCODER, {"target_length": 4}, "target_length belongs to variant seq2seq"),
        (ENCODER, {"target_vocabulary_size": 4}, "target_vocabulary_size belongs to variant seq2seq"),
        (CAUSAL, {"num_decoder_layers": 4}, "num_decoder_layers belongs to variant seq2seq"),
        (VISION, {"vocabulary_size": 4}, "vocabulary_size belongs to variant encoder and causal and seq2seq, got 4"),
        (VISION, {"mask_zero": True}, "mask_zero belongs to variant"),
        (VISION, {"max_length": 99}, "max_length belongs to variant"),
        (ENCODER, {"num_heads": 5, "hidden_dim": 12}, "num_heads 5 .* hidden_dim 12: choose one of 1, 2, 3, 4, 6"),
        (ENCODER, {"num_heads": 4, "hidden_dim": 12, "position": "rotary"}, r"hidden_dim / num_heads = 3, which is odd"),
        (ENCODER, {"regularization": {"normalization": "batch"}}, "'batch' would mix the steps of a sequence"),
        (ENCODER, {"regularization": {"normalization": "group"}}, "'group' would mix"),
        (ENCODER, {"regularization": {"recurrent_dropout": 0.1}}, "recurrent_dropout acts on recurrent steps"),
        (VISION, {"patch_size": 3}, r"patch_size 3 does not divide the height and width of the image, \[8, 12\]"),
        (VISION, {"patch_size": 8}, "patch_size 8 does not divide"),
        (VISION, {"patch_size": None}, "patch_size: is required with variant vision"),
        (VISION, {"input_shape": [8, 12]}, r"is \(height, width, channels\), all fixed, got \[8, 12\]"),
        (VISION, {"input_shape": [None, 12, 2]}, "all fixed"),
        (CAUSAL, {"vocabulary_size": None, "input_shape": [8, 2]}, "vocabulary_size: is required with variant causal"),
        (SEQ2SEQ, {"vocabulary_size": None, "input_shape": [8, 2]}, "vocabulary_size, or target_vocabulary_size"),
        (CAUSAL, {"vocabulary_size": 10}, "has a unit for every id of the vocabulary, 10, got 9: set units to 10"),
        (SEQ2SEQ, {"target_vocabulary_size": 7}, "every id of the vocabulary, 7, got 9"),
        (ENCODER, {"head": TOKEN}, "a token head answers for every step of a sequence"),
        (CAUSAL, {"input_shape": [None]}, "variant causal needs max_length"),
        (ENCODER, {"input_shape": [None], "position": "learned"}, "position 'learned' needs max_length"),
        (SEQ2SEQ, {"input_shape": [None]}, "variant seq2seq needs max_length"),
        (CAUSAL, {"max_length": 7}, "max_length 7 is less than the 8 steps of input_shape"),
        (SEQ2SEQ, {"target_length": 12, "max_length": 10}, "max_length 10 is less than the 12 steps of target_length"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused(base: dict[str, Any], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(base, **fields)


@pytest.mark.parametrize("fields", [ENCODER, VISION, CAUSAL, SEQ2SEQ])
def test_writing_every_default_out_is_the_same_choice(fields: dict[str, Any]) -> None:
    config = parse(fields)

    assert ModelConfig.from_yaml(config.to_yaml()) == config
    assert ModelConfig.parse(config.to_dict()).content_hash() == config.content_hash()


def test_the_input_of_seq2seq_is_two() -> None:
    config = parse(SEQ2SEQ, target_length=5)

    assert config.input_specs() == {"inputs": Spec((8,), "int32"), "decoder_inputs": Spec((5,), "int32")}
    assert list(config.input_specs()) == ["inputs", "decoder_inputs"]


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        (ENCODER, None),
        ({**ENCODER, "pooling": "none"}, 8),
        (VISION, None),
        ({**VISION, "pooling": "none"}, 6),
        (CAUSAL, 8),
        (SEQ2SEQ, 8),
        ({**SEQ2SEQ, "target_length": 5}, 5),
        ({**CAUSAL, "input_shape": [None], "max_length": 9}, None),
    ],
)
def test_the_number_of_steps_of_the_features(fields: dict[str, Any], steps: int | None) -> None:
    assert parse(fields).steps() == steps


def test_the_activation_is_gelu_unless_chosen() -> None:
    assert parse(ENCODER).activation.kind == "gelu"
    assert parse(ENCODER, activation="relu").activation.kind == "relu"
