import json
import socket

import pytest
import tensorflow as tf

from training.cluster.addresses import Cluster, free_addresses
from zoo.errors import ConfigError

TWO = ("a:1", "b:2")


def tf_config(cluster: object, task: object) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_tf_config_names_the_workers_and_this_one() -> None:
    found = Cluster.from_environment(tf_config({"worker": TWO}, {"type": "worker", "index": 1}))
    assert found is not None
    assert (found.workers, found.task, found.address, found.is_chief) == (TWO, 1, "b:2", False)


def test_without_tf_config_there_is_no_cluster() -> None:
    assert Cluster.from_environment({}) is None
    assert Cluster.from_environment({"TF_CONFIG": "{}"}) is None


def test_a_chief_is_the_first_of_those_in_step() -> None:
    jobs = {"chief": ["c:3"], "worker": TWO}
    chief = Cluster.from_environment(tf_config(jobs, {"type": "chief", "index": 0}))
    worker = Cluster.from_environment(tf_config(jobs, {"type": "worker", "index": "1"}))
    assert chief is not None
    assert worker is not None
    assert chief.in_step() == Cluster(("c:3", "a:1", "b:2"), 0)
    assert worker.in_step() == Cluster(("c:3", "a:1", "b:2"), 2)


def test_what_it_writes_tensorflow_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(TWO, 1, coordinator="c:3", servers=("d:4",))
    monkeypatch.setenv("TF_CONFIG", cluster.to_tf_config())
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    assert resolver.cluster_spec().as_dict() == {"chief": ["c:3"], "worker": list(TWO), "ps": ["d:4"]}
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)
    assert Cluster.from_environment() == cluster


def test_flags_name_the_workers() -> None:
    assert Cluster.from_flags("a:1, b:2", 0) == Cluster(TWO, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "TF_CONFIG is not JSON"),
        ("[1]", "expected such as"),
        ('{"cluster": 3}', "expected addresses by job"),
        ('{"cluster": {"workers": ["a:1"]}, "task": {"type": "workers", "index": 0}}', "did you mean 'worker'"),
        ('{"cluster": {"worker": "a:1"}}', "expected a list"),
        ('{"cluster": {"worker": ["a:1"]}}', "expected type and index"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "wroker", "index": 0}}', "did you mean 'worker'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "x"}}', "expected a number"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "worker 0 to 0, but this is worker 1"),
        ('{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}', "'a' is not the address"),
        ('{"cluster": {"worker": ["a:99999"]}, "task": {"type": "worker", "index": 0}}', "is not the address"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}', "a:1 twice"),
        ('{"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}', "one process can be the chief"),
    ],
)  # fmt: skip
def test_a_malformed_tf_config_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Cluster.from_environment({"TF_CONFIG": text})


def test_flags_without_a_task_ask_for_it() -> None:
    with pytest.raises(ConfigError, match="--task 0 to 1"):
        Cluster.from_flags("a:1,b:2", None)


def test_free_addresses_can_be_listened_on() -> None:
    found = free_addresses(3)
    assert len(set(found)) == 3
    for address in found:
        host, _, port = address.rpartition(":")
        socket.create_server((host, int(port))).close()
