"""The file that says who may use which models."""

import os
from pathlib import Path

import pytest

import serving
from serving.access import AccessPolicy
from serving.status import Code, ServerError, StatusError
from tests.serving.access_files import ACCESS, sha256


def test_what_tells_of_the_server_is_not_for_anonymous_callers(tmp_path: Path) -> None:
    found = policy(tmp_path, ACCESS + 'anonymous: {models: ["*"]}\n')
    assert found.caller("", []).models == ("*",)
    with pytest.raises(StatusError, match="who are you"):
        found.caller("", [], needs_name=True)


def policy(tmp_path: Path, text: str) -> AccessPolicy:
    (tmp_path / "access.yaml").write_text(text)
    return AccessPolicy.read(tmp_path / "access.yaml")


def test_a_name_in_a_certificate_is_as_good_as_a_token(tmp_path: Path) -> None:
    found = policy(tmp_path, ACCESS).caller("", ["other.example.org", "ops.example.org"])
    assert (found.name, found.control) == ("operator", True)


def test_who_may_not_say_what_is_served_is_told(tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="dashboard may not say what is served") as caught:
        policy(tmp_path, ACCESS).caller("Bearer dash-secret", []).check_control()
    assert caught.value.code is Code.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clients: [", "is not YAML .*, at line 1, column 11"),
        ("clients: [{name: a, token_sha256: *my-secret}]", "is not YAML .*, at line 1, column 35"),
        ("clients: [{name: my-secret, name: my-secret}]", "is not YAML that names everything once, at line 1"),
        ("clients: [{name: 2026-13-45}] # my-secret", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("clients: [{name: a, token: my-secret, models: []}]", "clients.0.token: there is no such field"),
        ("clients: [{name: a, token_sha256: my-secret}]", "clients.0.token_sha256: expected 64 hexadecimal digits"),
        ("anonymous: {models: my-secret}", "anonymous.models: expected a list"),
        (f"clients: [{{name: a, token_sha256: {sha256('')}}}]", "token_sha256 is that of no token at all"),
        (
            "clients: [{name: a, certificate: c}, {name: b, certificate: c}]",
            "clients a and b have the same certificate",
        ),
        ("clients: [{name: a}]", "clients.0: .*give either token_sha256 .* or certificate"),
        (f"clients: [{{name: a, certificate: b, token_sha256: {'ab' * 32}}}]", "clients.0: .*give either"),
        ("[]", "the file: expected a mapping"),
        ("clients: [{token_sha256: my-secret}]", "clients.0.name: it has to be given"),
        ("clients: [{name: a, token_sha256: 12}] # my-secret", "clients.0.token_sha256: expected text, in quotes"),
    ],
)
def test_a_file_that_says_something_else_is_refused_without_its_secrets(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ServerError, match=message) as caught:
        policy(tmp_path, text)
    assert "my-secret" not in str(caught.value)


def test_a_pipe_in_the_files_place_is_waited_for_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    os.mkfifo(path)
    with pytest.raises(ServerError, match=r"cannot read .*access\.yaml: it is not a regular file"):
        AccessPolicy.read(path)


def test_a_file_that_is_not_there_stops_the_server_before_it_starts(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"cannot read .*access\.yaml: No such file"):
        serving.Server(repository, port=0, access_file=tmp_path / "access.yaml")
