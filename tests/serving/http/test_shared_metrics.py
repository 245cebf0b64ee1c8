"""Pages of metrics become one, read and written by Prometheus' own library."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from serving.http.shared_metrics import SharedMetrics, counts_of


def page(*, calls: dict[str, int], seconds: list[float], live: int, running: int) -> bytes:
    registry = CollectorRegistry()
    counter = Counter("zoo_calls", "Calls.", ["code"], registry=registry)
    for code, count in calls.items():
        counter.labels(code).inc(count)
    histogram = Histogram("zoo_seconds", "Times.", buckets=(0.1, 1.0), registry=registry)
    for each in seconds:
        histogram.observe(each)
    Gauge("zoo_model_version_live", "Live.", registry=registry).set(live)
    Gauge("zoo_requests_running", "Now.", registry=registry).set(running)
    return generate_latest(registry)


def values(text: bytes) -> dict[str, float]:
    return {
        "".join([sample.name, *sorted(sample.labels.values())]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


ONE = page(calls={"OK": 3, "INTERNAL": 1}, seconds=[0.05, 5.0], live=1, running=2)
OTHER = page(calls={"OK": 4}, seconds=[0.5], live=0, running=1)


def test_counts_are_summed_and_a_version_is_live_where_it_is_in_all() -> None:
    assert values(generate_latest(SharedMetrics([ONE, OTHER]))) == {
        "zoo_calls_totalOK": 7, "zoo_calls_totalINTERNAL": 1,
        "zoo_seconds_bucket0.1": 1, "zoo_seconds_bucket1.0": 2, "zoo_seconds_bucket+Inf": 3,
        "zoo_seconds_count": 3, "zoo_seconds_sum": 5.55,
        "zoo_model_version_live": 0, "zoo_requests_running": 3,
    }  # fmt: skip


def test_of_workers_that_ended_the_counts_remain() -> None:
    kept = values(counts_of([ONE, OTHER]))
    assert (kept["zoo_calls_totalOK"], kept["zoo_seconds_count"]) == (7, 3)
    assert not [name for name in kept if "live" in name or "running" in name]


def test_one_page_stays_as_it_is() -> None:
    assert generate_latest(SharedMetrics([ONE])) == ONE
