"""Does a variant still answer as its passport says?"""

from pathlib import Path

import numpy as np

from zoo.passport import Passport
from zoo.tensors import differences, read_tensor
from zoo.variants.running import can_run, open_variant


def faults_of_variant(version: Path, name: str, passport: Passport) -> tuple[str, tuple[str, ...]]:
    """Run the golden inputs through a variant.

    Returns:
        What was checked, and what is wrong with it.
    """
    variant = passport.variants[name]
    what = f"{name} ({variant.file})"
    golden = passport.golden.get(variant.signature)
    if golden is None:
        return what, (f"there are no golden answers of {variant.signature!r}, the signature that {variant.file} has",)
    if variant.file not in passport.files:
        return what, (f"{variant.file!r} is no file of this version",)
    if not can_run(variant):
        return f"{what}: not run, it needs pip install 'keras-zoo[onnx]'", ()
    try:
        rows = {key: read_tensor(tensor) for key, tensor in golden.inputs.items()}
        expected = {key: read_tensor(tensor) for key, tensor in golden.outputs.items() if key in variant.outputs}
        answers = open_variant(version, variant)(rows)
    except Exception as error:  # noqa: BLE001  # of LiteRT and ONNX Runtime, which raise many types
        return what, (f"{variant.file} cannot be run: {(str(error) or repr(error)).splitlines()[0]:.200}",)
    got = {key: np.asarray(array) for key, array in answers.items()}
    return what, tuple(f"{variant.file}: {fault}" for fault in differences(got, expected, variant.tolerance))
