"""`predict_bytes` of images: a file in, what the model says of its pixels out."""

import io
import struct
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

import zoo
from zoo.artifact import read_passport
from zoo.layers.feature_normalization import FeatureNormalization

PIXELS = np.random.default_rng(2).integers(0, 256, size=(3, 6, 5, 3), dtype=np.uint8)


def loaded(version: Path) -> Any:
    return tf.saved_model.load(str(version)).signatures


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def seen(shape: tuple[int, ...] = (6, 5, 3), **options: Any) -> keras.Model:
    """A model from elsewhere that answers the pixels themselves, over 255."""
    x = keras.Input(shape, name="image", **options)
    return keras.Model(x, {"value": keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(x))})


@pytest.fixture(scope="module")
def signatures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return loaded(zoo.export(seen(), tmp_path_factory.mktemp("r") / "m"))


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return loaded(zoo.export(seen((6, 5, 1)), tmp_path_factory.mktemp("r") / "m"))


def test_a_png_of_the_right_size_is_its_pixels(signatures: Any) -> None:
    got = signatures["predict_bytes"](image_bytes=tf.constant([encoded(each) for each in PIXELS]))["value"]

    np.testing.assert_array_equal(got, signatures["serving_default"](image=tf.constant(PIXELS, tf.float32))["value"])
    np.testing.assert_allclose(got, PIXELS.reshape(3, -1) / 255, atol=1e-6)


def test_a_jpeg_is_what_its_decoder_says(signatures: Any) -> None:
    smooth = np.broadcast_to(np.linspace(40, 200, 6)[:, None, None], (6, 5, 3)).astype(np.uint8)
    file = encoded(smooth, "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(file)))

    got = signatures["predict_bytes"](image_bytes=tf.constant([file]))["value"].numpy().reshape(6, 5, 3) * 255
    assert np.abs(got - expected).max() <= 2  # decoders round otherwise


def test_images_of_other_sizes_and_colours_share_a_batch(signatures: Any) -> None:
    large, grey = np.repeat(np.repeat(PIXELS[0], 4, axis=0), 4, axis=1), PIXELS[1, :, :, 0]
    got = signatures["predict_bytes"](image_bytes=tf.constant([encoded(large), encoded(grey)]))["value"] * 255

    smaller = np.asarray(Image.fromarray(large).resize((5, 6), Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(got[0].numpy().reshape(6, 5, 3) - smaller).max() < 1.1  # Pillow rounds, and antialiases too
    np.testing.assert_allclose(got[1].numpy().reshape(6, 5, 3), np.stack([grey] * 3, axis=-1), atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("JPEG", "RGB"), ("JPEG", "L")]
)
def test_colours_become_grey_as_pillow_has_it(kind: str, mode: str, greys: Any) -> None:
    noise = np.random.default_rng(6).integers(0, 256, size=(6, 5, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise, "RGBA").convert(mode).save(file, kind)
    image = Image.open(file).convert("RGBA")
    on_black = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)

    got = greys["predict_bytes"](image_bytes=tf.constant([file.getvalue()]))["value"].numpy().reshape(6, 5) * 255
    assert np.abs(got - np.asarray(on_black.convert("L"))).max() <= (1 if mode == "RGBA" else 1e-3)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_photograph_is_turned_as_pillow_turns_it(kind: str, orientation: int, order: str, signatures: Any) -> None:
    tall = np.kron(np.random.default_rng(orientation).integers(0, 256, (3, 2, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    tags = struct.pack(f"{order}HHIHHHHIHH", 0x0110, 3, 1, 7, 0, 0x0112, 3, 1, orientation, 0)
    header = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, 2)
    file = encoded(tall, kind, exif=b"Exif\0\0" + header + tags + bytes(4))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    assert (upright.size == (24, 16)) == (orientation >= 5)
    expected = np.asarray(upright.resize((5, 6), Image.Resampling.BILINEAR), dtype=float)

    got = signatures["predict_bytes"](image_bytes=tf.constant([file]))["value"].numpy().reshape(6, 5, 3) * 255
    assert np.abs(got - expected).max() < 3, "decoders and resizing round otherwise"


@pytest.mark.parametrize(
    "tiff",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\x7f",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",  # orientation 9
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x06\0\0\0",  # of another type
    ],
)
def test_a_damaged_orientation_is_none(tiff: bytes, signatures: Any) -> None:
    segment = b"Exif\0\0" + tiff
    jpeg = encoded(PIXELS[0], "JPEG")
    turned = jpeg[:2] + b"\xff\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment + jpeg[2:]

    plain, damaged = signatures["predict_bytes"](image_bytes=tf.constant([jpeg, turned]))["value"].numpy()
    np.testing.assert_array_equal(plain, damaged)


@pytest.mark.timeout(20)
def test_a_file_made_to_be_long_to_walk_is_not(signatures: Any) -> None:
    jpeg = encoded(PIXELS[0], "JPEG")
    filled = jpeg[:2] + b"\xff" * 1_000_000 + jpeg[2:]

    assert signatures["predict_bytes"](image_bytes=tf.constant([filled]))["value"].shape == (1, 90)


@pytest.mark.parametrize("wrong", [b"", b"no image", encoded(PIXELS[0])[:60]])
def test_what_is_no_image_is_refused_in_words(signatures: Any, wrong: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?i)image|PNG"):
        signatures["predict_bytes"](image_bytes=tf.constant([encoded(PIXELS[0]), wrong]))


def test_a_model_of_this_zoo_is_served_what_it_was_trained_on(tmp_path: Path) -> None:
    model = zoo.build(
        "cnn",
        input_shape=(6, 5, 3),
        filters=[4],
        preprocessing=[{"kind": "rescaling", "scale": 1 / 127.5, "offset": -1.0}],
        head={"kind": "softmax", "units": 3},
    )
    x = PIXELS.astype("float32")
    version = zoo.export(model, tmp_path / "m", examples=x)
    expected = model.predict(x, verbose=0)["probabilities"]

    signatures = loaded(version)
    got = signatures["predict_bytes"](image_bytes=tf.constant([encoded(each) for each in PIXELS]))
    np.testing.assert_allclose(got["probabilities"], expected, atol=1e-6)
    assert got.keys() == {"probabilities", "class_id", "label"}
    np.testing.assert_allclose(
        signatures["serving_default"](inputs=tf.constant(x))["probabilities"], expected, atol=1e-6
    )
    golden = read_passport(version).golden["predict_bytes"].inputs["image_bytes"]
    assert golden.strings is None  # they are no text
    assert golden.shape == (2,)
    assert zoo.verify(version).ok


@pytest.mark.parametrize(
    ("shape", "scale"), [((6, 5, 2), 1 / 255), ((None, 5, 3), 1 / 255), ((6, 5, 3), 1 / 16), ((6,), 1 / 255)]
)
def test_what_is_no_image_of_pixels_has_none(shape: tuple[int | None, ...], scale: float, tmp_path: Path) -> None:
    x = keras.Input(shape, name="x")
    scaled = keras.layers.Rescaling(scale)(x)
    value = keras.ops.mean(scaled, axis=tuple(range(1, 1 + len(shape))))
    version = zoo.export(keras.Model(x, {"value": value}), tmp_path / "m")

    assert "predict_bytes" not in loaded(version)


@pytest.mark.parametrize(("top", "there"), [(255, True), (1, False)])
def test_normalized_pixels_are_known_by_their_range(top: int, *, there: bool, tmp_path: Path) -> None:
    x = keras.Input((6, 5, 1), name="x")
    normalized = FeatureNormalization("all", [0.0], [1.0])(x)
    model = keras.Model(x, {"value": keras.layers.Flatten()(normalized)})
    pixels = np.random.default_rng(1).uniform(0, top, size=(20, 6, 5, 1)).astype("float32")

    assert ("predict_bytes" in loaded(zoo.export(model, tmp_path / "m", examples=pixels))) is there
