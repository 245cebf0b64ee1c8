"""From a config to a Keras model: inputs, preprocessing, noise, backbone, heads."""

from typing import Any

import keras

from zoo.config import INPUT_NAME, ModelConfig
from zoo.errors import ConfigError
from zoo.heads import FEATURES_AND_INPUTS, head_outputs
from zoo.preprocessing import preprocess
from zoo.registry import get
from zoo.regularization import add_noise


def build(architecture: str | ModelConfig, /, **fields: Any) -> keras.Model:
    """Build a Keras model.

    Example:
        >>> import zoo
        >>> model = zoo.build("mlp", input_shape=(784,), units=[16, 16], head={"kind": "softmax", "units": 10})
        >>> model.count_params()
        13002

    Args:
        architecture: the name of an architecture or of a named size, or a whole config.
        **fields: the fields of its config, when a name was given.

    Returns:
        An ordinary `keras.Model` with an input named `inputs`, of shape (N, *input_shape), and a dict of outputs
        (`probabilities` or `value`, of shape (N, units), or (N, steps, units) on the features of a sequence;
        `<head>_...` with several heads). Where the config names more inputs, they come as a dict.

    Raises:
        ConfigError: a field is unknown, missing or wrong.
    """
    if isinstance(architecture, ModelConfig):
        if fields:
            raise ConfigError(f"give a config or fields, not both; got a config and {', '.join(fields)}")
        config = architecture
    else:
        config = ModelConfig.parse({"architecture": architecture, **fields})
    inputs = {name: keras.Input(spec.shape, dtype=spec.dtype, name=name) for name, spec in config.input_specs().items()}
    seen = {
        **inputs,
        INPUT_NAME: add_noise(preprocess(inputs[INPUT_NAME], config.preprocessing), config),
    }
    single = len(inputs) == 1
    features = get(config.architecture).backbone(seen[INPUT_NAME] if single else seen, config)
    if config.input_skip:
        flat = keras.layers.Flatten(name="flat_inputs")(seen[INPUT_NAME])
        features = keras.layers.Concatenate(name=FEATURES_AND_INPUTS)([features, flat])
    model = keras.Model(
        inputs[INPUT_NAME] if single else inputs, head_outputs(features, config), name=config.architecture
    )
    model.zoo_config = config  # for whoever exports it
    return model
