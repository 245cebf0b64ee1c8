"""From a config to a data set in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from training.config import (
    ArraysConfig,
    AudioConfig,
    CharactersConfig,
    DataConfig,
    FileConfigs,
    ImagesConfig,
    TableConfig,
    TextConfig,
)
from training.data.dataset import Dataset
from training.data.files.rows import Rows
from training.data.holding_out import hold_out, hold_out_end
from training.data.split import Split
from zoo.errors import ConfigError


def load_data(config: DataConfig | FileConfigs) -> Dataset:
    """Load a data set: one by name, preparing it first where TFDS has not done so yet, or files.

    All rows of all splits are held in memory.

    Raises:
        UnknownNameError: there is no data set, file, column or split of that name.
        ConfigError: the data set has no (input, label) pairs, or rows of different shapes; a file is empty, damaged or
            something else than was expected.
    """
    if isinstance(config, DataConfig):
        from training.data.tfds import load_prepared

        data = load_prepared(config)
    else:
        data = _load_files(config)
    return replace(data, splits={name: split.aligned() for name, split in data.splits.items()})


def _load_files(config: FileConfigs) -> Dataset:
    read: dict[str, Rows] = {}
    known = config.classes
    for split, path in _paths(config).items():  # train comes first, and says which classes there are
        read[split] = _read(config, split, path, known)
        known = known or read[split].class_names or None
    splits = {split: rows.split for split, rows in read.items()}
    shares, train = config.shares(), read["train"]
    shares = {split: share for split, share in shares.items() if split not in splits}
    if shares:
        count = len(train.split)
        if train.overlap is not None:
            numbers = hold_out_end(count, shares, overlap=train.overlap)
        else:
            numbers = hold_out(count, shares, seed=config.split_seed, classes=train.classes, groups=train.groups)
        splits |= {split: train.split.taken(rows) for split, rows in numbers.items()}
    if config.rows is not None:
        splits = {split: _fewer(rows, config.rows, config.split_seed) for split, rows in splits.items()}
    return Dataset(
        name=config.name or Path(config.paths()["train"]).stem,
        splits=splits,
        licence=config.licence,
        citation=config.citation,
        class_names=known or (),
        in_time=train.overlap is not None,
        description=f"{config.kind} from {', '.join(dict.fromkeys(config.paths().values()))}",
    )


def _paths(config: FileConfigs) -> dict[str, str]:
    paths = config.paths()
    if isinstance(config, ArraysConfig) and config.split_in_names:
        from training.data.files.arrays import splits_in

        if not isinstance(config.files, str):
            raise ConfigError("data.files: '{split}' in the names of arrays needs one file that holds all of them")
        return dict.fromkeys(splits_in(config, config.files), config.files)
    return {"train": paths.pop("train"), **paths}


def _read(config: FileConfigs, split: str, path: str, known: tuple[str, ...] | None) -> Rows:
    match config:
        case TableConfig():
            from training.data.files.table import read_table

            return read_table(config, path, known)
        case ArraysConfig():
            from training.data.files.arrays import read_arrays

            return read_arrays(config, path, known, split=split)
        case ImagesConfig():
            from training.data.files.images import read_images

            return read_images(config, path, known)
        case AudioConfig():
            from training.data.files.audio import read_audio

            return read_audio(config, path, known)
        case TextConfig():
            from training.data.files.text import read_text

            return read_text(config, path, known)
        case CharactersConfig():
            from training.data.files.text import read_characters

            return read_characters(config, path)


def _fewer(split: Split, rows: int, seed: int) -> Split:
    """Return so many rows drawn from all over a split: files are often sorted by class."""
    if len(split) <= rows:
        return split
    return split.taken(np.sort(np.random.default_rng(seed).permutation(len(split))[:rows]))
