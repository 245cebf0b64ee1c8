"""There is no TPU here: that this is said, soon and in words."""

import time

import pytest

from training.cluster.addresses import free_addresses
from training.config import StrategyConfig
from training.strategy import make_strategy
from zoo.errors import ConfigError


def refusal(config: StrategyConfig) -> str:
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        make_strategy(config)
    assert time.monotonic() - started < 30
    return str(caught.value)


def test_without_a_tpu_it_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TPU_NAME", raising=False)
    assert "set strategy.tpu" in refusal(StrategyConfig(kind="tpu"))


def test_an_address_that_does_not_answer_is_named() -> None:
    [address] = free_addresses(1)
    assert f"the TPU at grpc://{address} does not answer" in refusal(
        StrategyConfig(kind="tpu", tpu=f"grpc://{address}")
    )


def test_a_malformed_address_is_refused() -> None:
    assert "expected grpc://host:port" in refusal(StrategyConfig(kind="tpu", tpu="grpc://host"))


def test_an_unknown_name_is_refused() -> None:
    assert "cannot use the TPU 'no_such_tpu'" in refusal(StrategyConfig(kind="tpu", tpu="no_such_tpu", timeout=1))
