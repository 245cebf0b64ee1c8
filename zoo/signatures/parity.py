"""Do the signatures of an artifact say the same?"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.endpoints import Classes, is_probabilities, sibling
from zoo.passport import SERVING, Passport
from zoo.signatures.classify import CLASSIFY
from zoo.signatures.examples import to_examples
from zoo.signatures.generation import DECODE, PREFILL
from zoo.signatures.logits import LOGITS, are_logits
from zoo.signatures.regress import REGRESS
from zoo.signatures.serving import PREDICT
from zoo.signatures.subject import GOLDEN_ROWS
from zoo.tensors import differences

Rows = Mapping[str, np.ndarray]


class Parity:
    """Holds the other signatures of an artifact against `serving_default`, on a few golden rows."""

    def __init__(self, signatures: Mapping[str, Any], passport: Passport, rows: Rows) -> None:
        """Take the signatures as TensorFlow loaded them, and golden rows of input that fit."""
        self._signatures = signatures
        self._passport = passport
        self._rows = {name: array[:GOLDEN_ROWS] for name, array in rows.items()}
        self._served = self._call(SERVING, self._rows)

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each disagreement."""
        checks: dict[str, Callable[[], Iterator[str]]] = {
            PREDICT: self._predict,
            LOGITS: self._logits,
            PREFILL: self._steps,
        }
        for name, check in checks.items():
            if name in self._signatures:
                yield from check()
        yield from self._examples()

    def _call(self, name: str, inputs: Rows) -> dict[str, np.ndarray]:
        answers = self._signatures[name](**{key: tf.constant(array) for key, array in inputs.items()})
        return {key: x.numpy() for key, x in answers.items()}

    def _differ(self, name: str, got: Rows, expected: Rows) -> Iterator[str]:
        for fault in differences(got, expected, self._passport.tolerance):
            yield f"{name} is not what {SERVING} says: {fault}"

    def _probabilities(self) -> Iterator[tuple[str, np.ndarray]]:
        named = self._passport.class_names
        return ((name, array) for name, array in self._served.items() if is_probabilities(name) and name in named)

    def _predict(self) -> Iterator[str]:
        got = self._call(PREDICT, self._rows)
        expected = dict(self._served)
        for output, probabilities in self._probabilities():
            if (ids := got.get(sibling(output, "top_k_ids"))) is not None:
                likeliest = -np.sort(-probabilities, axis=-1)[..., : ids.shape[-1]]
                labels = np.array([label.encode() for label in self._passport.class_names[output]], dtype=object)
                expected[sibling(output, "top_k_probabilities")] = likeliest
                expected[sibling(output, "top_k_labels")] = labels[ids]
                expected[sibling(output, "top_k_ids")] = ids
                chosen = {output: np.take_along_axis(probabilities, ids, axis=-1)}
                yield from self._differ(f"{PREDICT}, its top_k_ids", chosen, {output: likeliest})
        yield from self._differ(PREDICT, got, expected)

    def _logits(self) -> Iterator[str]:
        got = self._call(LOGITS, self._rows)
        for output, probabilities in self._probabilities():
            choice = Classes(self._passport.class_names[output], sibling(output, "class_id") in self._served)
            logits = got.get(sibling(output, LOGITS))
            if logits is not None and not are_logits(logits, probabilities, choice):
                yield f"{LOGITS} are not those of {output} in {SERVING}"

    def _examples(self) -> Iterator[str]:
        examples = {"inputs": to_examples(self._rows)}
        for output, answer in self._probabilities():
            if (name := sibling(output, CLASSIFY)) in self._signatures:
                scores = np.concatenate([1 - answer, answer], axis=-1) if answer.shape[-1] == 1 else answer
                labels = [label.encode() for label in self._passport.class_names[output]]
                classes = np.array([labels] * len(answer), dtype=object)
                yield from self._differ(name, self._call(name, examples), {"classes": classes, "scores": scores})
        for output, answer in self._served.items():
            if output.endswith("value") and (name := output.removesuffix("value") + REGRESS) in self._signatures:
                yield from self._differ(name, self._call(name, examples), {"outputs": answer})

    def _steps(self) -> Iterator[str]:
        """Hold a prompt of two tokens against one of a token that another follows."""
        count = len(next(iter(self._rows.values())))
        tokens = np.ones((count, 2), np.int32)
        source = {name: x for name, x in self._rows.items() if name in self._passport.signatures[PREFILL].inputs}
        two = self._call(PREFILL, {**source, "tokens": tokens, "lengths": np.full(count, 2, np.int32)})
        one = self._call(PREFILL, {**source, "tokens": tokens[:, :1], "lengths": np.ones(count, np.int32)})
        kept = {name: x for name, x in one.items() if name != "logits"}
        got = self._call(DECODE, {**kept, "token": tokens[:, 1]})
        for fault in differences({"logits": got["logits"]}, {"logits": two["logits"]}, self._passport.tolerance):
            yield f"{DECODE} is not what {PREFILL} says: {fault}"
