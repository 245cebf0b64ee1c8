from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from training.config import TableConfig
from training.data import Split
from training.data.files.table import read_table
from zoo.errors import ConfigError, UnknownNameError

HOUSES = "rooms,size,city,price\n3,70.5,Rome,200\n1,30,Oslo,150\n2,45,Rome,120\n"


@pytest.fixture
def houses(tmp_path: Path) -> str:
    path = tmp_path / "houses.csv"
    path.write_text(HOUSES)
    return str(path)


def read(path: str, **fields: Any) -> Split:
    config = TableConfig.parse({"kind": "table", "files": path, **fields})
    return read_table(config, path, config.classes).split


def refused(path: str | Path, **fields: Any) -> str:
    with pytest.raises((ConfigError, UnknownNameError)) as caught:
        read(str(path), **fields)
    return str(caught.value)


def test_numbers_become_a_row_of_values_and_a_label(houses: str) -> None:
    split = read(houses, label="price", columns=["size", "rooms"])

    np.testing.assert_array_equal(split.inputs, np.array([[70.5, 3], [30, 1], [45, 2]], "float32"))
    assert isinstance(split.inputs, np.ndarray)
    assert split.inputs.dtype == np.float32
    np.testing.assert_array_equal(split.labels, [200, 150, 120])


def test_all_other_columns_are_the_input(houses: str) -> None:
    split = read(houses, label={"price": "price", "city": "city"}, weight="size")

    assert split.named_inputs()["inputs"].tolist() == [[3], [1], [2]]
    assert split.named_labels()["city"].tolist() == [1, 0, 1]  # Oslo, Rome
    assert split.weights is not None
    assert split.weights.tolist() == [70.5, 30, 45]


def test_text_is_a_class_and_its_names_are_kept(houses: str) -> None:
    config = TableConfig.parse({"kind": "table", "files": houses, "label": "city", "columns": ["rooms"]})
    rows = read_table(config, houses, None)

    assert rows.class_names == ("Oslo", "Rome")
    assert rows.classes is not None
    assert rows.classes.tolist() == [1, 0, 1]


def test_the_order_of_classes_can_be_given(houses: str) -> None:
    split = read(houses, label="city", columns=["rooms"], classes=["Rome", "Oslo"])

    assert split.named_labels()[""].tolist() == [0, 1, 0]


def test_text_can_be_the_input(houses: str) -> None:
    table = read(houses, label="price", columns=["city", "rooms"], values="text")
    alone = read(houses, label="price", columns="city", values="text")

    assert table.named_inputs()["inputs"].tolist() == [["Rome", "3"], ["Oslo", "1"], ["Rome", "2"]]
    assert alone.named_inputs()["inputs"].tolist() == ["Rome", "Oslo", "Rome"]


def test_several_inputs_and_several_values_to_predict(houses: str) -> None:
    split = read(houses, label=["price", "rooms"], columns={"a": ["size"], "b": "rooms"})

    assert split.named_inputs()["a"].tolist() == [[70.5], [30], [45]]
    assert split.named_inputs()["b"].tolist() == [3, 1, 2]
    assert split.named_labels()[""].tolist() == [[200, 3], [150, 1], [120, 2]]


def test_parquet_gives_what_csv_gives(houses: str, tmp_path: Path) -> None:
    columns = {"rooms": [3, 1, 2], "size": [70.5, 30, 45], "city": ["Rome", "Oslo", "Rome"], "price": [200, 150, 120]}
    path = tmp_path / "houses.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path)

    for fields in ({"label": "price", "columns": ["size", "rooms"]}, {"label": "city", "columns": ["price"]}):
        left, right = read(str(path), **fields), read(houses, **fields)
        np.testing.assert_array_equal(left.named_inputs()["inputs"], right.named_inputs()["inputs"])
        np.testing.assert_array_equal(left.named_labels()[""], right.named_labels()[""])


def test_a_missing_value_is_named_or_its_row_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n1,2,0\n3,,1\n5,6,1\n")

    assert f"{path}, row 2, column 'b': the value is missing (1 are)" in refused(path, label="y")
    split = read(str(path), label="y", missing="drop")
    assert split.named_inputs()["inputs"].tolist() == [[1, 2], [5, 6]]


def test_rows_keep_their_numbers_when_others_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n1,,0\n3,4,1\noh,6,1\n")

    assert "row 3, column 'a': expected a number, got 'oh'" in refused(path, label="y", missing="drop")


def test_a_number_that_is_none_has_the_row_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,y\n,0\n1,0\n-inf,1\n")
    assert f"{path}, row 3, column 'a': expected a number" in refused(path, label="y", missing="drop")
    parquet = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [None, 1.0, float("inf")], "y": [0, 1, 1]}), parquet)
    assert f"{parquet}, row 3, column 'a': expected a number" in refused(parquet, label="y", missing="drop")
    assert "got inf (1 are so)" in refused(parquet, label="y", missing="drop")


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        (HOUSES, {"label": "prize"}, "has no column 'prize'; did you mean 'price'? known: city, price, rooms, size"),
        (HOUSES, {"label": "price"}, "row 1, column 'city': expected a number, got 'Rome'; set data.values: text"),
        (HOUSES, {"label": "city", "columns": "rooms", "classes": ["Rome", "Bonn"]}, "row 2, column 'city': the class 'Os"),
        ("", {"label": "y"}, "t.csv is empty"),
        ("a,y\n", {"label": "y"}, "has the columns a, y but no rows"),
        ("a,y\n1,2\n1,2,3\n", {"label": "y"}, "row 2: expected 2 values, one for each column, got 3: '1,2,3'"),
        ("a,b,y\n1,2,0\n\n1,", {"label": "y"}, "row 2: expected 3 values, one for each column, got 2: '1,'"),
        ("a,y\n1,0\n2,1\ninf,0\n", {"label": "y"}, "row 3, column 'a': expected a number that float32 can hold"),
        ("a,y\n1,0\n1,1e39\n", {"label": "y"}, "row 2, column 'y': expected a number that float32 can hold"),
        ("a,y\n1,0\n'-inf',1\n", {"label": "y", "columns": "a"}, "row 2, column 'a': expected a number, got \"'-inf'\""),
        ("a,y,w\n1,2,1\n1,2,inf\n", {"label": "y", "weight": "w"}, "row 2, column 'w': expected a number that float32"),
        ("a,a\n1,2\n", {"label": "a"}, "has two columns 'a'"),
        ("a,y\n1,x\n2,x\n", {"label": "y"}, "all rows are of the one class 'x'"),
        (b"a,y\n1,2\n\xff,3\n", {"label": "y"}, "t.csv, line 3: byte 0xff at position 8 is not UTF-8"),
        ("a,y\n,2\n,3\n", {"label": "y", "missing": "drop"}, "has no rows in which no value is missing"),
        ("y\n1\n2\n", {"label": "y"}, "has no columns to predict from beside y"),
        ("a,y,w\n1,2,-1\n", {"label": "y", "weight": "w"}, "weights: expected finite numbers, 0 or more"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, content: str | bytes, fields: dict[str, Any], message: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    found = refused(path, **fields)

    assert message in found
    assert str(path) in found


def test_a_file_that_is_not_there_names_the_nearest(houses: str) -> None:
    assert "did you mean 'houses.csv'" in refused(houses.replace("houses", "house"), label="price")


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_cut_off_parquet_file_is_named(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pa.table({"a": list(range(100)), "y": [0, 1] * 50}), path)
    path.write_bytes(path.read_bytes()[:keep])

    assert f"{path} is damaged or no Parquet file" in refused(path, label="y")


def test_a_column_of_lists_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [[1, 2], [3]], "y": [0, 1]}), path)

    assert "row 1, column 'a': expected a number, got [1, 2]" in refused(path, label="y")
