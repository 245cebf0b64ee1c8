"""What is counted, read with Prometheus's own parser and held against calls that were made."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import serving
from tests.serving.http.asking import ask, predict

Install = Callable[[str, str, int], Path]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(port: int, path: str = "/metrics") -> Samples:
    answer = ask(port, "GET", path)
    assert answer.status == 200
    families = text_string_to_metric_families(answer.body.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[(name, frozenset(labels.items()))]


@pytest.fixture
def counted(install: Install, tmp_path: Path) -> Iterator[serving.Server]:
    """A server of its own, whose counts begin at 0; `broken` cannot be loaded."""
    install("affine2", "affine", 1)
    broken = tmp_path / "models" / "broken" / "1"
    broken.mkdir(parents=True)
    (broken / "saved_model.pb").write_bytes(b"no model")
    with serving.Server(tmp_path / "models", port=0, rest_api_port=-1, poll_seconds=0) as server:
        yield server


def test_calls_are_counted_by_method_model_and_code(counted: serving.Server) -> None:
    port = counted.rest_api_port
    with serving.Client(f"localhost:{counted.port}") as client:
        client.predict("affine", np.array([1.0, 2.0, 3.0], np.float32), timeout=30)
        client.predict("affine", np.array([1.0], np.float32), timeout=30)
        with pytest.raises(serving.CallError):
            client.predict("nobody", np.array([1.0], np.float32), timeout=30)
    assert predict(port, "affine", {"instances": [1.0, 2.0]}).status == 200
    assert predict(port, "affine", {"instances": ["a"]}).status == 400
    for i in range(30):
        assert predict(port, f"made_up_{i}", {"instances": [1.0]}).status == 404
    samples = scrape(port)
    looked_up = "/tensorflow.serving.PredictionService/GetModelMetadata"  # the client asks for signatures first
    grpc, http = "/tensorflow.serving.PredictionService/Predict", "POST /v1/models/{model}:predict"
    assert value(samples, "zoo_requests_total", method=grpc, model="affine", code="OK") == 2
    assert value(samples, "zoo_requests_total", method=looked_up, model="", code="NOT_FOUND") == 1
    assert value(samples, "zoo_requests_total", method=http, model="affine", code="OK") == 1
    assert value(samples, "zoo_requests_total", method=http, model="affine", code="INVALID_ARGUMENT") == 1
    assert value(samples, "zoo_requests_total", method=http, model="", code="NOT_FOUND") == 30
    assert value(samples, "zoo_request_errors_total", code="INVALID_ARGUMENT", part="inputs") == 1
    assert value(samples, "zoo_request_errors_total", code="NOT_FOUND", part="") == 31
    assert value(samples, "zoo_request_rows_sum", model="affine") == 3 + 1 + 2
    assert value(samples, "zoo_request_rows_bucket", model="affine", le="2.0") == 2
    assert value(samples, "zoo_request_seconds_count", method=grpc, model="affine") == 2
    for phase in ("decode", "queue", "compute", "encode"):
        assert value(samples, "zoo_request_phase_seconds_count", phase=phase, model="affine") >= 3
    assert value(samples, "zoo_requests_running") == 1  # the scrape
    assert not any("made_up" in label for _, labels in samples for _, label in labels)


def test_buckets_hold_what_is_not_over_their_bound_and_add_up(counted: serving.Server) -> None:
    port = counted.rest_api_port
    for rows in (1, 2, 3, 5, 5, 5, 20_000 // 5):
        assert predict(port, "affine", {"instances": [0.0] * rows}).status == 200
    samples = scrape(port)
    expected = {"1.0": 1, "2.0": 2, "4.0": 3, "8.0": 6, "4096.0": 7, "+Inf": 7}
    assert {le: value(samples, "zoo_request_rows_bucket", model="affine", le=le) for le in expected} == expected


def test_loads_and_unloads_are_counted(counted: serving.Server, install: Install) -> None:
    install("affine3", "affine", 2)
    counted.refresh()
    samples = scrape(counted.rest_api_port)
    assert value(samples, "zoo_model_loads_total", model="affine", outcome="loaded") == 2
    assert value(samples, "zoo_model_loads_total", model="broken", outcome="failed") >= 1
    assert value(samples, "zoo_model_unloads_total", model="affine") == 1
    assert value(samples, "zoo_model_version_live", model="affine", version="2") == 1
    assert value(samples, "zoo_model_version_live", model="affine", version="1") == 0


def test_the_process_tells_its_memory(port: int) -> None:
    resident = value(scrape(port), "process_resident_memory_bytes")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert resident == pytest.approx(pages * 4096, rel=0.2)


def test_dashboards_of_tensorflow_serving_find_its_names_at_its_path(counted: serving.Server) -> None:
    port = counted.rest_api_port
    assert predict(port, "affine", {"instances": [1.0]}).status == 200
    samples = scrape(port, "/monitoring/prometheus/metrics")
    assert value(samples, ":tensorflow:serving:request_count", model_name="affine", status="OK") == 1
    labels = {"model_name": "affine", "API": "Predict", "entrypoint": "REST"}
    assert value(samples, ":tensorflow:serving:request_latency_count", **labels) == 1
    microseconds = value(samples, ":tensorflow:serving:request_latency_sum", **labels)
    seconds = value(samples, "zoo_request_seconds_sum", method="POST /v1/models/{model}:predict", model="affine")
    assert microseconds == pytest.approx(seconds * 1e6)


def test_openmetrics_is_written_for_who_prefers_it(port: int) -> None:
    answer = ask(port, "GET", "/metrics", None, {"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


def test_the_guide_names_every_metric(counted: serving.Server) -> None:
    assert predict(counted.rest_api_port, "affine", {"instances": [1.0]}).status == 200
    guide = (Path(__file__).parents[3] / "docs" / "rest.md").read_text(encoding="utf-8")
    page = ask(counted.rest_api_port, "GET", "/metrics").body.decode()
    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")}
    ours = {name for name in names if not name.startswith(("process_", "python_"))}
    assert {name for name in ours if f"`{name}`" not in guide} == set()
    told = set(re.findall(r"`(:?(?:zoo|tensorflow)[a-z_:]+)`", guide))
    assert told - ours == {"zoo_model_evictions_total", "zoo_memory_budget_bytes", "zoo_memory_held_bytes"}, "no budget"


def test_every_row_is_in_one_batch(counted: serving.Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda rows: predict(counted.rest_api_port, "affine", {"instances": [0.0] * rows}).status, [1, 2, 3] * 20
        )
        assert set(answers) == {200}
    samples = scrape(counted.rest_api_port)
    assert value(samples, "zoo_request_rows_sum", model="affine") == 20 * (1 + 2 + 3)
    assert value(samples, "zoo_request_rows_count", model="affine") == 60
    assert value(samples, "zoo_batch_rows_sum", model="affine") == 20 * (1 + 2 + 3)
    assert 1 <= value(samples, "zoo_batch_rows_count", model="affine") <= 60
    lane = {"model": "affine", "version": "1", "signature": "serving_default"}
    assert value(samples, "zoo_batch_rows_limit", **lane) >= 1
    assert value(samples, "zoo_batch_limit_seconds", **lane) > 0


def test_what_runs_a_signature_is_told() -> None:
    wine = Path(__file__).parents[3] / "saved_models" / "wine_mlp"
    fields = {"model_name": "wine", "rest_api_port": -1, "port": 0, "poll_seconds": 0}
    with serving.Server(wine, engine="litert", **fields) as server:
        samples = scrape(server.rest_api_port)
    found = {
        dict(labels)["signature"]: dict(labels)["engine"] for name, labels in samples if name == "zoo_signature_engine"
    }
    assert found["serving_default"].startswith("litert")
    assert found["embed"] == "litert does not have it (--engine=litert)"
