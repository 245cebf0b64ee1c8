"""Signatures as a graph of constants: TensorFlow's own answers, without its Python."""

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.engines.freezing import Frozen, freeze
from serving.engines.frozen_file import FROZEN_FILE, write_frozen
from serving.engines.frozen_graph import FrozenGraphEngine
from serving.status import Code, ServerError, StatusError
from tests.serving.engines.models import rows_of_several, save_several
from tests.serving.test_foreign_models import TESTDATA, write_tf1
from zoo.artifact import read_passport
from zoo.tensors import read_tensor

SHIPPED = Path(__file__).parents[3] / "saved_models"
BATCHES = (1, 2, 7, 32)


def load(version: Path) -> tf.Module:
    return tf.saved_model.load(str(version))


def frozen_engine(model: tf.Module, folder: Path) -> tuple[FrozenGraphEngine, Frozen]:
    frozen = freeze(model.signatures)
    folder.mkdir(exist_ok=True)
    write_frozen(folder, frozen.signatures, frozen.pieces)
    return FrozenGraphEngine(folder), frozen


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tf.Module:
    path = tmp_path_factory.mktemp("several")
    save_several(path)
    return load(path)


@pytest.fixture(scope="module")
def both(several: tf.Module, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FrozenGraphEngine, Frozen]]:
    engine, frozen = frozen_engine(several, tmp_path_factory.mktemp("frozen"))
    yield engine, frozen
    engine.close()


def assert_same(engine: FrozenGraphEngine, model: tf.Module, name: str, inputs: dict[str, np.ndarray]) -> None:
    """Hold an answer against TensorFlow's own."""
    expected = model.signatures[name](**{key: tf.constant(array) for key, array in inputs.items()})
    answer = engine.run(name, inputs)
    assert answer.keys() == expected.keys()
    for key, value in expected.items():
        got, wanted = answer[key], np.asarray(value.numpy())
        assert got.shape == wanted.shape
        if value.dtype == tf.string:
            assert got.tolist() == value.numpy().tolist()
        else:
            assert got.dtype == wanted.dtype
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize("name", ["serving_default", "sign", "length", "power", "pick", "fixed"])
def test_it_answers_as_tensorflow_does(
    both: tuple[FrozenGraphEngine, Frozen], several: tf.Module, name: str, rows: int
) -> None:
    assert_same(both[0], several, name, rows_of_several(rows)[name])


def test_what_keeps_a_state_or_has_a_table_is_refused_in_words(both: tuple[FrozenGraphEngine, Frozen]) -> None:
    _, frozen = both
    assert frozen.refused.keys() == {"look_up", "count"}
    assert "AssignAddVariableOp" in frozen.refused["count"]
    assert "HashTable" in frozen.refused["look_up"] or "tables" in frozen.refused["look_up"]


def test_values_that_an_operation_refuses_are_the_callers_fault(both: tuple[FrozenGraphEngine, Frozen]) -> None:
    engine, _ = both
    with pytest.raises(StatusError, match=r"the model refuses these values: indices\[0\] = 99") as caught:
        engine.run("pick", {"index": np.array([99], np.int32)})
    assert caught.value.code is Code.INVALID_ARGUMENT
    with pytest.raises(StatusError, match="the model refuses these values"):
        engine.run("fixed", {"pair": np.array([1, 200], np.float32)})
    assert engine.run("pick", {"index": np.array([1], np.int32)})["picked"].tolist() == [11]


def test_inputs_that_may_not_be_written_stay_as_they_are(both: tuple[FrozenGraphEngine, Frozen]) -> None:
    b = np.ones((4, 3), np.float32)
    b.setflags(write=False)
    both[0].run("serving_default", {"b": b, "a": np.zeros(4, np.int32)})
    assert (b == 1).all()


def test_signatures_that_are_asked_at_once_answer_as_alone(both: tuple[FrozenGraphEngine, Frozen]) -> None:
    engine, _ = both
    inputs = {"b": np.array([[1, 2, 3], [-1, -2, -3]], np.float32), "a": np.zeros(2, np.int32)}
    together = engine.run_jointly(["sign", "serving_default"], inputs)
    assert together["sign"]["sign"].tolist() == [b"up", b"down"]
    np.testing.assert_array_equal(together["serving_default"]["scores"], [[16, 22], [-16, -22]])


def test_many_threads_get_their_own_answers(both: tuple[FrozenGraphEngine, Frozen]) -> None:
    engine, _ = both

    def doubled(number: int) -> int:
        return int(engine.run("power", {"times": np.array([number])})["power"][0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(doubled, [number % 20 for number in range(200)])) == [2 ** (n % 20) for n in range(200)]


def test_weights_of_several_signatures_are_kept_once(tmp_path: Path) -> None:
    module = tf.Module()
    module.weights = tf.Variable(tf.random.normal([512, 512]))  # 1 MiB
    specs = [tf.TensorSpec([None, 512], tf.float32, name="x")]
    one = tf.function(lambda x: {"y": x @ module.weights}, input_signature=specs)
    two = tf.function(lambda x: {"y": tf.nn.relu(x @ module.weights)}, input_signature=specs)
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"one": one, "two": two})
    engine, frozen = frozen_engine(load(tmp_path / "1"), tmp_path / "frozen")
    assert frozen.signatures.keys() == {"one", "two"}
    assert sum(map(len, frozen.pieces)) < 1.2 * 2**20
    x = np.eye(512, dtype=np.float32)
    np.testing.assert_array_equal(engine.run("one", {"x": x})["y"], module.weights.numpy())
    np.testing.assert_array_equal(engine.run("two", {"x": x})["y"], np.maximum(module.weights.numpy(), 0))


@pytest.mark.parametrize("name", ["digits_mlp", "co2_transformer"])
def test_shipped_models_answer_as_at_export(name: str, tmp_path: Path) -> None:
    model = load(SHIPPED / name / "1")
    engine, frozen = frozen_engine(model, tmp_path)
    passport = read_passport(SHIPPED / name / "1")
    assert frozen.refused == {}
    for signature, golden in passport.golden.items():
        rows = {key: read_tensor(tensor) for key, tensor in golden.inputs.items()}
        assert_same(engine, model, signature, rows)
    engine.close()


def test_graphs_of_tensorflow_1_and_keras_2_are_frozen_too(tmp_path: Path) -> None:
    write_tf1(tmp_path / "1")
    tripled, _ = frozen_engine(load(tmp_path / "1"), tmp_path / "tripled")
    x = np.array([[1, 2], [3, 4]], np.float32)
    np.testing.assert_array_equal(tripled.run("serving_default", {"x": x})["y"], 3 * x)
    model = load(TESTDATA / "keras_2" / "dense" / "1")
    dense, _ = frozen_engine(model, tmp_path / "dense")
    for rows in BATCHES:
        assert_same(dense, model, "serving_default", {"dense_input": np.ones((rows, 3), np.float32) * rows})


def test_closing_gives_the_weights_back(tmp_path: Path) -> None:
    module = tf.Module()
    module.weights = tf.Variable(tf.random.normal([2048, 2048]))  # 16 MiB
    answer = tf.function(
        lambda x: {"y": x @ module.weights}, input_signature=[tf.TensorSpec([None, 2048], tf.float32, name="x")]
    )
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=answer)
    engine, _ = frozen_engine(load(tmp_path / "1"), tmp_path / "frozen")
    engine.close()

    def cycle() -> int:
        again = FrozenGraphEngine(tmp_path / "frozen")
        again.run("serving_default", {"x": np.ones((1, 2048), np.float32)})
        again.close()
        del again
        gc.collect()
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0])

    for _ in range(3):
        cycle()
    before = cycle()
    for _ in range(6):
        after = cycle()
    assert after - before < 32 * 1024  # kB, where six of them kept would be 100 MiB and more


def test_a_file_that_is_cut_short_is_refused(both: tuple[FrozenGraphEngine, Frozen], tmp_path: Path) -> None:
    _, frozen = both
    write_frozen(tmp_path, frozen.signatures, frozen.pieces)
    content = (tmp_path / FROZEN_FILE).read_bytes()
    (tmp_path / FROZEN_FILE).write_bytes(content[:-10])
    with pytest.raises(ServerError, match="is cut short"):
        FrozenGraphEngine(tmp_path)
    (tmp_path / FROZEN_FILE).write_bytes(b"no graph at all, but some text")
    with pytest.raises(ServerError, match=r"cannot be read|cut short"):
        FrozenGraphEngine(tmp_path)
