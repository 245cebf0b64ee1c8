"""The passport: the facts that travel with an artifact, as JSON of a format with a number.

Standard library only, so that a server can read passports without Keras.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from zoo.errors import ArtifactError

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far an answer may lie from the recorded one and still count as the same."""

    absolute: float = 1e-5
    relative: float = 1e-5
    """Numbers agree when |got - expected| <= absolute + relative * |expected|."""
    label_flips: float = 0.0
    """Largest fraction of class ids and labels that may differ."""


@dataclasses.dataclass(frozen=True)
class TensorFacts:
    """Name, type and shape of one input or output, and the values seen in it."""

    dtype: str
    shape: tuple[int | None, ...]
    """None for an axis of any length; the first axis is the batch."""
    range: tuple[float, float] | None = None
    """Smallest and largest value: of the data for an input, possible for an output; None where unknown or unbounded."""


@dataclasses.dataclass(frozen=True)
class SignatureFacts:
    """One callable of the SavedModel."""

    inputs: Mapping[str, TensorFacts]
    outputs: Mapping[str, TensorFacts]


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor written down exactly: little-endian base64 for numbers, a flat list for strings."""

    dtype: str
    shape: tuple[int, ...]
    base64: str | None = None
    strings: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Golden:
    """Inputs of a signature and the outputs it gave at export."""

    signature: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Passport:
    """What a stranger needs to serve, check and reproduce an artifact."""

    name: str
    created: str
    """UTC, ISO 8601."""
    signatures: Mapping[str, SignatureFacts]
    golden: Golden
    tolerance: Tolerance
    libraries: Mapping[str, str]
    files: Mapping[str, str]
    """sha256 of every other file, by path inside the version folder."""
    class_names: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """By output of probabilities: the label of each class."""
    config: Mapping[str, Any] | None = None
    """The recipe, or the model's config, as it was run; None for a model from elsewhere."""
    config_hash: str | None = None
    data: Mapping[str, Any] | None = None
    """Name, version, fingerprint, licence and split sizes of the data it learnt from."""
    metrics: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    """By split: what was measured on it."""
    format: int = FORMAT

    def to_json(self) -> str:
        """Return the text of passport.json."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Passport":
        """Read the text of a passport.json.

        Raises:
            ArtifactError: it is not a passport, or one of a newer format than this version reads.
        """
        try:
            data = json.loads(text)
            found = data["format"]
            if found != FORMAT:
                raise ArtifactError(
                    f"the passport has format {_cut(repr(found))}, this version of keras-zoo reads format {FORMAT}: "
                    "upgrade keras-zoo"
                )
            return cls(
                name=_typed(data["name"], str),
                created=_typed(data["created"], str),
                signatures={
                    key: SignatureFacts(_facts(value["inputs"]), _facts(value["outputs"]))
                    for key, value in data["signatures"].items()
                },
                golden=Golden(
                    _typed(data["golden"]["signature"], str),
                    _tensors(data["golden"]["inputs"]),
                    _tensors(data["golden"]["outputs"]),
                ),
                tolerance=Tolerance(**{key: float(value) for key, value in data["tolerance"].items()}),
                libraries=_typed(data["libraries"], dict),
                files={path: _typed(sha, str) for path, sha in data["files"].items()},
                class_names={key: tuple(_typed(names, list)) for key, names in data["class_names"].items()},
                config=_typed(data["config"], dict | None),
                config_hash=_typed(data["config_hash"], str | None),
                data=_typed(data["data"], dict | None),
                metrics=_typed(data["metrics"], dict),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ArtifactError(f"this is not a passport: {type(error).__name__}: {_cut(str(error), 200)}") from None


def _facts(data: Mapping[str, Any]) -> dict[str, TensorFacts]:
    return {
        name: TensorFacts(_typed(f["dtype"], str), _tuple(f["shape"]), _tuple(f["range"])) for name, f in data.items()
    }


def _tensors(data: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        name: Tensor(_typed(t["dtype"], str), _tuple(t["shape"]), _typed(t["base64"], str | None), _tuple(t["strings"]))
        for name, t in data.items()
    }


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(_typed(value, list))


def _typed(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"expected {getattr(kind, '__name__', kind)}, got {_cut(repr(value))}")
    return value


def _cut(text: str, length: int = 60) -> str:
    """Shorten what a message shows: a damaged passport may hold megabytes."""
    return text if len(text) <= length else text[: length - 4] + " ..."
