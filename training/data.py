"""Data sets by name, as arrays in memory.

All rows of all splits are held in memory, for now: data sets that do not fit need another path, which is to come.
"""

import contextlib
import hashlib
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from training.config import DataConfig
from training.datasets import BUILDERS
from zoo.config import INPUT_NAME
from zoo.errors import ConfigError, UnknownNameError, did_you_mean

HELD_OUT = 0.1
"""Share of the training rows that become the validation split of a data set that has none."""

Arrays = np.ndarray | Mapping[str, np.ndarray]
"""One array, or several by name."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one split: inputs (rows, ...) and their labels (rows, ...).

    Both are one array, or where a model has several inputs or heads, one by the name of each.
    """

    inputs: Arrays
    labels: Arrays

    def __post_init__(self) -> None:
        for name, inputs in self.named_inputs().items():
            several = isinstance(self.inputs, Mapping)
            _refuse_scalar(f"inputs{f' {name!r}' if several else ''}", inputs)
            if len(inputs) != len(self):
                raise ConfigError(f"{len(self)} rows of the first input, but {len(inputs)} of {name!r}")
        for name, labels in self.named_labels().items():
            _refuse_scalar(f"labels{name and f' of {name!r}'}", labels)
            if len(labels) != len(self):
                raise ConfigError(f"{len(self)} rows of inputs, but {len(labels)} labels{name and f' of {name!r}'}")

    def __len__(self) -> int:
        return len(next(iter(self.named_inputs().values()), ()))

    def named_inputs(self) -> dict[str, np.ndarray]:
        """Return the inputs by name; a single, unnamed one as `inputs`."""
        return dict(self.inputs) if isinstance(self.inputs, Mapping) else {INPUT_NAME: self.inputs}

    def named_labels(self) -> dict[str, np.ndarray]:
        """Return the labels by head name; those of a single, unnamed head under the empty name."""
        return dict(self.labels) if isinstance(self.labels, Mapping) else {"": self.labels}

    def between(self, start: int, end: int) -> "Split":
        """Return the rows from `start` up to `end`."""
        return Split(_between(self.inputs, start, end), _between(self.labels, start, end))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Splits and what is known of them. Training needs `train` and `validation`; `test` is evaluated at the end."""

    name: str
    splits: Mapping[str, Split]
    version: str = ""
    licence: str = ""
    citation: str = ""
    class_names: tuple[str, ...] = ()
    """The label of each class, where labels are classes."""
    description: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name, split in self.splits.items():
            if not isinstance(split, Split):
                raise ConfigError(
                    f"split {name!r}: expected a training.Split, got {type(split).__name__}: Split(inputs, labels)"
                )

    def split(self, name: str) -> Split:
        """Return a split. Raises UnknownNameError where there is none of that name."""
        if name not in self.splits:
            raise UnknownNameError(f"data set {self.name!r} has no split {name!r}; {did_you_mean(name, self.splits)}")
        return self.splits[name]

    def only(self, name: str) -> "Dataset":
        """Return the data set with no split but this one. Raises UnknownNameError where there is none of that name."""
        return replace(self, splits={name: self.split(name)})

    @cached_property
    def fingerprint(self) -> str:
        """`sha256:<hex>` over every row of every split: names, dtypes, shapes and bytes."""
        digest = hashlib.sha256()
        for name, split in sorted(self.splits.items()):
            for part, array in {**split.named_inputs(), **split.named_labels()}.items():
                digest.update(f"{name}/{part}:{array.dtype.str}{array.shape}".encode())
                digest.update(_bytes_of(array))
        return "sha256:" + digest.hexdigest()

    def input_ranges(self) -> dict[str, tuple[float, float]]:
        """Return the smallest and largest value of every input of numbers in the training split."""
        inputs = self.split("train").named_inputs()
        return {name: (float(x.min()), float(x.max())) for name, x in inputs.items() if x.dtype.kind not in "OSU"}

    def facts(self) -> dict[str, Any]:
        """Return what a passport says of the data."""
        return {
            "name": self.name,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "splits": {name: len(split) for name, split in self.splits.items()},
            "licence": self.licence,
            "citation": self.citation,
        }


def _between(arrays: Arrays, start: int, end: int) -> Arrays:
    if isinstance(arrays, Mapping):
        return {name: rows[start:end] for name, rows in arrays.items()}
    return arrays[start:end]


def _bytes_of(array: np.ndarray) -> bytes:
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array).tobytes()
    items = (item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel())
    return b"".join(len(item).to_bytes(8, "little") + item for item in items)  # an object array's bytes are addresses


def _refuse_scalar(what: str, rows: Any) -> None:
    if np.ndim(rows) == 0:
        raise ConfigError(f"{what} are the one value {rows!r:.60}, expected an array with an entry per row")


def load_data(config: DataConfig) -> Dataset:
    """Load a data set, preparing it first where TFDS has not done so yet.

    Raises:
        UnknownNameError: neither ours nor TFDS's data sets have the name.
        ConfigError: the data set has no (input, label) pairs, or rows of different shapes.
    """
    with _quiet_tfds():
        return _load(config)


def _load(config: DataConfig) -> Dataset:
    import tensorflow_datasets as tfds

    if config.name in BUILDERS:
        import_module(BUILDERS[config.name])
    try:
        builder = tfds.builder(config.name, data_dir=config.directory)
    except tfds.core.DatasetNotFoundError:
        known = {*BUILDERS, *tfds.list_builders()}
        raise UnknownNameError(f"unknown data set {config.name!r}; {_nearest(config.name, known)}") from None
    builder.download_and_prepare(file_format="tfrecord")  # parquet drops rows, array_record cannot be read
    info = builder.info
    if info.supervised_keys is None:
        raise ConfigError(f"data set {config.name!r} has no (input, label) pairs to learn from")
    splits = {name: _read(builder, name) for name in info.splits}
    if config.rows is not None:
        splits = {name: split.between(0, config.rows) for name, split in splits.items()}
    label = info.features[info.supervised_keys[1]]
    return Dataset(
        name=info.name,
        splits=_with_validation(splits),
        version=str(info.version),
        licence=info.redistribution_info.license or "",
        citation=info.citation,
        class_names=tuple(label.names) if isinstance(label, tfds.features.ClassLabel) and label.names else (),
        description=info.description,
    )


def _read(builder: Any, split: str) -> Split:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    try:
        dataset = builder.as_dataset(split=split, batch_size=-1, as_supervised=True)
    except tf.errors.InvalidArgumentError:
        raise ConfigError(
            f"split {split!r} of {builder.name!r} has rows of different shapes: they make no array"
        ) from None
    inputs, labels = tfds.as_numpy(dataset)
    return Split(inputs, labels)


def _with_validation(splits: Mapping[str, Split]) -> dict[str, Split]:
    """Hold rows back for validation where a data set has no such split: the last ones, TFDS having shuffled them."""
    if "validation" in splits or "train" not in splits:
        return dict(splits)
    train = splits["train"]
    held = max(1, round(len(train) * HELD_OUT))
    kept = len(train) - held
    return {**splits, "train": train.between(0, kept), "validation": train.between(kept, len(train))}


def _nearest(name: str, known: set[str]) -> str:
    """Return the hint without TFDS's list of over a thousand names."""
    return did_you_mean(name, known).split("? ")[0].split("known: ")[0] or "see tfds.list_builders()"


@contextlib.contextmanager
def _quiet_tfds() -> Iterator[None]:
    """Keep TFDS's progress bars and start-up remarks off the screen; its errors come through."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
