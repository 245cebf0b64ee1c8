"""What a servable takes and gives, and the check that every request passes before anything runs.

TensorFlow ends the whole process on some inputs of a wrong rank, and answers nonsense to some of a wrong size: a request
reaches an engine only after it was held against the signature.
"""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Self

import numpy as np

from serving.codec import CodecError, array_dtype_name, decode, dtype_name
from serving.protos import prediction_pb2, tensor_pb2
from serving.status import Code, StatusError, invalid
from zoo.errors import did_you_mean

if TYPE_CHECKING:
    from serving.engines.engine import Engine

DEFAULT_SIGNATURE = "serving_default"
_LISTED = 100
"""Names of a request that an error tells."""
_MOST_KINDS = 1000
"""Answers of a signature that are remembered by their names, dtypes and shapes."""


@dataclass(frozen=True)
class TensorSpec:
    """Shape and dtype of one input or output."""

    dtype: str
    shape: tuple[int | None, ...] | None
    """None for an axis of any length, or for any shape at all."""

    def __str__(self) -> str:
        return f"{self.dtype} of shape {_show(self.shape)}"

    @property
    def is_batched(self) -> bool:
        """Whether the first axis counts rows."""
        return bool(self.shape) and self.shape is not None and self.shape[0] is None

    @property
    def rows(self) -> int:
        """Length of the first axis; 1 where there is none, or any."""
        return (self.shape[0] or 0) if self.shape else 1

    def fits(self, shape: tuple[int | None, ...] | None) -> bool:
        """Tell whether a shape is one of those that this stands for."""
        return _fits(shape, self.shape)

    @classmethod
    def of(cls, array: np.ndarray) -> Self:
        """Return what an array is."""
        return cls(array_dtype_name(array), array.shape)


@dataclass(frozen=True)
class Signature:
    """One callable of a servable."""

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = ""
    """What TensorFlow Serving calls the kind of it: `tensorflow/serving/predict`, `.../classify` or `.../regress`."""

    defaults: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What stands in for inputs that a request leaves out."""
    _right: set[tuple[tuple[str, np.dtype, tuple[int, ...]], ...]] = field(
        default_factory=set, repr=False, compare=False
    )
    """Names, dtypes and shapes of answers that were as promised: most are as one before."""

    @property
    def parts(self) -> "tuple[Signature, ...]":
        """The signatures that it is made of: itself, where it was not joined from others."""
        return (self,)

    def run(self, engine: "Engine", inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Have an engine answer inputs that passed `check`. Raises what `Engine.run` raises."""
        return engine.run(self.name, inputs)

    def check(self, arrived: Mapping[str, TensorSpec], *, max_rows: int, allow_unknown_rank: bool = False) -> None:
        """Refuse inputs that the signature does not take.

        Args:
            arrived: dtype and shape of the inputs of a request, by name; their contents need not be read yet.
            max_rows: the largest batch.
            allow_unknown_rank: whether to pass on inputs of any rank where the model does not say which it takes.

        Raises:
            StatusError: INVALID_ARGUMENT, saying what arrived, what was expected, and the nearest name; or
                FAILED_PRECONDITION, where the model does not say what it takes.
        """
        self.check_names(arrived)
        for name, spec in self.inputs.items():
            if spec.shape is None and not allow_unknown_rank:
                raise StatusError(
                    Code.FAILED_PRECONDITION,
                    f"input {name!r} of signature {self.name!r} is of unknown rank, so that requests cannot be checked, and "
                    "TensorFlow ends the process on some wrong ones; export the model with shapes, "
                    "or start the server with --allow_unknown_rank",
                )
            _check_tensor(name, arrived[name], spec)
        self._check_rows({name: arrived[name].rows for name, spec in self.inputs.items() if spec.is_batched}, max_rows)

    def check_names(self, arrived: Collection[str]) -> None:
        """Refuse inputs of other names, in TensorFlow Serving's words: clients look for them. Raises StatusError."""
        got, extra = set(arrived), [name for name in arrived if name not in self.inputs]
        missing = [name for name in self.inputs if name not in got]
        if not extra and not missing:
            return
        known = ",".join(self.inputs)
        if len(got) == len(self.inputs):
            start = (
                f"input tensor alias not found in signature: {extra[0]}. Inputs expected to be in the set {{{known}}}."
            )
        else:
            start = (
                f"input size does not match signature: {len(got)}!={len(self.inputs)} "
                f"len({{{_listed(sorted(got))}}}) != len({{{known}}}). "
                f"Sent extra: {{{_listed(extra)}}}. Missing but required: {{{','.join(missing)}}}."
            )
        if extra:
            raise invalid(
                f"{start} unknown input {extra[0]!r} of signature {self.name!r}; {did_you_mean(extra[0], self.inputs)}",
                field=input_field(extra[0]),
            )
        needed = ", ".join(f"{name!r} ({self.inputs[name]})" for name in missing)
        shown = ", ".join(map(repr, islice(arrived, _LISTED))) or "no input"
        raise invalid(f"{start} signature {self.name!r} needs the input {needed}; got {shown}", field="inputs")

    def check_outputs(self, answered: Mapping[str, np.ndarray]) -> None:
        """Hold an engine's answer against what the signature promises.

        TensorFlow answers with wrong shapes to some inputs that leave a convolution nothing to compute.

        Raises:
            StatusError: INTERNAL; an output is missing, or of another dtype or shape.
        """
        kind = tuple([(name, array.dtype, array.shape) for name, array in answered.items()])
        if kind in self._right:
            return
        for name, spec in self.outputs.items():
            array = answered.get(name)
            if array is None or array_dtype_name(array) != spec.dtype or not _fits(array.shape, spec.shape):
                got = "nothing" if array is None else TensorSpec.of(array)
                raise StatusError(
                    Code.INTERNAL,
                    f"the model answered {name!r} with {got}, where its signature promises {spec}: "
                    "the input may be too small for it",
                )
        if len(self._right) < _MOST_KINDS:
            self._right.add(kind)

    def _check_rows(self, rows: Mapping[str, int], max_rows: int) -> None:
        if len(set(rows.values())) > 1:
            sizes = ", ".join(f"{name!r} has {count}" for name, count in rows.items())
            raise invalid(f"all inputs of a request must have the same number of rows; {sizes}", field="inputs")
        count = next(iter(rows.values()), 1)
        if count == 0:
            raise invalid("the request has no rows: expected a batch size of at least 1, got 0", field="inputs")
        if count > max_rows:
            raise invalid(
                f"a batch size of {count} is over this server's limit of {max_rows}: "
                "send fewer rows at a time, or start the server with a larger --max_batch_rows",
                field="inputs",
            )

    def choose_outputs(self, wanted: list[str]) -> list[str]:
        """Return the outputs to answer: the wanted ones, or all of them. Raises StatusError on an unknown name."""
        for name in wanted:
            if name not in self.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                    f"{{{','.join(self.outputs)}}}. {did_you_mean(name, self.outputs)}",
                    field="output_filter",
                )
        return wanted or list(self.outputs)


def _listed(names: Sequence[str]) -> str:
    return ",".join(names[:_LISTED]) + ",..." * (len(names) > _LISTED)


def input_field(name: str) -> str:
    """Return the path of an input in a request, for errors."""
    return f'inputs["{name}"]'


def to_signatures(definitions: prediction_pb2.SignatureDefMap) -> dict[str, Signature]:
    """Return what stored definitions say, by signature name."""
    return {
        name: Signature(
            name,
            inputs={key: _spec(info) for key, info in sorted(definition.inputs.items())},
            outputs={key: _spec(info) for key, info in sorted(definition.outputs.items())},
            method_name=definition.method_name,
            defaults=_defaults(definition),
        )
        for name, definition in definitions.signature_def.items()
    }


def _defaults(definition: tensor_pb2.SignatureDef) -> dict[str, np.ndarray]:
    found = {}
    for name, proto in definition.defaults.items():
        with contextlib.suppress(CodecError):  # then the input has to be sent
            found[name] = decode(proto)
    return found


def _spec(info: tensor_pb2.TensorInfo) -> TensorSpec:
    shape = info.tensor_shape
    sizes = None if shape.unknown_rank else tuple(None if dim.size < 0 else dim.size for dim in shape.dim)
    return TensorSpec(dtype_name(info.dtype), sizes)


def _check_tensor(name: str, arrived: TensorSpec, spec: TensorSpec) -> None:
    if arrived.dtype != spec.dtype:
        raise invalid(
            f"Expected input {name} to be {_in_tensorflow(spec.dtype)} but get {_in_tensorflow(arrived.dtype)}: "
            f"{name!r} must be {spec}; got {arrived}: convert it to {spec.dtype}",
            field=input_field(name),
        )
    if spec.shape is None or arrived.shape is None:
        return
    rank = len(arrived.shape)
    if rank != len(spec.shape):
        raise invalid(
            f"input {name!r} must be {spec}, of rank {len(spec.shape)}; "
            f"got shape {_show(arrived.shape)}, of rank {rank}{_missing_axis(arrived.shape, spec.shape)}",
            field=input_field(name),
        )
    for axis, (size, expected) in enumerate(zip(arrived.shape, spec.shape, strict=True)):
        if expected is not None and size != expected:
            raise invalid(
                f"input {name!r} must be {spec}; got shape {_show(arrived.shape)}: "
                f"axis {axis} must be {expected}, is {size}{_fixed_batch(axis, spec.shape)}",
                field=input_field(name),
            )


def _in_tensorflow(dtype: str) -> str:
    """Return what TensorFlow calls a dtype."""
    return {"float32": "float", "float64": "double", "float16": "half"}.get(dtype, dtype)


def _fixed_batch(axis: int, wanted: tuple[int | None, ...]) -> str:
    return "; the model was exported for batches of that size alone" if axis == 0 and len(wanted) > 1 else ""


def _missing_axis(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> str:
    if wanted[:1] == (None,) and _fits(shape, wanted[1:]):
        return ": add a batch axis in front"
    if wanted[-1:] == (1,) and _fits(shape, wanted[:-1]):
        return ": add an axis of length 1 at the end"
    return ""


def _fits(shape: tuple[int | None, ...] | None, promised: tuple[int | None, ...] | None) -> bool:
    if shape is None or promised is None:
        return True
    if len(shape) != len(promised):
        return False
    for size, wanted in zip(shape, promised, strict=True):  # noqa: SIM110 - for every answer, where `all` takes twice as long
        if wanted is not None and wanted != size:
            return False
    return True


def _show(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return "any"
    return "[" + ", ".join("N" if size is None else str(size) for size in shape) + "]"
