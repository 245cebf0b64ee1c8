"""Whether a version answers as its passport says: asked before it goes live."""

from collections.abc import Mapping
from pathlib import Path

from serving.engines.engine import Engine
from serving.signature import Signature, TensorSpec
from serving.status import ServerError, StatusError
from zoo.artifact import PASSPORT, read_passport
from zoo.tensors import differences, read_tensor

_ANY = 1 << 31


def check_golden_answers(version: Path, engine: Engine, signatures: Mapping[str, Signature]) -> int:
    """Replay the golden inputs of every signature, to an engine of a variant within that one's tolerance.

    Args:
        version: folder of the version; without a passport there is nothing to replay.
        engine: what executes it.
        signatures: of the version.

    Returns:
        How many signatures were held against their golden answers.

    Raises:
        ServerError: an answer is another than at export, beyond the passport's tolerance.
        ArtifactError: the passport cannot be read.
    """
    if not (version / PASSPORT).exists():
        return 0
    passport = read_passport(version)
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
            # TensorFlow ends the process on some inputs that do not fit.
            specs = {key: TensorSpec.of(array) for key, array in inputs.items()}
            signatures[name].check(specs, max_rows=_ANY, allow_unknown_rank=True)
            got = engine.run(name, inputs)
        except (TypeError, ValueError, StatusError) as error:
            raise ServerError(f"{version} cannot be asked its golden inputs of {name!r}: {error}") from None
        if faults := differences(got, expected, tolerance):
            raise ServerError(
                f"{version} does not answer {name!r} as it did at export: {'; '.join(faults)}. It is not what was "
                "exported, or this machine computes otherwise (zoo verify tells more)"
            )
        checked += 1
    return checked
