from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from training import Split
from training.augmentation import Augmentation
from training.batches import make_pieces, tensors_of
from training.config import AugmentationConfig
from training.strategy import BatchPlan
from zoo.errors import ConfigError

EVERYTHING = {"flip": "both", "shift": 0.2, "rotate": 30, "zoom": 0.2, "brightness": 0.3, "contrast": 0.3, "cutout": 3}
NOISE = np.random.default_rng(0).integers(0, 256, (13, 6, 8, 1), dtype=np.uint8)


def changed(images: np.ndarray, *, step: int = 0, seed: int = 1, **config: Any) -> np.ndarray:
    """Return the images of one batch as they come out."""
    split = Split(images, np.zeros(len(images)))
    made = Augmentation(AugmentationConfig.parse(config), split, seed=seed)
    places = tf.range(len(images))
    found: np.ndarray = made.change(
        tf.constant(images), step=tf.constant(step, tf.int64), places=places, batch_size=len(images)
    ).numpy()
    return found


def batches(
    steps: int, *, first_step: int = 0, replicas: int = 1, pieces: int = 1, seed: int = 3
) -> list[dict[int, bytes]]:
    """Return the images of each step by row number, gathered from all replicas; 13 rows in batches of 5."""
    split = Split(NOISE, np.arange(13))
    plan = BatchPlan(13, 5, replicas, pieces=pieces)
    augmentation = Augmentation(AugmentationConfig.parse(EVERYTHING), split, seed=seed)
    dealt = make_pieces(
        tensors_of(split), plan, seed=seed, first_step=first_step, replicas=range(replicas), augmentation=augmentation
    )
    flat = list(dealt.take(steps * replicas).as_numpy_iterator())
    return [
        {
            int(row): image.tobytes()
            for images, labels, _ in flat[step * replicas : (step + 1) * replicas]
            for image, row in zip(images, labels[""], strict=True)
        }
        for step in range(steps)
    ]


WHOLE = batches(8)


@settings(deadline=None, max_examples=12)
@given(replicas=st.integers(1, 4), pieces=st.integers(1, 3), first_step=st.integers(0, 7))
def test_images_depend_on_seed_step_and_row_alone(replicas: int, pieces: int, first_step: int) -> None:
    """Whatever the number of replicas or pieces, and wherever a run is taken up again."""
    steps = 8 - first_step
    assert batches(steps, first_step=first_step, replicas=replicas, pieces=pieces) == WHOLE[first_step:]


def test_every_step_and_seed_changes_images_in_a_way_of_its_own() -> None:
    again = batches(3, seed=4)
    assert WHOLE[0] != again[0]
    for row in range(13):  # once in each epoch of 3 steps
        first, second = (next(step[row] for step in WHOLE[i : i + 3] if row in step) for i in (0, 3))
        assert first != second


@pytest.mark.parametrize(("flip", "axes"), [("horizontal", [2]), ("vertical", [1]), ("both", [1, 2])])
def test_half_of_the_images_are_mirrored(flip: str, axes: list[int]) -> None:
    images = np.random.default_rng(1).integers(0, 256, (400, 3, 4, 2), dtype=np.uint8)

    found = changed(images, flip=flip)

    rest = np.ones(400, bool)
    variants = [
        images,
        *(np.flip(images, axis) for axis in axes),
        *([np.flip(images, (1, 2))] if len(axes) > 1 else []),
    ]
    for variant in variants:
        same = (found == variant).all(axis=(1, 2, 3))
        assert abs(same.sum() - 400 / len(variants)) < 5 * np.sqrt(400 / len(variants))
        rest &= ~same
    assert not rest.any()


@pytest.mark.parametrize(("fill", "mode"), [("edge", "edge"), ("zero", "constant"), ("reflect", "symmetric")])
def test_shifted_images_are_what_numpy_cuts_out_of_padded_ones(fill: str, mode: Any) -> None:
    images = np.random.default_rng(2).integers(1, 256, (60, 6, 8, 1), dtype=np.uint8)

    found = changed(images, shift=0.25, fill=fill)

    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode=mode)
    moves = set()
    for row in range(60):
        fits = [(y, x) for y in range(5) for x in range(5) if (found[row] == padded[row, y : y + 6, x : x + 8]).all()]
        assert fits, f"row {row} is no shift by up to 2 pixels"
        moves.add(fits[0])
    assert len(moves) > 12, "most of the 25 shifts occur"


def blob(angle: float, distance: float = 12.0, size: int = 65) -> np.ndarray:
    """Return a bright round spot at an angle from the middle."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    spot = np.exp(-((x - distance * np.cos(angle)) ** 2 + (y - distance * np.sin(angle)) ** 2) / 18)
    return np.round(255 * spot).astype(np.uint8)[..., np.newaxis]


def middles(images: np.ndarray) -> np.ndarray:
    """Return angle and distance of each spot from the middle of its image."""
    size = images.shape[1]
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    mass = images[..., 0].astype(float)
    points = np.stack([(mass * x).sum((1, 2)), (mass * y).sum((1, 2))]) / mass.sum((1, 2))
    return np.stack([np.degrees(np.arctan2(points[1], points[0])), np.hypot(*points)])


def test_turning_keeps_the_distance_from_the_middle() -> None:
    angle, distance = middles(changed(np.stack([blob(0.0)] * 200), rotate=40))

    np.testing.assert_allclose(distance, 12, atol=0.1)
    assert -40 <= angle.min() < -30
    assert 30 < angle.max() <= 40


def test_zooming_keeps_the_direction_and_scales_the_distance() -> None:
    angle, distance = middles(changed(np.stack([blob(0.5)] * 200), zoom=0.3))

    np.testing.assert_allclose(angle, np.degrees(0.5), atol=0.5)
    assert 0.7 * 12 - 0.1 <= distance.min() < 0.8 * 12
    assert 1.2 * 12 < distance.max() <= 1.3 * 12 + 0.1


def test_turning_by_nothing_changes_nothing() -> None:
    found = changed(NOISE, rotate=1e-6)
    np.testing.assert_array_equal(found, NOISE)


def test_brightness_and_contrast_are_a_line_of_each_image() -> None:
    images = np.random.default_rng(3).uniform(1, 2, (50, 4, 5, 3)).astype("float32")

    brighter, stretched = changed(images, brightness=0.4), changed(images, contrast=0.4)

    factors = (brighter / images).reshape(50, -1)
    np.testing.assert_allclose(factors, np.repeat(factors[:, :1], 60, axis=1), rtol=1e-5)
    assert factors.min() < 0.7
    assert factors.max() > 1.3
    np.testing.assert_allclose(stretched.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), rtol=1e-5)
    spread = stretched.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert 0.6 <= spread.min() < 0.7
    assert 1.3 < spread.max() <= 1.4


def test_bright_bytes_stay_bytes() -> None:
    white = np.full((50, 2, 2, 1), 250, np.uint8)
    found = changed(white, brightness=0.5)
    assert found.dtype == np.uint8
    assert found.max() == 255, "what would be brighter than white is white"


def test_a_square_is_cut_out() -> None:
    found = changed(np.full((300, 9, 9, 1), 7, np.uint8), cutout=3)
    holes = (found == 0).sum(axis=(1, 2, 3))
    assert set(holes.tolist()) == {4, 6, 9}  # in a corner, at an edge, inside
    whole = found[holes == 9][..., 0] == 0
    for hole in whole:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert np.ptp(rows) == np.ptp(columns) == 2


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 4)), r"but the input 'inputs' is float64 of shape \[4\]"),
        (np.array(["a", "b"], object), r"is object of shape \[\]"),
        (np.zeros((3, 4, 4, 1), np.int32), "images are of dtype int32, expected uint8"),
    ],
)
def test_what_is_no_image_is_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augmentation(AugmentationConfig(shift=0.1), Split(images, np.zeros(len(images))), seed=0)


def test_only_the_main_input_changes_and_measuring_changes_nothing() -> None:
    split = Split({"inputs": NOISE, "more": NOISE}, np.arange(13))
    augmentation = Augmentation(AugmentationConfig(cutout=4), split, seed=0)

    inputs, labels, _ = next(
        iter(
            make_pieces(
                tensors_of(split),
                BatchPlan(13, 13),
                seed=None,
                first_step=0,
                replicas=range(1),
                augmentation=augmentation,
            )
        )
    )

    np.testing.assert_array_equal(labels[""], np.arange(13))
    np.testing.assert_array_equal(inputs["more"], NOISE)
    assert (inputs["inputs"].numpy() != NOISE).any()
