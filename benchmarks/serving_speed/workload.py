"""What servers are asked: a model, how many rows, in which words, how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.load import Load
from benchmarks.serving_speed.models import BY_NAME

CONCURRENCY = (1, 8, 32, 64)


@dataclass(frozen=True)
class Workload:
    """One way to ask one model."""

    model: str
    batch: int
    protocol: Literal["predict", "infer"]
    """TensorFlow Serving's Predict, or ModelInfer of the Open Inference Protocol."""
    loop: Literal["closed", "open"]
    pace: int
    """Calls in flight, or calls a second."""
    as_content: bool = False
    """Of Predict: whether the client asks for answers in `tensor_content` in place of `*_val`."""

    @property
    def key(self) -> str:
        """Name it in a file of results."""
        form = "content" if self.as_content else "values"
        return f"{self.model}/{self.batch}/{self.protocol}/{form}/{self.loop}/{self.pace}"

    @classmethod
    def of(cls, key: str) -> "Workload":
        """Return what `key` names."""
        model, batch, protocol, form, loop, pace = key.split("/")
        return cls(
            model,
            int(batch),
            "infer" if protocol == "infer" else "predict",
            "open" if loop == "open" else "closed",
            int(pace),
            as_content=form == "content",
        )

    @property
    def title(self) -> str:
        """Name its model to a reader."""
        return BY_NAME[self.model].title

    @property
    def load(self) -> str:
        """Say how often it asks."""
        return f"{self.pace:,} a second" if self.loop == "open" else f"{self.pace}"

    def asking(self, seconds: float, metadata: dict[str, str]) -> Load:
        """Return the load for so many seconds."""
        return Load(self.loop, self.pace, seconds, warm_up=min(0.2, seconds / 2), metadata=metadata)


def _closed(
    models: Sequence[str], paces: Sequence[int], *, batch: int = 1, infer: bool = False, as_content: bool = False
) -> list[Workload]:
    protocol: Literal["predict", "infer"] = "infer" if infer else "predict"
    return [Workload(model, batch, protocol, "closed", pace, as_content) for model in models for pace in paces]


_SMALL_TO_LARGE = ("m1", "m2", "m3")

FULL = (
    *_closed(_SMALL_TO_LARGE, CONCURRENCY),
    *_closed(["lstm", "digits_cnn"], (1, 32)),
    *_closed(_SMALL_TO_LARGE, (1, 8), batch=32),
    *_closed(["m1"], (1, 32), as_content=True),
    *_closed(["m1"], (8,), batch=32, as_content=True),
    *_closed(_SMALL_TO_LARGE, (1, 32), infer=True),
    *_closed(_SMALL_TO_LARGE, (8,), batch=32, infer=True),
    *(Workload("m1", 1, "predict", "open", rate) for rate in (250, 1000, 4000)),
    *(Workload("m3", 1, "predict", "open", rate) for rate in (100, 400, 1000)),
)
QUICK = (
    *_closed(["m1", "m3"], (1, 32)),
    *_closed(["m1"], (8,), batch=32),
    *_closed(["m1"], (32,), as_content=True),
    *_closed(["m1"], (1, 32), infer=True),
    Workload("m1", 1, "predict", "open", 500),
)
