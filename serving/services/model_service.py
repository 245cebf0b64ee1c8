"""tensorflow.serving.ModelService: GetModelStatus and HandleReloadConfigRequest."""

import asyncio
import logging

from serving.gentle import short_turns
from serving.model_server_config import to_model_table
from serving.permitted_models import PermittedModels
from serving.protos import prediction_pb2 as pb
from serving.services.messages import model_of, parse, spec_of
from serving.status import Code, StatusError
from serving.transports.transport import Call
from zoo.errors import did_you_mean

logger = logging.getLogger(__name__)

_LOGGED = 20
"""Models of a config that the log names."""


class ModelService:
    """Answers serialized requests."""

    def __init__(self, manager: PermittedModels) -> None:
        self._manager = manager

    async def get_model_status(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell the state of one or all versions of a model. Raises StatusError."""
        spec = spec_of(parse(pb.GetModelStatusRequest, message))
        if not spec.name:
            raise StatusError(Code.NOT_FOUND, "Could not find any versions of model : set model_spec.name to its name")
        model = self._manager.resolve(model_of(spec))
        name, version = model.name, model.version
        statuses = self._manager.statuses(name)
        if not statuses:
            hint = did_you_mean(name, self._manager.models())
            raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {name}; {hint}")
        found = [status for status in statuses if version is None or status.version == version]
        if not found:
            known = ", ".join(map(str, sorted(status.version for status in statuses)))
            raise StatusError(Code.NOT_FOUND, f"Could not find version {version} of model {name}; known: {known}")
        response = pb.GetModelStatusResponse()
        for status in found:
            line = response.model_version_status.add(version=status.version, state=status.state.value)
            if status.error:
                line.status.error_code = Code.UNKNOWN
                line.status.error_message = status.error
        return response.SerializeToString()

    async def handle_reload_config(self, message: bytes, call: Call) -> bytes:
        """Serve what the request names and nothing else; answers once that is live.

        Once begun it goes on, though the caller may not wait for the answer.

        Raises:
            StatusError: the caller may not; the config is wrong, and nothing was changed; or something in it cannot be
                loaded, and the rest was.
        """
        self._manager.check_reload()  # before a folder is looked at: what is said of it would tell that it is there
        await asyncio.to_thread(self._reload, message, call.peer)
        return pb.ReloadConfigResponse(status=pb.StatusProto(error_code=Code.OK)).SerializeToString()

    def _reload(self, message: bytes, peer: str) -> None:
        with short_turns():
            table = to_model_table(parse(pb.ReloadConfigRequest, message).config)
        names = [entry.name for entry in table.entries[:_LOGGED]] + ["..."] * (len(table.entries) > _LOGGED)
        logger.info("asked by %s to serve %s", peer, ", ".join(names) or "no model")
        table.check()
        self._manager.reload(table)
