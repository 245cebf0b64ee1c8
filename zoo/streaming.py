"""Feeding a sequence to an lstm or gru piece by piece, as it arrives: the answers are those to all of it so far.

The state between pieces is an input and an output of the model, so that who serves it need not remember anything.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from zoo.config import INPUT_NAME
from zoo.errors import StreamError
from zoo.layers.attention_pooling import AttentionPooling
from zoo.layers.feature_normalization import FeatureNormalization
from zoo.layers.masked_mean import MaskedMean
from zoo.layers.padding_mask import PaddingMask
from zoo.layers.step_normalization import StepGroupNormalization

RECURRENT = (keras.layers.LSTM, keras.layers.GRU)
STATES = ("hidden", "cell")
"""What the states of a recurrent layer are named with, after its own name; a gru has the first only."""
_BY_STEP = (
    *(
        keras.layers.InputLayer,
        keras.layers.Embedding,
        keras.layers.Dense,
        keras.layers.Activation,
        keras.layers.Rescaling,
    ),
    *(keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.GaussianNoise),
    *(keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.RMSNormalization),
    *(StepGroupNormalization, FeatureNormalization, PaddingMask),
)
"""Layers whose answer at a step follows from that step alone."""
_OPERATIONS = {"ExpandDims", "Where"}
"""Operations without a layer of their own that builders use by step: noise leaves padding as it is."""
_MEAN_SEES_ALL = (
    "takes the mean over all steps, which a stream never has together: build it with pooling 'last' or 'none'"
)


def step_model(model: keras.Model) -> keras.Model:
    """Return a model over the same weights that takes a piece of a sequence and the states, and gives the states after it.

    Zeros are the states before the first step. With pooling `last` the answers are those to everything up to the end of the
    piece, with `none` one for each of its steps. Padding does not touch the states. Batch normalization uses the
    statistics it learnt, as at any inference; do not train this model. It is saved and exported like any other.

    Example:
        >>> import zoo
        >>> from zoo.streaming import step_model
        >>> step = step_model(zoo.build("lstm", input_shape=(None, 3), units=[8], head={"kind": "sigmoid"}))
        >>> sorted(step.input), sorted(step.output)
        (['inputs', 'lstm_1_cell', 'lstm_1_hidden'], ['lstm_1_cell', 'lstm_1_hidden', 'probabilities'])

    Args:
        model: an lstm or gru of `zoo.build`, or one saved and loaded again, that reads forwards and does not pool by a mean.

    Returns:
        A model with the inputs `inputs`, of shape (N, any, features) or (N, any), and `<layer>_hidden` and, of an lstm,
        `<layer>_cell`, float32 (N, units); its outputs are those of the model and the states by the same names.

    Raises:
        StreamError: its answers need steps that are not there yet.
    """
    _refuse_whole_sequences(model)
    whole = model.inputs[0]
    seen = keras.Input(whole.shape[1:], dtype=whole.dtype)
    piece = keras.Input((None, *whole.shape[2:]), dtype=whole.dtype, name=INPUT_NAME)
    stepper = _Stepper(seen, piece)
    uncompiled = keras.Model(model.input, model.output)  # the optimizer is of no use to a clone
    clone = keras.models.clone_model(
        uncompiled, input_tensors=seen, clone_function=lambda layer: layer, call_function=stepper.call
    )
    outputs = {name: stepper.by_step(tensor) for name, tensor in clone.output.items()}
    return keras.Model({INPUT_NAME: piece, **stepper.before}, {**outputs, **stepper.after}, name=f"{model.name}_step")


class Stream:
    """Feeds sequences piece by piece and remembers the states in between; one per thread.

    Every new length of a piece is compiled once, TensorFlow only the first two: feed pieces of few lengths.

    Example:
        >>> import numpy as np, zoo
        >>> from zoo.streaming import Stream
        >>> stream = Stream(zoo.build("gru", input_shape=(None, 3), units=[8], head={"kind": "sigmoid"}))
        >>> stream.step(np.ones((1, 5, 3)))["probabilities"].shape
        (1, 1)
    """

    def __init__(self, model: keras.Model, rows: int = 1) -> None:
        """Begin `rows` sequences side by side. Raises StreamError as `step_model` does."""
        self._model = step_model(model)
        self.rows = rows
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next piece is the first."""
        self._states = {
            name: np.zeros((self.rows, tensor.shape[-1]), "float32")
            for name, tensor in self._model.input.items()
            if name != INPUT_NAME
        }

    def step(self, chunk: Any) -> dict[str, np.ndarray]:
        """Take the next steps of every sequence, (rows, any, features) or token ids (rows, any), and return the answers.

        Raises:
            StreamError: the steps have another shape or type.
        """
        # Compiled, that is 20 times as fast as calling the model, and on JAX several hundred times.
        answers = self._model.predict_on_batch({INPUT_NAME: self._checked(chunk), **self._states})
        self._states = {name: answers.pop(name) for name in self._states}
        return answers

    def _checked(self, chunk: Any) -> np.ndarray:
        taken = self._model.input[INPUT_NAME]
        array = np.asarray(chunk)
        numbers = "iu" if "int" in taken.dtype else "iuf"
        if array.dtype.kind not in numbers:
            what = "token ids (whole numbers)" if numbers == "iu" else "numbers"
            raise StreamError(f"expected {what}, got {array.dtype}")
        wanted = (self.rows, "any", *taken.shape[2:])
        fits = array.ndim == len(wanted) and array.shape[0] == self.rows and array.shape[2:] == wanted[2:]
        if not fits or not array.shape[1]:
            shape = ", ".join(map(str, wanted))
            raise StreamError(f"expected steps of shape ({shape}), at least 1 of them, got {array.shape}")
        return array.astype(taken.dtype)


class _Stepper:
    """Follows a model being called layer by layer, and calls each on a piece of the sequence, too."""

    def __init__(self, seen: keras.KerasTensor, piece: keras.KerasTensor) -> None:
        self.before: dict[str, keras.KerasTensor] = {}
        self.after: dict[str, keras.KerasTensor] = {}
        self._pieces = {id(seen): piece}

    def by_step(self, structure: Any) -> Any:
        """Return what stands for the tensors of a structure where a piece of the sequence is seen."""
        return keras.tree.map_structure(lambda x: self._pieces.get(id(x), x), structure)

    def call(self, layer: Any, *arguments: Any, **options: Any) -> Any:
        """Return what a layer gives for whole sequences, and note what it gives for a piece."""
        whole = layer(*arguments, **options)
        run = self._remembering(layer) if isinstance(layer, RECURRENT) else layer
        self._pieces[id(whole)] = run(*self.by_step(arguments), **self.by_step(options))
        return whole

    def _remembering(self, layer: Any) -> Any:
        def run(x: keras.KerasTensor, mask: keras.KerasTensor | None = None, **_: Any) -> keras.KerasTensor:
            names = [f"{layer.name}_{state}" for state in STATES[: len(layer.state_size)]]
            before = [keras.Input((layer.units,), name=name) for name in names]
            stepping = keras.layers.RNN(
                layer.cell,
                return_sequences=layer.return_sequences,
                return_state=True,
                zero_output_for_mask=layer.zero_output_for_mask,
                name=layer.name,
                dtype=layer.dtype_policy,
            )
            steps, *after = stepping(x, initial_state=before, mask=mask)
            self.before.update(zip(names, before, strict=True))
            self.after.update({n: keras.ops.cast(state, "float32") for n, state in zip(names, after, strict=True)})
            # Where a piece is all padding, what it gives is 0, and the state what was known before it.
            return steps if layer.return_sequences else after[0]

        return run


def _refuse_whole_sequences(model: keras.Model) -> None:
    if not isinstance(getattr(model, "output", None), dict):
        raise StreamError(f"expected a model with named outputs, as zoo.build returns, got {model!r:.80}")
    names = [tensor.name for tensor in model.inputs]
    if names != [INPUT_NAME]:
        raise StreamError(
            f"a stream feeds the one input {INPUT_NAME!r}, but {model.name} has {', '.join(map(repr, names))}"
            + (": it is a step model already" if INPUT_NAME in names and _has_states(names) else "")
        )
    if not any(isinstance(layer, (*RECURRENT, keras.layers.Bidirectional)) for layer in model.layers):
        raise StreamError(
            f"{model.name} cannot be fed in pieces: it has no recurrent layers, which remember what came before: "
            "build an lstm or a gru"
        )
    for operation in model.operations:
        fault = _why_whole(operation)
        if fault:
            raise StreamError(f"{model.name} cannot be fed in pieces: {operation.name!r} {fault}")


def _has_states(names: Iterable[str]) -> bool:
    return any(name.endswith(f"_{STATES[0]}") for name in names)


def _why_whole(operation: Any) -> str:
    """Return why the answers of a layer at a step need other steps, or nothing where they do not."""
    match operation:
        case keras.layers.Bidirectional():
            return "also reads from the end, which a stream has not reached: build it with bidirectional false"
        case MaskedMean() | AttentionPooling():
            return _MEAN_SEES_ALL
        case keras.layers.LSTM() | keras.layers.GRU():
            return "reads from the end, which a stream has not reached" if operation.go_backwards else ""
        case FeatureNormalization() if operation.per == "element":
            return "has statistics for every place in a sequence: adapt it per feature"
    if isinstance(operation, _BY_STEP) or type(operation).__name__ in _OPERATIONS:
        return ""
    return f"({type(operation).__name__}) is not known to work step by step"
