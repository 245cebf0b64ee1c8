"""What is wrong with a request in the words of Triton's, which clients match on; this server's own follow them.

Source: triton-inference-server/core, src/model_lifecycle.cc (GetModel) and src/infer_request.cc (Normalize).
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from serving.codec import CodecError
from serving.model_ref import ModelRef
from serving.permitted_models import PermittedModels
from serving.query import Query
from serving.services.inference.tensors import datatype_of
from serving.signature import Signature, TensorSpec
from serving.status import Code, StatusError
from zoo.errors import did_you_mean

_LISTED = 20
_FIELDS = {
    "output_filter": "outputs",
    "model_spec.signature_name": 'parameters["signature_name"]',
    "model_spec.version_label": 'parameters["version_label"]',
}
"""By where an error is in a PredictRequest: where it is in a ModelInferRequest."""


@contextlib.contextmanager
def unknown_models_told(manager: PermittedModels, model: ModelRef) -> Iterator[None]:
    """Say as Triton does that a model or version is not there."""
    try:
        yield
    except StatusError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        raise _unknown(manager, model) from None


@contextlib.contextmanager
def misfits_told(manager: PermittedModels, query: Query, max_rows: int) -> Iterator[None]:
    """Say as Triton does what does not fit a model."""
    try:
        yield
    except StatusError as error:
        field = _FIELDS.get(error.field or "", error.field)
        said = _misfit(manager, query, max_rows) if error.code is Code.INVALID_ARGUMENT else ""
        message = f"{said}: {error.message}" if said else error.message
        raise StatusError(error.code, message, field=field, retry_after=error.retry_after) from None


def _unknown(manager: PermittedModels, model: ModelRef) -> StatusError:
    states = {status.version: status for status in manager.statuses(model.name)}
    phrase, hint, code = f"'{model.name}' is not found", did_you_mean(model.name, manager.models()), Code.NOT_FOUND
    if states:
        ready = sorted(version for version, status in states.items() if status.answers)
        hint = f"ready versions: {', '.join(map(str, ready)) or 'none'}"
        status = states.get(max(states) if model.version is None else model.version)
        if model.version is None:
            phrase = f"'{model.name}' has no available versions"
        elif status is None:
            phrase = f"'{model.name}' version {model.version} is not found"
        else:
            phrase, code = f"'{model.name}' version {model.version} is not at ready state", Code.UNAVAILABLE
        if status is not None and status.error:
            hint += f"; {status.error}"
    return StatusError(code, f"Request for unknown model: {phrase}; {hint}", field="model_name")


def _misfit(manager: PermittedModels, query: Query, max_rows: int) -> str:
    try:
        with manager.lease(query.model) as servable:
            signature = servable.signature(query.signature)
        inputs = query.inputs(signature) if callable(query.inputs) else query.inputs
        name = query.model.name
        if said := _wrong_names(signature, name, inputs, query.outputs):
            return said
        arrived = {name: source.spec for name, source in inputs.items()}
    except (StatusError, CodecError):  # this server's own words will do
        return ""
    return _wrong_rows(signature, name, arrived, max_rows) or _wrong_tensors(signature, name, arrived)


def _wrong_names(signature: Signature, model: str, arrived: Collection[str], outputs: Sequence[str]) -> str:
    for name in outputs:
        if name not in signature.outputs:
            return f"unexpected inference output '{name}' for model '{model}'"
    if len(arrived) != len(signature.inputs):
        missing = [name for name in signature.inputs if name not in arrived]
        return (
            f"expected {len(signature.inputs)} inputs but got {len(arrived)} inputs for model '{model}'. "
            f"Got inputs {_listed(arrived)}, but missing required inputs {_listed(missing)}. "
            "Please provide all required inputs."
        )
    for name in arrived:
        if name not in signature.inputs:
            return f"unexpected inference input '{name}' for model '{model}'"
    return ""


def _wrong_rows(signature: Signature, model: str, arrived: Mapping[str, TensorSpec], max_rows: int) -> str:
    rows = None
    for name, spec in signature.inputs.items():
        if spec.is_batched and arrived[name].shape:
            rows = arrived[name].rows if rows is None else rows
            if arrived[name].rows != rows:
                return f"input '{name}' batch size does not match other inputs for '{model}'"
    return f"inference request batch-size must be <= {max_rows} for '{model}'" if (rows or 0) > max_rows else ""


def _wrong_tensors(signature: Signature, model: str, arrived: Mapping[str, TensorSpec]) -> str:
    for name, spec in signature.inputs.items():
        got = arrived[name]
        if got.dtype != spec.dtype:
            return (
                f"inference input '{name}' data-type is '{datatype_of(got.dtype)}', "
                f"but model '{model}' expects '{datatype_of(spec.dtype)}'"
            )
        if not spec.fits(got.shape):
            return f"unexpected shape for input '{name}' for model '{model}'. Expected {_dims(spec)}, got {_dims(got)}"
    return ""


def _dims(spec: TensorSpec) -> str:
    return "[" + ",".join("-1" if size is None else str(size) for size in spec.shape or ()) + "]"


def _listed(names: Collection[str]) -> str:
    listed = [f"'{name}'" for name in islice(names, _LISTED)] + ["..."] * (len(names) > _LISTED)
    return f"[{','.join(listed)}]"
