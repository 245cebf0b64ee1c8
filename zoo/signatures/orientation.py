"""How a camera was held: the EXIF orientation of an encoded image, read and followed in TensorFlow."""

from collections.abc import Callable

import tensorflow as tf

_TAG = 0x0112
_SHORT = 3
"""TIFF's type of the tag."""
_MOST = 64
"""Segments, chunks and tags that are looked at: a file made for it must not keep a server busy."""

At = Callable[[tf.Tensor], tf.Tensor]


def orientation_of(encoded: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation of a JPEG or PNG, a scalar from 1 to 8; 1, which is upright, where the file has none.

    In a JPEG it is in the APP1 segment, in a PNG in the chunk `eXIf` before the pixels (CIPA DC-008; PNG, third edition).
    That of XMP is not looked at.
    """
    data = tf.io.decode_raw(tf.strings.join([encoded, b"\0"]), tf.uint8)  # what is read beyond the end is 0
    end = tf.size(data, tf.int64) - 1

    def byte(at: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(data, tf.clip_by_value(at, 0, end)), tf.int64)

    tiff = tf.cond(tf.io.is_jpeg(encoded), lambda: _in_jpeg(byte), lambda: _in_png(byte))
    return tf.cond(tiff > 0, lambda: _in_tiff(byte, tiff), lambda: _int(1))


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Return an image, (height, width, channels), as it is to be looked at."""

    def one_of(*orientations: int) -> tf.Tensor:
        return tf.reduce_any(orientation == tf.constant(orientations, tf.int64))

    image = tf.cond(one_of(5, 6, 7, 8), lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    image = tf.cond(one_of(3, 4, 7, 8), lambda: tf.reverse(image, [0]), lambda: image)
    return tf.cond(one_of(2, 3, 6, 7), lambda: tf.reverse(image, [1]), lambda: image)


def _in_jpeg(byte: At) -> tf.Tensor:
    """Return where the TIFF header of the first EXIF segment is; -1 where there is none."""

    def goes_on(at: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        return (found < 0) & (byte(at) == 0xFF) & (byte(at + 1) != 0xDA)  # from 0xFFDA on there are pixels

    def step(at: tf.Tensor, _found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        is_exif = (byte(at + 1) == 0xE1) & _is(byte, at + 4, b"Exif\0\0")
        size = tf.where(byte(at + 1) == 0xFF, _int(1), 2 + _big_endian(byte, at + 2, 2))  # one 0xFF more is filling
        return at + size, tf.where(is_exif, at + 10, _int(-1))

    return _walk(goes_on, step, start=2)


def _in_png(byte: At) -> tf.Tensor:
    """Return where the content of the chunk `eXIf` is; -1 where there is none."""

    def goes_on(at: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        return (found < 0) & ~_is(byte, at + 4, b"IDAT") & ~_is(byte, at + 4, b"\0\0\0\0")

    def step(at: tf.Tensor, _found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return at + 12 + _big_endian(byte, at, 4), tf.where(_is(byte, at + 4, b"eXIf"), at + 8, _int(-1))

    return _walk(goes_on, step, start=8)


def _walk(goes_on: Callable[..., tf.Tensor], step: Callable[..., tuple[tf.Tensor, tf.Tensor]], start: int) -> tf.Tensor:
    begin = (_int(start), _int(-1))
    return tf.while_loop(goes_on, step, begin, maximum_iterations=_MOST)[1]


def _in_tiff(byte: At, start: tf.Tensor) -> tf.Tensor:
    """Return the orientation in the first directory of a TIFF header."""
    is_big = byte(start) == ord("M")

    def short(at: tf.Tensor) -> tf.Tensor:
        first, second = byte(at), byte(at + 1)
        return tf.where(is_big, 256 * first + second, 256 * second + first)

    def long(at: tf.Tensor) -> tf.Tensor:
        first, second = short(at), short(at + 2)
        return tf.where(is_big, 65536 * first + second, 65536 * second + first)

    directory = start + long(start + 4)
    entries = directory + 2 + 12 * tf.range(tf.minimum(short(directory), _int(_MOST)))
    found = tf.boolean_mask(short(entries + 8), (short(entries) == _TAG) & (short(entries + 2) == _SHORT))
    orientation = tf.reduce_max(tf.concat([found[:1], [_int(0)]], axis=0))
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, _int(1))


def _int(number: int) -> tf.Tensor:
    return tf.constant(number, tf.int64)


def _is(byte: At, at: tf.Tensor, expected: bytes) -> tf.Tensor:
    places = at + tf.range(len(expected), dtype=tf.int64)
    return tf.reduce_all(byte(places) == tf.constant(list(expected), tf.int64))


def _big_endian(byte: At, at: tf.Tensor, size: int) -> tf.Tensor:
    places = at + tf.range(size, dtype=tf.int64)
    return tf.reduce_sum(byte(places) * tf.constant([256**i for i in reversed(range(size))], tf.int64))
