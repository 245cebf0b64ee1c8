"""Models whose answers can be worked out by hand, for HTTP."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

import serving


def save_shapes(path: Path) -> None:
    """Signatures over dtypes, several inputs, bytes, and outputs of several shapes."""
    module = tf.Module()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="tag"),
            tf.TensorSpec([None, 5], tf.float32, name="signal"),
            tf.TensorSpec([None, 2, 2], tf.int32, name="sensor"),
        ]
    )
    def mixed(tag: tf.Tensor, signal: tf.Tensor, sensor: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "tag": tag,
            "total": tf.reduce_sum(signal, axis=1),
            "trace": sensor[:, 0, 0] + sensor[:, 1, 1],
            "image_bytes": tf.strings.join([tag, tf.constant(b"\xff\x00")]),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def lengths(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": x, "mean": tf.reduce_mean(x), "first": x[:1]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="data")])
    def echo(data: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"text": data}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.complex64, name="z")])
    def turn(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"abs": tf.abs(z)}

    signatures = {"serving_default": mixed, "lengths": lengths, "echo": echo, "turn": turn}
    for name in ("float64", "float16", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
                 "uint64", "bool"):  # fmt: skip
        signatures[name] = _identity(getattr(tf, name))
    tf.saved_model.save(module, str(path), signatures=signatures)


def _identity(dtype: tf.DType) -> tf.types.experimental.PolymorphicFunction:
    @tf.function(input_signature=[tf.TensorSpec([None], dtype, name="x")])
    def same(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.identity(x)}

    return same


def save_tasks(path: Path) -> None:
    """Signatures of examples: `half` answers x / 2 + 3, `both` the classes "low" and "high" with scores 1 - x and x."""
    module = tf.Module()
    parsing = {"x": tf.io.FixedLenFeature([1], tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def half(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": tf.io.parse_example(inputs, parsing)["x"] / 2 + 3}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def both(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.io.parse_example(inputs, parsing)["x"]
        classes = tf.tile(tf.constant([["low", "high"]]), [tf.shape(x)[0], 1])
        return {"classes": classes, "scores": tf.concat([1 - x, x], axis=1)}

    tf.saved_model.save(module, str(path), signatures={"serving_default": half, "both": both})


@pytest.fixture(scope="session")
def http_repository(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`affine` (y = x / 2 + 2, and + 3), `sum`, `shapes` and `tasks`."""
    root = tmp_path_factory.mktemp("http")
    shutil.copytree(repository, root, dirs_exist_ok=True)
    save_shapes(root / "shapes" / "1")
    save_tasks(root / "tasks" / "1")
    return root


@pytest.fixture(scope="session")
def http_server(http_repository: Path) -> Iterator[serving.Server]:
    """One server on gRPC and HTTP, for tests that change nothing."""
    with serving.Server(
        http_repository, port=0, rest_api_port=-1, versions="all", poll_seconds=0, max_batch_rows=100,
        max_message_bytes=4 << 20, rest_api_enable_cors_support=True,
    ) as running:  # fmt: skip
        yield running


@pytest.fixture(scope="session")
def port(http_server: serving.Server) -> int:
    return http_server.rest_api_port
