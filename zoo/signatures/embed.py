"""`embed`: the features that a model works with."""

from collections.abc import Iterator

from zoo.heads import features_of
from zoo.signatures.signature import Signature
from zoo.signatures.subject import Subject

EMBED = "embed"


def embed(subject: Subject) -> Iterator[Signature]:
    """Give `embed`: `embedding` float32, (N, width) or (N, steps, width), what the heads of a model of this zoo see."""
    named = subject.named
    features = features_of(named.model)
    if features is not None and named.computes(features):
        yield Signature(EMBED, subject.part({"embedding": features}), named.specs(), golden=subject.few())
