"""SavedModels that this project did not write, small enough to compute in one's head."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf

import serving
from serving.known_requests import KnownRequests
from tests.serving.fleet import Fleet
from tests.spinning import spin_function

TRANSPORT_OPTION = "--transport"


@pytest.fixture(scope="session", autouse=True)
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """What speaks gRPC in every server of these tests that does not say so itself."""
    chosen = request.config.getoption(TRANSPORT_OPTION)
    make = serving.Server.__init__

    def make_with_transport(self: serving.Server, *args: Any, **fields: Any) -> None:
        if "config" not in fields:
            fields.setdefault("transport", chosen)
        make(self, *args, **fields)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving.Server, "__init__", make_with_transport)
        yield chosen


Saver = Callable[[Path], None]


def save_affine(path: Path, *, offset: float) -> None:
    """`y = x / 2 + offset`, for x of shape (N,)."""
    module = tf.Module()
    module.half = tf.Variable(0.5)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def affine(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * module.half + offset}

    tf.saved_model.save(module, str(path), signatures=affine)


def save_sum(path: Path) -> None:
    """`total = a + b`, for a (N, 3) of floats and b (N, 3) of ints; and `length` of strings, and `spin`."""
    module = tf.Module()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="a"),
            tf.TensorSpec([None, 3], tf.int32, name="b"),
        ]
    )
    def add(a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": a + tf.cast(b, tf.float32), "rows": tf.shape(a)[:1]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def length(text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"length": tf.strings.length(text, unit="UTF8_CHAR"), "text": text}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="index")])
    def pick(index: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"picked": tf.gather(tf.constant([10.0, 11.0, 12.0]), index)}

    signatures = {"serving_default": add, "length": length, "spin": spin_function(), "pick": pick}
    tf.saved_model.save(module, str(path), signatures=signatures)


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of templates to copy: two versions of `affine` (offsets 2 and 3), and `sum`."""
    root = tmp_path_factory.mktemp("templates")
    save_affine(root / "affine2", offset=2.0)
    save_affine(root / "affine3", offset=3.0)
    save_sum(root / "sum")
    return root


@pytest.fixture
def install(saved_models: Path, tmp_path: Path) -> Callable[[str, str, int], Path]:
    """Put a template into `tmp_path/models` as a version of a model, atomically."""

    def put(template: str, model: str, version: int) -> Path:
        target = tmp_path / "models" / model / str(version)
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = target.parent / f".incoming-{version}"
        shutil.copytree(saved_models / template, staging)
        return staging.rename(target)

    return put


@pytest.fixture(scope="session")
def repository(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`affine` in versions 1 (offset 2) and 2 (offset 3), and `sum`."""
    root = tmp_path_factory.mktemp("repository")
    for template, model, version in (("affine2", "affine", 1), ("affine3", "affine", 2), ("sum", "sum", 1)):
        shutil.copytree(saved_models / template, root / model / str(version))
    return root


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[serving.Server]:
    """One server over `repository` with every version live, for tests that change nothing."""
    with serving.Server(repository, port=0, versions="all", poll_seconds=0, max_batch_rows=100) as running:
        yield running


@pytest.fixture
def client(server: serving.Server) -> Iterator[serving.Client]:
    with serving.Client(f"localhost:{server.port}") as connected:
        yield connected


@pytest.fixture
def channel(server: serving.Server) -> Iterator[grpc.Channel]:
    """A plain gRPC channel, for the peer's stubs."""
    with grpc.insecure_channel(f"localhost:{server.port}") as opened:
        yield opened


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request that came was recognised."""
    seen: list[bool] = []
    find = KnownRequests.find

    def watched(self: KnownRequests[Any], message: bytes) -> object:
        known = find(self, message)
        seen.append(known is not None)
        return known

    monkeypatch.setattr(KnownRequests, "find", watched)
    return seen


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()
