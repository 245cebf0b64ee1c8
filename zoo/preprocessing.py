"""Steps that a client would otherwise have to repeat, as layers at the front of the model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from zoo.config import (
    LookupConfig,
    ModelConfig,
    NormalizationConfig,
    PreprocessingConfig,
    RescalingConfig,
    ResizingConfig,
    Spec,
    SpectrogramConfig,
    TokensConfig,
)
from zoo.errors import ConfigError
from zoo.layers.adapted import AdaptedLayer
from zoo.layers.category_lookup import CategoryLookup
from zoo.layers.feature_normalization import FeatureNormalization
from zoo.layers.spectrogram import Spectrogram
from zoo.layers.tokenization import Tokenization

CHUNK_ELEMENTS = 2**21
"""Elements of input that are adapted to at a time: some tens of MB."""
CHUNK_ROWS = 4096

Rows = np.ndarray | Mapping[str, np.ndarray]


def preprocess(x: keras.KerasTensor, steps: Sequence[PreprocessingConfig]) -> keras.KerasTensor:
    """Apply the steps in order. Being layers of the model, they are the same in training and in serving.

    They compute in float32 under every dtype policy: what a client sends may be out of the range of half precision.

    Raises:
        ConfigError: a step works on strings, and Keras runs on a backend that has none.
    """
    for number, step in enumerate(steps):
        spec = Spec(tuple(x.shape[1:]), keras.backend.standardize_dtype(x.dtype))
        x = make_layer(step, spec, f"preprocessing_{number}_{step.kind}")(x)
    return x


def make_layer(step: PreprocessingConfig, spec: Spec, name: str) -> keras.layers.Layer:
    """Return the layer of a step, for what comes to it."""
    match step:
        case RescalingConfig():
            return keras.layers.Rescaling(step.scale, offset=step.offset, name=name, dtype="float32")
        case NormalizationConfig():
            return FeatureNormalization(step.per, step.mean, step.variance, name=name)
        case ResizingConfig():
            options = step.model_dump(exclude={"kind"})
            return keras.layers.Resizing(**options, data_format="channels_last", name=name, dtype="float32")
        case TokensConfig():
            return Tokenization(
                step.length,
                level=step.level,
                standardization=step.standardization,
                vocabulary_size=step.vocabulary_size,
                vocabulary=step.vocabulary,
                name=name,
            )
        case LookupConfig():
            slots = step.slots(spec)
            vocabularies = (step.vocabulary,) * len(slots) if step.vocabulary is not None else step.vocabularies
            return CategoryLookup(
                slots,
                values=step.values,
                vocabularies=vocabularies,
                unknown=step.unknown,
                encoding=step.encoding,
                name=name,
            )
        case SpectrogramConfig():
            return Spectrogram(
                frame_length=step.frame_length,
                frame_step=step.frame_step,
                fft_length=step.fft_size,
                mel_bins=step.mel_bins,
                sampling_rate=step.sampling_rate,
                frequencies=(step.min_frequency, step.max_frequency or (step.sampling_rate or 0) / 2),
                log=step.log,
                channels=step.channels,
                name=name,
            )


def needs_adapting(model: ModelConfig | keras.Model) -> bool:
    """Tell whether steps of a config have to see training data, or those of a model have yet to see it."""
    if isinstance(model, ModelConfig):
        return any(step.needs_adapting() for step in model.preprocessing)
    return any(not layer.adapted for layer in adapted_layers(model))


def adapt(model: keras.Model, rows: Rows) -> None:
    """Fit the steps that need statistics or a vocabulary to the training inputs, each seeing what those before it give.

    What was learnt becomes a part of the model: it is saved with it and with its weights, and exported. The same rows give
    the same state, whatever they are batched in later. Call it before training: it changes what the model computes, and
    functions traced before may not see the change. A model without such steps stays as it is.

    Example:
        >>> import numpy as np
        >>> import zoo
        >>> from zoo.preprocessing import adapt
        >>> model = zoo.build("mlp", input_shape=(1,), units=[2], head={"kind": "linear"},
        ...                   preprocessing=[{"kind": "normalization"}])
        >>> adapt(model, np.array([[1.0], [3.0]]))
        >>> model.get_layer("preprocessing_0_normalization").mean.numpy()
        array([2.], dtype=float32)

    Args:
        model: one of `zoo.build`, also after saving and loading.
        rows: the inputs, (rows, ...), by name where the model has several. An array on disk (`numpy.memmap`) is read in
            pieces.

    Raises:
        ConfigError: there are no rows, they are not those that the model takes, or nothing can be learnt from them.
    """
    layers = [layer for layer in adapted_layers(model) if layer.from_data]
    if not layers:
        return
    arrays = _by_name(model, rows)
    for layer in layers:
        if layer not in model.layers:
            raise ConfigError(f"{layer.name!r} is part of a model within {model.name!r}: adapt that one")
        before = keras.Model(model.inputs, layer.input)
        layer.fit(keras.ops.convert_to_numpy(before(chunk)) for chunk in _chunks(model, arrays))


def adapted_layers(model: keras.Model) -> list[AdaptedLayer]:
    """Return the layers with a state from data, in the order in which data passes them."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, AdaptedLayer)]  # noqa: SLF001 - nested ones too


def _by_name(model: keras.Model, rows: Rows) -> dict[str, Any]:
    names = [tensor.name for tensor in model.inputs]
    if not isinstance(rows, Mapping):
        if len(names) > 1:
            raise ConfigError(f"the model has {len(names)} inputs: give rows as a dict of {', '.join(names)}")
        rows = {names[0]: rows}
    if missing := [name for name in names if name not in rows]:
        raise ConfigError(f"there are no rows for {', '.join(missing)}: the inputs are {', '.join(names)}")
    arrays = {name: rows[name] if isinstance(rows[name], np.ndarray) else np.asarray(rows[name]) for name in names}
    for tensor, (name, array) in zip(model.inputs, arrays.items(), strict=True):
        fits = array.ndim == len(tensor.shape) and all(
            wanted in (None, size) for wanted, size in zip(tensor.shape[1:], array.shape[1:], strict=True)
        )
        if not fits or not len(array):
            wanted = ["rows", *tensor.shape[1:]]
            raise ConfigError(f"the rows of {name!r} have shape {list(array.shape)}, expected {wanted}, one at least")
    if len({len(array) for array in arrays.values()}) > 1:
        raise ConfigError(
            "inputs have different numbers of rows: " + ", ".join(f"{k} {len(v)}" for k, v in arrays.items())
        )
    return arrays


def _chunks(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> Iterator[list[Any]]:
    """Yield the inputs of some rows at a time; how many depends on their size alone."""
    total = len(next(iter(arrays.values())))
    elements = sum(array.size // total for array in arrays.values())
    rows = max(1, min(CHUNK_ROWS, CHUNK_ELEMENTS // max(1, elements)))
    for start in range(0, total, rows):
        yield [
            keras.ops.convert_to_tensor(arrays[tensor.name][start : start + rows], tensor.dtype)
            for tensor in model.inputs
        ]
