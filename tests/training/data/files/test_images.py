from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training.config import ImagesConfig
from training.data import Split
from training.data.files.images import read_images
from zoo.errors import ConfigError, UnknownNameError


def save(path: Path, pixels: Any, **how: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).save(path, **how)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """One grey image of a cat and two of dogs, 2x3."""
    folder = tmp_path / "pets"
    for number, name in enumerate(("cat/a.png", "dog/b.png", "dog/c.png")):
        save(folder / name, np.full((2, 3), number * 10))
    return folder


def read(path: Path, **fields: Any) -> Split:
    config = ImagesConfig.parse({"kind": "images", "files": str(path), **fields})
    return read_images(config, str(path), config.classes).split


def refused(path: Path, **fields: Any) -> str:
    with pytest.raises((ConfigError, UnknownNameError)) as caught:
        read(path, **fields)
    return str(caught.value)


def test_a_folder_for_each_class(pets: Path) -> None:
    config = ImagesConfig.parse({"kind": "images", "files": str(pets), "channels": 1})
    rows = read_images(config, str(pets), None)

    assert rows.class_names == ("cat", "dog")
    assert rows.split.named_labels()[""].tolist() == [0, 1, 1]
    images = rows.split.named_inputs()["inputs"]
    assert images.shape == (3, 2, 3, 1)
    assert images.dtype == np.uint8
    assert images[:, 0, 0, 0].tolist() == [0, 10, 20]


def test_colour_stays_colour_and_becomes_grey_by_luma(tmp_path: Path) -> None:
    save(tmp_path / "a/x.png", [[[255, 0, 0]]])
    save(tmp_path / "b/x.png", [[[0, 0, 255]]])

    assert read(tmp_path).named_inputs()["inputs"].reshape(2, 3).tolist() == [[255, 0, 0], [0, 0, 255]]
    grey = read(tmp_path, channels=1).named_inputs()["inputs"].ravel()
    np.testing.assert_allclose(grey, [255 * 0.299, 255 * 0.114], atol=0.5)  # ITU-R BT.601


def test_other_sizes_are_refused_unless_resized(pets: Path) -> None:
    save(pets / "dog/d.png", np.full((4, 6), 30))

    message = refused(pets)
    assert f"{pets}/dog/d.png is 4x6 (height x width), but {pets}/cat/a.png is 2x3" in message
    assert "set data.size: [height, width]" in message
    resized = read(pets, size=[5, 4], channels=1).named_inputs()["inputs"]
    assert resized.shape == (4, 5, 4, 1)
    assert [int(image.mean()) for image in resized] == [0, 10, 20, 30]  # of one colour before and after


def test_a_photograph_is_turned_as_its_orientation_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture's top is at its right
    save(tmp_path / "a/x.png", [[0, 200]], exif=exif)
    save(tmp_path / "b/x.png", [[1], [2]])

    assert read(tmp_path, channels=1).named_inputs()["inputs"][0, :, 0, 0].tolist() == [0, 200]


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    save(tmp_path / "a/x.png", [[[200, 100, 50, 0], [200, 100, 50, 255]]])
    save(tmp_path / "b/x.png", [[[0, 0, 0], [0, 0, 0]]])

    assert read(tmp_path).named_inputs()["inputs"][0, 0].tolist() == [[0, 0, 0], [200, 100, 50]]


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp"])
def test_a_cut_off_image_is_named(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3))
    save(tmp_path / f"a/x.{suffix}", noise)
    save(tmp_path / "b/x.png", noise)
    assert read(tmp_path).named_inputs()["inputs"].shape == (2, 40, 40, 3)
    broken = tmp_path / f"a/x.{suffix}"
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])

    assert str(broken) in refused(tmp_path)


def test_what_is_no_image_is_named(pets: Path) -> None:
    (pets / "dog/b.png").write_text("not an image")
    assert f"{pets}/dog/b.png is no image that can be read" in refused(pets)
    (pets / "dog/b.png").write_bytes(b"")
    assert f"{pets}/dog/b.png is empty" in refused(pets)


def test_more_than_eight_bits_are_refused(pets: Path) -> None:
    Image.fromarray(np.full((2, 3), 40000, np.uint16)).save(pets / "dog/b.png")
    assert "dog/b.png has more than 8 bits a channel" in refused(pets)


def test_folders_of_another_shape_are_refused(pets: Path) -> None:
    assert "did you mean 'pets'?" in refused(pets.with_name("pet"))
    assert "is a file, expected a folder" in refused(pets / "cat/a.png")
    assert "expected a folder for each class and nothing else, found the file a.png" in refused(pets / "cat")
    (pets / "bird").mkdir()
    assert "the class 'bird' has no files" in refused(pets)
    (pets / "bird/notes.txt").write_text("")
    assert "bird/notes.txt: a file, expected files of .bmp, .gif," in refused(pets)


def test_hidden_files_are_passed_over(pets: Path) -> None:
    (pets / ".DS_Store").write_text("")
    (pets / "cat/.hidden").write_text("")
    assert len(read(pets)) == 3


def test_a_class_that_is_not_one_of_those_to_learn_is_named(pets: Path) -> None:
    assert "dog: the class 'dog' is not one to learn; did you mean 'dogs'? known: cat, dogs" in refused(
        pets, classes=["cat", "dogs"]
    )
