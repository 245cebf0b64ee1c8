"""The chief and those that serve it, each in a thread, over real sockets."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from training.cluster.addresses import Cluster, free_addresses, split_address
from training.cluster.attendance import Attendance
from training.cluster.meeting import read_message
from zoo.errors import ConfigError

FACTS = {"versions": {"tensorflow": "2"}}


def cluster() -> Cluster:
    chief, worker, server = free_addresses(3)
    return Cluster((worker,), 0, "chief", chief, (server,))


def come(chief: Cluster, name: str, facts: object = FACTS) -> tuple[socket.socket, dict[str, object]]:
    connection = socket.create_connection(split_address(chief.address), timeout=20)
    connection.sendall(json.dumps({"name": name, "facts": facts}).encode() + b"\n")
    return connection, read_message(connection)


def test_all_come_and_are_let_go() -> None:
    chief = cluster()
    with Attendance(chief, FACTS, seconds=20) as attendance, ThreadPoolExecutor(2) as threads:
        there = list(threads.map(lambda name: come(chief, name), ("worker 0", "parameter server 0")))
        attendance.await_all()
        assert [answer for _, answer in there] == [{"error": None}] * 2
        assert not attendance.asks_to_stop
    for connection, _ in there:
        assert read_message(connection) == {"through": True}
        connection.close()


def test_who_is_missing_is_named() -> None:
    chief = cluster()
    missing = r"worker 0 \(127.*parameter server 0 \(127.*within 0.2 s"
    with Attendance(chief, FACTS, seconds=0.2) as attendance, pytest.raises(ConfigError, match=missing):
        attendance.await_all()


def test_what_differs_is_named_on_both_sides() -> None:
    chief = cluster()
    with Attendance(chief, FACTS, seconds=20) as attendance:
        connection, answer = come(chief, "worker 0", {"versions": {"tensorflow": "1"}})
        connection.close()
        assert "versions.tensorflow ('1', the chief has '2')" in str(answer["error"])
        with pytest.raises(ConfigError, match=r"worker 0 .* differs from the chief in versions\.tensorflow"):
            attendance.await_all()


def test_a_lost_worker_is_missed_and_a_lost_server_is_named(caplog: pytest.LogCaptureFixture) -> None:
    chief = cluster()
    with Attendance(chief, FACTS, seconds=0) as attendance:
        worker, _ = come(chief, "worker 0")
        server, _ = come(chief, "parameter server 0")
        assert (attendance.is_deserted, attendance.lost_servers(0)) == (False, [])
        worker.close()
        server.close()
        assert attendance.lost_servers(20) == ["parameter server 0"]
        while not attendance.is_deserted:  # its end is noticed by another thread
            pass
        back, _ = come(chief, "worker 0")
        assert not attendance.is_deserted
        assert "worker 0 is gone" in caplog.text
        assert "is back" in caplog.text
        back.close()


def test_a_server_that_has_to_stop_asks_the_chief_to() -> None:
    chief = cluster()
    with Attendance(chief, FACTS, seconds=20) as attendance:
        server, _ = come(chief, "parameter server 0")
        server.sendall(b'{"stop": true}\n')
        server.close()
        assert attendance.lost_servers(20) == ["parameter server 0"], "what it said was heard before its end"
        assert attendance.asks_to_stop


def test_strangers_are_shown_out() -> None:
    chief = cluster()
    with Attendance(chief, FACTS, seconds=20):
        connection, answer = come(chief, "worker 7")
        connection.close()
        assert "the chief knows no worker 7" in str(answer["error"])
        stranger = socket.create_connection(split_address(chief.address), timeout=20)
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.recv(100) == b""
        stranger.close()
