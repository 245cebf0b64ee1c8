"""The process that runs a version: loads it, and answers calls in a thread for each connection."""

import contextlib
import json
import logging
import os
import socket
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.engines.engine import SAVED_MODEL_PLATFORM, ChoosingEngine, Engine, JointEngine, PlatformEngine
from serving.engines.tensorflow_runtime import set_parallelism
from serving.isolation.leisure import STARVED, StarvedError, go_quietly, leisurely
from serving.isolation.messages import ASK, Arrays, Connection, Message
from serving.isolation.order import Order
from serving.status import StatusError
from zoo.errors import ZooError
from zoo.typed_json import read

_OOM_SCORE = "500"
"""Where memory runs out, this process is to go rather than the server. Up to 1000."""
_Answers = Mapping[str, Arrays]


class Host:
    """Runs a version. State: its engine, once that is loaded; set by the thread that loads, before any call comes."""

    def __init__(self, control: socket.socket, order: Order) -> None:
        self._control = control
        self._order = order
        self._speaking = threading.Lock()
        self._connection = Connection(control)
        self._engine: Engine | None = None

    def run(self) -> None:
        """Load the version, and take connections until the server is gone."""
        logging.basicConfig(level=self._order.log_level, handlers=[_ToServer(self)], force=True)
        threading.Thread(target=self._load, name="zoo-load", daemon=True).start()
        while True:
            said, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
            if not said:
                return
            if said == ASK:
                self.say(what="alive")
            for descriptor in descriptors:
                connection = Connection(socket.socket(fileno=descriptor))
                # From this thread, whose priority it has.
                threading.Thread(target=self._answer_all, args=(connection,), name="zoo-call", daemon=True).start()

    def say(self, **facts: Any) -> None:
        """Tell the server something. Any thread may."""
        with self._speaking:
            self._connection.send(Message(facts))

    def _load(self) -> None:
        try:
            set_parallelism(self._order.intra_op, self._order.inter_op)
            engine = self._engine = leisurely(self._made) if self._order.yields else self._made()
        except StarvedError:
            os._exit(STARVED)
        except ZooError as error:
            self.say(what="failed", message=str(error))
        except Exception as error:
            logging.getLogger(__name__).exception("%s cannot be loaded", self._order.version)
            self.say(what="failed", message=f"{type(error).__name__}: {error}")
        else:
            self.say(what="loaded", **_description(engine))
            return
        os._exit(1)

    def _made(self) -> Engine:
        return self._order.options.loader()(Path(self._order.version))

    def _answer_all(self, connection: Connection) -> None:
        while True:
            try:
                connection.send(self._answer(connection.receive()))
            except (EOFError, OSError):
                connection.close()
                return
            except TypeError as error:  # an answer that no message can hold
                connection.send(_fault(error))

    def _answer(self, message: Message) -> Message:
        engine = self._engine
        if engine is None:
            return Message({"fault": "a call came before the version was loaded", "trace": ""})
        try:
            answers = _run(engine, message.facts["signatures"], message.arrays[""])
        except StatusError as error:
            return Message(
                {
                    "status": error.code,
                    "message": error.message,
                    "field": error.field,
                    "retry_after": error.retry_after,
                }
            )
        except Exception as error:  # noqa: BLE001 - the server writes it down
            return _fault(error)
        return Message({"deferred": _deferred(engine)}, answers)


class _ToServer(logging.Handler):
    """Has the server write down what is logged here."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        with contextlib.suppress(OSError):  # the server is gone, and this process about to be
            self._host.say(what="log", logger=record.name, level=record.levelno, message=self.format(record))


def _run(engine: Engine, signatures: list[str], inputs: Arrays) -> _Answers:
    if len(signatures) > 1 and isinstance(engine, JointEngine):
        return engine.run_jointly(signatures, inputs)
    return {name: engine.run(name, inputs) for name in signatures}


def _fault(error: Exception) -> Message:
    return Message({"fault": f"{type(error).__name__}: {error}", "trace": "".join(traceback.format_exception(error))})


def _description(engine: Engine) -> Mapping[str, Any]:
    choices = dict(engine.choices) if isinstance(engine, ChoosingEngine) else {}
    variants = {name: engine.variant_of(name) for name in choices} if isinstance(engine, ChoosingEngine) else {}
    return {
        "platform": engine.platform if isinstance(engine, PlatformEngine) else SAVED_MODEL_PLATFORM,
        "choices": choices,
        "deferred": _deferred(engine),
        "variants": variants,
        "variant": getattr(engine, "variant", ""),
    }


def _deferred(engine: Engine) -> list[str]:
    return sorted(engine.deferred) if isinstance(engine, ChoosingEngine) else []


def main(descriptor: int, order: str) -> None:
    """Serve one version to the process that holds the other end of a socket; the order is JSON."""
    with contextlib.suppress(OSError):  # not every system has it
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    Host(socket.socket(fileno=descriptor), read(Order, json.loads(order))).run()
    go_quietly()
    os._exit(0)  # a thread that computes cannot be ended otherwise
