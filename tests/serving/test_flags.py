"""tensorflow_model_server's flags: all of them, in the forms that its parser takes, with the meaning they have there."""

import argparse
import dataclasses
import logging
from pathlib import Path

import pytest

from serving.batching_parameters import BatchingParameters
from serving.cli import serve_command, server_config
from serving.config import ServerConfig
from serving.flag_fields import config_fields
from serving.flags import add_flags
from serving.monitoring_config import MonitoringConfig
from serving.own_flags import own_fields
from serving.status import ServerError, StatusError
from serving.tensorflow_flags import FLAGS, Group, Kind
from zoo.cli import main

UPSTREAM_TEXT = """
    port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
    rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models
    batching_parameters_file enable_per_model_batching_parameters model_config_file
    model_config_file_poll_wait_seconds model_name model_base_path num_load_threads num_unload_threads
    max_num_load_retries load_retry_interval_micros file_system_poll_wait_seconds flush_filesystem_caches
    tensorflow_session_parallelism tensorflow_session_config_file tensorflow_intra_op_parallelism
    tensorflow_inter_op_parallelism use_alts_credentials ssl_config_file platform_config_file
    per_process_gpu_memory_fraction saved_model_tags grpc_channel_arguments grpc_max_threads
    enable_model_warmup num_request_iterations_for_warmup version monitoring_config_file
    remove_unused_fields_from_bundle_metagraph prefer_tflite_model num_tflite_pools
    num_tflite_interpreters_per_pool enable_signature_method_name_check xla_cpu_compilation_enabled
    xla_gpu_compilation_enabled enable_profiler thread_pool_factory_config_file mixed_precision
    skip_initialize_tpu enable_grpc_healthcheck_service enable_serialization_as_tensor_content
    use_tflite_model force_allow_any_version_labels_for_unavailable_models enforce_session_run_timeout
"""
"""The flags of upstream's main.cc, and in the last line some of its options that had, or have, no flag in every release."""
UPSTREAM = set(UPSTREAM_TEXT.split())

VALUES = {Kind.BOOL: "true", Kind.INT: "3", Kind.FLOAT: "0.5", Kind.TEXT: "a", Kind.FILE: "b"}


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    serve_command(made)
    return made


def fields(*arguments: str) -> dict[str, object]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    return config_fields(parser.parse_args(arguments))


def test_every_flag_of_upstreams_is_there(parser: argparse.ArgumentParser) -> None:
    known = {option for action in parser._actions for option in action.option_strings}  # noqa: SLF001 - argparse shows them nowhere else
    assert [name for name in UPSTREAM if f"--{name}" not in known] == []
    assert {flag.name for flag in FLAGS} == UPSTREAM - {"version"}


def test_every_flag_of_upstreams_is_accepted_with_a_value(parser: argparse.ArgumentParser) -> None:
    arguments = [f"--{flag.name}={VALUES[flag.kind]}" for flag in FLAGS]
    namespace = parser.parse_args(arguments)
    for flag in FLAGS:
        assert getattr(namespace, flag.name) in {True, 3, 0.5, "a", "b"}


def test_flags_of_this_servers_own_set_the_fields_that_they_are_named_for(parser: argparse.ArgumentParser) -> None:
    of_the_command = {"help", "version", "repository", "log_level", "log_format", "grace"}
    upstreams = {flag.name for flag in FLAGS}
    own = {action.dest for action in parser._actions} - upstreams - of_the_command  # noqa: SLF001 - as above
    assert set(own_fields(argparse.Namespace(**dict.fromkeys(own, 1)))) == own


def test_fields_are_those_of_the_config() -> None:
    known = {field.name for field in dataclasses.fields(ServerConfig)}
    assert [flag.field for flag in FLAGS if flag.field is not None and flag.field not in known] == []


@pytest.mark.parametrize(
    ("argument", "expected"),
    [("--enable_batching", True), ("--enable_batching=true", True), ("--enable_batching=false", False)],
)
def test_the_forms_of_a_boolean(argument: str, *, expected: bool) -> None:
    assert fields(argument) == {"enable_batching": expected}


def test_a_boolean_takes_no_word_after_it(parser: argparse.ArgumentParser) -> None:
    assert parser.parse_args(["--enable_batching", "models"]).repository == Path("models")
    for wrong in ("--enable_batching=yes", "--enable_batching=1", "--noenable_batching"):
        with pytest.raises((SystemExit, argparse.ArgumentError)):
            parser.parse_args([wrong])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "--enable_batching=maybe",
            "got 'maybe': expected --enable_batching, --enable_batching=true or --enable_batching=false",
        ),
        ("--enable_model_warmup=", "got '': expected --enable_model_warmup, --enable_model_warmup=true or --enable_mo"),
        ("--opentelemetry=true", "got 'true': expected --opentelemetry alone, or nothing"),
    ],
)
def test_another_form_of_a_boolean_is_refused_with_those_that_there_are(
    argument: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", argument]) == 2
    assert capsys.readouterr().err.startswith(f"zoo: error: {argument.partition('=')[0]} {message}")


def test_nothing_given_sets_nothing() -> None:
    assert fields() == {}


def test_flags_set_the_fields_of_the_config() -> None:
    found = fields(
        "--port=0", "--rest_api_port=8501", "--rest_api_timeout_in_ms=5",
        "--rest_api_enable_cors_support", "--num_load_threads=2", "--load_retry_interval_micros=-1",
        "--file_system_poll_wait_seconds=0", "--grpc_max_threads=7", "--tensorflow_session_parallelism=2",
        "--grpc_socket_path=/run/x", "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.primary_user_agent=me",
    )  # fmt: skip
    config = ServerConfig(**found)
    assert (config.port, config.rest_api_port, config.rest_api_timeout_in_ms) == (0, 8501, 5)
    assert config.rest_api_enable_cors_support
    assert (config.loading().threads, config.loading().retry_seconds) == (2, -1e-6)
    assert (config.poll_seconds, config.threads) == (0, 7)
    assert (config.tensorflow_intra_op_parallelism, config.tensorflow_inter_op_parallelism) == (2, 2)
    assert config.grpc_socket_path == "/run/x"
    assert config.grpc_channel_arguments == {"grpc.max_connection_age_ms": 2000, "grpc.primary_user_agent": "me"}


def test_one_model_has_the_name_default_unless_it_is_given_another() -> None:
    assert fields("--model_base_path=/m") == {"repository": Path("/m"), "model_name": "default"}
    assert fields("--model_base_path=/m", "--model_name=a") == {"repository": Path("/m"), "model_name": "a"}


def test_a_config_file_wins_over_one_model(caplog: pytest.LogCaptureFixture) -> None:
    assert fields("--model_config_file=/c", "--model_name=a", "--model_base_path=/m") == {"model_config_file": "/c"}
    assert caplog.messages == [
        f"--{name} is ignored: --model_config_file says what is served" for name in ("model_name", "model_base_path")
    ]


def test_flags_that_do_nothing_say_why_once(caplog: pytest.LogCaptureFixture) -> None:
    idle = [flag for flag in FLAGS if flag.group is Group.NOTHING]
    with caplog.at_level(logging.WARNING):
        assert fields(*(f"--{flag.name}={VALUES[flag.kind]}" for flag in idle)) == {}
    assert caplog.messages == [f"--{flag.name} does nothing here: {flag.does}" for flag in idle]


def test_files_are_read(tmp_path: Path) -> None:
    batching, monitoring = tmp_path / "batching", tmp_path / "monitoring"
    batching.write_text("max_batch_size { value: 8 }")
    monitoring.write_text('prometheus_config { enable: true, path: "/metrics" }')
    found = fields(
        "--enable_batching", f"--batching_parameters_file={batching}", f"--monitoring_config_file={monitoring}"
    )
    assert found["batching_parameters"] == BatchingParameters(max_batch_size=8)
    assert found["monitoring"] == MonitoringConfig(prometheus=True, path="/metrics")
    monitoring.write_text("prometheus_config { enable: true }")
    assert MonitoringConfig.read(monitoring).path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_name=a"], "go together"),
        (["--model_base_path=gs://bucket/m"], "folders of its own machine"),
        (["--batching_parameters_file=x"], "is set without setting --enable_batching to true"),
        (["--enable_batching=false", "--batching_parameters_file=x"], "is set without setting --enable_batching"),
        (["--tensorflow_session_parallelism=1", "--tensorflow_intra_op_parallelism=1"], "the first sets both"),
        (["--grpc_channel_arguments=a=1,b"], "expected name=value,name=value, got 'b'"),
        (["--use_alts_credentials"], "use --ssl_config_file"),
        (["--ssl_config_file=/nowhere"], "Invalid protobuf file: '/nowhere'"),
    ],
)
def test_flags_that_contradict_one_another_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises((ServerError, StatusError), match=message):
        fields(*arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"port": 8500, "rest_api_port": 8500}, "cannot be same as port"),
        ({"port": 8500, "admin_port": 8500}, "admin_port 8500: everybody's port is the same"),
        ({"rest_api_port": 8501, "admin_port": 8501}, "admin_port 8501: everybody's port is the same"),
        ({"rest_api_port": 70000}, "rest_api_port 70000"),
        ({"max_num_load_retries": -1}, "max_num_load_retries -1: expected 0 or more"),
        ({"poll_seconds": float("nan")}, "poll_seconds nan"),
        ({"busy_poll_us": -1}, "busy_poll_us -1: expected 0 or more"),
        ({"gate_max_flips": 1.5}, "gate_max_flips 1.5: expected a share of the rows, 0 to 1"),
        ({"gate_max_flips": float("nan")}, "gate_max_flips nan"),
        ({"batching_parameters": BatchingParameters()}, "without setting enable_batching"),
    ],
)
def test_a_config_that_cannot_be_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ServerError, match=message):
        ServerConfig(**changed)


def test_own_batching_parameters_are_read_only_where_there_is_batching() -> None:
    parameters = BatchingParameters(max_batch_size=5)
    with_batching = ServerConfig(
        enable_batching=True, batching_parameters=parameters, enable_per_model_batching_parameters=True
    )
    assert with_batching.loading().own_batching is parameters
    assert ServerConfig(enable_per_model_batching_parameters=True).loading().own_batching is None


def test_a_memory_budget_has_models_loaded_on_first_use(parser: argparse.ArgumentParser) -> None:
    for arguments, on_first_use, memory in (
        ([], False, None),
        (["--load_on_first_use"], True, None),
        (["--memory_budget_mb=3"], True, 3 << 20),
        (["--memory_budget_mb=0"], False, None),
    ):
        config = server_config(parser.parse_args(arguments))
        assert (config.loading().on_first_use, config.loading().memory_bytes) == (on_first_use, memory)
    with pytest.raises(ServerError, match="memory_budget_mb -1: expected 0 or more"):
        ServerConfig(memory_budget_mb=-1)


def test_warm_up_can_be_left_out() -> None:
    assert ServerConfig().loading().enable_warm_up
    assert not ServerConfig(**fields("--enable_model_warmup=false")).loading().enable_warm_up


def table() -> list[str]:
    """The table of docs/serving.md."""
    return [f"| `--{flag.name}` | {flag.kind.value} | {flag.group.value} | {flag.does} |" for flag in FLAGS]


def test_the_documented_table_is_the_one_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    _, _, section = text.partition("## Flags of tensorflow_model_server")
    documented = [line for line in section.splitlines() if line.startswith("| `--")]
    assert documented == table(), "write into docs/serving.md:\n" + "\n".join(table())


def test_help_shows_what_works_in_groups_and_not_what_does_nothing(parser: argparse.ArgumentParser) -> None:
    shown = parser.format_help()
    for flag in FLAGS:
        assert (f"--{flag.name} " in shown or f"--{flag.name}\n" in shown) == (flag.group is not Group.NOTHING), (
            flag.name
        )
    assert "=false" not in shown.partition("options:")[2].partition("Every flag")[0]
