"""Writing the variants of a version that is in the making: converted, compared with the SavedModel, told of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zoo.endpoints import is_probabilities
from zoo.errors import ExportError, one_line
from zoo.passport import SignatureFacts, TensorFacts, Tolerance, Variant
from zoo.variants.agreement import agree_exactly, agree_nearly
from zoo.variants.errors import NoVariantError
from zoo.variants.litert import LiteRTConverter
from zoo.variants.names import FILES, VariantName, check_names
from zoo.variants.onnx import convert_to_onnx
from zoo.variants.rows import Rows, count
from zoo.variants.running import Run, litert_tensors, open_variant
from zoo.variants.source import Source


@dataclass(frozen=True)
class Truth:
    """The signature that variants are of, as it is in the SavedModel."""

    call: Any
    """What TensorFlow loaded: tensors by name -> tensors by name."""
    schema: SignatureFacts


@dataclass(frozen=True)
class Written:
    """What was written, and what was not."""

    variants: dict[str, Variant] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """By variant: why there is none."""


def write_variants(asked: Iterable[str], source: Source, folder: Path, truth: Truth, rows: Rows) -> Written:
    """Write variants beside a SavedModel.

    Args:
        asked: their names. `litert` is left out where it cannot be had, the others are owed.
        source: the signature that they have, still as a Keras model.
        folder: of the version, with the SavedModel in it.
        truth: what they have to agree with.
        rows: to compare on.

    Raises:
        UnknownNameError: there is no such variant.
        ExportError: one that is owed cannot be had: the message says why.
    """
    writer = _Writer(source, folder, truth, rows)
    written = Written()
    for name in check_names(asked):
        try:
            written.variants[name] = writer.write(name)
        except NoVariantError as error:
            if name != "litert":
                raise ExportError(
                    f"there can be no {FILES[name]}: {error}; leave {name!r} out of the variants to export without it"
                ) from error
            written.left_out[name] = str(error)
    return written


class _Writer:
    """Makes one variant after the other; what they share is made once, when it is needed."""

    def __init__(self, source: Source, folder: Path, truth: Truth, rows: Rows) -> None:
        self._source = source
        self._folder = folder
        self._truth = truth
        self._rows = rows

    def write(self, name: VariantName) -> Variant:
        """Write one. Raises NoVariantError, and leaves no file then."""
        self._source.check()
        tensors = None
        if name == "onnx":
            content, tensors = convert_to_onnx(self._source)
        elif name == "litert":
            content = self._float
        else:
            content = self._litert.convert(name, self._rows.calibrating)
            if len(content) >= len(self._float):
                raise NoVariantError(
                    f"it would have {len(content)} bytes and {FILES['litert']} has {len(self._float)}: there are too few "
                    "weights for 8 bits to pay"
                )
        path = self._folder / FILES[name]
        path.write_bytes(content)
        try:
            return self._described(name, len(content), tensors)
        except NoVariantError:
            path.unlink()
            raise

    @cached_property
    def _litert(self) -> LiteRTConverter:
        return LiteRTConverter(self._source)

    @cached_property
    def _float(self) -> bytes:
        return self._litert.convert("litert", None)

    @cached_property
    def _expected(self) -> dict[str, np.ndarray]:
        """The SavedModel's answers to the compared rows, but for strings."""
        import tensorflow as tf

        names = _without_strings(self._truth.schema.outputs)

        def run(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            answers = self._truth.call(**{name: tf.constant(array) for name, array in batch.items()})
            return {name: answers[name].numpy() for name in names}

        return self._answers(run)

    def _answers(self, run: Run) -> dict[str, np.ndarray]:
        parts = [run(batch) for batch in self._rows.batches()]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _described(self, name: VariantName, size: int, tensors: dict[str, str] | None) -> Variant:
        """Run what was written, and tell how far it is from the SavedModel."""
        variant = Variant(
            file=FILES[name],
            kind="onnx" if name == "onnx" else "litert",
            precision=name if name in {"int8", "int8_full"} else "float32",
            bytes=size,
            signature=self._source.signature,
            inputs=self._truth.schema.inputs,
            outputs=_without_strings(self._truth.schema.outputs),
            error=0.0,
            flips=0.0,
            rows=count(self._rows.compared),
            tolerance=Tolerance(),
            tensors=tensors or {},
        )
        try:
            if tensors is None:
                variant = replace(variant, tensors=litert_tensors(self._folder / variant.file, variant.signature))
            got = self._answers(open_variant(self._folder, variant))
        except Exception as error:  # of TensorFlow and ONNX Runtime, which raise many types
            raise NoVariantError(f"it cannot be run: {one_line(error)}") from error
        wrong = [
            k for k, x in self._expected.items() if k not in got or (got[k].dtype, got[k].shape) != (x.dtype, x.shape)
        ]
        if wrong:
            raise NoVariantError(f"its {', '.join(wrong)} has another type or shape than the SavedModel's")
        if variant.precision == "float32":
            found = agree_exactly(got, self._expected)
        else:
            found = agree_nearly(got, self._expected, set(filter(is_probabilities, got)), self._rows.golden)
        return replace(variant, error=found.error, flips=found.flips, tolerance=found.tolerance)


def _without_strings(tensors: Mapping[str, TensorFacts]) -> dict[str, TensorFacts]:
    return {name: facts for name, facts in tensors.items() if facts.dtype != "string"}
