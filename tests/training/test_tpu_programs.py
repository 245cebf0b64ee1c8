"""What a TPU would be given to compile says what it says uncompiled: the evidence there is without one.

A process for each family: what others left in this one (determinism, say) decides what XLA can compile.
"""

from collections.abc import Callable
from typing import Any

import pytest

MAIN = "import runpy, sys; runpy.run_module('tests.training.tpu_programs', run_name='__main__')"


@pytest.mark.parametrize(
    "family",
    ["mlp", *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("cnn", "lstm", "gru")), "transformer"],
)
def test_what_a_tpu_compiles_says_what_it_says_uncompiled(family: str, run_python: Callable[..., Any]) -> None:
    run = run_python(MAIN, family)

    assert (run.returncode, run.stdout.split()) == (0, ["float32", "mixed_bfloat16"]), run.stderr[-3000:]
