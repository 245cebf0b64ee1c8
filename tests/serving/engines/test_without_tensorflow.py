"""A server of artifacts is a small process: TensorFlow comes into it when somebody asks for what needs it, if ever."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import serving
from zoo.artifact import read_passport
from zoo.tensors import read_tensor

SHIPPED = Path(__file__).parents[3] / "saved_models"
MOST_MEMORY = 90 << 10  # kB


@contextmanager
def zoo_serve(*arguments: object, **environment: str) -> Iterator[tuple[int, int]]:
    """Run `zoo serve`. Gives its process and its port."""
    command = [sys.executable, "-m", "zoo", "serve", "--host=127.0.0.1", "--port=0", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )
    try:
        assert process.stdout is not None
        found = re.search(r"on port (\d+)", process.stdout.readline())
        assert found is not None
        yield process.pid, int(found[1])
    finally:
        process.terminate()
        process.communicate(timeout=60)


def has_tensorflow(process: int) -> bool:
    return "tensorflow" in Path(f"/proc/{process}/maps").read_text(encoding="utf-8")


def memory(process: int) -> int:
    """Return the most that a process has held at once, in kB."""
    return int(Path(f"/proc/{process}/status").read_text(encoding="utf-8").split("VmHWM:")[1].split()[0])


def rows_of(name: str, signature: str) -> dict[str, np.ndarray]:
    golden = read_passport(SHIPPED / name / "1").golden[signature]
    return {key: read_tensor(tensor) for key, tensor in golden.inputs.items()}


def test_an_artifact_is_served_without_tensorflow_until_a_signature_needs_it() -> None:
    arguments = ("--model_name=digits_cnn", f"--model_base_path={SHIPPED / 'digits_cnn'}")
    with zoo_serve(*arguments) as (process, port), serving.Client(f"localhost:{port}") as client:
        answers = client.predict("digits_cnn", rows_of("digits_cnn", "serving_default"), timeout=60)
        assert sorted(answers) == ["class_id", "label", "probabilities"]
        assert not has_tensorflow(process)
        assert memory(process) < MOST_MEMORY
        logits = client.predict("digits_cnn", rows_of("digits_cnn", "logits"), signature="logits", timeout=120)[
            "logits"
        ]
        assert has_tensorflow(process)
    expected = read_tensor(read_passport(SHIPPED / "digits_cnn" / "1").golden["logits"].outputs["logits"])
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)


def test_all_shipped_artifacts_are() -> None:
    names = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    with zoo_serve(SHIPPED, "--engine=litert") as (process, port), serving.Client(f"localhost:{port}") as client:
        for name in names:
            answers = client.predict(name, rows_of(name, "serving_default"), timeout=60)
            assert answers.keys() == read_passport(SHIPPED / name / "1").golden["serving_default"].outputs.keys()
        with pytest.raises(
            serving.CallError, match=r"FAILED_PRECONDITION: signature 'embed' is not served: .*--engine=litert"
        ):
            client.predict("wine_mlp", rows_of("wine_mlp", "embed"), signature="embed", timeout=60)
        assert not has_tensorflow(process)
