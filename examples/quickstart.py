"""The whole path in a minute: train on real digits, export, serve, and ask over gRPC.

    make quickstart            (or: python examples/quickstart.py)

Everything it writes goes below runs/quickstart/.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from serving.client import Client
from zoo.tensorflow_noise import silence_tensorflow

FOLDER = Path("runs") / "quickstart"
MODELS = FOLDER / "saved_models"
RECIPE = "digits_cnn"
REQUIRED_ACCURACY = 0.98
SHADES = " .:-=+*#%@"


def main() -> int:
    """Run every step; returns the exit code."""
    console = Console(highlight=False)
    started = time.perf_counter()
    silence_tensorflow()
    from training import load_recipe, train
    from training.data import load_data
    from training.progress import ProgressView

    console.rule("[bold]1  train a CNN on the scikit-learn digits")
    config = load_recipe(RECIPE, [f"export.repository={MODELS}"])
    run = train(config, callbacks=[ProgressView(console)], runs=FOLDER)
    artifact = os.path.relpath(run.artifact or MODELS)
    accuracy = run.metrics["test"]["accuracy"]
    test = load_data(config.data).split("test")

    console.rule("[bold]2  the exported model")
    console.print(f"held-out accuracy {accuracy:.4f} on {len(test)} images that training never saw", soft_wrap=True)
    console.print(f"SavedModel and passport: {artifact}", soft_wrap=True)

    console.rule("[bold]3  serve it over gRPC and ask about five of those images")
    rng = np.random.default_rng()
    rows = rng.choice(len(test), size=5, replace=False)
    images, truth = test.inputs[rows].astype(np.float32), test.named_labels()[""][rows]
    with serve(MODELS) as target, Client(target) as client:
        client.wait_until_serving(RECIPE, timeout=30)
        console.print(f"[dim]a server process answers at {target}", soft_wrap=True)
        console.print(ask(client, images, truth))
    sample = FOLDER / "digit.png"
    Image.fromarray(images[0, :, :, 0].astype(np.uint8)).save(sample)

    console.rule("[bold]next")
    console.print(
        "serve it again, on port 8500; then, in another terminal, ask it about a picture:\n"
        f"    {command('zoo')} serve {MODELS}\n"
        f"    {command('zoo')} predict {RECIPE} --input {sample}\n"
        "check that the model still answers as it did:\n"
        f"    {command('zoo')} verify {artifact}\n"
        "train a smaller one, or see what else there is:\n"
        f"    {command('zoo')} train {RECIPE} --set model.filters=[8,16]\n"
        f"    {command('zoo')} --help\n"
        f"done in {time.perf_counter() - started:.0f} s",
        soft_wrap=True,
    )
    if accuracy < REQUIRED_ACCURACY:
        console.print(f"[bold red]the held-out accuracy is below {REQUIRED_ACCURACY}: something is wrong")
        return 1
    return 0


@contextlib.contextmanager
def serve(models: Path) -> Iterator[str]:
    """Run `zoo serve` as a process of its own on a free port; gives its address and stops it at the end."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "zoo",
            "serve",
            str(models),
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--log_level",
            "warning",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        announcement = process.stdout.readline()  # "serving ... on port N; ..."
        if not announcement:
            raise SystemExit("the server did not start; it said why above")
        port = announcement.split(" on port ")[1].split(";")[0]
        yield f"localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)  # it drains and exits with 0
        process.wait(30)


def ask(client: Client, images: np.ndarray, truth: np.ndarray) -> Table:
    """Send the images one by one and set what comes back beside the truth."""
    table = Table(show_lines=True, header_style="bold")
    for heading in ("image", "predicted", "probability", "true", "latency"):
        table.add_column(heading, justify="left" if heading == "image" else "right")
    client.predict(RECIPE, {"inputs": images[:1]}, timeout=30)  # the first call also connects and warms up
    for image, digit in zip(images, truth, strict=True):
        began = time.perf_counter()
        answer = client.predict(RECIPE, {"inputs": image[np.newaxis]}, timeout=30)
        milliseconds = 1000 * (time.perf_counter() - began)
        predicted = answer["label"][0].decode()
        right = predicted == str(digit)
        table.add_row(
            draw(image[:, :, 0]),
            f"[{'green' if right else 'red'}]{predicted}",
            f"{answer['probabilities'][0, answer['class_id'][0]]:.3f}",
            str(digit) if right else f"[red]{digit}",
            f"{milliseconds:.1f} ms",
        )
    return table


def draw(pixels: np.ndarray) -> str:
    """Draw grey levels 0..255 as characters, two to a pixel, since characters are tall."""
    levels = (pixels.astype(int) * (len(SHADES) - 1) + 127) // 255
    return "\n".join("".join(SHADES[level] * 2 for level in row) for row in levels)


def command(name: str) -> str:
    """Return how a person in this folder would run a command of this environment."""
    path = Path(sys.executable).parent / name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name


if __name__ == "__main__":
    sys.exit(main())
