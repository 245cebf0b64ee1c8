"""BatchingParameters as TensorFlow Serving has them: its text, its defaults, its rules."""

import os
from pathlib import Path

import pytest

from serving.batching_parameters import VERSION_FILE, BatchingParameters
from serving.status import Code, StatusError


def read(tmp_path: Path, text: str) -> BatchingParameters:
    path = tmp_path / "batching.config"
    path.write_text(text)
    return BatchingParameters.read(path)


def test_what_is_left_out_has_upstreams_default(tmp_path: Path) -> None:
    assert read(tmp_path, "") == BatchingParameters(
        max_batch_size=1000,
        batch_timeout_micros=0,
        num_batch_threads=os.cpu_count() or 1,
        max_enqueued_batches=10,
        allowed_batch_sizes=(),
        pad_variable_length_inputs=False,
        thread_pool_name="batch_threads",
        enable_large_batch_splitting=False,
        max_execution_batch_size=None,
    )


def test_the_example_of_upstreams_guide_is_read(tmp_path: Path) -> None:
    text = """max_batch_size { value: 128 }
              batch_timeout_micros { value: 0 }
              max_enqueued_batches { value: 1000000 }
              num_batch_threads { value: 8 }"""
    found = read(tmp_path, text)
    assert (found.max_batch_size, found.max_enqueued_batches, found.num_batch_threads) == (128, 1_000_000, 8)


def test_every_field_is_read(tmp_path: Path) -> None:
    text = """max_batch_size { value: 64 } batch_timeout_micros { value: 500 } max_enqueued_batches { value: 7 }
              num_batch_threads { value: 3 } thread_pool_name { value: 'mine' } allowed_batch_sizes: 8
              allowed_batch_sizes: 32 pad_variable_length_inputs: true enable_large_batch_splitting { value: true }
              max_execution_batch_size { value: 32 }"""
    assert read(tmp_path, text) == BatchingParameters(
        max_batch_size=64,
        batch_timeout_micros=500,
        num_batch_threads=3,
        max_enqueued_batches=7,
        allowed_batch_sizes=(8, 32),
        pad_variable_length_inputs=True,
        thread_pool_name="mine",
        enable_large_batch_splitting=True,
        max_execution_batch_size=32,
    )


@pytest.mark.parametrize(
    ("splitting", "largest", "expected"), [(False, 32, 64), (True, 32, 32), (True, None, 64), (False, None, 64)]
)
def test_batches_are_smaller_than_requests_only_where_those_are_split(
    *, splitting: bool, largest: int | None, expected: int
) -> None:
    parameters = BatchingParameters(
        max_batch_size=64, enable_large_batch_splitting=splitting, max_execution_batch_size=largest
    )
    assert parameters.largest_batch == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size is 0, expected at least 1"),
        ("num_batch_threads { value: 0 }", "num_batch_threads is 0"),
        ("max_enqueued_batches { value: 0 }", "max_enqueued_batches is 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros is -1"),
        (
            "max_batch_size { value: 16 } allowed_batch_sizes: 8",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 16",
        ),
        ("allowed_batch_sizes: 8", "last entry was 8; expected 1000"),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4 allowed_batch_sizes: 4 allowed_batch_sizes: 8",
            "allowed_batch_sizes entries must be in increasing order",
        ),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 0 allowed_batch_sizes: 8", "in increasing order, from 1"),
        (
            "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } max_execution_batch_size { value: 9 }",
            "max_execution_batch_size is 9, expected at most max_batch_size, 8",
        ),
        ("max_batch_size: 8", "Error parsing text-format tensorflow.serving.BatchingParameters: 1:"),
    ],
)
def test_parameters_that_contradict_one_another_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        read(tmp_path, text)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert "batching.config" in caught.value.message


def test_a_version_brings_its_own_and_shares_the_threads(tmp_path: Path) -> None:
    common = BatchingParameters(num_batch_threads=5, thread_pool_name="all", max_batch_size=2)
    assert BatchingParameters.of_version(tmp_path, common) is None
    (tmp_path / VERSION_FILE).write_text("max_batch_size { value: 10 } num_batch_threads { value: 1 }")
    assert BatchingParameters.of_version(tmp_path, common) == BatchingParameters(
        max_batch_size=10, num_batch_threads=5, thread_pool_name="all"
    )
    assert VERSION_FILE == "batching_params.pbtxt"  # upstream's name
