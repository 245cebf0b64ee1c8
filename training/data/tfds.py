"""Data sets of TensorFlow Datasets by name, ours among them."""

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from training.config import DataConfig
from training.data.damage import naming_damage
from training.data.dataset import Dataset
from training.data.preparing import one_at_a_time
from training.data.split import Split
from training.datasets import BUILDERS
from zoo.errors import ConfigError, UnknownNameError, did_you_mean

HELD_OUT = 0.1
"""Share of the training rows that become the validation split of a data set that has none."""


def load_prepared(config: DataConfig) -> Dataset:
    """Load a data set that TFDS knows, preparing it first where that was not done yet.

    Inputs and labels are those of its `supervised_keys`: single features or dicts of them, and weights where there are
    three.

    Raises:
        UnknownNameError: there is no data set of that name, or no split that the config names.
        ConfigError: it cannot be prepared here, has no (input, label) pairs, or has rows of different shapes.
        DataError: files that it is made from, or was prepared to, are missing or damaged.
    """
    with _quiet_tfds(), naming_damage(config):
        return _load(config)


def _load(config: DataConfig) -> Dataset:
    import tensorflow_datasets as tfds

    builder = _make_builder(config)
    info = builder.info
    if info.supervised_keys is None:
        raise ConfigError(f"data set {config.name!r} has no (input, label) pairs to learn from")
    if not Path(builder.data_dir).exists():
        with one_at_a_time(str(builder.data_dir)):
            builder = _make_builder(config)  # another process may have prepared it in the meantime
            _prepare(config, builder)
        info = builder.info
    wanted = {str(name): made_of or name for name, made_of in (config.splits or dict.fromkeys(info.splits)).items()}
    splits = {name: _read(builder, expression, config) for name, expression in wanted.items()}
    if config.rows is not None:
        splits = {name: split.between(0, config.rows) for name, split in splits.items()}
    label = info.features[info.supervised_keys[1]] if isinstance(info.supervised_keys[1], str) else None
    return Dataset(
        name=info.name if info.config_name in {"", None, "default"} else f"{info.name}/{info.config_name}",
        splits=_with_validation(splits),
        version=str(info.version),
        licence=info.redistribution_info.license or "",
        citation=info.citation,
        class_names=tuple(label.names) if isinstance(label, tfds.features.ClassLabel) and label.names else (),
        in_time=bool(info.disable_shuffling),
        description=info.description,
    )


def _make_builder(config: DataConfig) -> Any:
    import tensorflow_datasets as tfds

    base = config.name.partition("/")[0].partition(":")[0]
    if base in BUILDERS:
        import_module(BUILDERS[base])
    try:
        return tfds.builder(config.name, data_dir=config.directory)
    except tfds.core.DatasetNotFoundError:
        known = {*BUILDERS, *tfds.list_builders()}
        raise UnknownNameError(f"unknown data set {config.name!r}; {_nearest(config.name, known)}") from None
    except (ValueError, AssertionError) as error:  # of a name such as `mnist/colour` or `mnist:9.9.9`
        chosen = config.name.partition("/")[2].partition(":")[0]
        configs = list(tfds.builder_cls(base).builder_configs)
        hint = did_you_mean(chosen, configs) if chosen and chosen not in configs else str(error).rpartition(": ")[2]
        raise UnknownNameError(f"data set {base!r} has no {config.name.removeprefix(base)!r}; {hint}") from None


def _prepare(config: DataConfig, builder: Any) -> None:
    import tensorflow_datasets as tfds

    try:
        builder.download_and_prepare(file_format="tfrecord")  # parquet drops rows, array_record cannot be read
    except ImportError as error:
        raise ConfigError(
            f"TFDS needs the Python package {error.name} to prepare {config.name!r}: install it ({error})"
        ) from None
    except (OSError, AssertionError, tfds.download.DownloadError) as error:  # a failed request is an OSError
        raise ConfigError(
            f"TFDS cannot prepare {config.name!r} here: {error}. Train with it once on a machine that can, bring its folder "
            "~/tensorflow_datasets here, and give it as data.directory"
        ) from None


def _read(builder: Any, split: str, config: DataConfig) -> Split:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    try:
        dataset = builder.as_dataset(split=split, as_supervised=True)
    except (ValueError, KeyError) as error:
        names = did_you_mean(split.partition("[")[0], builder.info.splits)
        raise UnknownNameError(f"data set {builder.name!r} cannot give {split!r}; {names} ({error})") from None
    except AssertionError as error:
        raise UnknownNameError(f"data set {builder.name!r} cannot give {split!r}: {error}") from None
    rows = int(dataset.cardinality())
    if rows < 1:
        raise ConfigError(f"{split!r} of data set {builder.name!r} has no rows")
    dataset = dataset.map(lambda *parts: tf.nest.map_structure(lambda part: _of_one_shape(part, config), parts))
    try:
        found = next(iter(dataset.batch(rows)))  # TFDS's own batches would fill shorter rows up with 0 without a word
    except tf.errors.InvalidArgumentError:
        raise ConfigError(
            f"split {split!r} of {builder.name!r} has rows of different shapes: set data.size for images, data.length for "
            "sequences"
        ) from None
    inputs, labels, *weights = (_plain(part, builder.name) for part in tfds.as_numpy(found))
    if not weights:
        return Split(inputs, labels)
    if isinstance(weights[0], Mapping):
        raise ConfigError(f"the weights of {builder.name!r} are several by name: expected one for every row")
    return Split(inputs, labels, weights[0].astype(np.float32, copy=False))


def _of_one_shape(part: Any, config: DataConfig) -> Any:
    """Resize images and cut or fill up sequences, where the config says so."""
    import tensorflow as tf

    if not isinstance(part, tf.Tensor):
        return part
    if config.size is not None and part.shape.rank == 3:
        resized = tf.image.resize(part, config.size, antialias=True)
        return tf.cast(tf.round(resized), part.dtype) if part.dtype.is_integer else tf.cast(resized, part.dtype)
    if config.length is not None and part.shape.rank == 1:
        cut = part[: config.length]
        return tf.ensure_shape(tf.pad(cut, [[0, config.length - tf.shape(cut)[0]]]), [config.length])
    return part


def _plain(part: Any, name: str) -> Any:
    """Return arrays by name, or one; refuse what is neither."""
    if isinstance(part, np.ndarray):
        return part
    if isinstance(part, Mapping) and all(isinstance(array, np.ndarray) for array in part.values()):
        return dict(part)
    fault = (
        next((key for key, x in part.items() if not isinstance(x, np.ndarray)), "") if isinstance(part, dict) else ""
    )
    raise ConfigError(
        f"data set {name!r} has {f'{fault!r}, ' if fault else ''}a {type(part[fault] if fault else part).__name__}, "
        "where an array is expected: rows have different lengths, or lie a level deeper"
    )


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
