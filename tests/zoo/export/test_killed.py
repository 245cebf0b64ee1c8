"""An exporter killed at any moment leaves a whole version or none, and the next export succeeds."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import zoo
from zoo.artifact import STAGING_PREFIX, list_versions

# Kills itself where `at` says: at the n-th operation below the model's folder, at the operation "EVENT PATTERN", or as soon
# as a file "appears PATTERN" (TensorFlow writes its files out of sight of Python).
EXPORTER = """
import os, signal, sys, threading
from fnmatch import fnmatch
from pathlib import Path

import zoo

top, at = Path(sys.argv[1]), sys.argv[2]
model = zoo.build("mlp", input_shape=(4,), units=[3], head={"kind": "softmax", "units": 3})
zoo.export(model, top / "rehearsal", variants=())
count = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def hook(event, args):
    global count
    if not args or not str(args[0]).startswith(str(top / "model")) or event == "import":
        return
    count += 1
    if at == str(count) or " " in at and event == at.split()[0] and fnmatch(str(args[0]), at.split()[1]):
        die()

def watch():
    while not any(top.glob("model/" + at.split()[1])):
        pass
    die()

sys.addaudithook(hook)
if at.startswith("appears"):
    threading.Thread(target=watch, daemon=True).start()
zoo.export(model, top / "model", variants=())
print(count)
"""


def kill_exporters(top: Path, points: Sequence[str]) -> list[Path]:
    """Run one exporter per point, two at a time; returns the model folders."""
    folders = []
    for i in range(0, len(points), 2):
        started = []
        for point in points[i : i + 2]:
            folder = top / str(len(folders))
            folder.mkdir()
            folders.append(folder / "model")
            started.append(
                subprocess.Popen([sys.executable, "-c", EXPORTER, str(folder), point], stderr=subprocess.DEVNULL)
            )
        for process in started:
            assert process.wait(120) == -signal.SIGKILL
    return folders


def check_wrecks(folders: Sequence[Path]) -> None:
    import keras

    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)])
    for folder in folders:
        for version in list_versions(folder).values():
            assert zoo.verify(version).ok
        assert zoo.verify(zoo.export(model, folder, output_names=["value"], variants=())).ok
        assert not list(folder.glob(STAGING_PREFIX + "*"))


def test_an_exporter_killed_around_its_last_steps_leaves_no_wreck(tmp_path: Path) -> None:
    folders = kill_exporters(tmp_path, ["open */passport.json", f"os.rename */{STAGING_PREFIX}*"])

    assert [list_versions(folder) for folder in folders] == [{}, {}]
    assert [len(list(folder.glob(STAGING_PREFIX + "*"))) for folder in folders] == [1, 1]
    check_wrecks(folders)


@pytest.mark.slow
def test_an_exporter_killed_anywhere_leaves_no_wreck(tmp_path: Path) -> None:
    rehearsal = tmp_path / "counted"
    rehearsal.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", EXPORTER, str(rehearsal), "never"], stdout=subprocess.PIPE, text=True, check=True
    )
    operations = int(run.stdout)
    spread = [str(1 + i * (operations - 1) // 5) for i in range(6)]
    staging = STAGING_PREFIX + "*"
    appearing = [f"appears {staging}/variables", f"appears {staging}/saved_model.pb", "appears 1"]

    check_wrecks(kill_exporters(tmp_path, [*spread, *appearing]))
