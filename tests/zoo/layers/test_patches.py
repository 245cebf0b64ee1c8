import keras
import numpy as np

from zoo.layers.patches import Patches


def test_patches_are_the_squares_of_the_image_row_by_row() -> None:
    images = np.random.default_rng(1).normal(size=(2, 6, 9, 2)).astype("float32")
    by_slicing = [
        [image[top : top + 3, left : left + 3].ravel() for top in (0, 3) for left in (0, 3, 6)] for image in images
    ]

    layer = Patches(3)

    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(images)), by_slicing)
    assert layer(keras.Input((6, 9, 2))).shape == (None, 6, 18)
