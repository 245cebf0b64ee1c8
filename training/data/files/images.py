"""Folders of images."""

from pathlib import Path

import numpy as np

from training.config import ImagesConfig
from training.data.files.folders import list_classes, read_all, stack
from training.data.files.rows import Rows
from training.data.split import Split
from zoo.errors import ConfigError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes of more than 8 bits a channel."""


def read_images(config: ImagesConfig, path: str, known: tuple[str, ...] | None) -> Rows:
    """Read a folder with a folder of images for each class; uint8 (rows, height, width, channels).

    Images are turned as their EXIF orientation says, and transparent ones are put on black. Of an animation the first
    picture counts.

    Raises:
        UnknownNameError: there is no such folder.
        ConfigError: an image cannot be read, has more than 8 bits a channel, or is of another size than the first.
    """
    files, numbers, names = list_classes(path, SUFFIXES, known)
    images = read_all(files, lambda file: _read(file, config))
    rows = stack(files, images, remedy="set data.size: [height, width] to resize all")
    return Rows(Split(rows, numbers), names)


def _read(file: Path, config: ImagesConfig) -> np.ndarray:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file) as opened:
            if opened.mode in _DEEP:
                raise ConfigError(
                    f"{file} has more than 8 bits a channel (Pillow's mode {opened.mode}): save it with 8"
                )
            image = ImageOps.exif_transpose(opened)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
            image = image.convert("L" if config.channels == 1 else "RGB")
            if config.size is not None:
                image = image.resize(config.size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(image, np.uint8).reshape(image.height, image.width, config.channels)
    except UnidentifiedImageError:
        what = "is empty" if not file.stat().st_size else "is no image that can be read"
        raise ConfigError(f"{file} {what}: remove it, or put a whole one in its place") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{file} is damaged ({error}): remove it, or put a whole one in its place") from None
