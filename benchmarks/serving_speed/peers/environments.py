"""Makes the environments of other servers, which are no dependencies of ours: `make bench-peers`.

Each is a folder outside of the repository, `~/.cache/keras-zoo/benchmarks/peers/NAME`. One that cannot be made is told of,
and the benchmark leaves its server out.
"""

import subprocess
import sys

from benchmarks.serving_speed.server import PEERS

PACKAGES = {
    "mlserver": "mlserver==1.7.1",
    "kserve": "kserve==0.21.0",
    "triton": "nvidia-pytriton==0.7.0",  # its wheel holds Triton's own binary, with its Python backend
}
ENGINE = "ai-edge-litert==2.3.0"


def make(name: str) -> bool:
    """Make an environment anew, and tell whether it could be made."""
    folder = PEERS / name
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGES[name], ENGINE]
    if subprocess.run(install, check=False).returncode:
        (folder / "bin" / "python").unlink()  # what is not whole is not there
        return False
    return True


if __name__ == "__main__":
    made = {name: make(name) for name in sys.argv[1:] or PACKAGES}
    for peer, is_made in made.items():
        print(f"{peer}: {'installed' if is_made else 'cannot be installed here'}")
    sys.exit(0 if any(made.values()) else 1)
