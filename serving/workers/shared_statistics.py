"""ModelStatistics of several workers, as of one server."""

from collections.abc import Iterable, Mapping

from serving.protos import inference_pb2 as pb


def summed(answers: Mapping[int, bytes]) -> bytes:
    """Return the sum of serialized ModelStatisticsResponse by model and version."""
    sums: dict[tuple[str, str], pb.ModelStatistics] = {}
    for answer in answers.values():
        for found in pb.ModelStatisticsResponse.FromString(answer).model_stats:
            where = (found.name, found.version)
            if where in sums:
                _add(sums[where], found)
            else:
                sums[where] = found
    return pb.ModelStatisticsResponse(model_stats=sums.values()).SerializeToString()


def _add(total: pb.ModelStatistics, more: pb.ModelStatistics) -> None:
    total.last_inference = max(total.last_inference, more.last_inference)
    total.inference_count += more.inference_count
    total.execution_count += more.execution_count
    _add_durations(total.inference_stats, more.inference_stats, _INFERENCE_PHASES)
    batches = {batch.batch_size: batch for batch in total.batch_stats}
    for batch in more.batch_stats:
        if batch.batch_size in batches:
            _add_durations(batches[batch.batch_size], batch, _BATCH_PHASES)
        else:
            batches[batch.batch_size] = batch
    ordered = [batches[rows] for rows in sorted(batches)]
    copies = [pb.InferBatchStatistics.FromString(batch.SerializeToString()) for batch in ordered]
    del total.batch_stats[:]
    total.batch_stats.extend(copies)


_BATCH_PHASES = ("compute_input", "compute_infer", "compute_output")
_INFERENCE_PHASES = ("success", "fail", "queue", *_BATCH_PHASES)


def _add_durations(
    total: pb.InferStatistics | pb.InferBatchStatistics,
    more: pb.InferStatistics | pb.InferBatchStatistics,
    phases: Iterable[str],
) -> None:
    for phase in phases:
        duration, addition = getattr(total, phase), getattr(more, phase)
        duration.count += addition.count
        duration.ns += addition.ns
