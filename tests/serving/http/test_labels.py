"""Labels, and where a config file has its metrics, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import serving
from serving.monitoring_config import MonitoringConfig
from tests.serving.http.asking import ask, predict

CONFIG = """
model_config_list {{
  config {{
    name: "affine" base_path: "{path}" model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
    version_labels {{ key: "stable" value: 1 }}
    version_labels {{ key: "canary" value: 2 }}
  }}
}}
"""


@pytest.fixture(scope="module")
def labelled(http_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    config = tmp_path_factory.mktemp("labels") / "models.config"
    config.write_text(CONFIG.format(path=http_repository / "affine"))
    with serving.Server(
        port=0, rest_api_port=-1, poll_seconds=0, model_config_file=config,
        allow_version_labels_for_unavailable_models=True, monitoring=MonitoringConfig(prometheus=True, path="/my/metrics"),
    ) as server:  # fmt: skip
        yield server


def test_a_version_can_be_named_by_its_label(labelled: serving.Server) -> None:
    port = labelled.rest_api_port
    assert predict(port, "affine/labels/stable", {"instances": [1.0]}).json == {"predictions": [2.5]}
    assert predict(port, "affine/labels/canary", {"instances": [1.0]}).json == {"predictions": [3.5]}
    assert ask(port, "GET", "/v1/models/affine/labels/stable/metadata").json["model_spec"]["version"] == "1"
    refused = predict(port, "affine/labels/nightly", {"instances": [1.0]})
    assert (refused.status, "nightly" in refused.error) == (400, True)


def test_the_state_of_the_version_that_a_label_names(labelled: serving.Server) -> None:
    (version,) = ask(labelled.rest_api_port, "GET", "/v1/models/affine/labels/canary").json["model_version_status"]
    assert (version["version"], version["state"]) == ("2", "AVAILABLE")


def test_metrics_are_where_the_monitoring_config_says(labelled: serving.Server) -> None:
    assert ask(labelled.rest_api_port, "GET", "/my/metrics").status == 200
