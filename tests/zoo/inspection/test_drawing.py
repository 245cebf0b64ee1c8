import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.errors import ConfigError
from zoo.inspection import draw

DRAW = """
import sys, hashlib, pathlib, zoo
from zoo.inspection import draw
model = zoo.build("mlp_tiny", input_shape=(4,), head={"kind": "softmax", "units": 3})
for name in ("a.svg", "a.png"):
    print(hashlib.sha256(draw(model, pathlib.Path(sys.argv[1]) / name).read_bytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return zoo.build("mlp_tiny", input_shape=(4,), head={"kind": "softmax", "units": 3})


def texts(path: Path) -> list[str]:
    return [element.text or "" for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314


def test_the_text_of_an_svg_is_text(model: keras.Model, tmp_path: Path) -> None:
    written = texts(draw(model, tmp_path / "mlp.svg", title="a slide"))

    assert {"a slide", "inputs", "Dense 16", "ReLU", "Dense 3", "softmax", "probabilities"} <= set(written)
    assert f"{4 * 16 + 16}" in written  # the parameters of the first layer
    assert any(text.startswith(f"{model.count_params()} parameters · ") for text in written)


def test_shapes_stand_on_the_arrows_where_they_change(tmp_path: Path) -> None:
    inputs = keras.Input((8, 6, 1), name="image")
    x = keras.layers.Conv2D(3, 3, padding="same")(inputs)
    model = keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(x))

    assert "8 \N{MULTIPLICATION SIGN} 6 \N{MULTIPLICATION SIGN} 3" in texts(draw(model, tmp_path / "m.svg"))


def test_a_png_is_white_with_something_on_it(model: keras.Model, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(draw(model, tmp_path / "mlp.png")).convert("L"))

    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all((edge == 255).all() for edge in edges)
    assert pixels.min() < 100


def test_the_same_model_gives_the_same_bytes_in_every_process(
    model: keras.Model, tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    here = [hashlib.sha256(draw(model, tmp_path / name).read_bytes()).hexdigest() for name in ("b.svg", "b.png")]

    other = run_python(DRAW, str(tmp_path), PYTHONHASHSEED="7", KERAS_BACKEND="jax")
    assert (tmp_path / "b.svg").read_text().count("matplotlib") == 0
    # The title is the model's name, the same in both.
    assert other.stdout.split() == here, other.stderr


def test_a_config_is_drawn_as_its_model(model: keras.Model, tmp_path: Path) -> None:
    drawn = [draw(what, tmp_path / name).read_bytes() for what, name in ((model, "m.svg"), (model.zoo_config, "c.svg"))]

    assert drawn[0] == drawn[1]


def test_what_is_repeated_says_how_often(residual_model: keras.Model, tmp_path: Path) -> None:
    assert "\N{MULTIPLICATION SIGN} 3" in texts(draw(residual_model, tmp_path / "r.svg"))


def test_another_kind_of_file_is_refused(model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a file that ends in \.svg or \.png, got .*mlp\.pdf"):
        draw(model, tmp_path / "mlp.pdf")


def test_a_name_with_signs_is_written_as_it_is(model: keras.Model, tmp_path: Path) -> None:
    assert "$x_1$ <&>" in texts(draw(model, tmp_path / "m.svg", title="$x_1$ <&>"))
