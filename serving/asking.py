"""How a version is asked: what is sent is held against its signature first, and what it answers too.

TensorFlow ends the process on some inputs that do not fit.
"""

from collections.abc import Mapping

import numpy as np

from serving.engines.engine import Engine
from serving.signature import DEFAULT_SIGNATURE, Signature, TensorSpec
from serving.unknown_signature import UnknownSignatureError

_ANY = 1 << 31

Arrays = Mapping[str, np.ndarray]


def ask(engine: Engine, signatures: Mapping[str, Signature], name: str, inputs: Arrays) -> dict[str, np.ndarray]:
    """Ask a version something that no client asked: of as many rows and as unknown a rank as may be.

    Args:
        engine: what executes it.
        signatures: of the version.
        name: of one of them; the empty name is the default one.
        inputs: by name.

    Raises:
        StatusError: there is no such signature, it does not take the inputs, or the model refuses them.
    """
    wanted = name or DEFAULT_SIGNATURE
    if wanted not in signatures:
        raise UnknownSignatureError(wanted, signatures)
    check_fit(signatures[wanted], inputs)
    return answer(engine, signatures[wanted], inputs)


def check_fit(signature: Signature, inputs: Arrays) -> None:
    """Hold inputs of any number of rows against a signature. Raises StatusError; its message has none of their values."""
    specs = {key: TensorSpec.of(array) for key, array in inputs.items()}
    signature.check(specs, max_rows=_ANY, allow_unknown_rank=True)


def answer(engine: Engine, signature: Signature, inputs: Arrays) -> dict[str, np.ndarray]:
    """Return what a signature answers to inputs that fit it.

    Raises:
        StatusError: the model refuses the values, or answers otherwise than its signature promises.
    """
    outputs = signature.run(engine, inputs)
    signature.check_outputs(outputs)
    return outputs
