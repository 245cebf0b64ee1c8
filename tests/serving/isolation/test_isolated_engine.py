"""A version that another process runs answers as in this one, and its end is no end of this one."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from serving.config import ServerConfig
from serving.engines.engine import ChoosingEngine
from serving.engines.options import EngineOptions
from serving.engines.saved_model import SavedModelEngine
from serving.isolation.engine import IsolatedEngine
from serving.isolation.loader import IsolatingLoader
from serving.status import Code, ServerError, StatusError
from tests.serving.isolation.hosts import await_end, exists, hosts_of, priorities

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
)
WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp" / "1"
"""Has a model.tflite."""
Arrays = dict[str, np.ndarray]


class Echo(tf.Module):
    """Answers what it was asked; `shift` adds two, and `pick` refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.two = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, None], getattr(tf, name), name=name) for name in DTYPES])
    def numbers(self, *tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.identity(tensor) for name, tensor in zip(DTYPES, tensors, strict=True)}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="text"), tf.TensorSpec([], tf.string, name="one")]
    )
    def strings(self, text: tf.Tensor, one: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"twice": text + text, "one": tf.identity(one)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def shift(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x + self.two, "total": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def scale(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"z": x * self.two}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="index")])
    def pick(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"picked": tf.gather(tf.constant([10.0, 11.0]), index)}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "echo" / "1"
    module = Echo()
    names = ("numbers", "strings", "shift", "scale", "pick")
    tf.saved_model.save(module, str(path), signatures={name: getattr(module, name) for name in names})
    return path


def isolated(version: Path) -> IsolatedEngine:
    engine = IsolatingLoader(EngineOptions(prefer_tflite=True), over_bytes=0)(version)
    assert isinstance(engine, IsolatedEngine)
    return engine


@pytest.fixture(scope="module")
def engine(version: Path) -> Iterator[IsolatedEngine]:
    loaded = isolated(version)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def here(version: Path) -> SavedModelEngine:
    """The same version in this process."""
    return SavedModelEngine(version)


def assert_same(got: Arrays, expected: Arrays) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape), name
        if array.dtype == object:
            assert got[name].tolist() == array.tolist()
        else:
            assert got[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_numbers_of_every_dtype_are_answered_bit_for_bit(
    engine: IsolatedEngine, here: SavedModelEngine, rows: int
) -> None:
    random = np.random.default_rng(rows)
    dtypes = {name: np.dtype(getattr(ml_dtypes, name, name)) for name in DTYPES}
    inputs = {name: (random.normal(size=(rows, 4)) * 3 + 9).astype(dtype) for name, dtype in dtypes.items()}
    assert_same(engine.run("numbers", inputs), here.run("numbers", inputs))


def test_strings_and_scalars_are(engine: IsolatedEngine, here: SavedModelEngine) -> None:
    inputs = {
        "text": np.array([b"", "ü".encode(), b"\0\xff", b"x" * 100_000], dtype=object),
        "one": np.array(b"alone", dtype=object),
    }
    assert_same(engine.run("strings", inputs), here.run("strings", inputs))


def test_20_megabytes_are(engine: IsolatedEngine, here: SavedModelEngine) -> None:
    inputs = {"x": np.random.default_rng(0).normal(size=(5_000, 1_000)).astype(np.float32)}
    assert_same(engine.run("shift", inputs), here.run("shift", inputs))


def test_several_signatures_are_run_jointly(engine: IsolatedEngine, here: SavedModelEngine) -> None:
    inputs = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    for _ in range(2):  # the first time one after the other, then as one function
        got = engine.run_jointly(["shift", "scale"], inputs)
        assert list(got) == ["shift", "scale"]
        for name, outputs in got.items():
            assert_same(outputs, here.run(name, inputs))


def test_many_threads_get_their_own_answers(engine: IsolatedEngine) -> None:
    def ask(number: int) -> None:
        x = np.full((number % 7 + 1, number % 5 + 1), number, np.float32)
        np.testing.assert_array_equal(engine.run("shift", {"x": x})["y"], x + 2)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(400)))


def test_what_the_model_refuses_is_refused_alike(engine: IsolatedEngine, here: SavedModelEngine) -> None:
    inputs = {"index": np.array([0, 7], np.int32)}
    refusals = []
    for each in (engine, here):
        with pytest.raises(StatusError) as caught:
            each.run("pick", inputs)
        refusals.append((caught.value.code, caught.value.message, caught.value.field))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] is Code.INVALID_ARGUMENT


def test_a_fault_names_the_model_and_where_it_arose(engine: IsolatedEngine) -> None:
    with pytest.raises(RuntimeError, match=r"^echo version 1: KeyError: 'nothing'") as caught:
        engine.run("nothing", {})
    assert "saved_model.py" in caught.value.__notes__[0]


def test_it_tells_what_it_executes(engine: IsolatedEngine) -> None:
    assert engine.platform == "tensorflow_savedmodel"
    assert engine.choices == {}
    assert engine.deferred == frozenset()
    assert engine.variant_of("shift") == ""


def test_it_tells_what_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = EngineOptions(engine="auto")
    here, there = options.loader()(WINE), IsolatingLoader(options, over_bytes=0)(WINE)
    assert isinstance(here, ChoosingEngine)
    assert isinstance(there, ChoosingEngine)
    try:
        assert there.choices == {name: f"{words}, in a process of its own" for name, words in here.choices.items()}
        assert there.deferred == here.deferred
        assert "logits" in there.deferred
        assert {name: there.variant_of(name) for name in here.choices} == {
            name: here.variant_of(name) for name in here.choices
        }
        logits = there.run("logits", {"inputs": np.zeros((1, 13), np.float32)})
        assert logits["logits"].shape == (1, 3)
        assert there.deferred == frozenset()
    finally:
        there.close()
        here.close()


@pytest.mark.parametrize(("over", "isolates"), [(None, False), (-1, False), (0, True), (1, False)])
def test_the_size_of_a_folder_decides(over: int | None, isolates: bool) -> None:  # noqa: FBT001
    loader = ServerConfig(isolate_models_over_mb=over).engine_loader()
    assert (isinstance(loader, IsolatingLoader) and loader.isolates(WINE)) is isolates


def test_a_process_that_is_killed_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    before = hosts_of(os.getpid())
    caplog.set_level("INFO")
    engine = isolated(WINE)
    rows = {"inputs": np.zeros((1, 13), np.float32)}
    try:
        expected = engine.run("serving_default", rows)
        (killed,) = hosts_of(os.getpid()) - before
        os.kill(killed, signal.SIGKILL)
        assert await_end(killed)
        with pytest.raises(StatusError, match="wine_mlp version 1 was ended by SIGKILL; another is started") as caught:
            engine.run("serving_default", rows)
        assert caught.value.code is Code.UNAVAILABLE
        assert caught.value.retry_after
        answer = None
        while answer is None:
            with contextlib.suppress(StatusError):
                answer = engine.run("serving_default", rows)
        assert_same(answer, expected)
        (second,) = hosts_of(os.getpid()) - before
        assert second != killed
        assert not exists(killed)
    finally:
        engine.close()
    assert hosts_of(os.getpid()) == before
    told = [record.getMessage() for record in caplog.records if "was ended by" in record.getMessage()]
    assert told == [f"the process that runs wine_mlp version 1, pid {killed}, was ended by SIGKILL: another starts now"]


def test_a_process_that_cannot_load_says_why_and_is_gone(tmp_path: Path) -> None:
    before = hosts_of(os.getpid())
    version = tmp_path / "broken" / "1"
    version.mkdir(parents=True)
    (version / "model.tflite").write_bytes(b"no model")
    with pytest.raises(ServerError) as here:
        EngineOptions().loader()(version)
    with pytest.raises(ServerError) as there:
        isolated(version)
    assert str(there.value) == str(here.value)
    assert hosts_of(os.getpid()) == before


def test_no_thread_in_which_tensorflow_computes_has_a_low_priority(engine: IsolatedEngine) -> None:
    engine.run("shift", {"x": np.ones((100, 100), np.float32)})
    (host,) = hosts_of(os.getpid())
    assert priorities(host, "tf_") == {os.getpriority(os.PRIO_PROCESS, 0)}


def test_it_has_the_usual_priority_though_it_is_loaded_by_a_thread_of_a_low_one() -> None:
    script = """
import os, sys
from pathlib import Path
from serving.config import ServerConfig
from serving.engines.engine import ChoosingEngine
from serving.engines.options import EngineOptions
from serving.gentle import gently
from serving.isolation.loader import IsolatingLoader
from tests.serving.isolation.hosts import hosts_of
load = IsolatingLoader(EngineOptions(prefer_tflite=True), over_bytes=0)
engine = gently(lambda: load(Path("saved_models/wine_mlp/1")))
(host,) = hosts_of(os.getpid())
usual = os.getpriority(os.PRIO_PROCESS, 0)
print({os.getpriority(os.PRIO_PROCESS, host) - usual})  # of the thread that starts those which answer calls
print("tensorflow" in sys.modules)
engine.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["{0}", "False"], done.stderr
