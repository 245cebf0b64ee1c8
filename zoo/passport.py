"""The passport: the facts that travel with an artifact, as JSON of a format with a number.

Standard library only, so that a server can read passports without Keras.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from zoo.errors import ArtifactError
from zoo.typed_json import read

FORMAT = 2
"""What is written. Format 1, which had one set of golden answers and nothing after `metrics`, is read for ever."""
SERVING = "serving_default"
"""The signature that is called where none is named."""
_APART = ("hash", "measured")
"""Keys that are no part of what the hash is of."""


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
    binary: tuple[str, ...] | None = None
    """In place of `strings`, base64 of each, where they are not all text: images for one."""


@dataclasses.dataclass(frozen=True)
class Golden:
    """Inputs of a signature and the outputs it gave at export."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """How large a model is."""

    parameters: int
    trainable: int
    bytes: int
    """Of the weights in memory."""
    multiply_adds: int | None = None
    """Products per example, as `zoo summary` counts them; None where a layer is not known."""


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What the training data held in one input, per feature (the last axis) where there are few, else over all values."""

    rows: int
    minimum: tuple[float, ...] = ()
    maximum: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    """The standard deviation, of the whole population."""
    distinct: int | None = None
    """Different values: of strings and of ids alone."""


@dataclasses.dataclass(frozen=True)
class Uncertainty:
    """What the confidence of one output is worth, measured on rows that chose nothing."""

    method: str
    """`temperature`, `temperature+lac`, `temperature+lac+recent`, `split` or `recent`: see docs/artifact.md."""
    level: float
    """The share of rows whose label is to be in the set or interval."""
    rows: int
    """Of the calibration split."""
    threshold: tuple[float, ...]
    """The conformal quantile: one number, or one per unit; of `temperature` none."""
    temperature: float | None = None
    """What logits are divided by."""
    calibration_error: tuple[float, float] | None = None
    """Expected calibration error (15 bins) on held-out rows before and after the temperature."""
    coverage: float | None = None
    """The share of held-out rows whose label is in the set or interval; of several values, of the one with the least."""
    coverage_interval: tuple[float, float] | None = None
    """95 % interval of that (Clopper and Pearson, 1934)."""
    held_out_rows: int = 0
    size: float | None = None
    """Mean size of a set, or width of an interval, on held-out rows."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """The same model in another file: smaller, or faster to load, and never worse than it says here."""

    file: str
    """Its path inside the version folder."""
    kind: str
    """`litert` or `onnx`."""
    precision: str
    """`float32`, `int8` (weights) or `int8_full` (weights and activations)."""
    bytes: int
    signature: str
    """Of the SavedModel, whose outputs it has but for labels, which are `class_names` at `class_id`."""
    inputs: Mapping[str, TensorFacts]
    outputs: Mapping[str, TensorFacts]
    error: float
    """Largest distance of a number from the SavedModel's, over the rows that were compared."""
    flips: float
    """Share of those rows whose class is another."""
    rows: int
    tolerance: Tolerance
    """What `zoo verify` and servers hold it to."""
    tensors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What inputs and outputs are called in the file, where they have other names."""


@dataclasses.dataclass(frozen=True)
class WarmUp:
    """Requests that a server runs before it answers others."""

    file: str
    batch_sizes: tuple[int, ...]
    requests: int


@dataclasses.dataclass(frozen=True)
class Parent:
    """The version whose weights training began with."""

    name: str
    version: int | None
    hash: str | None
    """Its passport's; None of format 1."""


@dataclasses.dataclass(frozen=True)
class Latency:
    """Milliseconds of one call of a signature."""

    median: float
    high: float
    """The 90th percentile."""
    calls: int


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one machine measured: no part of the hash."""

    machine: Mapping[str, str]
    signature: str
    latency: Mapping[str, Latency]
    """By batch size."""


@dataclasses.dataclass(frozen=True)
class Passport:
    """What a stranger needs to serve, check, explain and reproduce an artifact."""

    name: str
    created: str
    """UTC, ISO 8601."""
    signatures: Mapping[str, SignatureFacts]
    golden: Mapping[str, Golden]
    """By signature."""
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
    """Name, version, fingerprint, licence, citation and split sizes of the data it learnt from."""
    metrics: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    """By split: what was measured on it."""
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = dataclasses.field(default_factory=dict)
    """By split: the 95 % confidence interval of every metric."""
    statistics: Mapping[str, Statistics] = dataclasses.field(default_factory=dict)
    """By input: what the training data held."""
    model: ModelFacts | None = None
    weights: tuple[str, ...] = ()
    """The variables of the Keras model by their paths in it, in the order of the SavedModel's collection `weights`."""
    uncertainty: Mapping[str, Uncertainty] = dataclasses.field(default_factory=dict)
    """By output."""
    variants: Mapping[str, Variant] = dataclasses.field(default_factory=dict)
    """By name: `litert`, `int8`, `int8_full`, `onnx`."""
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By variant that was wanted: why there is none."""
    warm_up: WarmUp | None = None
    parent: Parent | None = None
    measured: Measured | None = None
    hash: str | None = None
    """`sha256:<hex>` of everything but `hash` and `measured`; None of format 1."""
    format: int = FORMAT

    def model_config(self) -> Mapping[str, Any] | None:
        """Return the model's part of the config: of a recipe its section `model`; None where there is none."""
        config = self.config or {}
        return next((c for c in (config.get("model"), config) if isinstance(c, Mapping) and "architecture" in c), None)

    def to_json(self) -> str:
        """Return the text of passport.json, with the hash of what it says."""
        # Written as it will be read, so that whoever reads it and writes it anew gets the same hash: 1 of a float is 1.0.
        data = dataclasses.asdict(read(type(self), json.loads(json.dumps(dataclasses.asdict(self)))))
        data["hash"] = _hash_of(data) if self.format > 1 else None
        return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Passport":
        """Read the text of a passport.json.

        Raises:
            ArtifactError: it is not a passport, one of a newer format than this version reads, or one that was edited.
        """
        try:
            data = json.loads(text)
            found = data["format"]
            if found == 1:
                data = _from_format_1(data)
            elif found != FORMAT:
                raise ArtifactError(
                    f"the passport has format {_cut(repr(found))}, this version of keras-zoo reads formats 1 to {FORMAT}: "
                    "upgrade keras-zoo"
                )
            elif data["hash"] != _hash_of(data):
                raise ArtifactError("the passport was edited: it is not what its hash is of")
            return read(cls, data)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ArtifactError(f"this is not a passport: {type(error).__name__}: {_cut(str(error), 200)}") from None


def _from_format_1(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a passport of format 1 as one of today, with what it did not know left out."""
    golden = {data["golden"]["signature"]: data["golden"]}
    return {**{key: value for key, value in data.items() if key not in _APART}, "golden": golden}


def _hash_of(data: Mapping[str, Any]) -> str:
    core = {key: value for key, value in data.items() if key not in _APART}
    canonical = json.dumps(core, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _cut(text: str, length: int = 60) -> str:
    """Shorten what a message shows: a damaged passport may hold megabytes."""
    return text if len(text) <= length else text[: length - 4] + " ..."
