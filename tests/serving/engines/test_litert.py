"""Versions served by their model.tflite: the answers of the SavedModel, without TensorFlow's session."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import serving
from serving.engines.by_files import EngineByFiles
from serving.engines.litert import LiteRTEngine
from serving.status import ServerError
from zoo.artifact import read_passport
from zoo.tensorflow_noise import hushed
from zoo.tensors import differences, read_tensor

SHIPPED = Path(__file__).parents[3] / "saved_models"
NAMES = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
TIMEOUT = 60.0


class Half(tf.Module):
    """Small enough to compute in one's head."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def sums(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"row": tf.reduce_sum(x, 1), "all": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="index")])
    def pick(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"picked": tf.gather(tf.constant([10.0, 11.0, 12.0]), index)}

    @tf.function(input_signature=[tf.TensorSpec([1, 2], tf.float32, name="x")])
    def one(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"half": x / 2}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32, name="image")])
    def shrink(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        small = tf.nn.max_pool2d(tf.nn.conv2d(image, tf.ones([3, 3, 1, 2]), 1, "VALID"), 2, 2, "VALID")
        return {"mean": tf.reduce_mean(small, [1, 2])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def echo(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"text": text}


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Convert some of the signatures of `Half`."""
    module = Half()
    path = str(tmp_path_factory.mktemp("half"))
    signatures = {"serving_default": module.sums, "pick": module.pick, "one": module.one, "echo": module.echo}
    signatures["shrink"] = module.shrink
    tf.saved_model.save(module, path, signatures=signatures)

    def convert(*names: str) -> bytes:
        with hushed():
            return tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=list(names)).convert()

    return convert


@pytest.fixture(scope="module")
def models(converted: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files alone in their folders: `several` signatures, `only` the default one, `text`, and `nameless` without any."""
    root = tmp_path_factory.mktemp("models")
    files = {
        "several": converted("serving_default", "pick", "one"),
        "only": converted("serving_default"),
        "text": converted("echo"),
        "image": converted("shrink"),
        "image_and_more": converted("shrink", "serving_default"),
        "nameless": converted_without_signature(),
    }
    for name, content in files.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.tflite").write_bytes(content)
    return root


def converted_without_signature() -> bytes:
    """Do what converters did before files had signatures."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2], name="left")
        y = tf.identity(x * 2.0, name="doubled")
        with hushed():
            return tf.compat.v1.lite.TFLiteConverter.from_session(session, [x], [y]).convert()


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[serving.Server]:
    with serving.Server(models, port=0, poll_seconds=0, num_tflite_pools=2) as running:
        yield running


@pytest.fixture
def client(server: serving.Server) -> Iterator[serving.Client]:
    with serving.Client(f"localhost:{server.port}") as connected:
        yield connected


@pytest.fixture(scope="module")
def shipped() -> Iterator[serving.Client]:
    with (
        serving.Server(SHIPPED, port=0, poll_seconds=0, prefer_tflite_model=True) as running,
        serving.Client(f"localhost:{running.port}") as connected,
    ):
        yield connected


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_models_answer_as_their_saved_models_did(shipped: serving.Client, name: str) -> None:
    """Their passports hold rows, and what the SavedModel answered to them at export."""
    passport = read_passport(SHIPPED / name / "1")
    golden, variant = passport.golden["serving_default"], passport.variants["litert"]
    rows = {key: read_tensor(tensor) for key, tensor in golden.inputs.items()}
    answers = shipped.predict(name, rows, timeout=TIMEOUT)
    assert answers.keys() == variant.outputs.keys()
    expected = {key: read_tensor(golden.outputs[key]) for key in answers}
    assert differences(answers, expected, variant.tolerance) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_models_say_what_they_take_as_their_passports_do(shipped: serving.Client, name: str) -> None:
    variant = read_passport(SHIPPED / name / "1").variants["litert"]
    (signature,) = shipped.signatures(name, timeout=TIMEOUT).values()
    assert {key: (spec.dtype, spec.shape) for key, spec in signature.inputs.items()} == {
        key: (facts.dtype, facts.shape) for key, facts in variant.inputs.items()
    }
    assert {key: (spec.dtype, spec.shape) for key, spec in signature.outputs.items()} == {
        key: (facts.dtype, facts.shape) for key, facts in variant.outputs.items()
    }


def test_a_saved_model_beside_it_is_taken_unless_told_otherwise() -> None:
    """The variant has no labels: LiteRT has no strings to look up."""
    version = SHIPPED / "wine_mlp" / "1"
    assert "label" in EngineByFiles().read_signature_defs(version).signature_def["serving_default"].outputs
    preferring = EngineByFiles(prefer_tflite=True)
    assert sorted(preferring.read_signature_defs(version).signature_def["serving_default"].outputs) == [
        "class_id",
        "probabilities",
    ]
    assert isinstance(preferring(version), LiteRTEngine)


def test_every_signature_of_a_file_answers_under_its_names(client: serving.Client) -> None:
    answers = client.predict("several", {"x": np.array([[1, 2], [3, 4]], np.float32)}, timeout=TIMEOUT)
    np.testing.assert_array_equal(answers["row"], [3, 7])
    assert (answers["all"].shape, answers["all"].item()) == ((), 10)
    picked = client.predict("several", {"index": np.array([2, 0], np.int32)}, signature="pick", timeout=TIMEOUT)
    np.testing.assert_array_equal(picked["picked"], [12, 10])


def test_scalars_and_strings_pass(client: serving.Client) -> None:
    assert client.predict("only", {"x": np.ones((3, 2), np.float32)}, timeout=TIMEOUT)["all"].item() == 6
    texts = np.array([b"a\0b", b"", b"\xff"], dtype=object)
    answer = client.predict("text", {"text": texts}, signature="echo", timeout=TIMEOUT)
    assert answer["text"].tolist() == texts.tolist()


def test_a_file_without_signatures_has_one_by_its_tensors_names(client: serving.Client) -> None:
    answer = client.predict("nameless", {"left": np.array([[1, 2]], np.float32)}, timeout=TIMEOUT)
    np.testing.assert_array_equal(answer["doubled"], [[2, 4]])


def test_a_fixed_batch_is_refused_in_words(client: serving.Client) -> None:
    one = client.predict("several", {"x": np.array([[2, 4]], np.float32)}, signature="one", timeout=TIMEOUT)
    np.testing.assert_array_equal(one["half"], [[1, 2]])
    with pytest.raises(
        serving.CallError, match="axis 0 must be 1, is 3; the model was exported for batches of that size"
    ):
        client.predict("several", {"x": np.zeros((3, 2), np.float32)}, signature="one", timeout=TIMEOUT)


def test_values_that_the_model_refuses_are_the_callers_fault_and_the_next_call_is_answered(
    client: serving.Client,
) -> None:
    for _ in range(3):  # more than there are interpreters
        with pytest.raises(serving.CallError, match="INVALID_ARGUMENT: the model refuses these values: gather index"):
            client.predict("several", {"index": np.array([99], np.int32)}, signature="pick", timeout=TIMEOUT)
    picked = client.predict("several", {"index": np.array([1], np.int32)}, signature="pick", timeout=TIMEOUT)
    assert picked["picked"].tolist() == [11]


@pytest.mark.parametrize("model", ["image", "image_and_more"])
def test_an_image_too_small_for_the_model_does_not_end_the_process(client: serving.Client, model: str) -> None:
    """XNNPACK does, at some of these."""

    def mean(*shape: int) -> np.ndarray:
        return client.predict(
            model, {"image": np.ones((1, *shape, 1), np.float32)}, signature="shrink", timeout=TIMEOUT
        )["mean"]

    for _ in range(2):
        np.testing.assert_array_equal(mean(4, 5), [[9, 9]])
        if model == "image":  # of the other, LiteRT tells no shapes inside
            for shape in ((3, 3), (2, 2), (1, 1), (9, 2), (2, 9)):
                with pytest.raises(
                    serving.CallError, match=r"INVALID_ARGUMENT: .*(too small for it|inputs of these shapes)"
                ):
                    mean(*shape)
    np.testing.assert_array_equal(mean(64, 100), [[9, 9]])


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 7)])
def test_nor_does_one_for_a_file_of_several_signatures(client: serving.Client, shape: tuple[int, int]) -> None:
    image = {"image": np.ones((1, *shape, 1), np.float32)}
    with contextlib.suppress(serving.CallError):
        client.predict("image_and_more", image, signature="shrink", timeout=TIMEOUT)
    answer = client.predict("image_and_more", {"x": np.ones((1, 2), np.float32)}, timeout=TIMEOUT)
    assert answer["row"] == [2]


@pytest.mark.parametrize("model", ["only", "several"])
def test_threads_get_their_own_rows_in_batches_of_any_size(models: Path, model: str) -> None:
    engine = LiteRTEngine(models / model / "1", interpreters=3)

    def ask(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 100, (rng.integers(1, 9), 2)).astype(np.float32)
        answer = engine.run("serving_default", {"x": x})
        return np.array_equal(answer["row"], x.sum(1)) and answer["all"] == x.sum()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))


def test_more_are_made_only_while_all_are_busy_and_no_more_than_allowed(models: Path) -> None:
    engine = LiteRTEngine(models / "only" / "1", interpreters=1)
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda x: engine.run("serving_default", {"x": x})["all"], [np.ones((2, 2), np.float32)] * 20)
        )
    assert answers == [4] * 20


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_damaged_file_is_refused_with_the_reason(
    models: Path, tmp_path: Path, keep: int, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(models / "only", tmp_path / "only")
    file = tmp_path / "only" / "1" / "model.tflite"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ServerError, match="LiteRT cannot load"):
        EngineByFiles().read_signature_defs(tmp_path / "only" / "1")
    with caplog.at_level(logging.ERROR), serving.Server(tmp_path, port=0, poll_seconds=0):
        assert "LiteRT cannot load" in caplog.text
