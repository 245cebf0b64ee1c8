"""Random changes to images while training, the same for any number of replicas, from any step on.

What happens to a row depends on the seed, the step and its place in the global batch alone: numbers for the whole batch are
drawn from a key (Salmon et al., 2011), and each replica takes those of its rows.
"""

import math

import tensorflow as tf

from training.config import AugmentationConfig
from training.data import Split
from zoo.config import INPUT_NAME
from zoo.errors import ConfigError

_DRAWS = ("flip_x", "flip_y", "shift_x", "shift_y", "angle", "zoom", "brightness", "contrast", "cut_x", "cut_y")
_STREAM = 2**32
"""Added to the seed, which is smaller: the order of rows is drawn from the seed itself."""
_FILL = {"reflect": "REFLECT", "edge": "NEAREST", "zero": "CONSTANT"}


class Augmentation:
    """What changes the images of training batches."""

    def __init__(self, config: AugmentationConfig, split: Split, *, seed: int) -> None:
        """Make one for a split.

        Args:
            config: what may happen.
            split: the rows it is for.
            seed: of what does happen.

        Raises:
            ConfigError: the main input is no images.
        """
        images = split.named_inputs().get(INPUT_NAME)
        if images is None or images.ndim != 4 or images.dtype.kind not in "uif":
            found = "none of that name" if images is None else f"{images.dtype} of shape {list(images.shape[1:])}"
            raise ConfigError(
                f"data.augmentation changes images (height, width, channels), but the input {INPUT_NAME!r} is {found}: "
                "leave it out"
            )
        if images.dtype.kind != "f" and images.dtype.itemsize > 1:
            raise ConfigError(
                f"data.augmentation: images are of dtype {images.dtype}, expected uint8 or floating point"
            )
        self._config = config
        self._seed = seed

    def change(self, images: tf.Tensor, *, step: tf.Tensor, places: tf.Tensor, batch_size: int) -> tf.Tensor:
        """Return changed images, of the same shape and dtype.

        Args:
            images: some rows of a batch, (rows, height, width, channels).
            step: the global step, int64.
            places: of these rows in the global batch, (rows,).
            batch_size: rows of a full global batch.
        """
        seed = tf.stack([tf.constant(self._seed + _STREAM, tf.int64), tf.cast(step, tf.int64)])
        numbers = tf.random.stateless_uniform([batch_size, len(_DRAWS)], seed, alg="philox")
        drawn = dict(zip(_DRAWS, tf.unstack(tf.gather(numbers, places), axis=1), strict=True))
        config = self._config
        if config.rotate or config.zoom:
            images = self._warped(images, drawn)
        elif config.shift or config.flip != "none":
            images = self._moved(images, drawn)
        if config.brightness or config.contrast:
            images = self._lit(images, drawn)
        return self._cut(images, drawn) if config.cutout else images

    def _mirrored(self, drawn: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return which rows are mirrored from left to right, and which upside down."""
        flip, nothing = self._config.flip, tf.zeros_like(drawn["flip_x"], tf.bool)
        return (
            drawn["flip_x"] < 0.5 if flip in {"horizontal", "both"} else nothing,
            drawn["flip_y"] < 0.5 if flip in {"vertical", "both"} else nothing,
        )

    def _shifts(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return by how many pixels each row moves to the right and down: whole ones, so that nothing blurs."""
        height, width = (tf.cast(tf.shape(images)[axis], tf.float32) for axis in (1, 2))
        share = self._config.shift
        return tf.round(_between(drawn["shift_x"], share) * width), tf.round(_between(drawn["shift_y"], share) * height)

    def _moved(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        """Mirror and shift, by looking every pixel up in its new place."""
        shifts, mirrored = self._shifts(images, drawn), self._mirrored(drawn)
        for axis, shift, mirror in ((2, *_pair(shifts, mirrored, 0)), (1, *_pair(shifts, mirrored, 1))):
            size = tf.shape(images)[axis]
            source = tf.range(size)[tf.newaxis] - tf.cast(shift, tf.int32)[:, tf.newaxis]
            inside = (source >= 0) & (source < size)
            if self._config.fill == "reflect":
                source = tf.math.floormod(source, 2 * size)
                source = tf.minimum(source, 2 * size - 1 - source)
            source = tf.clip_by_value(source, 0, size - 1)
            source = tf.where(mirror[:, tf.newaxis], size - 1 - source, source)
            images = (
                tf.gather(images, source, axis=axis, batch_dims=1) if axis == 1 else _gather_columns(images, source)
            )
            if self._config.fill == "zero":
                inside = inside[:, :, tf.newaxis, tf.newaxis] if axis == 1 else inside[:, tf.newaxis, :, tf.newaxis]
                images = tf.where(inside, images, tf.zeros([], images.dtype))
        return images

    def _warped(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        """Mirror, shift, turn and scale about the middle at once, with bilinear interpolation."""
        config = self._config
        (right, down), (mirror_x, mirror_y) = self._shifts(images, drawn), self._mirrored(drawn)
        height, width = (tf.cast(tf.shape(images)[axis], tf.float32) for axis in (1, 2))
        angle = _between(drawn["angle"], config.rotate * math.pi / 180)
        scale = 1 / (1 + _between(drawn["zoom"], config.zoom))
        cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
        x, y = tf.where(mirror_x, -1.0, 1.0), tf.where(mirror_y, -1.0, 1.0)
        # From a pixel of the result to where it comes from: (a, b, c; d, e, f) in pixels
        a, b, d, e = x * cosine, -x * sine, y * sine, y * cosine
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        c = middle_x - a * (middle_x + right) - b * (middle_y + down)
        f = middle_y - d * (middle_x + right) - e * (middle_y + down)
        zero = tf.zeros_like(a)
        warped = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.cast(images, tf.float32),
            transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
            output_shape=tf.shape(images)[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode=_FILL[config.fill],
        )
        warped.set_shape(images.shape)
        return _like(warped, images.dtype)

    def _lit(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        """Change brightness and contrast."""
        values = tf.cast(images, tf.float32)
        mean = tf.cast(tf.reduce_mean(tf.cast(images, tf.float64), axis=[1, 2, 3], keepdims=True), tf.float32)
        contrast = 1 + _between(drawn["contrast"], self._config.contrast)
        brightness = 1 + _between(drawn["brightness"], self._config.brightness)
        values = ((values - mean) * _per_image(contrast) + mean) * _per_image(brightness)
        return _like(values, images.dtype)

    def _cut(self, images: tf.Tensor, drawn: dict[str, tf.Tensor]) -> tf.Tensor:
        """Blank a square."""
        size = self._config.cutout or 0

        def hit(axis: int, draw: tf.Tensor) -> tf.Tensor:
            length = tf.shape(images)[axis]
            middle = tf.cast(tf.floor(draw * tf.cast(length, tf.float32)), tf.int32)[:, tf.newaxis]
            pixels = tf.range(length)[tf.newaxis]
            return (pixels >= middle - size // 2) & (pixels < middle - size // 2 + size)

        rows, columns = hit(1, drawn["cut_y"]), hit(2, drawn["cut_x"])
        square = rows[:, :, tf.newaxis, tf.newaxis] & columns[:, tf.newaxis, :, tf.newaxis]
        return tf.where(square, tf.zeros([], images.dtype), images)


def make_augmentation(config: AugmentationConfig | None, split: Split, *, seed: int) -> Augmentation | None:
    """Return what changes the images of a split; None where the config says nothing. For errors see `Augmentation`."""
    return None if config is None else Augmentation(config, split, seed=seed)


def _between(draw: tf.Tensor, most: float) -> tf.Tensor:
    """Return numbers in -most..most of those in 0..1."""
    return (2 * draw - 1) * most


def _pair(
    shifts: tuple[tf.Tensor, tf.Tensor], mirrored: tuple[tf.Tensor, tf.Tensor], axis: int
) -> tuple[tf.Tensor, ...]:
    return shifts[axis], mirrored[axis]


def _per_image(numbers: tf.Tensor) -> tf.Tensor:
    return numbers[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _gather_columns(images: tf.Tensor, source: tf.Tensor) -> tf.Tensor:
    """Return images whose columns are those of `source`, (rows, width)."""
    rows = tf.broadcast_to(source[:, tf.newaxis, :], tf.shape(images)[:3])
    return tf.gather(images, rows, axis=2, batch_dims=2)


def _like(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Return values of a dtype, rounded and within 0..255 where that is uint8."""
    return tf.cast(tf.clip_by_value(tf.round(values), 0, 255), dtype) if dtype == tf.uint8 else tf.cast(values, dtype)
