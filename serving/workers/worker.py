"""One worker: a server as its supervisor wants it, until that or a signal ends it."""

import argparse
import logging
import os
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue

from serving.call_log import set_up_logging
from serving.cli import server_config
from serving.config import ServerConfig
from serving.lifetime import drain, load_no_more_then, prepare_tensorflow, until_asked_to_stop, wait_for_stop
from serving.server import Server
from serving.workers.link import Link
from serving.workers.messages import Listening, Orders, Refused
from serving.workers.peers import Peers
from zoo.errors import ZooError

logger = logging.getLogger(__name__)

_REFUSED = 2
_LOST = 0
"""Asks for the end, in the place of a signal's number: the supervisor is gone."""
_LAST_WORDS = 5.0  # seconds
_ON_A_PATH = 0
"""The worker that listens on a UNIX socket, which several cannot share."""


def main(descriptor: int) -> int:
    """Serve. Returns the exit code: 0, 1 where something was still running at the end, 2 where it could not serve.

    Args:
        descriptor: the socket to the supervisor.
    """
    asked_to_stop: SimpleQueue[int] = SimpleQueue()
    until_asked_to_stop(asked_to_stop)
    stopping = threading.Event()

    def lose_supervisor() -> None:
        if stopping.is_set():
            os._exit(1)  # it was not to wait any longer
        asked_to_stop.put(_LOST)

    connection: Connection[object, object] = Connection(descriptor)
    orders = connection.recv()
    if not isinstance(orders, Orders):
        raise TypeError(f"expected orders, got {orders!r:.80}")
    args = argparse.Namespace(**orders.flags)
    set_up_logging(args.log_level, as_json=args.log_format == "json", worker=orders.worker)
    link = Link(connection)
    try:
        config = _config(server_config(args), orders)
        server = Server(config=config, peers=Peers(link, orders, lose_supervisor))
        prepare_tensorflow()
        told_to_stop = load_no_more_then(asked_to_stop, server)
        server.start()
    except (ZooError, OSError) as error:
        link.send(Refused(str(error)))
        link.flush(_LAST_WORDS)
        return _REFUSED
    link.send(Listening())
    if wait_for_stop(told_to_stop) == _LOST:
        logger.warning("the supervisor is gone")
    stopping.set()
    return drain(server, args.grace)


def _config(config: ServerConfig, orders: Orders) -> ServerConfig:
    ports = orders.ports
    return replace(
        config,
        port=ports.port,
        rest_api_port=ports.rest_api_port,
        admin_port=ports.admin_port,
        grpc_socket_path=config.grpc_socket_path if orders.worker == _ON_A_PATH else None,
    )
