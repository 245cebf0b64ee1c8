"""ModelServerConfig: what becomes of it, and what is refused in upstream's words."""

from pathlib import Path

import pytest

from serving.model_server_config import read_model_table, to_model_table
from serving.protos import config_pb2
from serving.repository import ModelEntry, ModelTable, RequestLogging, VersionPolicy
from serving.status import Code, StatusError
from serving.text_proto import parse_text


def table(text: str) -> ModelTable:
    return to_model_table(parse_text(text, config_pb2.ModelServerConfig))


def one(
    rest: str = "", *, name: str = "m", path: str = "/models/m", platform: str = "model_platform: 'tensorflow'"
) -> str:
    return f"model_config_list {{ config {{ name: '{name}' base_path: '{path}' {platform} {rest} }} }}"


def test_the_config_of_upstreams_guide_is_read() -> None:
    text = """
    model_config_list {
      config {
        name: 'my_first_model'
        base_path: '/tmp/my_first_model/'
        model_platform: 'tensorflow'
      }
      config {
        name: 'my_second_model'
        base_path: '/tmp/my_second_model/'
        model_platform: 'tensorflow'
        model_version_policy { specific { versions: 42 versions: 43 } }
        version_labels { key: 'stable' value: 42 }
        version_labels { key: 'canary' value: 43 }
      }
    }"""
    first, second = table(text).entries
    assert first == ModelEntry("my_first_model", Path("/tmp/my_first_model"), VersionPolicy(latest=1), {})
    assert second.policy.candidates([41, 42, 43, 44]) == [43, 42]
    assert second.labels == {"stable": 42, "canary": 43}


@pytest.mark.parametrize(
    ("policy", "live"),
    [
        ("", [3]),
        ("model_version_policy { }", [3]),
        ("model_version_policy { latest { } }", [3]),
        ("model_version_policy { latest { num_versions: 2 } }", [3, 2]),
        ("model_version_policy { latest { num_versions: 9 } }", [3, 2, 1]),
        ("model_version_policy { all { } }", [3, 2, 1]),
        ("model_version_policy: { specific: { versions: [1, 3] } }", [3, 1]),
    ],
)
def test_policies(policy: str, live: list[int]) -> None:
    (config,) = table(one(policy)).entries
    candidates = config.policy.candidates([1, 2, 3])
    assert candidates[: config.policy.limit(len(candidates))] == live


def test_a_file_url_is_a_folder() -> None:
    assert table(one(path="file:///models/m")).entries[0].base_path == Path("/models/m")


def test_the_old_way_to_say_the_platform_is_read() -> None:
    assert len(table(one(platform="model_type: TENSORFLOW")).entries) == 1


def test_how_requests_are_to_be_logged_is_kept() -> None:
    text = "log_collector_config { type: 'f' filename_prefix: '/p' } sampling_config { sampling_rate: 0.5 }"
    assert table(one(f"logging_config {{ {text} }}")).entries[0].request_logging == RequestLogging(0.5, "/p", "f")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model_config_list { config { name: 'm' base_path: '/m' model_platform: 'tensorflow' } config { name: 'm' } }",
            "^Illegal to list model m multiple times in config list$",
        ),
        (one(path="models/m"), r"Expected model m to have an absolute path or URI; got base_path\(\)=models/m"),
        (one(path=""), r"Expected model m to have an absolute path or URI; got base_path\(\)=$"),
        (one(path="gs://bucket/m"), "this server reads folders of its own machine, not gs://"),
        (one(path="s3://bucket/m"), "this server reads folders of its own machine, not s3://"),
        (one(path="/models/../etc"), "without '..'"),
        (one(path=r"/models/\000"), "without '..'"),
        (one(name=""), "model name ''"),
        (one(name=".."), "model name '..'"),
        (one(name="../m"), "without slashes"),
        (one(name="a/b"), "without slashes"),
        (one(name="a..b"), "model name 'a..b'"),
        (one(name=r"a\nb"), "control characters"),
        (one(name="m" * 300), "1 to 255 characters"),
        (one(platform=""), "Illegal setting neither ModelServerConfig::model_type"),
        (one(platform="model_type: TENSORFLOW model_platform: 'tensorflow'"), "Illegal setting both ModelServerConfig"),
        (one(platform="model_type: OTHER"), "requests unsupported platform model_type 2"),
        (one(platform="model_platform: 'caffe'"), "Model m requests unsupported platform caffe"),
        (one("model_version_policy { specific { } }"), "without versions"),
        (one("model_version_policy { specific { versions: -1 } }"), "asks for version -1"),
        (one("version_labels { value: 1 }"), "label without a name"),
        (one("logging_config { sampling_config { sampling_rate: 2 } }"), "sampling_rate 2: expected 0 to 1"),
        (
            "custom_model_config { type_url: 'a/b' }",
            "Only ModelConfigList is currently supported.*custom_model_config needs",
        ),
        ("", "Only ModelConfigList is currently supported"),
    ],
)
def test_what_cannot_be_served_is_refused(text: str, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        table(text)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_a_file_that_says_nothing_is_told_from_an_empty_list(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("")
    assert read_model_table(path) is None
    path.write_text("model_config_list { }")
    assert read_model_table(path) == ModelTable()
