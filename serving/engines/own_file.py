"""Tries the model.tflite that an artifact brings, against the golden answers of its passport: TensorFlow is not needed."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from serving.engines.engine import Engine
from serving.engines.findings import LITERT, SIZES, Contender, Findings, SignatureFindings
from serving.engines.labels import LabelledEngine, missing_labels
from serving.engines.litert import LiteRTEngine
from serving.engines.trial import Case, Cases, fault, time_all
from serving.processor import Processor
from serving.signature import Signature
from serving.status import ServerError
from serving.tflite_file import TFLITE_FILE
from zoo.passport import Golden, Passport
from zoo.tensors import read_tensor

logger = logging.getLogger(__name__)


def try_own_file(
    version: Path, passport: Passport, signatures: Mapping[str, Signature], *, threads: int, processor: Processor
) -> Findings | None:
    """Return what was found about the signature that the file has; None where it cannot be tried, or answers otherwise.

    Args:
        version: folder of the artifact.
        passport: of it.
        signatures: of its SavedModel.
        threads: of LiteRT, for one call, at most.
        processor: that others may want at the same time, this process's other threads among them.
    """
    variant = passport.variants[LITERT]
    signature, golden = signatures.get(variant.signature), passport.golden.get(variant.signature)
    if signature is None or golden is None or variant.file != TFLITE_FILE:
        return None
    labels = missing_labels(signature, variant.outputs, passport)
    if labels is None:
        return None
    watch = processor.watch()  # before LiteRT starts threads, which are none of the others
    try:
        cases = _cases(signature, golden)
        engines: list[tuple[Contender, Engine]] = []
        for count in {1: None, threads: None}:
            engine: Engine = LiteRTEngine(version, threads=count)
            if labels:
                engine = LabelledEngine(engine, labels)
            if wrong := fault(signature, cases, partial(engine.run, signature.name), variant.tolerance):
                logger.warning("%s does not answer as its SavedModel did at export: %s", version / TFLITE_FILE, wrong)
                return None
            engines.append((Contender(LITERT, count), engine))
    except (ServerError, ValueError, TypeError) as error:
        logger.warning("%s cannot be tried: %s", version / TFLITE_FILE, error)
        return None
    times = time_all([engine for _, engine in engines], signature.name, cases)
    contenders = tuple(
        Contender(each.engine, each.threads, microseconds=spent)
        for (each, _), spent in zip(engines, times, strict=True)
    )
    return Findings({signature.name: SignatureFindings(contenders)}, was_disturbed=watch.was_disturbed())


def _cases(signature: Signature, golden: Golden) -> Cases:
    inputs = {name: read_tensor(tensor) for name, tensor in golden.inputs.items()}
    expected = {name: read_tensor(tensor) for name, tensor in golden.outputs.items()}

    def rows(size: int) -> dict[str, np.ndarray]:
        return {
            name: array[np.arange(size) % len(array)] if signature.inputs[name].is_batched else array
            for name, array in inputs.items()
        }

    return Cases((Case(inputs, expected),), {size: rows(size) for size in SIZES}, None)
