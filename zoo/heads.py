"""Heads: features -> named outputs, and the same outputs before their activation."""

from collections.abc import Mapping

import keras

from zoo.blocks import bias_options, kernel_options
from zoo.config import ModelConfig

OUTPUT_OF_KIND = {"sigmoid": "probabilities", "softmax": "probabilities", "token": "probabilities", "linear": "value"}
"""What the output of each kind of head is called."""
ACTIVATION_OF_KIND = {"sigmoid": "sigmoid", "softmax": "softmax", "token": "softmax", "linear": "linear"}
"""What each kind of head applies to its logits."""

FEATURES_AND_INPUTS = "features_and_inputs"
"""What the layer is called that puts the input beside the features, for `input_skip`."""


def output_name(head: str, kind: str) -> str:
    """Return the name of a head's output: `probabilities`, or `<head>_probabilities` for a named head."""
    return scoped(head, OUTPUT_OF_KIND[kind])


def scoped(head: str, name: str) -> str:
    """Return `<head>_<name>`, or `name` alone for the unnamed head."""
    return f"{head}_{name}" if head else name


def head_outputs(features: keras.KerasTensor, config: ModelConfig) -> dict[str, keras.KerasTensor]:
    """Put every head of the config on the features.

    The linear part of a head is a layer named `logits` (or `value`) and its activation one named like the output, both
    with the head's name before them. Outputs are float32 under every dtype policy. Values in the units of their labels,
    `offset + scale * x`, are made by a layer of their own in between.

    Returns:
        One tensor per output name, of shape (N, units), or (N, steps, units) on the features of a sequence.
    """
    outputs = {}
    for head, choice in config.named_heads().items():
        output = output_name(head, choice.kind)
        linear = scoped(head, "features_to_value" if choice.kind == "linear" else "logits")
        activation = ACTIVATION_OF_KIND[choice.kind]
        options = {**kernel_options(config, activation), **bias_options(config)}
        x = keras.layers.Dense(choice.units, name=linear, **options)(features)
        if (choice.offset, choice.scale) != (0.0, 1.0):
            units = scoped(head, "units_of_labels")
            x = keras.layers.Rescaling(choice.scale, offset=choice.offset, name=units, dtype="float32")(x)
        outputs[output] = keras.layers.Activation(activation, name=output, dtype="float32")(x)
    return outputs


def logits_of(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Return, by output name, what each output of probabilities is before its activation.

    It is found by name (`logits` for `probabilities`, `age_logits` for `age_probabilities`), so it also works after a
    model was saved and loaded, and gives nothing for a model that was built otherwise.
    """
    layers = {layer.name: layer for layer in model.layers}
    logits = {}
    for output in _named_outputs(model):
        layer = layers.get(logits_name(output))
        if output.endswith("probabilities") and layer is not None:
            logits[output] = layer.output
    return logits


def features_of(model: keras.Model) -> keras.KerasTensor | None:
    """Return the features of the backbone, (N, width) or (N, steps, width), that every head of the model stands on.

    They are found by the names of layers, so also after a model was saved and loaded; None for a model that was built
    otherwise. With `input_skip` they are those beside the input.
    """
    layers = {layer.name: layer for layer in model.layers}
    found = []
    for output in _named_outputs(model):
        linear = output.removesuffix("value") + "features_to_value" if output.endswith("value") else logits_name(output)
        if not isinstance(layers.get(linear), keras.layers.Dense):
            return None
        if not isinstance(layers.get(output), keras.layers.Activation):
            return None
        found.append(layers[linear].input)
    if not found or any(features is not found[0] for features in found):
        return None
    joined = layers.get(FEATURES_AND_INPUTS)
    return joined.input[0] if joined is not None and joined.output is found[0] else found[0]


def logits_name(output: str) -> str:
    """Return the name of the logits behind an output of probabilities."""
    return output.removesuffix("probabilities") + "logits"


def training_model(model: keras.Model) -> keras.Model:
    """Return a model over the same weights and output names that gives logits where `model` gives probabilities.

    A loss on logits is finite where a loss on probabilities that rounded to 0 or 1 is not. Where an output has no logits
    to be found, it stays as it is; `logits_of(model)` tells which have.
    """
    logits = logits_of(model)
    if not logits:
        return model
    return keras.Model(model.input, {**_named_outputs(model), **logits}, name=model.name)


def _named_outputs(model: keras.Model) -> Mapping[str, keras.KerasTensor]:
    if isinstance(model, keras.Sequential):  # it has one output, which has no name
        return {}
    outputs = model.output
    return outputs if isinstance(outputs, Mapping) else {}
