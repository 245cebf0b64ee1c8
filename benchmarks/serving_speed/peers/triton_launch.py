"""Becomes Triton with every artifact of a folder: triton_launch.py REPOSITORY GRPC_PORT HTTP_PORT FOLDER.

Needs the environment of `make bench-peers`, whose wheel brings Triton's binary and its Python backend.
"""

import os
import sys
import sysconfig
from pathlib import Path

from tflite_model import TFLiteModel

HERE = Path(__file__).parent
MODELS = ("m1", "m2", "m3")
_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "int64": "TYPE_INT64"}


def write_config(name: str, model: TFLiteModel) -> str:
    """Return the config.pbtxt of a model. Its batches are the client's: the first axis of every tensor is of any size."""
    text = f'name: "{name}"\nbackend: "python"\nmax_batch_size: 0\ninstance_group [{{ kind: KIND_CPU, count: 1 }}]\n'
    for side, tensors in (("input", model.inputs), ("output", model.outputs)):
        for tensor, facts in tensors.items():
            dims = ", ".join(map(str, [-1, *facts["shape"][1:]]))
            text += f'{side} [{{ name: "{tensor}" data_type: {_TYPES[facts["dtype"].__name__]} dims: [{dims}] }}]\n'
    return text


def write_repository(folder: Path, repository: Path) -> None:
    """Write Triton's folder of models around the files of ours."""
    for name in MODELS:
        version = repository / name / "1"
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.py").symlink_to(HERE / "triton_model.py")
        (folder / name / "1" / "tflite_model.py").symlink_to(HERE / "tflite_model.py")
        (folder / name / "1" / "model.tflite").symlink_to(version / "model.tflite")
        (folder / name / "config.pbtxt").write_text(write_config(name, TFLiteModel(version)), encoding="utf-8")


def write_backend(folder: Path, triton: Path) -> None:
    """Put the Python backend together with the stub of this Python's version, as the backend looks for it."""
    stub = (
        triton / "python_backend_stubs" / f"{sys.version_info[0]}.{sys.version_info[1]}" / "triton_python_backend_stub"
    )
    (folder / "python").mkdir(parents=True)
    for file in (stub, *(triton / "backends" / "python").iterdir()):
        (folder / "python" / file.name).symlink_to(file)


if __name__ == "__main__":
    repository, grpc_port, http_port, folder = Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
    packages = Path(sysconfig.get_paths()["purelib"])
    triton = packages / "pytriton" / "tritonserver"
    write_repository(folder / "models", repository)
    write_backend(folder / "backends", triton)
    libraries = [packages / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR")]
    # The stub takes the packages of the first python3 on the path, whatever PYTHONPATH says.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries)), "PATH": path}
    program = triton / "bin" / "tritonserver"
    arguments = ["--model-repository", str(folder / "models"), "--backend-directory", str(folder / "backends")]
    arguments += ["--grpc-address", "127.0.0.1", "--grpc-port", grpc_port, "--http-address", "127.0.0.1"]
    arguments += ["--http-port", http_port, "--allow-metrics", "false", "--log-info", "false"]
    os.execve(program, [str(program), *arguments], environment)  # noqa: S606
