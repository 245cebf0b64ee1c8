"""Prepared records of TFDS that are missing or damaged, named instead of a TensorFlow error."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from training.config import DataConfig
from zoo.errors import DataError


@contextlib.contextmanager
def naming_damage(config: DataConfig) -> Iterator[None]:
    """Turn what TensorFlow says of damaged records of a data set into a DataError that names the file and the remedy."""
    import tensorflow as tf
    from google.protobuf.json_format import ParseError

    try:
        yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.FailedPreconditionError) as error:
        raise DataError(_explanation(config, error.message)) from None
    except ParseError as error:
        raise DataError(
            f"the file dataset_info.json of the prepared data set {config.name!r} is corrupt: {error}. Delete the folder "
            f"{config.name.partition(':')[0]} in data.directory, TFDS_DATA_DIR or ~/tensorflow_datasets, "
            "and it is prepared anew"
        ) from None


def _explanation(config: DataConfig, message: str) -> str:
    import tensorflow_datasets as tfds

    builder = tfds.builder(config.name, data_dir=config.directory)
    files = [
        (Path(file), rows)
        for split in builder.info.splits.values()
        for file, rows in zip(split.filepaths, split.shard_lengths, strict=True)
    ]
    path, fault = next(
        ((file, fault) for file, rows in files if (fault := find_fault(file, rows)) is not None),
        (Path(builder.data_dir), f"cannot be read: {message}"),
    )
    return f"{path} {fault}; delete the folder {builder.data_dir}, and the data set is prepared anew"


def find_fault(records: Path, rows: int) -> str | None:
    """Return what is wrong with a file of TFRecords: missing, truncated or corrupt; None where it has all its rows."""
    import tensorflow as tf

    if not records.exists():
        return "is missing"
    try:
        found = sum(1 for _ in tf.data.TFRecordDataset(str(records)))
    except tf.errors.DataLossError as error:
        return "is truncated" if "truncated" in error.message else "is corrupt"
    return None if found == rows else f"is truncated: {found} of {rows} rows"
