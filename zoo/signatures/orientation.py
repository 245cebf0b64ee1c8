"""How a camera was held: the EXIF orientation of an encoded image, read and followed in TensorFlow."""

from collections.abc import Callable

import tensorflow as tf

_TAG = 0x0112
_SHORT = 3
"""TIFF's type of the tag."""
_MOST = 64
"""Segments, chunks and tags that are looked at: a file made for it must not keep a server busy."""
_TAG_BYTES = 12
_FRONT = 2**18
"""Bytes of a file that are looked at: little but colour profiles stands before EXIF, and a segment has 64 KiB at most."""

Read = Callable[[tf.Tensor, int], tf.Tensor]
"""Gives so many bytes from a place on, as a string; beyond the end they are 0."""


def orientation_of(encoded: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation of a JPEG or PNG, a scalar from 1 to 8; 1, which is upright, where the file has none.

    In a JPEG it is in the APP1 segment, in a PNG in the chunk `eXIf` before the pixels (CIPA DC-008; PNG, third edition), in
    the first 256 KiB. That of XMP is not looked at.
    """
    front = tf.strings.substr(encoded, 0, _FRONT)

    def found() -> tf.Tensor:
        filled, end = tf.strings.join([front, bytes(2 + _MOST * _TAG_BYTES)]), tf.strings.length(front)

        def read(at: tf.Tensor, size: int) -> tf.Tensor:
            return tf.strings.substr(filled, tf.clip_by_value(at, 0, end), size)

        tiff = tf.cond(tf.io.is_jpeg(encoded), lambda: _in_jpeg(read), lambda: _in_png(read))
        return tf.cond(tiff > 0, lambda: _in_tiff(read, tiff), lambda: tf.constant(1))

    # Most files have none, and walking through one takes longer than to decode a small one.
    may_be = tf.strings.regex_full_match(front, r"\C*(Exif|eXIf)\C*")
    return tf.cond(may_be, found, lambda: tf.constant(1))


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Return an image, (height, width, channels), as it is to be looked at."""

    def aright() -> tf.Tensor:
        def one_of(*orientations: int) -> tf.Tensor:
            return tf.reduce_any(orientation == orientations)

        found = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
        found = tf.cond(one_of(3, 4, 7, 8), lambda: tf.reverse(found, [0]), lambda: found)
        return tf.cond(one_of(2, 3, 6, 7), lambda: tf.reverse(found, [1]), lambda: found)

    return tf.cond(orientation == 1, lambda: image, aright)


def _in_jpeg(read: Read) -> tf.Tensor:
    """Return where the TIFF header of the first EXIF segment is; -1 where there is none."""

    def goes_on(at: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        marker = read(at, 2)
        return (found < 0) & (tf.strings.substr(marker, 0, 1) == b"\xff") & (marker != b"\xff\xda")  # then pixels begin

    def step(at: tf.Tensor, _found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        head = read(at, 10)
        marker, name = tf.strings.substr(head, 0, 2), tf.strings.substr(head, 4, 6)
        size = _big_endian(tf.strings.substr(head, 2, 2), tf.uint16)
        is_exif = (marker == b"\xff\xe1") & (name == b"Exif\0\0")
        return at + tf.where(marker == b"\xff\xff", 1, 2 + size), tf.where(is_exif, at + 10, -1)  # 0xFF more is filling

    return _walk(goes_on, step, start=2)


def _in_png(read: Read) -> tf.Tensor:
    """Return where the content of the chunk `eXIf` is; -1 where there is none."""

    def goes_on(at: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        kind = read(at + 4, 4)
        return (found < 0) & (kind != b"IDAT") & (kind != bytes(4))

    def step(at: tf.Tensor, _found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = _big_endian(read(at, 4), tf.int32)
        return at + 12 + size, tf.where(read(at + 4, 4) == b"eXIf", at + 8, -1)

    return _walk(goes_on, step, start=8)


def _walk(goes_on: Callable[..., tf.Tensor], step: Callable[..., tuple[tf.Tensor, tf.Tensor]], start: int) -> tf.Tensor:
    return tf.while_loop(goes_on, step, (tf.constant(start), tf.constant(-1)), maximum_iterations=_MOST)[1]


def _in_tiff(read: Read, start: tf.Tensor) -> tf.Tensor:
    """Return the orientation in the first directory of a TIFF header."""
    is_big = read(start, 1) == b"M"

    def number(digits: tf.Tensor) -> tf.Tensor:
        """Return the numbers that bytes along the last axis make, in the order of the file."""
        weights = [256**i for i in range(digits.shape[-1])]
        return tf.reduce_sum(digits * tf.where(is_big, weights[::-1], weights), axis=-1)

    offset = number(_bytes(read(start + 4, 4), 4))
    directory = _bytes(read(start + offset, 2 + _MOST * _TAG_BYTES), 2 + _MOST * _TAG_BYTES)
    tags = tf.reshape(directory[2:], (_MOST, _TAG_BYTES))
    meant = (tf.range(_MOST) < number(directory[:2])) & (number(tags[:, :2]) == _TAG) & (number(tags[:, 2:4]) == _SHORT)
    orientation = tf.reduce_max(tf.where(meant, number(tags[:, 8:10]), 0))
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, 1)


def _bytes(text: tf.Tensor, count: int) -> tf.Tensor:
    return tf.cast(tf.ensure_shape(tf.io.decode_raw(text, tf.uint8), (count,)), tf.int32)


def _big_endian(text: tf.Tensor, kind: tf.DType) -> tf.Tensor:
    return tf.cast(tf.reshape(tf.io.decode_raw(text, kind, little_endian=False), ()), tf.int32)
