"""`logits`: what probabilities are before their activation."""

from collections.abc import Iterator

import numpy as np

from zoo.endpoints import Classes, run, sibling
from zoo.heads import logits_name, logits_of
from zoo.passport import Tolerance
from zoo.signatures.signature import Signature
from zoo.signatures.subject import Subject
from zoo.tensors import differences

LOGITS = "logits"


def logits(subject: Subject) -> Iterator[Signature]:
    """Give `logits`, (N, units) float32 each, for every output whose probabilities they give on the golden rows.

    They are found by the names of layers, which in a model from elsewhere can mean anything: see `are_logits`.
    """
    named = subject.named
    candidates = {
        logits_name(output): tensor
        for key, tensor in logits_of(named.model).items()
        if (output := named.output_of(key)) in subject.classes and named.computes(tensor)
    }
    if not candidates:
        return
    found = run(lambda inputs: named.with_parts(inputs, candidates)[1], subject.rows)
    true = {
        name: candidates[name]
        for output, choice in subject.classes.items()
        if (name := sibling(output, LOGITS)) in found and are_logits(found[name], subject.answers[output], choice)
    }
    if true:
        yield Signature(LOGITS, subject.part(true), named.specs(), golden=subject.few())


def are_logits(logits: np.ndarray, probabilities: np.ndarray, choice: Classes) -> bool:
    """Tell whether probabilities are the softmax of logits; or the sigmoid, of one unit and of independent classes."""
    if logits.shape != probabilities.shape:
        return False
    x = logits.astype(np.float64)
    found = []
    with np.errstate(over="ignore"):
        if x.shape[-1] > 1:
            powers = np.exp(x - x.max(axis=-1, keepdims=True))
            found.append(powers / powers.sum(axis=-1, keepdims=True))
        if x.shape[-1] == 1 or not choice.exclusive:
            found.append(1 / (1 + np.exp(-x)))
    return any(not differences({"": probabilities}, {"": expected}, Tolerance()) for expected in found)
