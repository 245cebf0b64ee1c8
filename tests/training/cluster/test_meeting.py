"""Workers meet, each in a thread of its own, over real sockets."""

import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from training.cluster.addresses import Cluster, free_addresses
from training.cluster.meeting import meet
from zoo.errors import ConfigError


def outcomes(clusters: list[Cluster], facts: list[Mapping[str, object]], seconds: float) -> list[str]:
    """What each of them came away with; empty where all is well."""

    def of(cluster: Cluster, mine: Mapping[str, object]) -> str:
        try:
            meet(cluster, mine, seconds=seconds)
        except ConfigError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(len(clusters)) as threads:
        return list(threads.map(of, clusters, facts))


def test_equal_workers_meet() -> None:
    workers = free_addresses(3)
    clusters = [Cluster(workers, task) for task in (2, 0, 1)]
    assert outcomes(clusters, [{"config": {"seed": 1}}] * 3, 20) == ["", "", ""]
    assert outcomes(clusters, [{"config": {"seed": 1}}] * 3, 20) == ["", "", ""], "and again, at the same addresses"


def test_a_lone_worker_waits_for_nobody() -> None:
    meet(Cluster(("127.0.0.1:1",)), {}, seconds=0.1)


def test_all_learn_which_field_differs_on_which_worker() -> None:
    workers = free_addresses(3)
    facts = [{"config": {"a": 1, "train": {"epochs": n}}} for n in (3, 3, 4)]
    found = outcomes([Cluster(workers, task) for task in range(3)], facts, 20)
    assert f"worker 2 ({workers[2]}) differs from the chief in config.train.epochs (4, the chief has 3)" in found[0]
    assert found[2] == found[0]
    assert found[1] in {found[0], ""} or "could not reach" in found[1], "it may have come too late to be told"


def test_the_chief_names_who_did_not_come_and_how_long_it_waited() -> None:
    workers = free_addresses(3)
    found = outcomes([Cluster(workers, 0), Cluster(workers, 1)], [{}, {}], 1.5)
    assert found[0].startswith(f"the worker at {workers[2]} did not come to the chief ({workers[0]}) within 1.5 s")
    assert found[1] == found[0]


def test_a_worker_names_the_chief_that_it_could_not_reach() -> None:
    workers, started = free_addresses(2), time.monotonic()
    [found] = outcomes([Cluster(workers, 1)], [{}], 0.5)
    assert f"could not reach the chief at {workers[0]} within 0.5 s" in found
    assert time.monotonic() - started < 5


def test_two_workers_of_one_number_are_refused() -> None:
    workers = free_addresses(3)
    second = Cluster((workers[0], workers[2], workers[1]), 1)  # elsewhere, but of the same number
    found = outcomes([Cluster(workers, 0), Cluster(workers, 1), second], [{}] * 3, 10)
    assert "two workers say that they are worker 1" in found[0]


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"worker 0 cannot listen at its address {address}"):
            meet(Cluster((address, *free_addresses(1))), {}, seconds=1)


def test_strangers_at_the_door_are_no_workers() -> None:
    workers = free_addresses(2)

    def knock() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", int(workers[0].rpartition(":")[2])), timeout=5) as stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    return
            except ConnectionRefusedError:
                continue

    with ThreadPoolExecutor(2) as threads:
        chief = threads.submit(meet, Cluster(workers, 0), {}, seconds=20)
        threads.submit(knock).result()
        meet(Cluster(workers, 1), {}, seconds=20)
        chief.result()
