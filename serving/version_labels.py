"""Which version a label points at: moved only to a version that answers, unless an operator says otherwise.

Source: ServerCore::UpdateModelVersionLabelMap of TensorFlow Serving, whose message and code this has. It looks before it
loads a config, so that it cannot start with labels; this server looks once the versions are loaded.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from serving.status import Code, StatusError


@dataclass(frozen=True)
class LabelRules:
    """Which labels may point at a version that does not answer (yet)."""

    allow_new: bool = False
    """Those that point nowhere so far: `--allow_version_labels_for_unavailable_models`."""
    allow_any: bool = False
    """All of them: `--force_allow_any_version_labels_for_unavailable_models`."""


def move_labels(
    model: str, wanted: Mapping[str, int], current: Mapping[str, int], live: Container[int], rules: LabelRules
) -> tuple[dict[str, int], StatusError | None]:
    """Return where each wanted label points from now on, and what is wrong with the first that cannot be moved.

    A label that cannot be moved stays where it was, if it was anywhere.
    """
    moved, fault = {}, None
    for label, version in wanted.items():
        before = current.get(label)
        is_new = before is None or before == version
        if version in live or rules.allow_any or (rules.allow_new and is_new):
            moved[label] = version
            continue
        if before is not None:
            moved[label] = before
        fault = fault or StatusError(
            Code.FAILED_PRECONDITION,
            f"Request to assign label to version {version} of model {model}, which is not currently available for "
            f"inference (label {label!r}; --allow_version_labels_for_unavailable_models lets new labels be assigned)",
            field="version_labels",
        )
    return moved, fault
