"""Tables in CSV and Parquet files."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from training.config import TableConfig
from training.data.files.classes import number_classes
from training.data.files.columns import Table, read_csv, read_parquet
from training.data.files.rows import Rows, existing, stacked
from training.data.split import Split
from zoo.errors import ConfigError

_Columns = str | tuple[str, ...]


def read_table(config: TableConfig, path: str, known: tuple[str, ...] | None) -> Rows:
    """Read a table; rows are counted from 1, without the line of names.

    Raises:
        UnknownNameError: there is no such file or column.
        ConfigError: the file is empty or damaged; a value is missing, or text where a number is expected.
    """
    file = existing(path, folder=False)
    table = read_parquet(file) if file.suffix.lower() in {".parquet", ".pq"} else read_csv(file, config.delimiter)
    labels = config.label if isinstance(config.label, Mapping) else {"": config.label}
    inputs = _input_columns(config, labels, table)
    used = [*_flat(inputs), *_flat(labels), *(name for name in (config.weight, config.group) if name is not None)]
    table = table.without_missing(used, drop=config.missing == "drop")

    arrays = {name: _input(table, columns, config.values) for name, columns in inputs.items()}
    names: tuple[str, ...] = ()
    targets = {}
    for head, columns in labels.items():
        targets[head], found = _label(table, columns, known, head)
        names = found if head == "" else ()
    weights = None if config.weight is None else table.numbers(config.weight).astype(np.float32)
    groups = None if config.group is None else table.text(config.group)
    try:
        split = Split(stacked(arrays), stacked(targets), weights)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return Rows(split, names, groups, overlap=0 if config.in_time else None)


def _input_columns(config: TableConfig, labels: Mapping[str, _Columns], table: Table) -> dict[str, _Columns]:
    if isinstance(config.columns, Mapping):
        return dict(config.columns)
    if config.columns is not None:
        return {"": config.columns}
    taken = {*_flat(labels), config.weight, config.group}
    rest = tuple(name for name in table.names if name not in taken)
    if not rest:
        raise ConfigError(f"{table.file} has no columns to predict from beside {', '.join(_flat(labels))}")
    return {"": rest}


def _flat(columns: Mapping[str, _Columns]) -> list[str]:
    return [name for part in columns.values() for name in ([part] if isinstance(part, str) else part)]


def _input(table: Table, columns: _Columns, values: str) -> np.ndarray:
    if values == "text":
        found: Any = table.text(columns) if isinstance(columns, str) else [table.text(name) for name in columns]
        return found if isinstance(columns, str) else np.stack(found, axis=1)
    hint = "; set data.values: text for a model that looks categories up, or leave the column out of data.columns"
    if isinstance(columns, str):
        return _narrowed(table.numbers(columns, hint))
    return _narrowed(np.stack([table.numbers(name, hint) for name in columns], axis=1))


def _label(
    table: Table, columns: _Columns, known: tuple[str, ...] | None, head: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    if not isinstance(columns, str):
        return _narrowed(np.stack([table.numbers(name) for name in columns], axis=1)), ()
    if table.is_text(columns) or (known and head == ""):
        text = table.text(columns)
        return number_classes(text.tolist(), known if head == "" else None, where=lambda row: table.place(row, columns))
    return _narrowed(table.numbers(columns)), ()


def _narrowed(array: np.ndarray) -> np.ndarray:
    """Return numbers as what a model computes in: float32, or int64 where all are whole by their type."""
    return array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)
