"""tensorflow.serving.ModelService: GetModelStatus."""

from serving.manager import Manager
from serving.protos import prediction_pb2 as pb
from serving.services.messages import model_of, parse, spec_of
from serving.status import Code, StatusError
from serving.transports.transport import Call
from zoo.errors import did_you_mean


class ModelService:
    """Answers serialized requests."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def get_model_status(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell the state of one or all versions of a model. Raises StatusError."""
        spec = spec_of(parse(pb.GetModelStatusRequest, message))
        if not spec.name:
            raise StatusError(Code.NOT_FOUND, "Could not find any versions of model : set model_spec.name to its name")
        model = model_of(spec)
        name, version = model.name, model.version
        statuses = self._manager.statuses(name)
        if not statuses:
            hint = did_you_mean(name, self._manager.models())
            raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {name}; {hint}")
        found = [status for status in statuses if version is None or status.version == version]
        if not found:
            raise StatusError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
        response = pb.GetModelStatusResponse()
        for status in found:
            line = response.model_version_status.add(version=status.version, state=status.state.value)
            if status.error:
                line.status.error_code = Code.UNKNOWN
                line.status.error_message = status.error
        return response.SerializeToString()
