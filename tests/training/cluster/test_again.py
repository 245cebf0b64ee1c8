import pytest
import tensorflow as tf

from training.cluster.addresses import Cluster
from training.cluster.again import LAUNCHED, how_to_go_on
from training.cluster.lost import tell_of_loss

CLUSTER = Cluster(("10.0.0.1:2222", "10.0.0.2:2222"))
LOSS = tf.errors.UnavailableError(None, None, "/job:worker/replica:0/task:1 unavailable")


def test_who_starts_workers_by_hand_is_told_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LAUNCHED, raising=False)
    assert how_to_go_on() == "start all workers again, with --resume"
    told = tell_of_loss(LOSS, CLUSTER)
    assert told.startswith("worker 1 (10.0.0.2:2222) is gone or no longer answers")
    assert told.endswith("start all workers again, with --resume (`zoo launch` does so by itself)")


def test_inside_a_launch_nobody_is_sent_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LAUNCHED, "1")
    assert tell_of_loss(LOSS, CLUSTER).endswith("worker 0 cannot go on alone")
    assert how_to_go_on() == "give the same command again, with --resume"
