import os

import keras
import pytest

import zoo
from zoo.inspection.timing import device, time_rows

SECONDS = 0.01


def test_every_batch_is_measured() -> None:
    model = zoo.build("mlp", input_shape=(4,), units=[3], head={"kind": "linear"})
    one, many = time_rows(model, (1, 8), seconds=SECONDS)

    assert (one.batch, many.batch) == (1, 8)
    assert one.calls >= 1
    assert many.seconds_per_row == many.seconds / 8 > 0


@pytest.mark.parametrize(
    "fields",
    [
        {"input_shape": (None, 2)},
        {"input_shape": (6,), "vocabulary_size": 9},
        {"input_shape": (6, 2), "preprocessing": [{"kind": "normalization"}]},
        {
            "input_shape": (),
            "vocabulary_size": 9,
            "preprocessing": [{"kind": "tokens", "length": 5, "vocabulary_size": 9}],
        },
    ],
    ids=["any length", "ids", "normalized", "text"],
)
def test_rows_are_made_up_for_inputs_of_every_kind(fields: dict[str, object]) -> None:
    model = zoo.build("gru", units=[3], head={"kind": "linear"}, **fields)

    assert time_rows(model, (2,), length=5, seconds=SECONDS)[0].seconds > 0


def test_a_model_of_several_inputs_is_measured() -> None:
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b", dtype="int32")
    model = keras.Model([a, b], keras.layers.Concatenate()([a, keras.ops.cast(b, "float32")]))

    assert time_rows(model, (1,), seconds=SECONDS)[0].seconds > 0


def test_each_size_is_called_once_where_there_is_no_time() -> None:
    model = zoo.build("mlp", input_shape=(4,), units=[3], head={"kind": "linear"})

    assert [timing.calls for timing in time_rows(model, (1, 2), seconds=0)] == [1, 1]


def test_the_processor_is_named_with_the_cores_that_may_be_used() -> None:
    assert device().endswith(f"{len(os.sched_getaffinity(0))} cores") or device().endswith("1 core")
