from typing import Any

import pytest

from training import TrainConfig, quick
from training.config import StrategyConfig
from zoo.errors import ConfigError


def test_yaml_round_trip(blobs_recipe: dict[str, Any]) -> None:
    blobs_recipe["optimizer"] = {"name": "sgd", "learning_rate": 1e-5, "momentum": 0.9, "global_clipnorm": 1}
    blobs_recipe["export"] = {"repository": "elsewhere"}
    config = TrainConfig.parse(blobs_recipe)
    assert TrainConfig.from_yaml(config.to_yaml()) == config
    assert TrainConfig.from_json(config.to_json()) == config


def test_the_architecture_keeps_its_own_fields(blobs_config: TrainConfig) -> None:
    assert blobs_config.to_dict()["model"]["units"] == [8]


@pytest.mark.parametrize(
    "same",
    [
        {"strategy": "mirrored"},
        {"strategy": {"kind": "mirrored", "replicas": None}},
        {"strategy": {"kind": "mirrored"}, "seed": 1, "optimizer": {"learning_rate": 0.03}},
    ],
)
def test_configs_of_one_meaning_have_one_hash(blobs_recipe: dict[str, Any], same: dict[str, Any]) -> None:
    reference = TrainConfig.parse(blobs_recipe | {"strategy": StrategyConfig(kind="mirrored")})
    config = TrainConfig.parse(blobs_recipe | same)
    assert config == reference
    assert config.content_hash() == reference.content_hash()


def test_configs_of_another_meaning_have_another_hash(blobs_recipe: dict[str, Any]) -> None:
    model = blobs_recipe["model"] | {"units": [9]}
    one, other = TrainConfig.parse(blobs_recipe), TrainConfig.parse(blobs_recipe | {"model": model})
    assert one.content_hash() != other.content_hash()


def test_an_empty_section_means_its_defaults(blobs_recipe: dict[str, Any]) -> None:
    assert TrainConfig.parse(blobs_recipe | {"train": None}) == TrainConfig.parse(blobs_recipe | {"train": {}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimiser": {}}, "unknown field 'optimiser'; did you mean 'optimizer'"),
        ({"train": {"epoch": 3}}, "train: unknown field 'epoch'; did you mean 'epochs'"),
        ({"train": {"epochs": 0}}, "train.epochs"),
        ({"train": {"epochs": "3"}}, "train.epochs"),
        ({"optimizer": {"name": "adan"}}, "optimizer: unknown optimizer 'adan'; did you mean 'adam'"),
        ({"optimizer": {"name": "adam", "momentum": 0.9}}, "optimizer 'adam' has no argument 'momentum'"),
        ({"strategy": "mirored"}, "strategy.kind"),
        ({"strategy": {"kind": "one_device", "replicas": 2}}, "replicas belongs to kind 'mirrored'"),
        ({"name": "../up"}, "name"),
        ({"model": {"architecture": "mpl", "input_shape": [2]}}, "did you mean 'mlp'"),
    ],
)
def test_a_wrong_field_is_refused_by_name(blobs_recipe: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig.parse(blobs_recipe | change)
    assert message in str(caught.value)


def test_quick_shrinks_and_never_grows(blobs_recipe: dict[str, Any]) -> None:
    large = quick(TrainConfig.parse(blobs_recipe | {"train": {"epochs": 500}}))
    assert (large.train.epochs, large.data.rows) == (5, 512)
    small = quick(TrainConfig.parse(blobs_recipe | {"train": {"epochs": 1}, "data": {"name": "blobs", "rows": 10}}))
    assert (small.train.epochs, small.data.rows) == (1, 10)
