"""The promises, one function each: config -> what is wrong, nothing where the promise is kept."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.building import build
from zoo.config import INPUT_NAME, ModelConfig
from zoo.contract.sample import FREE_LENGTH, sample_inputs, sample_labels
from zoo.heads import ACTIVATION_OF_KIND, output_name, training_model
from zoo.keras_file import load_model
from zoo.passport import Tolerance
from zoo.preprocessing import adapt
from zoo.tensors import differences

ROWS = 5
SEED = 3
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
LEARNING_RATE = 3e-5
"""Small enough for the loss to follow its gradient: whether that points down is the question, not how fast one may learn."""

Promise = Callable[[ModelConfig], list[str]]
Arrays = Mapping[str, np.ndarray]


def build_names_and_shapes(config: ModelConfig) -> list[str]:
    """Inputs and outputs have the promised names, shapes and dtypes, and a free batch."""
    model = _build(config)
    inputs = {tensor.name: (tuple(tensor.shape), tensor.dtype) for tensor in model.inputs}
    promised = {name: ((None, *spec.shape), spec.dtype) for name, spec in config.input_specs().items()}
    faults = [] if inputs == promised else [f"inputs are {inputs}, expected {promised}"]
    steps = [config.steps() or FREE_LENGTH] if config.gives_sequence() else []
    expected = {output_name(name, head.kind): (ROWS, *steps, head.units) for name, head in config.named_heads().items()}
    found = {name: value.shape for name, value in _answers(model, _rows(config)).items()}
    if found != expected:
        faults.append(f"outputs are {found}, expected {expected}")
    return faults


def answer_float32_under_every_policy(config: ModelConfig) -> list[str]:
    """Outputs are finite float32 numbers, probabilities among 0..1, under float32 and both mixed policies."""
    faults = []
    for policy in POLICIES:
        with _policy(policy):
            model = _build(config)
            for name, value in _answers(model, _rows(config)).items():
                if value.dtype != np.float32:
                    faults.append(f"{policy}: {name} is {value.dtype}")
                if not np.isfinite(value).all():
                    faults.append(f"{policy}: {name} is not finite")
                if name.endswith("probabilities") and not ((value >= 0) & (value <= 1)).all():
                    faults.append(f"{policy}: {name} is not within 0..1")
            used = {layer.compute_dtype for layer in model._flatten_layers()}  # noqa: SLF001 - nested layers too
            if policy.removeprefix("mixed_") not in used:
                faults.append(f"{policy}: no layer computes in it")
    return faults


def give_softmax_rows_that_sum_to_1(config: ModelConfig) -> list[str]:
    """The probabilities of one class of several sum to 1, also where inputs are large."""
    faults = []
    model = _build(config)
    for scale in (1.0, 1e3):
        rows = {name: x * scale if x.dtype.kind == "f" else x for name, x in _rows(config).items()}
        answers = _answers(model, rows)
        for name, head in config.named_heads().items():
            if ACTIVATION_OF_KIND[head.kind] == "softmax":
                sums = answers[output_name(name, head.kind)].sum(axis=-1)
                if not np.allclose(sums, 1, rtol=1e-5):
                    faults.append(f"{name or 'the head'} sums to {sums.min():g}..{sums.max():g} at scale {scale:g}")
    return faults


def be_what_the_yaml_says(config: ModelConfig) -> list[str]:
    """The config that its YAML gives back is equal, and gives identical weights under one seed."""
    again = ModelConfig.from_yaml(config.to_yaml())
    if again != config or again.content_hash() != config.content_hash():
        return ["the config that YAML gives back differs"]
    weights, others = _build(config).get_weights(), _build(again).get_weights()
    if len(weights) != len(others):
        return [f"{len(weights)} weights, then {len(others)}"]
    return [
        f"weight {number} differs under the same seed"
        for number, (a, b) in enumerate(zip(weights, others, strict=True))
        if not np.array_equal(a, b)
    ]


def survive_a_keras_file(config: ModelConfig) -> list[str]:
    """Saved as `.keras` and loaded, it has the same layers, and gives the same answers, bit for bit."""
    model, rows = _build(config), _rows(config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = load_model(path)
    names, others = ([layer.name for layer in m._flatten_layers()] for m in (model, loaded))  # noqa: SLF001 - nested too
    lost = [f"the layer {name!r} has another name when loaded" for name in names if name not in others]
    return lost + _unequal(_answers(loaded, rows), _answers(model, rows), "loaded")


def answer_a_row_the_same_in_any_batch(config: ModelConfig) -> list[str]:
    """A row's answer does not depend on the rows beside it, within the tolerance of a passport."""
    model, rows = _build(config), _rows(config)
    together = _answers(model, rows)
    single = [_answers(model, {name: x[row : row + 1] for name, x in rows.items()}) for row in range(ROWS)]
    alone = {name: np.concatenate([answer[name] for answer in single]) for name in together}
    return differences(alone, together, Tolerance())


def learn_from_one_step(config: ModelConfig) -> list[str]:
    """One step of Adam on a toy batch lowers the loss on it, without noise (dropout and its like off) and constraints."""
    model = _build(_undisturbed(config))
    rows, labels = _rows(config), sample_labels(config, ROWS)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss=_losses(config))
    inputs = rows if len(rows) > 1 else rows[INPUT_NAME]
    before, after = (float(model.train_on_batch(inputs, labels, return_dict=True)["loss"]) for _ in range(2))
    return [] if after < before else [f"the loss went from {before:g} to {after:g}"]


def compile_under_xla(config: ModelConfig) -> list[str]:
    """The gradients of a training step compile under XLA with static shapes, which is what a TPU asks for."""
    model, rows, labels = _build(config), _rows(config), sample_labels(config, ROWS)
    if any(x.dtype == object for x in rows.values()):
        return []  # text becomes numbers on the host
    logits_model, losses = training_model(model), _losses(config, from_logits=True)
    if keras.backend.backend() not in {"jax", "tensorflow"}:
        return []  # XLA is theirs
    if keras.backend.backend() == "jax":
        return _compile_with_jax(logits_model, rows, labels, losses)
    return _compile_with_tensorflow(logits_model, rows, labels, losses)


def _compile_with_tensorflow(model: keras.Model, rows: Arrays, labels: Arrays, losses: Mapping[str, Any]) -> list[str]:
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def step(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = tf.add_n([losses[name](targets[name], outputs[name]) for name in losses])
        weights = [weight.value for weight in model.trainable_weights]
        return tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    inputs = {name: tf.constant(x) for name, x in rows.items()}
    try:
        gradients = step(inputs if len(inputs) > 1 else inputs[INPUT_NAME], dict(labels))
    except (tf.errors.OpError, ValueError, TypeError) as error:
        return [f"XLA refuses it: {str(error).strip().partition(chr(10))[0]}"]
    return _not_finite(gradients, model)


def _compile_with_jax(model: keras.Model, rows: Arrays, labels: Arrays, losses: Mapping[str, Any]) -> list[str]:
    import jax

    def loss_of(trainable: Any, fixed: Any, inputs: Any) -> Any:
        outputs, _ = model.stateless_call(trainable, fixed, inputs, training=True)
        return sum(losses[name](labels[name], outputs[name]) for name in losses)

    values = [
        [variable.value for variable in group] for group in (model.trainable_variables, model.non_trainable_variables)
    ]
    gradients = jax.jit(jax.grad(loss_of))(*values, dict(rows) if len(rows) > 1 else rows[INPUT_NAME])
    return _not_finite(gradients, model)


def _not_finite(gradients: Any, model: keras.Model) -> list[str]:
    return [
        f"the gradient of {weight.path} is not finite"
        for gradient, weight in zip(gradients, model.trainable_weights, strict=True)
        if not np.isfinite(keras.ops.convert_to_numpy(gradient)).all()
    ]


def export_bit_equal(config: ModelConfig) -> list[str]:
    """Exported and loaded again by TensorFlow, it answers bit for bit as the compiled model does."""
    import tensorflow as tf

    from zoo.exporting import export
    from zoo.passport import SERVING

    model, rows = _build(config), _rows(config)
    tensors = {name: tf.constant(x) for name, x in rows.items()}
    compiled = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    expected = compiled(tensors if len(rows) > 1 else tensors[INPUT_NAME])
    with tempfile.TemporaryDirectory() as folder:
        version = export(model, Path(folder) / "model", examples=rows, variants=())
        answers = tf.saved_model.load(str(version)).signatures[SERVING](**tensors)
        return _unequal(
            {name: answers[name].numpy() for name in expected}, {k: v.numpy() for k, v in expected.items()}, "exported"
        )


PROMISES: tuple[Promise, ...] = (
    build_names_and_shapes,
    answer_float32_under_every_policy,
    give_softmax_rows_that_sum_to_1,
    be_what_the_yaml_says,
    survive_a_keras_file,
    answer_a_row_the_same_in_any_batch,
    learn_from_one_step,
    compile_under_xla,
    export_bit_equal,
)
TENSORFLOW_ONLY: tuple[Promise, ...] = (export_bit_equal,)


def _build(config: ModelConfig) -> keras.Model:
    keras.utils.set_random_seed(SEED)
    model = build(config)
    adapt(model, _rows(config))
    return model


def _rows(config: ModelConfig) -> dict[str, np.ndarray]:
    return sample_inputs(config, ROWS)


def _answers(model: keras.Model, rows: Arrays) -> dict[str, np.ndarray]:
    outputs = model(dict(rows) if len(rows) > 1 else rows[INPUT_NAME], training=False)
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


def _unequal(got: Arrays, expected: Arrays, what: str) -> list[str]:
    return [
        f"{name} differs by up to {np.abs(got[name] - expected[name]).max():g} when {what}"
        for name in expected
        if not np.array_equal(got[name], expected[name])
    ]


def _losses(config: ModelConfig, *, from_logits: bool = False) -> dict[str, Any]:
    losses = {}
    for name, head in config.named_heads().items():
        match head.kind:
            case "softmax" | "token":
                loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
            case "sigmoid":
                loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)
            case _:
                loss = keras.losses.MeanSquaredError()
        losses[output_name(name, head.kind)] = loss
    return losses


def _undisturbed(config: ModelConfig) -> ModelConfig:
    off = ("dropout", "spatial_dropout", "recurrent_dropout", "stochastic_depth", "gaussian_noise")
    # A constraint moves weights as well, and by more than the step: it is not what the loss follows.
    regularization = config.regularization.model_copy(update={**dict.fromkeys(off, 0.0), "constraint": None})
    return config.model_copy(update={"regularization": regularization})


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
