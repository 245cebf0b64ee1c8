"""From an artifact back to the Keras model it was made of, to look into or to train on.

Beside the SavedModel lie what its graph does not tell: `assets.extra/model.json`, the layers as Keras describes them, and
`assets.extra/preprocessing.npz`, what preprocessing layers learnt from data. The weights are the SavedModel's own; its
collection `weights` has them in the order of the passport's.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifact import PASSPORT, find_version, read_passport, refuse_faults
from zoo.errors import ArtifactError, one_line
from zoo.golden import read_golden
from zoo.passport import SERVING, Passport, Tolerance
from zoo.tensors import differences

if TYPE_CHECKING:
    import keras

LAYERS = Path("assets.extra") / "model.json"
LEARNT = Path("assets.extra") / "preprocessing.npz"
COLLECTION = "weights"
"""What the SavedModel calls its list of the Keras model's variables."""


def load(path: str | Path) -> "keras.Model":
    """Return the Keras model that an artifact was made of, with its weights: to fine-tune, to look into, to export anew.

    Example:
        >>> import zoo
        >>> model = zoo.load("saved_models/digits_cnn")  # doctest: +SKIP
        >>> model.get_layer("conv_1")  # doctest: +SKIP

    Args:
        path: a version's folder, or a model's for the newest of its versions.

    Returns:
        The model, in float32; a model of this zoo is built from its config, any other from what Keras wrote of it. Its
        answers to the golden inputs were held against the passport's.

    Raises:
        ArtifactError: there is no artifact, a file of it was changed, it is of format 1, its layers cannot be made here, or
            the model does not answer as the passport says.
    """
    version = find_version(Path(path))
    passport = read_passport(version)
    refuse_faults(version, passport)
    if not passport.weights:
        raise ArtifactError(
            f"{version} does not say which weights are whose (format {passport.format}): "
            + ("export its run anew, with `zoo export RUN`" if passport.format == 1 else "its layers are not known")
        )
    model = _build(version, passport)
    _take_weights(model, version, passport)
    _take_what_was_learnt(model, version)
    _check_answers(model, version, passport)
    return model


def write_layers(model: "keras.Model", folder: Path) -> bool:
    """Write beside a SavedModel what `load` needs. Returns False for layers that Keras cannot describe, such as lambdas."""
    from zoo.preprocessing import adapted_layers

    try:
        text = json.dumps(json.loads(model.to_json()), sort_keys=True)
    except (TypeError, ValueError, NotImplementedError):
        return False
    (folder / LAYERS).parent.mkdir(exist_ok=True)
    (folder / LAYERS).write_text(text + "\n", encoding="utf-8")
    learnt = {f"{layer.name}/{key}": x for layer in adapted_layers(model) for key, x in layer.state().items()}
    if learnt:
        np.savez(folder / LEARNT, allow_pickle=False, **learnt)
    return True


def _build(version: Path, passport: Passport) -> "keras.Model":
    import keras

    from zoo.building import build
    from zoo.config import ModelConfig
    from zoo.errors import ZooError

    config = passport.model_config()
    if config is not None:
        try:
            return build(ModelConfig.parse(config))
        except ZooError as error:
            raise ArtifactError(f"the layers of {version} cannot be made here: {error}") from error
    try:
        found = keras.models.model_from_json((version / LAYERS).read_text(encoding="utf-8"))
    except Exception as error:  # Keras raises many types, for JSON that is none of its own too
        raise ArtifactError(
            f"the layers of {version / LAYERS} cannot be made here: {_reason(error)}; layers and activations of your own "
            "have to be registered (keras.saving.register_keras_serializable) and imported first"
        ) from error
    if not isinstance(found, keras.Model):
        raise ArtifactError(f"the layers of {version / LAYERS} cannot be made here: they are no Keras model")
    return found


def _reason(error: BaseException) -> str:
    """Return the first sentence of what went wrong first: Keras says around it that a model could not be made."""
    while error.__context__ is not None:
        error = error.__context__
    return one_line(error).partition(". ")[0]


def _take_weights(model: "keras.Model", version: Path, passport: Passport) -> None:
    import tensorflow as tf

    try:
        stored = list(getattr(tf.saved_model.load(str(version)), COLLECTION))
    except Exception as error:  # TensorFlow raises many types here, all of them meaning the same
        raise ArtifactError(f"the weights of {version} cannot be read: {one_line(error)}") from error
    # Names alone: the path of a layer in a model that Keras made anew may lack the outer model.
    found = [(_name(variable.path), tuple(variable.shape)) for variable in model.variables]
    expected = [(_name(path), tuple(x.shape)) for path, x in zip(passport.weights, stored, strict=False)]
    if len(expected) != len(passport.weights) or found != expected:
        first = next((f"{a} here, {b} there" for a, b in zip(found, expected, strict=False) if a != b), "")
        raise ArtifactError(
            f"{version} has {len(stored)} weights, its model has {len(found)}: {first or 'some are missing'}"
        )
    for variable, value in zip(model.variables, stored, strict=False):  # more may follow that are not the model's
        variable.assign(value.numpy())


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _take_what_was_learnt(model: "keras.Model", version: Path) -> None:
    from zoo.preprocessing import adapted_layers

    if not (version / LEARNT).exists():
        return
    try:
        with np.load(version / LEARNT, allow_pickle=False) as arrays:
            for layer in adapted_layers(model):
                prefix = f"{layer.name}/"
                state = {key.removeprefix(prefix): arrays[key] for key in arrays.files if key.startswith(prefix)}
                if state:
                    layer.restore(state)
    except Exception as error:  # of NumPy, zipfile and Keras, which raise many types
        raise ArtifactError(f"{version / LEARNT} is not what its model learnt: {one_line(error)}") from error


def _check_answers(model: "keras.Model", version: Path, passport: Passport) -> None:
    """Hold every output of the model against the golden ones: one of them has to be the same, whatever its name."""
    import tensorflow as tf

    try:
        rows, golden = read_golden(passport, SERVING)
    except ArtifactError as error:
        raise ArtifactError(f"{version / PASSPORT}: {error}") from None
    names = [tensor.name for tensor in model.inputs]
    if len(names) > 1 and set(names) != rows.keys():
        return  # named anew at export, in an order that is not known
    given = {name: tf.constant(array) for name, array in rows.items()}
    outputs = model(given if len(given) > 1 else next(iter(given.values())), training=False)
    found = outputs if isinstance(outputs, Mapping) else dict(enumerate(_flat(outputs)))
    for name, answer in found.items():
        tolerance = _loosened(passport.tolerance)
        if all(differences({"": np.asarray(answer)}, {"": each}, tolerance) for each in golden.values()):
            raise ArtifactError(
                f"the model made of {version} does not answer as its passport says: output {name!r} differs"
            )


def _flat(outputs: Any) -> Sequence[Any]:
    return outputs if isinstance(outputs, list | tuple) else [outputs]


def _loosened(tolerance: Tolerance) -> Tolerance:
    """Return what answers are held to that another machine may compute, and not by the graph."""
    return Tolerance(10 * tolerance.absolute, 10 * tolerance.relative, tolerance.label_flips)
