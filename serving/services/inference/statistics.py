"""inference.GRPCInferenceService: ModelStatistics."""

from serving.model_ref import ModelRef
from serving.permitted_models import PermittedModels
from serving.protos import inference_pb2 as pb
from serving.services.inference.request import model_of
from serving.services.messages import parse
from serving.statistics import Duration, Statistics, VersionStatistics
from serving.status import invalid
from serving.transports.transport import Call
from zoo.errors import did_you_mean


class StatisticsService:
    """Answers serialized requests. Lives in one event loop."""

    def __init__(self, manager: PermittedModels, statistics: Statistics) -> None:
        self._manager = manager
        self._statistics = statistics

    async def model_statistics(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell what became of the inferences of every ready version, or of those of one model. Raises StatusError."""
        request = parse(pb.ModelStatisticsRequest, message)
        model = model_of(request.name, request.version)
        response = pb.ModelStatisticsResponse()
        for name in [model.name] if model.name else self._manager.models():
            for version in self._versions(model, name):
                response.model_stats.append(_message(name, version, self._statistics.of(name, version)))
        return response.SerializeToString()

    def _versions(self, model: ModelRef, name: str) -> list[int]:
        ready = sorted(s.version for s in self._manager.statuses(name) if s.answers)
        if not model.name:
            return ready
        if not ready:
            raise invalid(
                f"requested model '{name}' is not available; {did_you_mean(name, self._manager.models())}", field="name"
            )
        if model.version is None:
            return ready
        if model.version not in ready:
            raise invalid(
                f"requested model version is not available for model '{name}'; "
                f"ready versions: {', '.join(map(str, ready))}",
                field="version",
            )
        return [model.version]


def _message(name: str, version: int, statistics: VersionStatistics) -> pb.ModelStatistics:
    message = pb.ModelStatistics(
        name=name,
        version=str(version),
        last_inference=int(statistics.last * 1000),
        inference_count=statistics.rows,
        execution_count=statistics.executions,
        inference_stats=pb.InferStatistics(
            success=_duration(statistics.success),
            fail=_duration(statistics.fail),
            queue=_duration(statistics.queue),
            compute_input=_duration(statistics.compute_input),
            compute_infer=_duration(statistics.compute_infer),
            compute_output=_duration(statistics.compute_output),
        ),
    )
    for rows, batch in sorted(statistics.batches.items()):
        message.batch_stats.add(
            batch_size=rows,
            compute_input=_duration(batch.compute_input),
            compute_infer=_duration(batch.compute_infer),
            compute_output=_duration(batch.compute_output),
        )
    return message


def _duration(duration: Duration) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=duration.count, ns=duration.ns)
