"""Signatures: the named callables of an exported model, all of them over one set of variables.

Each file makes those of one kind from a `Subject`, or none where the model has no such thing. To add a kind, write a
function `(Subject) -> Iterator[Signature]` in a file of its own and name it in `MAKERS`.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from zoo.errors import ExportError
from zoo.signatures.audio_bytes import audio_bytes
from zoo.signatures.classify import classify
from zoo.signatures.embed import embed
from zoo.signatures.generation import generation
from zoo.signatures.image_bytes import image_bytes
from zoo.signatures.logits import LOGITS, logits
from zoo.signatures.regress import regress
from zoo.signatures.serving import PREDICT, predict, serving
from zoo.signatures.signature import PREDICT_METHOD, Signature
from zoo.signatures.subject import Subject, is_small
from zoo.signatures.uncertain import PREDICT_INTERVAL, PREDICT_SET, uncertain

__all__ = [
    "LOGITS",
    "MAKERS",
    "PREDICT",
    "PREDICT_INTERVAL",
    "PREDICT_METHOD",
    "PREDICT_SET",
    "Maker",
    "Signature",
    "Subject",
    "is_small",
    "signatures_of",
]

Maker = Callable[[Subject], Iterable[Signature]]
MAKERS: tuple[Maker, ...] = (
    serving,
    predict,
    logits,
    embed,
    classify,
    regress,
    image_bytes,
    audio_bytes,
    generation,
    uncertain,
)


def signatures_of(subject: Subject) -> list[Signature]:
    """Return every signature that the model has, `serving_default` first.

    Raises:
        ExportError: two have one name, or what one adds has the name of an output of the model.
    """
    found = [signature for maker in MAKERS for signature in maker(subject)]
    again = [name for name, count in Counter(signature.name for signature in found).items() if count > 1]
    if again:
        raise ExportError(
            f"several signatures are called {', '.join(again)}: name outputs otherwise (output_names=[...])"
        )
    return found
