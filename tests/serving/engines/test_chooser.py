"""Which engine runs what: what answers as TensorFlow does, and nothing that does not."""

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.config import ServerConfig
from serving.engines import child
from serving.engines.by_files import EngineByFiles
from serving.engines.child import ChildError, run_child
from serving.engines.chooser import EngineChooser
from serving.engines.discovery import Discovery
from serving.engines.findings import FROZEN, LITERT
from serving.engines.findings_cache import FindingsCache
from serving.engines.routed import RoutedEngine
from serving.engines.saved_model import SavedModelEngine
from serving.engines.work_order import RESULT, STEP, WorkOrder
from serving.engines.workshop import Workshop
from serving.processor import Processor
from serving.servable import load_servable
from serving.status import Code, ServerError, StatusError
from tests.serving.engines.models import BUSY, QUIET, rows_of_several, save_several
from zoo.artifact import read_passport
from zoo.tensorflow_noise import hushed
from zoo.tensors import differences, read_tensor

SHIPPED = Path(__file__).parents[3] / "saved_models"


class Counted:
    """A workshop in this process: a second instead of ten."""

    def __init__(self, processor: Processor = QUIET) -> None:
        self.orders: list[WorkOrder] = []
        self.processor = processor

    def __call__(self, order: WorkOrder) -> None:
        self.orders.append(order)
        (Path(order.folder) / RESULT).write_text(json.dumps(asdict(Workshop(order, self.processor).findings())))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "several" / "1"
    save_several(path)
    return path


@pytest.fixture(scope="module")
def remembered(several: Path, tmp_path_factory: pytest.TempPathFactory) -> FindingsCache:
    """What was found out about `several`."""
    cache = FindingsCache(tmp_path_factory.mktemp("remembered"))
    chooser(cache, Counted())(several).close()
    return cache


def chooser(cache: FindingsCache, make: Callable[[WorkOrder], None], engine: str = "auto") -> EngineChooser:
    return EngineChooser(EngineByFiles(), engine, Discovery(cache, make, QUIET))


def choose(
    version: Path, cache: FindingsCache, make: Callable[[WorkOrder], None], engine: str = "auto"
) -> RoutedEngine:
    found = chooser(cache, make, engine)(version)
    assert isinstance(found, RoutedEngine)
    return found


def nothing(order: WorkOrder) -> None:
    pytest.fail(f"found out anew: {order}")


@pytest.mark.parametrize("engine", ["auto", "frozen", "litert"])
def test_whatever_runs_a_signature_answers_as_tensorflow_does(
    several: Path, remembered: FindingsCache, engine: str
) -> None:
    chosen, reference = choose(several, remembered, nothing, engine), SavedModelEngine(several)
    for rows in (1, 2, 7, 32):
        for name, inputs in rows_of_several(rows).items():
            if engine != "auto" and engine not in chosen.choices[name].split()[0]:
                continue
            expected = reference.run(name, inputs)
            assert (
                differences(
                    chosen.run(name, inputs),
                    expected,
                    read_passport(SHIPPED / "wine_mlp" / "1").tolerance,
                    same_dtypes=True,
                )
                == []
            )
    chosen.close()


def test_what_is_remembered_is_neither_made_nor_timed_again(
    several: Path, remembered: FindingsCache, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        choose(several, remembered, nothing).close()
    lines = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("several 1, ") for line in lines) == 8  # one for each signature
    (counted,) = (line for line in lines if line.startswith("several 1, count: "))
    assert counted.startswith("several 1, count: saved_model (of 1, 8, 32 rows: saved_model ")
    assert "no frozen: it writes variables or tables (AssignAddVariableOp)" in counted


def test_several_that_load_a_version_at_once_find_out_once(several: Path, tmp_path: Path) -> None:
    """As workers do. The first is held until the second waits for it."""
    waits = threading.Event()
    counted = Counted()

    class Waiting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waited for" in record.getMessage():
                waits.set()

    def make(order: WorkOrder) -> None:
        assert waits.wait(60)
        counted(order)

    handler = Waiting()
    log = logging.getLogger("serving.engines.findings_cache")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda _: choose(several, FindingsCache(tmp_path), make), range(2)))
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    assert len(counted.orders) == 1
    first, second = (engine.choices for engine in found)
    assert first == second
    for engine in found:
        engine.close()


def test_what_a_workshop_timed_on_a_busy_machine_is_timed_again_at_the_next_load(several: Path, tmp_path: Path) -> None:
    cache, disturbed, quiet = FindingsCache(tmp_path), Counted(BUSY), Counted(QUIET)
    first = choose(several, cache, disturbed)
    second = choose(several, cache, quiet)
    third = choose(several, cache, nothing)
    assert (len(disturbed.orders), len(quiet.orders)) == (1, 1)
    for engine in (first, second, third):
        assert engine.run("length", {"text": np.array([b"four"], object)})["length"].tolist() == [4]
        engine.close()


def test_what_cannot_be_had_otherwise_is_run_by_tensorflow(several: Path, remembered: FindingsCache) -> None:
    chosen = choose(several, remembered, nothing)
    assert chosen.run("look_up", {"word": np.array([b"b", b"z"], object)})["number"].tolist() == [2, -1]
    assert [chosen.run("count", {"x": np.zeros(1, np.int32)})["calls"].item() for _ in range(2)] == [1, 2]
    with pytest.raises(StatusError, match="the model refuses these values"):
        chosen.run("fixed", {"pair": np.array([1, 200], np.float32)})
    chosen.close()


def test_one_engine_alone_refuses_what_it_cannot_run_in_words(several: Path, remembered: FindingsCache) -> None:
    chosen = choose(several, remembered, nothing, "frozen")
    assert chosen.choices["serving_default"] == "frozen"
    with pytest.raises(
        StatusError, match=r"signature 'count' is not served: it writes variables.*\(--engine=frozen\)"
    ) as caught:
        chosen.run("count", {"x": np.zeros(1, np.int32)})
    assert caught.value.code is Code.FAILED_PRECONDITION
    chosen.close()


def test_a_version_of_which_one_engine_can_run_nothing_does_not_load(tmp_path: Path) -> None:
    module = tf.Module()
    module.calls = tf.Variable(0)
    count = tf.function(
        lambda x: {"calls": x + module.calls.assign_add(1)}, input_signature=[tf.TensorSpec([None], tf.int32, name="x")]
    )
    tf.saved_model.save(module, str(tmp_path / "m" / "1"), signatures=count)
    with pytest.raises(ServerError, match=r"--engine=litert can run no signature of .*'serving_default': it writes"):
        choose(tmp_path / "m" / "1", FindingsCache(tmp_path / "cache"), Counted(), "litert")


def test_a_model_tflite_that_answers_otherwise_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It lies beside a SavedModel, of which it is no conversion: a third more."""
    version = tmp_path / "models" / "doubled" / "1"
    specs = [tf.TensorSpec([None, 2], tf.float32, name="x")]

    def save(factor: float, path: Path) -> None:
        answer = tf.function(lambda x: {"y": x * factor}, input_signature=specs)
        tf.saved_model.save(tf.Module(), str(path), signatures=answer)

    save(2.0, version)
    save(3.0, tmp_path / "other")
    with hushed():
        content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "other")).convert()
    (version / "model.tflite").write_bytes(content)
    with caplog.at_level(logging.INFO):
        chosen = choose(version, FindingsCache(tmp_path / "cache"), Counted())
    assert "no litert: it answers 1 rows otherwise: y: 2 of 2 numbers differ" in caplog.text
    assert chosen.run("serving_default", {"x": np.ones((1, 2), np.float32)})["y"].tolist() == [[2, 2]]
    chosen.close()
    with pytest.raises(ServerError, match=r"--engine=litert can run no signature of .*it answers 1 rows otherwise"):
        choose(version, FindingsCache(tmp_path / "cache"), nothing, "litert")


@pytest.mark.parametrize("name", ["digits_cnn", "diabetes_mlp"])
def test_an_artifact_is_run_by_its_own_model_tflite_with_labels(name: str, tmp_path: Path) -> None:
    version, cache = SHIPPED / name / "1", FindingsCache(tmp_path)
    for _ in range(2):  # found out, and remembered
        servable = load_servable(name, 1, version, chooser(cache, nothing))
        engine, golden = servable.engine, read_passport(version).golden["serving_default"]
        assert isinstance(engine, RoutedEngine)
        assert engine.choices["serving_default"].startswith(LITERT)
        answers = engine.run("serving_default", {key: read_tensor(each) for key, each in golden.inputs.items()})
        expected = {key: read_tensor(each) for key, each in golden.outputs.items()}
        assert (
            differences(answers, expected, read_passport(version).variants["litert"].tolerance, same_dtypes=True) == []
        )
        assert "embed" in engine.deferred
        engine.close()


def test_signatures_that_need_tensorflow_load_it_when_they_are_asked_for(tmp_path: Path) -> None:
    version = SHIPPED / "wine_mlp" / "1"
    chosen = choose(version, FindingsCache(tmp_path), nothing)
    assert chosen.deferred == {"classify", "embed", "logits", "predict", "predict_set"}
    golden = read_passport(version).golden["logits"]
    answers = chosen.run("logits", {key: read_tensor(each) for key, each in golden.inputs.items()})
    np.testing.assert_allclose(answers["logits"], read_tensor(golden.outputs["logits"]), rtol=1e-5, atol=1e-5)
    assert chosen.deferred == frozenset()
    chosen.close()


def test_an_artifact_whose_model_tflite_answers_otherwise_is_run_by_something_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version = tmp_path / "models" / "wine_mlp" / "1"
    shutil.copytree(SHIPPED / "wine_mlp" / "1", version)
    shutil.copy(SHIPPED / "cancer_mlp" / "1" / "model.tflite", version)
    make = Counted()
    with caplog.at_level(logging.WARNING):
        chosen = choose(version, FindingsCache(tmp_path / "cache"), make)
    assert "model.tflite" in caplog.text
    assert len(make.orders) == 1
    assert not chosen.choices["serving_default"].startswith("litert")
    chosen.close()


def test_an_engine_that_ends_the_workshop_is_left_out(
    several: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make = Counted()

    def crashing(order: WorkOrder) -> None:
        if LITERT not in order.without:
            (Path(order.folder) / STEP).write_text(LITERT)
            (Path(order.folder) / "half-written").write_text("")
            raise ChildError("it was ended by SIGABRT")
        make(order)

    with caplog.at_level(logging.INFO):
        chosen = choose(several, FindingsCache(tmp_path), crashing)
    assert [order.without for order in make.orders] == [(LITERT,)]
    assert chosen.choices["serving_default"] == FROZEN
    assert "(litert): it was ended by SIGABRT" in caplog.text
    assert "no litert: it ended the process that tried it" in caplog.text
    chosen.close()


def test_a_workshop_that_never_gets_anywhere_leaves_the_saved_model(several: Path, tmp_path: Path) -> None:
    def failing(order: WorkOrder) -> None:
        (Path(order.folder) / STEP).write_text("load")
        raise ChildError("it took longer than 300 s")

    chosen = choose(several, FindingsCache(tmp_path), failing)
    assert set(chosen.choices.values()) == {"saved_model"}
    chosen.close()
    choose(several, FindingsCache(tmp_path), nothing).close()


def test_what_one_engine_alone_had_found_out_does_not_run_an_artifact_whose_own_file_will_do(tmp_path: Path) -> None:
    cache, counted = FindingsCache(tmp_path), Counted()
    choose(SHIPPED / "wine_mlp" / "1", cache, counted, "frozen").close()
    assert len(counted.orders) == 1
    chosen = choose(SHIPPED / "wine_mlp" / "1", cache, nothing)
    assert chosen.choices["serving_default"] == LITERT
    assert chosen.deferred == set(chosen.choices) - {"serving_default"}  # which would need TensorFlow at once
    chosen.close()


def test_a_process_that_was_asked_to_end_ends_what_it_tries_out_and_remembers_nothing_of_it(
    several: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_CHILDREN", child.Children())
    (tmp_path / "work.py").write_text("import os\nopen(os.environ['SAYS'], 'w').close()\nos.read(0, 1)")
    os.mkfifo(tmp_path / "says")
    monkeypatch.setenv("SAYS", str(tmp_path / "says"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[3]}")
    monkeypatch.chdir(tmp_path)

    def make(_: WorkOrder) -> None:
        run_child("work", [], seconds=60)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(choose, several, FindingsCache(tmp_path / "cache"), make)
        (tmp_path / "says").open().close()  # it runs
        child.end_children()
        with pytest.raises(ServerError, match="was asked to end"):
            future.result(30)
    with pytest.raises(ServerError, match="was asked to end"):
        run_child("work", [], seconds=60)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_a_child_process_finds_out(several: Path, tmp_path: Path) -> None:
    """The real one, once."""
    found = EngineChooser(EngineByFiles(), "auto", Discovery(FindingsCache(tmp_path)))(several)
    assert isinstance(found, RoutedEngine)
    assert not found.choices["serving_default"].startswith("saved_model")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert (folder / FROZEN / "frozen.graph").is_file()
    found.close()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os.abort()", "it was ended by SIGABRT"),
        ("raise SystemExit('no such thing')", "it ended with 1: no such thing"),
        ("import threading; threading.Event().wait()", "it took longer than 2 s"),
        (
            "from serving.engines.child import settle; settle(1 << 28); bytearray(1 << 29)",
            "it ended with 1: MemoryError",
        ),
    ],
)
def test_how_a_child_process_ended_is_told(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[3]}")
    with pytest.raises(ChildError, match=reason):
        run_child("work", [], seconds=2)


def test_engines_are_known_by_name() -> None:
    with pytest.raises(
        ServerError, match="engine 'tensorflow': expected 'auto' or 'saved_model' or 'frozen' or 'litert'"
    ):
        ServerConfig(engine="tensorflow")
