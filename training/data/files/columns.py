"""The columns of a CSV or Parquet file, and where in it a value stands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from training.data.files.text import decoded
from zoo.errors import ConfigError, UnknownNameError, did_you_mean, shown


@dataclass(frozen=True, eq=False)
class Table:
    """Columns by name, as pyarrow reads them."""

    file: Path
    arrow: Any
    """The pyarrow.Table."""
    kept: np.ndarray
    """The numbers of its rows in the file, counted from 0."""

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.arrow.column_names)

    def place(self, row: int, column: str) -> str:
        """Say where a value stands; rows are counted from 1, without a line of names."""
        return f"{self.file}, row {self.kept[row] + 1}, column {column!r}"

    def without_missing(self, columns: Sequence[str], *, drop: bool) -> Self:
        """Return the rows in which all of these columns have a value.

        Raises:
            UnknownNameError: there is no such column.
            ConfigError: a value is missing and rows are not to be dropped; or there are no rows.
        """
        import pyarrow.compute as pc

        complete = np.ones(self.arrow.num_rows, bool)
        for name in columns:
            column = self._column(name)
            missing = np.asarray(pc.is_null(column, nan_is_null=True))
            if self.is_text(name):
                missing |= np.asarray(pc.equal(pc.fill_null(column.cast("string"), ""), ""))
            if missing.any() and not drop:
                raise ConfigError(
                    f"{self.place(int(np.argmax(missing)), name)}: the value is missing ({int(missing.sum())} are); fill "
                    "them in, or set data.missing: drop to leave such rows out"
                )
            complete &= ~missing
        if not complete.any():
            raise ConfigError(f"{self.file} has no rows{' in which no value is missing' if len(complete) else ''}")
        rows = np.flatnonzero(complete)
        return replace(self, arrow=self.arrow.take(rows), kept=self.kept[rows])

    def is_text(self, column: str) -> bool:
        """Tell whether a column holds text."""
        import pyarrow as pa

        kind = self._column(column).type
        return bool(
            pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))
        )

    def text(self, column: str) -> np.ndarray:
        """Return a column as str, dtype object."""
        found = self._column(column)
        return np.array([value if isinstance(value, str) else str(value) for value in found.to_pylist()], object)

    def numbers(self, column: str, hint: str = "") -> np.ndarray:
        """Return a column as float64 or int64; true is 1, false is 0.

        Raises:
            ConfigError: a value is no number (`hint` is said, too), or none that float32 can hold, such as infinity.
        """
        import pyarrow as pa

        found = self._column(column)
        kind = found.type
        if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
            return np.array(found.to_pylist(), np.int64)
        if self.is_text(column):
            numbers = self._parsed(column, hint)
        elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            numbers = np.asarray(found.cast(pa.float64()).to_numpy(), np.float64)
        else:
            got = f"{shown(found[0].as_py())} ({kind})"
            raise ConfigError(f"{self.place(0, column)}: expected a number, got {got}{hint}")
        with np.errstate(over="ignore"):
            unusable = np.flatnonzero(~np.isfinite(numbers.astype(np.float32)))
        if unusable.size:
            first, most = unusable[0], np.finfo(np.float32).max
            raise ConfigError(
                f"{self.place(first, column)}: expected a number that float32 can hold (up to {most:.2g}), got "
                f"{numbers[first]:g} ({unusable.size} are so); put another in its place, or empty the cell and set "
                "data.missing: drop to leave such rows out"
            )
        return numbers

    def _parsed(self, column: str, hint: str) -> np.ndarray:
        texts = self._column(column).to_pylist()
        for row, value in enumerate(texts):
            try:
                float(value)
            except ValueError:
                raise ConfigError(f"{self.place(row, column)}: expected a number, got {shown(value)}{hint}") from None
        return np.array([float(value) for value in texts])

    def _column(self, name: str) -> Any:
        if name not in self.names:
            raise UnknownNameError(f"{self.file} has no column {name!r}; {did_you_mean(name, self.names)}")
        return self.arrow.column(name)


def read_csv(file: Path, delimiter: str | None) -> Table:
    """Read a CSV file; the first line is the columns' names.

    Raises:
        ConfigError: it is empty, not UTF-8, or has a row of more or fewer values than there are names.
    """
    import pyarrow as pa
    import pyarrow.csv

    delimiter = delimiter or ("\t" if file.suffix.lower() == ".tsv" else ",")
    if not decoded(file).strip():  # refuses what is not UTF-8 with its line
        raise ConfigError(f"{file} is empty: expected a line with the names of the columns, and rows")
    torn: list[Any] = []

    def refuse(row: Any) -> str:
        torn.append(row)
        return "error"

    try:
        table = pyarrow.csv.read_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(use_threads=False),  # rows then have their numbers in errors
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse
            ),
        )
    except pa.ArrowInvalid as error:
        if torn:  # pyarrow counts the line of names too
            row, names, values = torn[0].number - 1, torn[0].expected_columns, torn[0].actual_columns
            raise ConfigError(
                f"{file}, row {row}: expected {names} values, one for each column, got {values}: {shown(torn[0].text)}; "
                f"mend the row, or set data.delimiter, if {delimiter!r} is not what stands between values"
            ) from None
        raise ConfigError(f"{file} is no table of values between {delimiter!r}: {error}") from None
    return _checked(file, table)


def read_parquet(file: Path) -> Table:
    """Read a Parquet file.

    Raises:
        ConfigError: it is damaged, or something else.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        return _checked(file, pyarrow.parquet.ParquetFile(file).read())
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{file} is damaged or no Parquet file ({error}): put a whole one in its place") from None


def _checked(file: Path, table: Any) -> Table:
    names = list(table.column_names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{file} has two columns {twice!r}: give each a name of its own")
    if not table.num_rows:
        raise ConfigError(f"{file} has the columns {', '.join(names)} but no rows")
    return Table(file, table, np.arange(table.num_rows))
