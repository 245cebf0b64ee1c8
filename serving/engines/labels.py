"""Labels beside class ids, for a model.tflite, which has no strings: the passport says what the classes are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from serving.engines.engine import Engine, takes_one_core
from serving.signature import Signature
from serving.status import Code, StatusError
from zoo.passport import Passport

_LABEL, _CLASS_ID, _PROBABILITIES = "label", "class_id", "probabilities"


@dataclass(frozen=True)
class Labels:
    """How one output follows from another."""

    class_id: str
    """The output that has the index of the class."""
    names: np.ndarray
    """What the classes are called, as bytes."""

    @classmethod
    def of(cls, passport: Passport, output: str) -> Self | None:
        """Return those of an output, `label` or `<head>_label`; None where a passport does not have them."""
        head = output.removesuffix(_LABEL)
        names = passport.class_names.get(head + _PROBABILITIES)
        if head == output or names is None:
            return None
        return cls(head + _CLASS_ID, np.array([name.encode() for name in names], dtype=object))


class LabelledEngine:
    """Another engine, with labels beside its class ids. Threads may do what they may with that one."""

    def __init__(self, engine: Engine, labels: Mapping[str, Labels]) -> None:
        """Take an engine, and the outputs that it lacks."""
        self._engine = engine
        self._labels = labels

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine."""
        answer = self._engine.run(signature, inputs)
        try:
            return answer | {name: each.names[answer[each.class_id]] for name, each in self._labels.items()}
        except IndexError as error:
            raise StatusError(Code.INTERNAL, f"the model answered a class that has no name: {error}") from None

    def takes_one_core(self, signature: str) -> bool:
        """See OneCoreEngine."""
        return takes_one_core(self._engine, signature)

    def close(self) -> None:
        """See Engine."""
        self._engine.close()


def missing_labels(
    signature: Signature, outputs: Mapping[str, object], passport: Passport | None
) -> dict[str, Labels] | None:
    """Return the labels that a signature has and these outputs lack; None where they lack something else too."""
    missing = [name for name in signature.outputs if name not in outputs]
    found = {name: Labels.of(passport, name) for name in missing} if passport else {}
    labels = {name: each for name, each in found.items() if each is not None and each.class_id in outputs}
    return labels if len(labels) == len(missing) else None
