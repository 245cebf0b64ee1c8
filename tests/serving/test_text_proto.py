"""Configuration files that cannot be read: the errors, in TensorFlow Serving's form."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.protos import config_pb2
from serving.status import Code, StatusError
from serving.text_proto import parse_text, read_text_file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model_config_list {\n  confg { name: 'm' }\n}",
            r'2:3: Message type "tensorflow\.serving\.ModelConfigList" has no field named "confg"\. did you mean .config',
        ),
        (
            "model_config_list { config { nam: 'm' } }",
            r"ModelServerConfig: 1:30: .* has no field named \"nam\"\. did you mean 'name'",
        ),
        (
            "model_config_list { config {",
            r"Error parsing text-format tensorflow\.serving\.ModelServerConfig: 1:\d+: Expected",
        ),
        ("model_config_list { config { name: 5 } }", r"1:36: .*Expected string but found: '5'"),
        ("model_config_list { config { name: 'a' name: 'b' } }", "should not have multiple"),
        ("model_config_list { } custom_model_config { }", 'another member of oneof "config"'),
        ("\x10", "Error parsing text-format tensorflow.serving.ModelServerConfig"),
    ],
)
def test_errors_name_the_message_the_line_and_the_column(text: str, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        parse_text(text, config_pb2.ModelServerConfig)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert "zoo_wire" not in caught.value.message


def test_commas_semicolons_and_comments_are_read_as_upstream_reads_them() -> None:
    text = "# comment\nmodel_config_list: { config: { name: 'm',\n  base_path: '/m'; model_platform: \"tensorflow\",\n }, }"
    (model,) = parse_text(text, config_pb2.ModelServerConfig).model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("m", "/m", "tensorflow")


def test_a_file_is_named_in_its_error(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("nonsense")
    with pytest.raises(StatusError, match=rf"^Invalid protobuf file: '{path}': Error parsing text-format tensorflow"):
        read_text_file(path, config_pb2.ModelServerConfig)


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    binary, pipe = tmp_path / "binary", tmp_path / "pipe"
    binary.write_bytes(b"\xff\xfe\x00")
    os.mkfifo(pipe)
    for path, reason in (
        (binary, "not text in UTF-8"),
        (pipe, "it is not a regular file"),
        (tmp_path, "it is not a regular file"),
        (tmp_path / "none", "no such file"),
    ):
        with pytest.raises(StatusError, match=reason):
            read_text_file(path, config_pb2.ModelServerConfig)


def test_the_error_of_a_secret_file_quotes_nothing_of_it() -> None:
    with pytest.raises(StatusError, match=r"SSLConfig: 1:\d+: .* Fields: server_key, server_cert") as caught:
        parse_text("server_key: '-----BEGIN PRIVATE KEY-----", config_pb2.SSLConfig, is_secret=True)
    assert "PRIVATE" not in caught.value.message


WHOLE = """
model_config_list { config {
  name: "m" base_path: "/m" model_platform: "tensorflow"
  model_version_policy { specific { versions: [1, 2] } } version_labels { key: "a" value: 1 }
  logging_config { sampling_config { sampling_rate: 0.5 } custom_logging_config { [type.googleapis.com/a.B] { } } }
} }"""


def mangled(cuts: list[tuple[int, int, str]]) -> str:
    text = WHOLE
    for start, length, inserted in cuts:
        place = start % (len(text) + 1)
        text = text[:place] + inserted + text[place + length :]
    return text


cuts = st.tuples(st.integers(0, 400), st.integers(0, 20), st.text(max_size=6))


@pytest.mark.filterwarnings("ignore:.*invalid escape sequence")  # Python's, of what it takes for what it says
@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(cuts, min_size=1, max_size=4).map(mangled)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_text(text, config_pb2.ModelServerConfig)
    except StatusError as error:
        assert error.message.startswith("Error parsing text-format tensorflow.serving.ModelServerConfig: ")  # noqa: PT017


def test_what_is_nested_without_end_is_refused() -> None:
    nested = "custom_model_config { [type.googleapis.com/zoo_wire.tensorflow.serving.ModelServerConfig] { "
    with pytest.raises(StatusError, match="Error parsing"):
        parse_text(nested * 2000, config_pb2.ModelServerConfig)


def test_a_line_of_any_length_is_not_shown_whole() -> None:
    with pytest.raises(StatusError) as caught:
        parse_text("{" * 100_000, config_pb2.ModelServerConfig)
    assert len(caught.value.message) < 1000
