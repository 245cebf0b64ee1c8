"""Which version a request is for, of those that answer."""

from collections.abc import Collection, Mapping

from serving.lease import DormantError
from serving.model_ref import ModelRef
from serving.status import Code, StatusError, invalid
from serving.version_record import State, VersionRecord
from zoo.errors import did_you_mean

Versions = Mapping[int, VersionRecord]
"""Of one model, by number."""
_COMING = frozenset({State.START, State.LOADING})


def answering(versions: Versions) -> dict[int, VersionRecord]:
    """Return the versions that answer: those that are live, and those that are dormant."""
    return {number: record for number, record in versions.items() if record.answers}


def resolve_label(model: ModelRef, labels: Mapping[str, int]) -> ModelRef:
    """Return the same with a version's number in place of its label. Raises StatusError on an unknown label."""
    if model.label is None:
        return model
    if model.label not in labels:
        hint = did_you_mean(model.label, labels) if labels else f"model {model.name!r} has no labels"
        raise invalid(f"Unrecognized servable version label: {model.label}; {hint}", field="model_spec.version_label")
    return ModelRef(model.name, labels[model.label])


def find_live(
    model: ModelRef,
    models: Mapping[str, Versions],
    *,
    there: Mapping[str, Collection[int]],
    reasons: Mapping[str, str],
) -> VersionRecord:
    """Return the version that a request is for, the newest where it names none.

    Args:
        model: what the request names, no label.
        models: all that are known.
        there: the versions that models have folders of.
        reasons: why models have no version that answers.

    Raises:
        DormantError: it has to be loaded first.
        StatusError: NOT_FOUND; no such model or version answers.
    """
    versions = models.get(model.name, {})
    wanted = model.version
    if wanted is None:
        wanted = max([number for number, record in versions.items() if record.answers], default=None)
    record = None if wanted is None else versions.get(wanted)
    if record is not None and record.state is State.AVAILABLE:
        return record
    if record is not None and record.answers:
        raise DormantError(record)
    if answering(versions):
        why = _why_not_it(model, versions, there.get(model.name, ()))
    else:
        why = _why_none(model.name, models, reasons)
    raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {model}; {why}")


def _why_not_it(model: ModelRef, versions: Versions, there: Collection[int]) -> str:
    numbers = ", ".join(map(str, sorted(answering(versions))))
    return f"versions being served: {numbers}{_of_another(model.version, versions, there)}"


def _of_another(version: int | None, versions: Versions, there: Collection[int]) -> str:
    record = None if version is None else versions.get(version)
    if record is not None and record.error:
        return f"; version {version} is not: {record.error}"
    if record is not None and record.state in _COMING:
        return f"; version {version} is being loaded, ask again later"
    if version in there:
        return f"; version {version} is there too: --versions all serves it, or a model's own model_version_policy"
    return ""


def _why_none(name: str, models: Mapping[str, Versions], reasons: Mapping[str, str]) -> str:
    if name not in models:
        return f"unknown model: {did_you_mean(name, models)}"
    versions = sorted(models[name].items(), reverse=True)
    reason = next((record.error for _, record in versions if record.error), reasons.get(name, ""))
    return f"no version of it is loaded: {reason or _without_error(name, models[name])}"


def _without_error(name: str, versions: Versions) -> str:
    loading = [number for number, record in versions.items() if record.state in _COMING]
    if loading:
        return f"version {max(loading)} is being loaded, ask again later"
    return f"it was unloaded, `zoo models load {name}` loads it again" if versions else "there is none"
