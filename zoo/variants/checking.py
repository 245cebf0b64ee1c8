"""Does a variant still answer as its passport says?"""

from pathlib import Path

import numpy as np

from zoo.errors import ArtifactError, one_line
from zoo.golden import read_golden
from zoo.passport import Passport
from zoo.tensors import differences
from zoo.variants.running import can_run, open_variant


def faults_of_variant(version: Path, name: str, passport: Passport) -> tuple[str, tuple[str, ...]]:
    """Run the golden inputs through a variant.

    Returns:
        What was checked, and what is wrong with it.
    """
    variant = passport.variants[name]
    what = f"{name} ({variant.file})"
    if variant.file not in passport.files:
        return what, (f"{variant.file!r} is no file of this version",)
    if not can_run(variant):
        return f"{what}: not run, it needs pip install 'keras-zoo[onnx]'", ()
    try:
        rows, golden = read_golden(passport, variant.signature)
        answers = open_variant(version, variant)(rows)
        got = {key: np.asarray(array) for key, array in answers.items()}
        expected = {key: array for key, array in golden.items() if key in variant.outputs}
        return what, tuple(f"{variant.file}: {fault}" for fault in differences(got, expected, variant.tolerance))
    except ArtifactError as error:
        return what, (f"{error}, the signature that {variant.file} has",)
    except Exception as error:  # noqa: BLE001  # of LiteRT and ONNX Runtime, which raise many types
        return what, (f"{variant.file} cannot be run: {one_line(error)}",)
