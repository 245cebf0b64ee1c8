"""Metrics of several workers, as of one server: pages in Prometheus' text format become one."""

from collections.abc import Iterable, Sequence

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

_GAUGE = "gauge"
_SMALLEST = frozenset(
    {
        "zoo_model_version_live",
        "zoo_batch_rows_limit",
        "zoo_batch_limit_seconds",
        "process_start_time_seconds",
        "python_info",
    }
)
"""Gauges of which the smallest counts, where others are summed: a version is live where every worker has it."""


class SharedMetrics(Collector):
    """The sums of several pages, by name and labels."""

    def __init__(self, pages: Iterable[bytes]) -> None:
        self._families: dict[str, Metric] = {}
        samples: dict[str, dict[tuple[str, frozenset[tuple[str, str]]], Sample]] = {}
        for page in pages:
            for family in text_string_to_metric_families(page.decode()):
                self._families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                known = samples.setdefault(family.name, {})
                for sample in family.samples:
                    where = (sample.name, frozenset(sample.labels.items()))
                    known[where] = _together(family.name, known[where], sample) if where in known else sample
        for name, found in samples.items():
            self._families[name].samples = list(found.values())

    def collect(self) -> Sequence[Metric]:
        """See Collector."""
        return list(self._families.values())

    def forget_gauges(self) -> None:
        """Keep what was counted alone: gauges tell of workers that are there."""
        self._families = {name: family for name, family in self._families.items() if family.type != _GAUGE}


def _together(family: str, one: Sample, other: Sample) -> Sample:
    value = min(one.value, other.value) if family in _SMALLEST else one.value + other.value
    return Sample(one.name, one.labels, value)


def counts_of(pages: Iterable[bytes]) -> bytes:
    """Return one page of what pages have counted, for workers that have ended."""
    metrics = SharedMetrics(pages)
    metrics.forget_gauges()
    return generate_latest(metrics)
