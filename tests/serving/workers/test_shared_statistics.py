"""ModelStatistics of several workers."""

from serving.protos import inference_pb2 as pb
from serving.workers.shared_statistics import summed


def response(version: str, last: int, rows: int, batches: dict[int, int]) -> bytes:
    found = pb.ModelStatistics(name="m", version=version, last_inference=last, inference_count=rows, execution_count=1)
    found.inference_stats.queue.count, found.inference_stats.queue.ns = 2, 30
    for size, count in batches.items():
        found.batch_stats.add(batch_size=size).compute_infer.count = count
    return pb.ModelStatisticsResponse(model_stats=[found]).SerializeToString()


def test_counts_are_summed_by_version_and_by_size_of_the_batch() -> None:
    answers = {0: response("1", 5, 10, {8: 1, 2: 1}), 1: response("1", 4, 1, {1: 1, 2: 3}), 2: response("2", 9, 7, {})}
    one, two = pb.ModelStatisticsResponse.FromString(summed(answers)).model_stats
    assert (one.version, one.last_inference, one.inference_count, one.execution_count) == ("1", 5, 11, 2)
    assert (one.inference_stats.queue.count, one.inference_stats.queue.ns) == (4, 60)
    assert [(batch.batch_size, batch.compute_infer.count) for batch in one.batch_stats] == [(1, 1), (2, 4), (8, 1)]
    assert (two.version, two.inference_count) == ("2", 7)
