"""Data sets of TensorFlow Datasets in every form that they have; made here, so that nothing is fetched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from training.config import DataConfig
from training.data import Dataset, load_data
from zoo.errors import ConfigError, UnknownNameError

KEYS: dict[str, Any] = {
    "single": ("size", "kind"),
    "several": ({"a": "size", "b": "name"}, {"kind": "kind", "price": "price"}),
    "weighted": ("size", "kind", "weight"),
    "steps": ("steps", "steps", "steps"),
    "ragged": ("ragged", "kind"),
    "images": ("image", "kind"),
    "nested": ("nested", "kind"),
    "none": None,
}


class ZooMadeUpRows(tfds.core.GeneratorBasedBuilder):
    """Rows 0 to 19 of `known`, 20 to 25 of `unseen`; a config for each form."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in KEYS]  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        feature = tfds.features
        return tfds.core.DatasetInfo(
            builder=self,
            features=feature.FeaturesDict(
                {
                    "size": feature.Tensor(shape=(2,), dtype=np.float32),
                    "steps": feature.Tensor(shape=(3,), dtype=np.int64),
                    "ragged": feature.Sequence(np.int64),
                    "image": feature.Image(shape=(None, None, 1)),
                    "nested": {"deep": {"deeper": np.int64}},
                    "name": feature.Text(),
                    "kind": feature.ClassLabel(names=["no", "yes"]),
                    "price": np.float32,
                    "weight": np.float32,
                }
            ),
            supervised_keys=KEYS[self.builder_config.name],
            license="CC0-1.0",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager
        return {"known": self._generate_examples(range(20)), "unseen": self._generate_examples(range(20, 26))}

    def _generate_examples(self, rows: range) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows:
            yield (
                row,
                {
                    "size": [row, -row],
                    "steps": [row, row + 1, row + 2],
                    "ragged": list(range(row % 3)),
                    "image": np.full((4 + row % 2, 5, 1), row, np.uint8),
                    "nested": {"deep": {"deeper": row}},
                    "name": f"row {row}",
                    "kind": row % 2,
                    "price": row / 2,
                    "weight": row / 4,
                },
            )


SPLITS = {"train": "known[:80%]", "validation": "known[80%:]", "test": "unseen"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tfds")


def load(folder: Path, form: str, **fields: Any) -> Dataset:
    config = {"name": f"zoo_made_up_rows/{form}", "directory": str(folder), "splits": SPLITS, **fields}
    return load_data(DataConfig.parse(config))


def test_splits_can_be_cut_out_of_those_there_are(folder: Path) -> None:
    data = load(folder, "single")

    assert {name: len(split) for name, split in data.splits.items()} == {"train": 16, "validation": 4, "test": 6}
    assert data.name == "zoo_made_up_rows/single"
    assert data.class_names == ("no", "yes")
    assert data.licence == "CC0-1.0"
    rows = [split.named_inputs()["inputs"][:, 0] for split in data.splits.values()]
    assert sorted(np.concatenate(rows).tolist()) == list(range(26))


def test_several_inputs_and_labels_come_by_name(folder: Path) -> None:
    split = load(folder, "several").split("test")

    rows = split.named_inputs()["a"][:, 0]
    assert sorted(rows.tolist()) == list(range(20, 26))
    assert split.named_inputs()["b"].tolist() == [f"row {int(row)}".encode() for row in rows]
    np.testing.assert_array_equal(split.named_labels()["kind"], rows % 2)
    np.testing.assert_array_equal(split.named_labels()["price"], rows / 2)


def test_a_third_key_is_the_weight_of_rows_or_of_their_steps(folder: Path) -> None:
    of_rows, of_steps = load(folder, "weighted").split("test"), load(folder, "steps").split("test")

    assert of_rows.weights is not None
    np.testing.assert_array_equal(of_rows.weights, of_rows.named_inputs()["inputs"][:, 0] / 4)
    assert of_steps.weights is not None
    assert of_steps.weights.dtype == np.float32
    np.testing.assert_array_equal(of_steps.weights, of_steps.named_inputs()["inputs"])


def test_rows_of_different_shapes_can_be_made_alike(folder: Path) -> None:
    sequences = load(folder, "ragged", length=2).split("train").named_inputs()["inputs"]
    images = load(folder, "images", size=[3, 2]).split("test").named_inputs()["inputs"]

    assert sorted({tuple(row) for row in sequences.tolist()}) == [(0, 0), (0, 1)]
    assert images.shape == (6, 3, 2, 1)
    assert images.dtype == np.uint8
    assert sorted(images[:, 0, 0, 0].tolist()) == list(range(20, 26))
    assert images.min(axis=(1, 2, 3)).tolist() == images.max(axis=(1, 2, 3)).tolist()


def test_without_a_split_to_learn_from_the_names_stay(folder: Path) -> None:
    assert set(load(folder, "single", splits=None).splits) == {"known", "unseen"}


@pytest.mark.parametrize(
    ("form", "fields", "error", "message"),
    [
        (
            "ragged",
            {},
            ConfigError,
            "has rows of different shapes: set data.size for images, data.length for sequences",
        ),
        ("images", {}, ConfigError, "has rows of different shapes"),
        ("nested", {}, ConfigError, "has 'deep', a dict, where an array is expected"),
        ("none", {}, ConfigError, r"has no \(input, label\) pairs"),
        ("singel", {}, UnknownNameError, "'zoo_made_up_rows' has no '/singel'; did you mean 'single'"),
        ("single", {"splits": {"train": "knwon"}}, UnknownNameError, "cannot give 'knwon'; did you mean 'known'"),
        ("single", {"splits": {"train": "known[:a]"}}, UnknownNameError, r"cannot give 'known\[:a\]'"),
        ("single:9.9.9", {}, UnknownNameError, "has no '/single:9.9.9'"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    folder: Path, form: str, fields: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load(folder, form, **fields)


def test_what_cannot_be_fetched_names_the_data_set(tmp_path: Path) -> None:
    class ZooUnreachable(tfds.core.GeneratorBasedBuilder):
        """Needs what is not there."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = tfds.features.FeaturesDict({"x": np.int64, "y": np.int64})
            return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("x", "y"))

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            raise ConnectionError("no route to host")

        def _generate_examples(self) -> Iterator[Any]:
            raise NotImplementedError

    with pytest.raises(
        ConfigError, match=r"TFDS cannot prepare 'zoo_unreachable' here: no route to host.*data.directory"
    ):
        load_data(DataConfig(name="zoo_unreachable", directory=str(tmp_path)))
