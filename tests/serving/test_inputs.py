"""Files -> arrays, and answers -> lines: what `zoo predict` reads and prints."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import serving
import zoo.cli
from serving.inputs import InputError, read_inputs
from serving.signature import DEFAULT_SIGNATURE, Signature, TensorSpec

HUGE = 10**400


def read(folder: Path, value: Any, dtype: str) -> np.ndarray:
    """What a file of this value gives an input `x` of this dtype and of shape (N,): a .npy of an array, else a .json."""
    signatures = {DEFAULT_SIGNATURE: Signature(DEFAULT_SIGNATURE, {"x": TensorSpec(dtype, (None,))}, {})}
    if isinstance(value, np.ndarray):
        path = folder / "x.npy"
        np.save(path, value)
    else:
        path = folder / "x.json"
        path.write_text(json.dumps(value))
    return read_inputs(path, signatures, "")["x"]


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ([300, -1], "uint8", "'x' takes uint8, whole numbers from 0 to 255; the file holds 300"),
        ([2**33], "int32", "takes int32, whole numbers from -2147483648 to 2147483647; the file holds 8589934592"),
        ([2**33, 1.0], "int32", "whole numbers from -2147483648 to 2147483647; the file holds 8589934592"),
        ([-1], "uint64", "whole numbers from 0 to 18446744073709551615; the file holds -1"),
        ([2**64], "uint64", "the file holds 18446744073709551616"),
        ([2**63, -1], "int64", "the file holds 9223372036854775808"),
        (np.array([2.0**63]), "int64", r"the file holds 9.22337203685477\d*e\+18"),
        ([0.5, 1], "int32", "takes int32, whole numbers .* the file holds 0.5"),
        (np.array([1, np.nan]), "int32", "the file holds NaN"),
        (np.array([-np.inf]), "uint8", "the file holds -Infinity"),
        ([1e300], "float32", r"takes float32, numbers from -3.40282e\+38 to 3.40282e\+38; the file holds 1e\+300"),
        ([1e6], "float16", "takes float16, numbers from -65504 to 65504; the file holds 1000000.0"),
        ([100_000], "float16", "takes float16, numbers from -65504 to 65504; the file holds 100000"),
        (np.array([1e300]), "bfloat16", r"takes bfloat16, numbers from -3.38953e\+38"),
        ([HUGE], "float64", r"the file holds 10000.* \.\.\."),
        ([0.5], "bool", "takes bool, that is 0 or 1 .*; the file holds 0.5"),
        ([2], "bool", "takes bool, that is 0 or 1 .*; the file holds 2"),
        ([None], "float32", "takes numbers .* the file holds null"),
        (["a"], "float32", "takes numbers"),
        ([1], "string", "takes strings, the file holds 1"),
        ([1], "DT_VARIANT", "takes DT_VARIANT, which no file can hold"),
        (np.array([1j]), "float32", "takes numbers .* the file holds complex128"),
    ],
)
def test_what_would_become_another_number_is_refused(tmp_path: Path, value: Any, dtype: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, value, dtype)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([255, 0.0], "uint8", [255, 0]),
        ([True, False], "int32", [1, 0]),
        (np.array([2**63], np.uint64), "uint64", [2**63]),
        ([2**63 + 1, 1.0], "uint64", [2**63 + 1, 1]),
        (np.array([-(2.0**63)]), "int64", [-(2**63)]),
        ([1, 0.0], "bool", [True, False]),
        ([65504], "float16", [65504]),
        ([2**70], "float32", [2.0**70]),
        ([float("inf")], "float32", [np.inf]),
        (np.array([1 + 2j]), "complex64", [1 + 2j]),
        (["a", "ä"], "string", ["a", "ä"]),
    ],
)
def test_what_a_dtype_holds_is_taken(tmp_path: Path, value: Any, dtype: str, expected: list[Any]) -> None:
    found = read(tmp_path, value, dtype)
    assert found.dtype == (object if dtype == "string" else np.dtype(dtype))
    assert found.tolist() == expected


def test_a_row_without_a_batch_axis_has_one_also_where_its_size_is_wrong(tmp_path: Path) -> None:
    signatures = {DEFAULT_SIGNATURE: Signature(DEFAULT_SIGNATURE, {"x": TensorSpec("float32", (None, 8, 8, 1))}, {})}
    np.save(tmp_path / "x.npy", np.zeros((28, 28, 1)))
    assert read_inputs(tmp_path / "x.npy", signatures, "")["x"].shape == (1, 28, 28, 1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_numbers_are_rounded_to_the_precision_of_a_float(tmp_path: Path, dtype: str) -> None:
    found = read(tmp_path, [0.1], dtype)
    assert abs(float(found[0]) - 0.1) <= 0.1 * float(ml_dtypes.finfo(dtype).eps)


# ---- what is printed


def save_shapes(path: Path) -> None:
    """Answers of every shape there is: a row each, no rows at all, and fixed ones."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def rows(x: tf.Tensor) -> dict[str, tf.Tensor]:
        spin = tf.complex(x, -x)
        words = tf.fill([tf.shape(x)[0], 1, 2], "é")
        return {"mean": tf.reduce_mean(x), "double": 2 * x, "pair": tf.constant([7, 8]), "spin": spin, "words": words}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def total(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": tf.reduce_sum(x), "spin": tf.complex(tf.reduce_max(x), 1.0)}

    tf.saved_model.save(module, str(path), signatures={"serving_default": rows, "total": total})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            [],
            [
                {"double": 2.0, "spin": [1.0, -1.0], "words": [["é", "é"]]},
                {"double": 6.0, "spin": [3.0, -3.0], "words": [["é", "é"]]},
                {"mean": 2.0, "pair": [7, 8]},
            ],
        ),
        (["--signature", "total"], [{"total": 4.0, "spin": [3.0, 1.0]}]),
    ],
)
def test_predict_prints_a_line_per_row_and_the_rest_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: list[dict[str, Any]]
) -> None:
    save_shapes(tmp_path / "models" / "shapes" / "1")
    (tmp_path / "x.json").write_text("[1, 3]")
    with serving.Server(tmp_path / "models", port=0, poll_seconds=0) as server:
        target = f"localhost:{server.port}"
        code = zoo.cli.main(["predict", "shapes", "--input", str(tmp_path / "x.json"), "--target", target, *options])
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert [json.loads(line) for line in printed.out.splitlines()] == expected
