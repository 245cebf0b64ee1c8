from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from training import Split
from training.batches import distribute_batches, make_pieces, tensors_of
from training.strategy import BatchPlan


def rows_of(
    steps: int, *, replicas: int = 1, rows: int = 11, seed: int | None = 5, first_step: int = 0
) -> list[list[int]]:
    """Return the row numbers of each global batch, put together from the replicas' pieces; batches of 4."""
    split = Split(np.arange(rows), np.arange(rows) * 10)
    plan = BatchPlan(rows, 4, replicas)
    pieces = make_pieces(tensors_of(split), plan, seed=seed, first_step=first_step, replicas=range(replicas))
    flat: list[Any] = list(pieces.take(steps * replicas).as_numpy_iterator())
    for inputs, labels, _ in flat:
        np.testing.assert_array_equal(labels[""], inputs * 10)
    return [
        [int(row) for inputs, *_ in flat[step * replicas : (step + 1) * replicas] for row in inputs]
        for step in range(steps)
    ]


@pytest.mark.parametrize("replicas", [2, 3, 4])
def test_rows_do_not_depend_on_the_number_of_replicas(replicas: int) -> None:
    assert rows_of(7, replicas=replicas) == rows_of(7)


def test_every_epoch_has_every_row_once_in_an_order_of_its_own() -> None:
    batches = rows_of(6)
    first, second = list(chain(*batches[:3])), list(chain(*batches[3:]))
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second
    assert [len(batch) for batch in batches] == [4, 4, 3, 4, 4, 3]


def test_the_order_depends_on_the_seed_alone() -> None:
    assert rows_of(3, seed=5) == rows_of(3, seed=5)
    assert rows_of(3, seed=5) != rows_of(3, seed=6)


def test_without_a_seed_rows_stay_in_order() -> None:
    assert rows_of(4, seed=None) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10], [0, 1, 2, 3]]


@pytest.mark.parametrize("first_step", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("replicas", [1, 2])
def test_batches_can_start_at_any_step(first_step: int, replicas: int) -> None:
    assert rows_of(5, replicas=replicas, first_step=first_step) == rows_of(5 + first_step)[first_step:]


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_the_rows_of_a_piece_do_not_depend_on_the_number_of_replicas(replicas: int) -> None:
    plan = BatchPlan(7, 7, replicas, pieces=3)
    split = Split(np.arange(7), np.arange(7))
    shares = make_pieces(tensors_of(split), plan, seed=None, first_step=0, replicas=range(replicas)).take(replicas)
    of_replica = [set(inputs.tolist()) for inputs, *_ in shares.as_numpy_iterator()]
    assert tuple(map(len, of_replica)) == plan.shares(7)
    for piece in ({0, 1}, {2, 3}, {4, 5, 6}):  # each is shared out over the replicas by itself
        sizes = [len(piece & rows) for rows in of_replica]
        assert sum(sizes) == len(piece)
        assert max(sizes) - min(sizes) <= 1


def test_pieces_are_as_even_as_can_be_even_when_some_are_empty() -> None:
    split = Split(np.arange(9), np.arange(9))
    pieces = make_pieces(tensors_of(split), BatchPlan(9, 4, 3), seed=None, first_step=0, replicas=range(3))
    sizes = [len(inputs) for inputs, *_ in pieces.take(9).as_numpy_iterator()]
    assert sizes == [1, 1, 2, 1, 1, 2, 0, 0, 1]


def test_a_worker_gets_the_pieces_of_its_own_replicas_only() -> None:
    split = Split(np.arange(8), np.arange(8))
    pieces = make_pieces(tensors_of(split), BatchPlan(8, 4, 4), seed=None, first_step=0, replicas=range(2, 4))
    assert [inputs.tolist() for inputs, *_ in pieces.take(4).as_numpy_iterator()] == [[2], [3], [6], [7]]


def test_a_strategy_of_one_device_gets_whole_batches() -> None:
    split = Split(np.arange(5), {"a": np.arange(5), "b": -np.arange(5)})
    batches = distribute_batches(tf.distribute.get_strategy(), split, BatchPlan(5, 3))
    inputs, labels, weights = next(batches)
    assert weights == ()
    assert inputs.numpy().tolist() == [0, 1, 2]
    assert {name: array.numpy().tolist() for name, array in labels.items()} == {"a": [0, 1, 2], "b": [0, -1, -2]}


def test_several_inputs_come_by_name_and_stay_together() -> None:
    split = Split({"number": np.arange(5), "name": np.array(list("abcde"), object)}, np.arange(5))
    plan = BatchPlan(5, 2, 1)

    batches = list(
        make_pieces(tensors_of(split), plan, seed=1, first_step=0, replicas=range(1)).take(3).as_numpy_iterator()
    )

    assert sorted(int(row) for _, labels, _ in batches for row in labels[""]) == [0, 1, 2, 3, 4]
    for inputs, labels, _ in batches:
        np.testing.assert_array_equal(inputs["number"], labels[""])
        assert [name.decode() for name in inputs["name"]] == ["abcde"[row] for row in labels[""]]


def test_weights_stay_with_their_rows() -> None:
    split = Split(np.arange(5), np.arange(5), weights=np.arange(5) / 2)

    batches = (
        make_pieces(tensors_of(split), BatchPlan(5, 2), seed=1, first_step=0, replicas=range(1))
        .take(3)
        .as_numpy_iterator()
    )

    for inputs, _, (weights,) in batches:
        np.testing.assert_array_equal(weights, inputs / 2)


def test_rows_that_do_not_fill_a_batch_are_left_out_on_request() -> None:
    split = Split(np.arange(11), np.arange(11))
    plan = BatchPlan(11, 4, drop_remainder=True)
    assert plan.steps == 2

    pieces = make_pieces(tensors_of(split), plan, seed=1, first_step=0, replicas=range(1)).take(4).as_numpy_iterator()
    first, second, third, fourth = (set(inputs.tolist()) for inputs, *_ in pieces)

    assert [len(first), len(second), len(third), len(fourth)] == [4, 4, 4, 4]
    assert not first & second
    assert first | second != third | fourth, "other rows are left out of each epoch"


REPLICAS = """
import sys
import numpy as np
from training import Split
from training.batches import distribute_batches, make_pieces, tensors_of
from training.config import StrategyConfig
from training.strategy import BatchPlan, make_strategy

kind, replicas = sys.argv[1], int(sys.argv[2])
strategy = make_strategy(StrategyConfig(kind=kind, replicas=replicas if kind == "mirrored" else None))
assert strategy.num_replicas_in_sync == replicas
split = Split(np.arange(23), np.arange(23) * 10)
plan = BatchPlan(23, 8, replicas, pieces=2)
dealt = make_pieces(tensors_of(split), plan, seed=5, first_step=2, replicas=range(replicas))
dealt = [inputs.tolist() for inputs, *_ in dealt.take(7 * replicas).as_numpy_iterator()]
for one_step in (False, True):
    batches = distribute_batches(strategy, split, plan, seed=5, first_step=2, one_step=one_step)
    for step in range(7):
        inputs, labels, weights = next(batches)
        inputs, labels = (strategy.experimental_local_results(each) for each in (inputs, labels[""]))
        first = 0 if one_step else step * replicas
        assert [each.numpy().tolist() for each in inputs] == dealt[first : first + replicas], step
        tenfold = [[10 * row for row in rows] for rows in dealt[first : first + replicas]]
        assert [each.numpy().tolist() for each in labels] == tenfold, step
        assert weights == ()
print("same")
"""


@pytest.mark.parametrize(("kind", "replicas"), [("one_device", 1), ("mirrored", 1), ("mirrored", 2), ("mirrored", 3)])
def test_every_replica_gets_its_own_pieces_on_a_machine_without_gpus(
    kind: str, replicas: int, run_python: Callable[..., Any]
) -> None:
    done = run_python(REPLICAS, kind, str(replicas), CUDA_VISIBLE_DEVICES="-1")
    assert done.stdout.split() == ["same"], done.stderr[-2000:]
