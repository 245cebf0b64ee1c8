import keras
import pytest
import tensorflow as tf

from training.config import StrategyConfig
from training.strategy import BatchPlan, check_pieces, make_strategy, plan_evaluation
from zoo.errors import ConfigError


def test_the_plan_of_an_odd_last_batch() -> None:
    plan = BatchPlan(rows=1197, batch_size=64, replicas=2)
    assert (plan.steps, plan.last_batch, plan.shares(64), plan.shares(45)) == (19, 45, (32, 32), (22, 23))
    assert plan.describe() == (
        "1197 rows in global batches of 64 over 2 replicas (32 each), 19 steps per epoch, "
        "the last of 45 over 2 replicas (22 + 23)"
    )


def test_the_plan_of_whole_batches_and_one_replica() -> None:
    plan = BatchPlan(rows=128, batch_size=64)
    assert (plan.steps, plan.last_batch) == (2, 64)
    assert plan.describe() == "128 rows in global batches of 64, 2 steps per epoch"


def test_the_plan_of_fewer_rows_than_a_batch() -> None:
    plan = BatchPlan(rows=3, batch_size=64, replicas=4)
    assert (plan.steps, plan.last_batch, plan.shares(3)) == (1, 3, (0, 1, 1, 1))


def test_a_batch_that_leaves_a_replica_without_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"raise train\.batch_size to at least 4"):
        BatchPlan(rows=100, batch_size=3, replicas=4)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="no rows"):
        BatchPlan(rows=0, batch_size=3)


def test_empty_pieces_are_refused_where_convolutions_of_nothing_are_wrong() -> None:
    cnn = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    mlp = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    empty = BatchPlan(rows=17, batch_size=16, replicas=2)
    with pytest.raises(ConfigError, match=r"change train\.batch_size"):
        check_pieces(empty, cnn)
    check_pieces(empty, mlp)
    check_pieces(BatchPlan(rows=18, batch_size=16, replicas=2), cnn)


def test_a_piece_without_rows_has_no_statistics() -> None:
    normalizing = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    with pytest.raises(ConfigError, match="batch normalization needs a row in each of 3 pieces"):
        check_pieces(BatchPlan(rows=18, batch_size=16, pieces=3), normalizing)
    check_pieces(BatchPlan(rows=19, batch_size=16, pieces=3), normalizing)


def model(*, convolves: bool) -> keras.Model:
    first = keras.layers.Conv2D(2, 3) if convolves else keras.layers.Flatten()
    return keras.Sequential([keras.Input((4, 4, 1)), first])


@pytest.mark.parametrize(
    ("rows", "batch_size", "replicas", "expected"),
    [
        (100, 512, 1, [100]),
        (9, 8, 1, [8, 1]),
        (9, 8, 2, [7, 2]),
        (10, 8, 2, [8, 2]),
        (5, 2, 2, [3, 2]),
        (9, 1, 4, [5, 4]),
        (3, 512, 2, [3]),
    ],
)
def test_evaluation_leaves_no_replica_without_rows(
    rows: int, batch_size: int, replicas: int, expected: list[int]
) -> None:
    plan = plan_evaluation("test", rows, batch_size, replicas, model(convolves=True))
    assert [plan.batch_size if plan.steps > 1 else rows] * (plan.steps - 1) + [plan.last_batch] == expected
    assert min(plan.shares(plan.last_batch)) >= 1


def test_evaluation_never_leaves_a_replica_without_rows_where_there_are_enough() -> None:
    cnn = model(convolves=True)
    for replicas in range(1, 6):
        for rows in range(replicas, 40):
            for batch_size in range(1, 45):
                plan = plan_evaluation("test", rows, batch_size, replicas, cnn)
                assert 0 not in {*plan.shares(plan.last_batch), *plan.shares(min(plan.batch_size, rows))}


def test_too_few_rows_to_evaluate_name_the_split_and_the_field() -> None:
    with pytest.raises(ConfigError, match=r"the test split has 1 rows for 2 replicas, .* train\.eval_batch_size"):
        plan_evaluation("test", 1, 512, 2, model(convolves=True))
    assert plan_evaluation("test", 1, 512, 2, model(convolves=False)).shares(1) == (0, 1)


def test_default_and_one_device_have_one_replica() -> None:
    assert make_strategy(StrategyConfig()) is tf.distribute.get_strategy()
    assert isinstance(make_strategy(StrategyConfig(kind="one_device")), tf.distribute.OneDeviceStrategy)


def test_dividing_the_cpu_too_late_is_a_clear_error() -> None:
    tf.constant(1)  # starts the devices
    with pytest.raises(ConfigError, match="has started with 1: train in a new process"):
        make_strategy(StrategyConfig(kind="mirrored"))
