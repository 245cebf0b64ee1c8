"""`predict_bytes` of images: what is in a JPEG or PNG file, as it is."""

from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from zoo.endpoints import Tensors
from zoo.layers.feature_normalization import FeatureNormalization
from zoo.signatures.front import front_layers
from zoo.signatures.orientation import orientation_of, turned
from zoo.signatures.serving import ranges_of
from zoo.signatures.signature import Signature
from zoo.signatures.subject import Subject, few

PREDICT_BYTES = "predict_bytes"
IMAGE = "image_bytes"
_PASSED_OVER = (keras.layers.Resizing, keras.layers.CenterCrop)
_NORMALIZATIONS = (FeatureNormalization, keras.layers.Normalization)


def image_bytes(subject: Subject) -> Iterator[Signature]:
    """Give `predict_bytes`: encoded images in, `image_bytes` string (N,), the outputs of `serving_default` out.

    A JPEG or PNG is decoded as Pillow does, put on black where it is transparent, made grey (ITU-R 601) for a model of 1
    channel, and resized where it has another size than the model takes (bilinear, with antialiasing, to whole numbers): so
    do folders of images that models are trained on. It is turned as its EXIF orientation says. Left out unless the one
    input is an image of a fixed size with 1 or 3 channels, and the front of the model shows that its pixels are from 0 to
    255. TensorFlow refuses what is no image.
    """
    specs = subject.named.specs()
    ((name, spec), *more) = specs.items()
    height, width, channels = spec.shape[1:] if spec.shape.rank == 4 else (None, None, None)
    if more or None in (height, width) or channels not in (1, 3) or not takes_pixels(subject):
        return

    def pixels_of(encoded: tf.Tensor) -> tf.Tensor:
        image = _decoded(encoded)
        image = tf.cast(image if channels == 3 else _grey(image), tf.float32)
        image = turned(image, orientation_of(encoded))
        fits = tf.reduce_all(tf.shape(image)[:2] == (height, width))
        pixels = tf.cond(
            fits,
            lambda: image,
            lambda: tf.round(tf.image.resize(image, (height, width), antialias=True)),
        )
        return tf.cast(pixels, spec.dtype)

    def answer(inputs: Tensors) -> dict[str, tf.Tensor]:
        pixels = tf.map_fn(pixels_of, inputs[IMAGE], fn_output_signature=tf.TensorSpec(spec.shape[1:], spec.dtype))
        return dict(subject.serve({name: pixels}))

    yield Signature(
        PREDICT_BYTES,
        answer,
        {IMAGE: tf.TensorSpec((None,), tf.string, name=IMAGE)},
        golden=_golden(subject.few()),
        ranges=ranges_of(subject.classes),
    )


def _decoded(encoded: tf.Tensor) -> tf.Tensor:
    """Return the pixels of a JPEG or PNG, int32 (height, width, 3)."""

    def jpeg() -> tf.Tensor:  # the method is that of other decoders; TensorFlow's own choice is off by up to 6 of 255
        return tf.cast(tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"), tf.int32)

    def png() -> tf.Tensor:
        pixels = tf.cast(tf.io.decode_png(encoded, channels=4), tf.int32)
        return (pixels[..., :3] * pixels[..., 3:] + 127) // 255

    return tf.ensure_shape(tf.cond(tf.io.is_jpeg(encoded), jpeg, png), (None, None, 3))


def _grey(image: tf.Tensor) -> tf.Tensor:
    """Return the luma of RGB (ITU-R 601), int32 (height, width, 1), to the bit as Pillow does."""
    weighted = tf.reduce_sum(image * (19595, 38470, 7471), axis=-1, keepdims=True)
    return tf.bitwise.right_shift(weighted + 32768, 16)


def takes_pixels(subject: Subject) -> bool:
    """Tell whether a model takes pixels from 0 to 255: it scales those to about 1, or normalizes rows that look so."""
    for layer in front_layers(subject.named.model):
        if isinstance(layer, keras.layers.Rescaling):
            low, high = (np.mean(layer.offset), np.mean(layer.scale) * 255 + np.mean(layer.offset))
            return bool(-1.01 <= low < high <= 1.01 and high - low > 0.5)
        if isinstance(layer, _NORMALIZATIONS):
            (rows,) = subject.rows.values()
            return bool(rows.min() >= 0 and 127 < rows.max() <= 255)
        if not isinstance(layer, _PASSED_OVER):
            return False
    return False


def _golden(rows: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray] | None:
    if rows is None:
        return None
    (images,) = rows.values()
    pixels = np.clip(np.round(images), 0, 255).astype(np.uint8)
    return few({IMAGE: np.array([tf.io.encode_png(image).numpy() for image in pixels], dtype=object)})
