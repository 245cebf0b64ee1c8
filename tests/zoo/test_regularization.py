from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.config import RegularizationConfig
from zoo.errors import DeprecatedNameWarning

LINEAR = {"kind": "linear"}
CNN: dict[str, Any] = {"input_shape": (8, 8, 2), "filters": [4, 4], "kernel_size": 3}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("mlp", {"input_shape": (6,), "units": [5, 5]}),
    "residual mlp": ("mlp", {"input_shape": (6,), "units": [5, 5], "residual": True}),
    "cnn": ("cnn", CNN),
    "1-d cnn": ("cnn", {**CNN, "input_shape": (8, 2)}),
    "separable": ("cnn", {**CNN, "convolution": "separable", "blocks": 2}),
    "1-d separable": ("cnn", {**CNN, "input_shape": (8, 2), "convolution": "separable", "blocks": 2}),
    "resnet": ("cnn", {**CNN, "filters": [4, 6], "block": "residual"}),
}
every_model = pytest.mark.parametrize("name", MODELS)


def build(name: str, **regularization: Any) -> keras.Model:
    keras.utils.set_random_seed(5)
    architecture, fields = MODELS[name]
    return zoo.build(architecture, **fields, head=LINEAR, regularization=regularization)


def kernels(model: keras.Model) -> dict[str, np.ndarray]:
    return {w.path: w.numpy().astype("float64") for w in model.trainable_weights if w.path.endswith("kernel")}


def layer_output(model: keras.Model, layer: str, x: np.ndarray, **options: Any) -> np.ndarray:
    return keras.Model(model.input, model.get_layer(layer).output)(x, **options).numpy()


def rows(model: keras.Model, count: int = 6) -> np.ndarray:
    return np.random.default_rng(3).normal(1, 2, size=(count, *model.input_shape[1:])).astype("float32")


# --- penalties


@every_model
@pytest.mark.parametrize("penalty", [{"l2": 0.25}, {"l1": 0.5}, {"l1": 0.5, "l2": 0.25}], ids=str)
def test_l1_and_l2_add_lambda_times_the_sum_over_every_kernel(name: str, penalty: dict[str, float]) -> None:
    model = build(name, **penalty)

    by_hand = sum(
        penalty.get("l1", 0) * np.abs(kernel).sum() + penalty.get("l2", 0) * (kernel**2).sum()
        for kernel in kernels(model).values()
    )
    assert float(sum(model.losses)) == pytest.approx(by_hand, rel=1e-5)


@every_model
def test_penalties_leave_biases_alone(name: str) -> None:
    model = build(name, l2=1.0)
    before = float(sum(model.losses))
    for weight in model.trainable_weights:
        if weight.path.endswith("bias"):
            weight.assign(np.full(weight.shape, 100.0))

    assert float(sum(model.losses)) == before


def test_the_training_loss_is_that_of_the_data_and_the_penalty() -> None:
    model = build("mlp", l2=0.25)
    x, y = rows(model), np.ones((6, 1), "float32")
    model.compile("sgd", "mse")

    data = ((model(x)["value"].numpy() - y) ** 2).mean()
    penalty = 0.25 * sum((kernel**2).sum() for kernel in kernels(model).values())
    assert model.evaluate(x, {"value": y}, verbose=0) == pytest.approx(data + penalty, rel=1e-5)


def mean_cosine(kernel: np.ndarray) -> float:
    """Mean absolute cosine between the weights of two units, over all pairs; one unit has none."""
    units = kernel.reshape(-1, kernel.shape[-1])
    units = units / np.linalg.norm(units, axis=0)
    cosines = np.abs(units.T @ units)[np.triu_indices(units.shape[1], k=1)]
    return float(cosines.mean()) if cosines.size else 0.0


@every_model
def test_orthogonal_adds_lambda_times_the_mean_cosine_of_every_kernel(name: str) -> None:
    model = build(name, orthogonal=0.25)

    by_hand = 0.25 * sum(mean_cosine(kernel) for kernel in kernels(model).values())
    assert by_hand > 0
    assert float(sum(model.losses)) == pytest.approx(by_hand, rel=1e-4)


def test_orthogonal_joins_l1_and_l2() -> None:
    model = build("cnn", l1=0.5, l2=0.25, orthogonal=0.125)

    by_hand = sum(
        0.5 * np.abs(kernel).sum() + 0.25 * (kernel**2).sum() + 0.125 * mean_cosine(kernel)
        for kernel in kernels(model).values()
    )
    assert float(sum(model.losses)) == pytest.approx(by_hand, rel=1e-5)


def test_orthogonal_kernels_cost_nothing() -> None:
    model = zoo.build(
        "mlp",
        input_shape=(8,),
        units=[6, 4],
        kernel_initializer="orthogonal",
        regularization={"orthogonal": 1.0},
        head=LINEAR,
    )

    assert float(sum(model.losses)) == pytest.approx(0, abs=1e-5)


# --- dropout and noise


def test_dropout_zeroes_its_fraction_and_keeps_the_expectation() -> None:
    keras.utils.set_random_seed(1)
    model = zoo.build(
        "mlp", input_shape=(1,), units=[1], activation="linear", regularization={"dropout": 0.25}, head=LINEAR
    )
    model.set_weights([np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)])
    drawn = model(np.ones((40_000, 1)), training=True)["value"].numpy()

    # A draw is 4/3 with chance 3/4 and else 0: mean 1, variance (1/4)/(3/4) = 1/3, so the mean of 40,000 has a standard
    # deviation of .0029, and the fraction of zeros one of .0022; both within five of these.
    np.testing.assert_allclose(np.unique(drawn), [0, 4 / 3], rtol=1e-6)
    assert drawn.mean() == pytest.approx(1, abs=0.0145)
    assert (drawn == 0).mean() == pytest.approx(0.25, abs=0.011)


ACTS_ON = {
    "dropout": MODELS,
    "gaussian_noise": MODELS,
    "spatial_dropout": ["cnn", "1-d cnn", "separable", "1-d separable", "resnet"],
    "stochastic_depth": ["residual mlp", "resnet"],
}


@pytest.mark.parametrize(("regularizer", "name"), [(each, name) for each, names in ACTS_ON.items() for name in names])
def test_what_acts_in_training_does_nothing_at_inference(regularizer: str, name: str) -> None:
    plain, model = build(name), build(name, **{regularizer: 0.5})
    by_path = {weight.path: weight for weight in plain.weights}
    for weight in model.trainable_weights:
        weight.assign(by_path[weight.path])
    x = rows(plain)

    expected = plain(x)["value"].numpy()
    np.testing.assert_array_equal(model(x, training=False)["value"].numpy(), expected)
    assert not np.allclose(model(x, training=True)["value"].numpy(), expected)


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 1)], ids=["image", "series"])
def test_spatial_dropout_zeroes_whole_maps(shape: tuple[int, ...]) -> None:
    keras.utils.set_random_seed(1)
    model = zoo.build(
        "cnn",
        input_shape=shape,
        filters=[16],
        kernel_size=1,
        kernel_initializer="ones",
        regularization={"spatial_dropout": 0.25},
        head=LINEAR,
    )
    maps = layer_output(model, "conv_1_spatial_dropout", np.ones((100, *shape)), training=True)

    flat = maps.reshape(100, -1, 16)
    assert (flat == flat[:, :1]).all()  # a map is alike everywhere
    np.testing.assert_allclose(np.unique(flat), [0, 4 / 3], rtol=1e-6)
    # of 1,600 maps a quarter, within five standard deviations of sqrt(.25 * .75 / 1600)
    assert (flat[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.054)


def test_noise_has_its_standard_deviation_and_no_mean() -> None:
    keras.utils.set_random_seed(1)
    model = build("mlp", gaussian_noise=0.5)
    x = rows(model, 5000)
    noise = layer_output(model, "noise", x, training=True) - x

    # 30,000 draws: the mean is known to .5 / sqrt(30,000) = .003, the deviation to .5 / sqrt(60,000) = .002
    assert noise.mean() == pytest.approx(0, abs=0.015)
    assert noise.std() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(layer_output(model, "noise", x, training=False), x)


# --- normalization


@pytest.mark.parametrize("name", ["mlp", "cnn", "1-d cnn"])
def test_layer_normalization_is_over_the_channels_of_each_place(name: str) -> None:
    model, linear = build(name, normalization="layer"), "dense_1" if name == "mlp" else "conv_1"
    x = rows(model)
    before = layer_output(model, linear, x)

    by_hand = (before - before.mean(-1, keepdims=True)) / np.sqrt(before.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(layer_output(model, f"{linear}_norm", x), by_hand, atol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_rms_normalization_divides_by_the_root_of_the_mean_square(name: str) -> None:
    model, linear = build(name, normalization="rms"), "dense_1" if name == "mlp" else "conv_1"
    x = rows(model)
    before = layer_output(model, linear, x)

    by_hand = before / np.sqrt((before**2).mean(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(layer_output(model, f"{linear}_norm", x), by_hand, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_normalization_is_over_groups_of_channels_of_the_whole_image(groups: int) -> None:
    model = build("cnn", normalization="group", groups=groups)
    x = rows(model)
    before = layer_output(model, "conv_1", x)

    grouped = before.reshape(6, 8 * 8, groups, 4 // groups)
    mean, variance = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
    by_hand = ((grouped - mean) / np.sqrt(variance + 1e-3)).reshape(before.shape)
    np.testing.assert_allclose(layer_output(model, "conv_1_norm", x), by_hand, atol=1e-4)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_batch_normalization_is_over_the_batch_and_remembers_a_tenth_of_it(name: str) -> None:
    model, linear = build(name, normalization="batch"), "dense_1" if name == "mlp" else "conv_1"
    x = rows(model)
    before = layer_output(model, linear, x)
    everywhere = tuple(range(before.ndim - 1))
    mean, variance = before.mean(everywhere), before.var(everywhere)

    in_training = layer_output(model, f"{linear}_norm", x, training=True)
    layer = model.get_layer(f"{linear}_norm")

    np.testing.assert_allclose(in_training, (before - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.9 * 0 + 0.1 * mean, atol=1e-5)
    places = before.size / before.shape[-1]
    unbiased = variance * places / (places - 1)  # the fused kernel of TensorFlow remembers this one for images
    remembered = layer.moving_variance.numpy()
    assert any(np.allclose(remembered, 0.9 * 1 + 0.1 * each, atol=1e-4) for each in (variance, unbiased))
    at_inference = (before - layer.moving_mean.numpy()) / np.sqrt(remembered + 1e-3)
    np.testing.assert_allclose(layer_output(model, f"{linear}_norm", x), at_inference, atol=1e-4)


@pytest.mark.parametrize(
    ("normalization", "biased"), [("batch", False), ("layer", True), ("group", True), ("rms", True)]
)
def test_biases_are_left_out_where_normalization_would_undo_them(*, normalization: str, biased: bool) -> None:
    model = zoo.build("mlp", input_shape=(6,), units=[16], regularization={"normalization": normalization}, head=LINEAR)
    layer = model.get_layer("dense_1")
    assert layer.use_bias is biased
    if not biased:
        return
    # and where they are not, they have an effect
    before = layer_output(model, "dense_1_norm", rows(model))
    layer.bias.assign(np.arange(16.0))
    assert not np.allclose(layer_output(model, "dense_1_norm", rows(model)), before, atol=0.1)


def test_the_old_name_of_batch_normalization_works_with_a_warning() -> None:
    with pytest.warns(DeprecatedNameWarning, match="write normalization: 'batch' in place of batch_norm: True"):
        on = RegularizationConfig.parse({"batch_norm": True})
    with pytest.warns(DeprecatedNameWarning):
        off = RegularizationConfig.parse({"batch_norm": False})

    assert on == RegularizationConfig(normalization="batch")
    assert off == RegularizationConfig()


# --- constraints


def norms(path: str, kernel: np.ndarray) -> np.ndarray:
    """Norms of the weights that come into each unit: those of the last axis, or of the last two where depthwise."""
    units = 2 if "depthwise" in path else 1
    return np.sqrt((kernel**2).sum(axis=tuple(range(kernel.ndim - units))))


def step(model: keras.Model) -> dict[str, np.ndarray]:
    """Take one long step; return the kernels of hidden layers."""
    model.compile(keras.optimizers.SGD(10.0), "mse", run_eagerly=True)
    x = rows(model)
    model.train_on_batch(x, {"value": np.ones((len(x), 1), "float32")})
    return {path: kernel for path, kernel in kernels(model).items() if not path.startswith("features_to_value")}


@every_model
def test_max_norm_holds_for_every_unit_after_a_step(name: str) -> None:
    limit = 0.3
    after = step(build(name, constraint={"kind": "max_norm", "max_value": limit}))

    largest = {path: norms(path, kernel).max() for path, kernel in after.items()}
    assert all(norm <= limit * (1 + 1e-5) for norm in largest.values()), largest
    assert max(largest.values()) == pytest.approx(limit, rel=1e-3)  # it had something to do


@every_model
def test_unit_norm_holds_for_every_unit_after_a_step(name: str) -> None:
    for path, kernel in step(build(name, constraint="unit_norm")).items():
        of_units = norms(path, kernel)
        # a unit whose weights all came to 0 stays there
        np.testing.assert_allclose(of_units[of_units > 1e-3], 1, rtol=1e-3, err_msg=path)


def test_non_neg_holds_after_a_step() -> None:
    assert all((kernel >= 0).all() for kernel in step(build("mlp", constraint="non_neg")).values())


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ("maxnorm", "unknown constraint 'maxnorm'; did you mean 'max_norm'"),
        (3, r"expected a name, or a mapping with a kind, got 3 \(int\)"),
        ({"kind": "max_norm", "value": 3}, "'max_norm' has no argument 'value'; did you mean 'max_value'"),
        ({"kind": "max_norm", "max_value": -1}, "expected max_value >= 0, got -1"),
        ({"kind": "max_norm", "max_value": "3"}, r"max_value: expected a number, got '3' \(str\)"),
        ({"kind": "max_norm", "max_value": True}, r"max_value: expected a number, got True \(bool\)"),
        ({"kind": "max_norm", "max_value": float("nan")}, "'max_value': expected a finite number, got nan"),
        ("keras_zoo>StochasticDepth", "expected a class that extends Constraint"),
        ({"kind": "unit_norm", "axis": 1}, "axis is found for every kernel by itself: leave it out"),
    ],
    ids=str,
)
def test_what_is_no_constraint_is_refused(constraint: Any, message: str) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        RegularizationConfig.parse({"constraint": constraint})


# --- off by default, and refused where there is nothing to act on


@every_model
def test_everything_is_off_by_default(name: str) -> None:
    model = build(name)

    kinds = {type(layer).__name__ for layer in model.layers}
    assert not {kind for kind in kinds if any(word in kind for word in ("Drop", "Noise", "Norm", "Depth"))}
    assert model.losses == []
    for layer in model.layers:
        for option in ("kernel", "depthwise", "pointwise"):
            assert getattr(layer, f"{option}_constraint", None) is None
            assert getattr(layer, f"{option}_regularizer", None) is None


@pytest.mark.parametrize(
    ("name", "regularization", "message"),
    [
        ("mlp", {"spatial_dropout": 0.1}, "regularization.spatial_dropout acts on feature maps.* this mlp has none"),
        ("mlp", {"stochastic_depth": 0.1}, "acts on residual branches.* this mlp has none"),
        ("mlp", {"recurrent_dropout": 0.1}, "acts on recurrent steps.* this mlp has none"),
        ("cnn", {"stochastic_depth": 0.1}, "acts on residual branches.* this cnn has none"),
        ("cnn", {"groups": 2}, "groups belongs to normalization 'group'"),
        ("cnn", {"normalization": "group", "groups": 3}, "groups 3 does not divide the 4 channels"),
    ],
)
def test_a_regularizer_with_nothing_to_act_on_is_refused(
    name: str, regularization: dict[str, Any], message: str
) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        build(name, **regularization)
