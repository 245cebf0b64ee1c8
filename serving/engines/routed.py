"""One version, several engines: each signature, and each size of batch, by the one that was chosen for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.engines.deferred import DeferredEngine
from serving.engines.engine import Engine, JointEngine, takes_one_core
from serving.signature import Signature
from serving.status import Code, StatusError

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Choice:
    """What runs a signature."""

    engines: tuple[tuple[int, Engine], ...]
    """With the rows from which each runs a batch, growing; empty where nothing may run it."""
    words: str
    """What was chosen; or why nothing."""
    variant: str = ""
    """Of the artifact, where that runs it: its name in the passport."""


class RoutedEngine:
    """Engines behind one interface. `run` may be called from any thread, as theirs may."""

    def __init__(
        self, signatures: Mapping[str, Signature], choices: Mapping[str, Choice], engines: Sequence[Engine]
    ) -> None:
        """Take engines, to be closed with this one.

        Args:
            signatures: of the version.
            choices: by signature.
            engines: all of those that choices name.
        """
        self._batched = {
            name: next((key for key, spec in signature.inputs.items() if spec.is_batched), None)
            for name, signature in signatures.items()
        }
        self._choices = choices
        self._engines = engines

    @property
    def choices(self) -> Mapping[str, str]:
        """See ChoosingEngine."""
        return {name: choice.words for name, choice in self._choices.items()}

    @property
    def deferred(self) -> frozenset[str]:
        """See ChoosingEngine."""
        late = {name for each in self._engines if isinstance(each, DeferredEngine) for name in each.deferred}
        return frozenset(late | {name for name, choice in self._choices.items() if not choice.engines})

    def variant_of(self, signature: str) -> str:
        """See ChoosingEngine."""
        return self._choices[signature].variant

    def takes_one_core(self, signature: str) -> bool:
        """See OneCoreEngine."""
        return all(takes_one_core(engine, signature) for _, engine in self._choices[signature].engines)

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """See Engine."""
        return self._engine(signature, inputs).run(signature, inputs)

    def run_jointly(self, signatures: Sequence[str], inputs: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
        """See JointEngine."""
        engines = [self._engine(name, inputs) for name in signatures]
        first = engines[0]
        if isinstance(first, JointEngine) and all(each is first for each in engines):
            return first.run_jointly(signatures, inputs)
        return {name: engine.run(name, inputs) for name, engine in zip(signatures, engines, strict=True)}

    def close(self) -> None:
        """See Engine."""
        for engine in self._engines:
            engine.close()

    def _engine(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Engine:
        choice = self._choices[signature]
        if not choice.engines:
            raise StatusError(Code.FAILED_PRECONDITION, f"signature {signature!r} is not served: {choice.words}")
        _, found = choice.engines[0]
        key = self._batched[signature]
        if len(choice.engines) > 1 and key is not None:
            rows = len(inputs[key])
            for least, engine in choice.engines[1:]:
                if rows >= least:
                    found = engine
        return found
