"""Which version answers, changed from afar: by our own commands and by Triton's client."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

import serving
from serving.remote_control import RemoteControl
from zoo.cli import main

WINE = Path(__file__).parents[2] / "saved_models" / "wine_mlp" / "1"
Install = Callable[[str, str, int], Path]


@pytest.fixture
def server(install: Install, tmp_path: Path) -> Iterator[serving.Server]:
    """`m` in versions 1 and 2, of which 2 answers, and a version 3 that is cut short."""
    install("affine2", "m", 1)
    install("affine3", "m", 2)
    broken = install("affine2", "m", 3) / "saved_model.pb"
    broken.write_bytes(broken.read_bytes()[:-40])
    with serving.Server(tmp_path / "models", port=0, poll_seconds=0) as running:
        yield running


@pytest.fixture
def client(server: serving.Server) -> Iterator[serving.Client]:
    with serving.Client(f"localhost:{server.port}") as connected:
        yield connected


@pytest.fixture
def control(client: serving.Client) -> RemoteControl:
    return RemoteControl(client)


def offset(client: serving.Client) -> float:
    """Tell the version that answers by what it adds: 2 of the first, 3 of the second."""
    return float(client.predict("m", np.zeros(1, np.float32), timeout=30)["y"][0])


def test_every_version_is_listed_and_what_is_the_matter_with_it(control: RemoteControl) -> None:
    lines = control.index(timeout=30)
    assert [(line.model, line.version, line.state) for line in lines] == [
        ("m", 1, "UNAVAILABLE"),
        ("m", 2, "READY"),
        ("m", 3, "UNAVAILABLE"),
    ]
    assert lines[0].reason == "not loaded"
    assert "saved_model.pb" in lines[2].reason


def test_what_is_promoted_answers_until_the_model_is_loaded_without_a_version(
    server: serving.Server, client: serving.Client, control: RemoteControl
) -> None:
    assert control.rollback("m", timeout=30) == 1
    assert offset(client) == 2
    server.refresh()
    assert offset(client) == 2, "a look at the files changes nothing"
    assert control.promote("m", 2, timeout=30) == 2
    assert offset(client) == 3
    control.promote("m", 1, timeout=30)
    control.load("m", timeout=30)
    assert offset(client) == 3, "the newest that loads, as the server's own policy says"


def test_a_version_that_does_not_load_changes_nothing(client: serving.Client, control: RemoteControl) -> None:
    control.promote("m", 1, timeout=30)
    with pytest.raises(serving.CallError, match=r"INVALID_ARGUMENT: load failed for model 'm': .*saved_model\.pb"):
        control.promote("m", timeout=30)
    with pytest.raises(
        serving.CallError, match=r"INVALID_ARGUMENT: load failed for model 'm': .*any of the versions 9"
    ):
        control.promote("m", 9, timeout=30)
    assert offset(client) == 2
    assert control.promote("m", 2, timeout=30) == 2


def test_of_several_versions_all_have_to_load(server: serving.Server, client: serving.Client) -> None:
    with triton.InferenceServerClient(f"localhost:{server.port}") as peer, pytest.raises(InferenceServerException):
        peer.load_model("m", config=json.dumps({"version_policy": {"specific": {"versions": [1, 3]}}}))
    assert offset(client) == 3, "what answered before answers again"
    assert [line.version for line in client.versions("m", timeout=30) if line.state == "AVAILABLE"] == [2]


def test_there_is_nothing_before_the_first_version(control: RemoteControl) -> None:
    control.promote("m", 1, timeout=30)
    with pytest.raises(serving.CallError, match="nothing to go back to: version 1 answers, its versions are 1, 2, 3"):
        control.rollback("m", timeout=30)
    control.unload("m", timeout=30)
    with pytest.raises(serving.CallError, match="nothing to go back to: no version of it answers"):
        control.rollback("m", timeout=30)
    with pytest.raises(serving.CallError, match="NOT_FOUND: there is no model 'mm'; did you mean 'm'"):
        control.promote("mm", timeout=30)
    with pytest.raises(serving.CallError, match="NOT_FOUND: there is no model 'nobody'; known: m"):
        control.rollback("nobody", timeout=30)


def test_tritons_client_sets_the_policy_too(server: serving.Server, client: serving.Client) -> None:
    with triton.InferenceServerClient(f"localhost:{server.port}") as peer:
        peer.load_model("m", config=json.dumps({"version_policy": {"specific": {"versions": [1]}}}))
        assert offset(client) == 2
        peer.load_model("m", config=json.dumps({"version_policy": {"latest": {"num_versions": 2}}}))
        assert {line["version"]: line.get("state") for line in peer.get_model_repository_index(as_json=True)["models"]} == {
            "1": "READY",
            "2": "READY",
            "3": "UNAVAILABLE",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "'config' may hold version_policy, and nothing else"),
        ('{"backend": "python"}', "'config' may hold version_policy, and nothing else"),
        ('{"version_policy": {"specific": {"versions": []}}}', "expected .*version_policy.*POLICY"),
        ('{"version_policy": {"specific": {"versions": [true]}}}', "expected .*POLICY"),
        ('{"version_policy": {"latest": {"num_versions": 0}}}', "expected .*POLICY"),
        ('{"version_policy": {"latest": {}, "all": {}}}', "expected .*POLICY"),
    ],
)
def test_what_is_no_policy_is_refused(server: serving.Server, config: str, message: str) -> None:
    with (
        triton.InferenceServerClient(f"localhost:{server.port}") as peer,
        pytest.raises(InferenceServerException, match=message),
    ):
        peer.load_model("m", config=config)


def test_the_command_line_does_the_same(
    server: serving.Server, client: serving.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    target = f"--target=localhost:{server.port}"
    assert main(["models", "rollback", "m", target]) == 0
    assert "m: version 1 answers" in capsys.readouterr().out
    assert offset(client) == 2
    assert main(["models", "promote", "m", "--to", "2", target]) == 0
    assert main(["models", "unload", "m", target]) == 0
    capsys.readouterr()
    assert main(["models", "list", target]) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()] == [
        ["m", "1", "UNAVAILABLE"],
        ["m", "2", "UNAVAILABLE"],
        ["m", "3", "UNAVAILABLE"],
    ]
    assert main(["models", "load", "m", target]) == 0
    assert offset(client) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["load"], "zoo models load takes the name of a model"),
        (["list", "m"], "zoo models list takes no model"),
        (["rollback", "m", "--to", "1"], "--to goes with promote"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_list_says_what_runs_a_version_that_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(WINE, tmp_path / "wine_mlp" / "1")
    with serving.Server(tmp_path, port=0, poll_seconds=0, engine="auto") as running:
        target = f"localhost:{running.port}"
        with serving.Client(target) as connected:
            engines = RemoteControl(connected).engines("wine_mlp", 1, timeout=30)
        assert main(["models", "list", "--target", target]) == 0
    assert engines["serving_default"] == "litert"
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[:3] == ["wine_mlp", "1", "READY"]
    assert "serving_default: litert" in line


def test_where_nothing_was_chosen_the_list_says_nothing_of_it(control: RemoteControl) -> None:
    assert control.engines("m", 2, timeout=30) == {}
    assert control.engines("m", 1, timeout=30) == {}
