"""Whether a version answers as its passport says: asked before it goes live."""

from collections.abc import Mapping
from pathlib import Path

from serving.asking import ask
from serving.engines.engine import Engine
from serving.signature import Signature
from serving.status import ServerError, StatusError
from zoo.passport import Passport
from zoo.tensors import differences, read_tensor


def check_golden_answers(version: Path, passport: Passport, engine: Engine, signatures: Mapping[str, Signature]) -> int:
    """Replay the golden inputs of every signature, to an engine of a variant within that one's tolerance.

    Args:
        version: its folder, for errors.
        passport: of the version.
        engine: what executes it.
        signatures: of the version.

    Returns:
        How many signatures were held against their golden answers.

    Raises:
        ServerError: an answer is another than at export, beyond the passport's tolerance.
    """
    variant = passport.variants.get(getattr(engine, "variant", ""))
    tolerance = passport.tolerance if variant is None else variant.tolerance
    checked = 0
    for name, golden in passport.golden.items():
        if name not in signatures:
            continue
        try:
            inputs = {key: read_tensor(tensor) for key, tensor in golden.inputs.items()}
            kept = golden.outputs if variant is None else golden.outputs.keys() & variant.outputs.keys()
            expected = {key: read_tensor(golden.outputs[key]) for key in kept}
            got = ask(engine, signatures, name, inputs)
        except (TypeError, ValueError, StatusError) as error:
            raise ServerError(f"{version} cannot be asked its golden inputs of {name!r}: {error}") from None
        if faults := differences(got, expected, tolerance):
            raise ServerError(
                f"{version} does not answer {name!r} as it did at export: {'; '.join(faults)}. It is not what was "
                "exported, or this machine computes otherwise (zoo verify tells more)"
            )
        checked += 1
    return checked
