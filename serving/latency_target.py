"""A target for how long an answer may take, and what follows from it and from measured times.

Two batches fit into the target: the one that runs when a request comes, and the request's own. So a batch may take half
of it. What would be answered later than the target, by what waits and runs already, is refused as it comes: served late,
it would be worth nothing, and make all that comes after it late too.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.job import Job
from serving.lanes import Lane
from serving.priority import level_of
from serving.status import Code, StatusError


@dataclass(frozen=True)
class LatencyTarget:
    """Immutable."""

    seconds: float
    """From the arrival of a request until it is computed."""

    @property
    def batch_seconds(self) -> float:
        """What one batch may take."""
        return self.seconds / 2

    def beside(self, parameters: BatchingParameters | None) -> str:
        """Return what to say where batching parameters are given too; None stands for those that versions bring."""
        if parameters is None:
            return f"{self}: what a version's own batching parameters name wins; it sets the rest"
        rules = BatchingRules.of(parameters)
        named = ", ".join(sorted(parameters.named)) or "nothing"
        given = (("the size of batches", rules.size_is_given), ("how much may wait", rules.queue_is_given))
        left = " and ".join(what for what, is_given in given if not is_given) or "nothing"
        late = f"; the {1000 * rules.timeout:g} ms for which batches are gathered come on top" if rules.timeout else ""
        return f"{self}: what the batching parameters name wins ({named}); it sets {left}{late}"

    def __str__(self) -> str:
        return f"a latency target of {1000 * self.seconds:g} ms"

    def check(
        self, job: Job, lane: Lane, *, waited: float, joinable: bool, running: Iterable[float], at_once: int
    ) -> None:
        """Refuse a job that would be answered too late. One that finds nothing of its lane is always let in.

        Args:
            job: what has come.
            lane: that it would wait in.
            waited: seconds since it came.
            joinable: whether it may be computed with others.
            running: seconds that each batch of the lane is still computed for.
            at_once: batches of the lane that are computed at the same time, at most.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, with the time after which it would be let in.
        """
        if lane.rules.queue_is_given or lane.times.per_job is None or not (lane.jobs or lane.running):
            return
        late = waited + _expected(job, lane, joinable, running, at_once) - self.seconds
        if late > 0:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f"the answer would take {1000 * (late + self.seconds):.3g} ms, this server's target is "
                f"{1000 * self.seconds:g} (--latency_target_ms): try again in {late:.2g} s",
                retry_after=late,
            )


def _expected(job: Job, lane: Lane, joinable: bool, running: Iterable[float], at_once: int) -> float:  # noqa: FBT001
    """Return the seconds until a job is computed, by what jobs of its lane, not less urgent, are before it.

    The batch of a job that waits is full by the time it starts, or so it has to be assumed: others come meanwhile.
    """
    level, rows, most, times = level_of(job.priority) - 1, job.rows, lane.most_rows(), lane.times
    jobs = lane.jobs_ahead(level)
    if not jobs and lane.running < at_once:
        return times.estimate(rows)
    if joinable and most > 1:
        full, rest = divmod(lane.rows_ahead(level) + rows - 1, most)
        before = full * times.estimate(most)
        own = times.estimate(max(rest + 1, rows, min(most, times.timely or most)))
    else:
        before = jobs * (times.per_job or 0.0)
        own = times.estimate(rows)
    return (sum(running) + before) / at_once + own
