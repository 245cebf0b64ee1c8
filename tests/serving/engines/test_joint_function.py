"""Signatures that are asked together: the answers of each, and the work of one."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import zoo
from serving.engines.joint_function import NotJoinableError, join
from serving.engines.saved_model import SavedModelEngine
from tests.serving.tensorflow_serving.half_plus_two import write_half_plus_two
from zoo.signatures.examples import to_examples

TASKS = ["kind_classify", "alive_classify", "weight_regress"]


@pytest.fixture(scope="module")
def three_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three heads on layers that take nearly all of its time."""
    heads = {"kind": {"kind": "softmax", "units": 10}, "alive": {"kind": "sigmoid"}, "weight": {"kind": "linear"}}
    model = zoo.build("mlp", input_shape=(256,), units=[768, 768, 768], heads=heads)
    return zoo.export(model, tmp_path_factory.mktemp("heads") / "heads", variants=())


def examples(rows: int) -> dict[str, np.ndarray]:
    return {"inputs": to_examples({"inputs": np.random.default_rng(rows).normal(size=(rows, 256)).astype(np.float32)})}


def test_together_they_answer_as_they_do_alone(three_heads: Path) -> None:
    engine = SavedModelEngine(three_heads)
    for rows in (1, 3, 64):  # the first call joins them
        inputs = examples(rows)
        together = engine.run_jointly(TASKS, inputs)
        assert list(together) == TASKS
        for name in TASKS:
            alone = engine.run(name, inputs)
            assert together[name].keys() == alone.keys()
            for output, array in alone.items():
                np.testing.assert_array_equal(together[name][output], array)


def seconds_of_processor(work: Callable[[], object]) -> float:
    work()
    taken = []
    for _ in range(15):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return float(np.median(taken))


def test_what_they_have_in_common_is_computed_once(three_heads: Path) -> None:
    """Three times the work would be 3; one after the other it is."""
    model = tf.saved_model.load(str(three_heads))
    signatures = {name: model.signatures[name] for name in TASKS}
    joined, rows = join(signatures), tf.constant(examples(64)["inputs"])
    one = seconds_of_processor(lambda: signatures["kind_classify"](inputs=rows))
    together = seconds_of_processor(lambda: joined(inputs=rows))
    assert together < 1.7 * one


def test_signatures_of_tensorflow_1_answer_together(tmp_path: Path) -> None:
    write_half_plus_two(tmp_path / "1")
    engine = SavedModelEngine(tmp_path / "1")
    example = tf.train.Example(features=tf.train.Features(feature={"x": tf.train.Feature(float_list={"value": [2.0]})}))
    for _ in range(2):
        answer = engine.run_jointly(
            ["regress", "classify"], {"inputs": np.array([example.SerializeToString()], dtype=object)}
        )
        assert answer["regress"]["outputs"].tolist() == [[3.0]]
        assert answer["classify"]["scores"].tolist() == [[3.0, 2.0]]
        assert answer["classify"]["classes"].tolist() == [[b"half", b"whole"]]


class Counter(tf.Module):
    """Signatures that must not be merged: each call counts."""

    def __init__(self) -> None:
        super().__init__()
        self.count = tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def counted(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x + self.count.assign_add(1.0)}


def test_signatures_that_write_variables_are_left_apart(tmp_path: Path) -> None:
    module = Counter()
    tf.saved_model.save(module, str(tmp_path), signatures={"a": module.counted, "b": module.counted})
    loaded = tf.saved_model.load(str(tmp_path))
    with pytest.raises(NotJoinableError, match="writes variables or tables: AssignAddVariableOp"):
        join(loaded.signatures)
    engine = SavedModelEngine(tmp_path)
    zero = {"x": np.zeros(1, np.float32)}
    counts = [answer["y"].item() for _ in range(2) for answer in engine.run_jointly(["a", "b"], zero).values()]
    assert counts == [1, 2, 3, 4]


def test_only_so_many_combinations_are_joined(three_heads: Path) -> None:
    """Callers choose them; those past the limit are answered all the same."""
    engine = SavedModelEngine(three_heads)
    rows = examples(1)
    expected = engine.run("kind_classify", rows)["scores"]
    names = [*TASKS, "kind_classify"]
    for repeats in range(12):
        answer = engine.run_jointly([*TASKS[: 1 + repeats % 3], *names[: repeats // 3]], rows)
        np.testing.assert_array_equal(answer["kind_classify"]["scores"], expected)
