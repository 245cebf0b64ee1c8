import json

import pytest

import training
from training.asynchronous.loop import check_asynchronous
from training.cluster.addresses import Cluster
from training.cluster.joining import join_cluster
from training.config import StrategyConfig, TrainConfig
from training.strategy import BatchPlan
from zoo.errors import ConfigError


def config(*overrides: str) -> TrainConfig:
    return training.load_recipe("digits_mlp", ["strategy=parameter_server", *overrides])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.deterministic=true", "use strategy: multi_worker"),
        ("train.precision=mixed_float16", "use mixed_bfloat16"),
    ],
)
def test_what_cannot_be_done_without_waiting_is_refused_with_what_can(override: str, message: str) -> None:
    check_asynchronous(config())
    with pytest.raises(ConfigError, match=message):
        check_asynchronous(config(override))


def test_without_processes_it_says_how_to_start_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="zoo launch --processes 2 --parameter-servers 1"):
        join_cluster(config())


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (Cluster(("a:1",), coordinator="b:2"), r"no parameter servers \(ps\)"),
        (Cluster(("a:1",), servers=("b:2",)), "no chief"),
    ],
)
def test_a_cluster_that_lacks_a_job_is_refused(cluster: Cluster, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        join_cluster(config(), cluster)


def test_the_batches_say_who_handles_them() -> None:
    plan = BatchPlan(rows=100, batch_size=64, workers=2)
    assert plan.describe() == (
        "100 rows in global batches of 64, each handled by one of 2 workers, 2 steps per epoch, the last of 36"
    )


def test_the_strategy_is_a_word() -> None:
    assert StrategyConfig.parse(json.loads('"parameter_server"')).kind == "parameter_server"
