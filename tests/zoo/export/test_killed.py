"""An exporter killed at any moment leaves a whole version or none, and the next export succeeds."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import zoo
from zoo.artifact import STAGING_PREFIX, list_versions

# Forks an exporter for every task [FOLDER, AT], two at a time, that kills itself where AT says: at the n-th operation below
# the model's folder, at the operation "EVENT PATTERN", or as soon as a file "appears PATTERN" (TensorFlow writes its files
# out of sight of Python). TensorFlow is imported once, before; it begins to run in the exporters. Prints how each ended.
EXPORTERS = """
import json, os, signal, sys, threading
from fnmatch import fnmatch
from pathlib import Path

import tensorflow
import zoo


def export(top, at):
    model = zoo.build("mlp", input_shape=(4,), units=[3], head={"kind": "softmax", "units": 3})
    zoo.export(model, top / "rehearsal", variants=())
    count = 0

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, args):
        nonlocal count
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
    watcher = threading.Thread(target=watch, daemon=True)
    if at.startswith("appears"):
        watcher.start()
    zoo.export(model, top / "model", variants=())
    if at.startswith("appears"):
        watcher.join()  # what it waits for is there: it kills
    (top / "count").write_text(str(count))


tasks, codes = json.loads(sys.argv[1]), []
for first in range(0, len(tasks), 2):
    exporters = []
    for folder, at in tasks[first : first + 2]:
        exporters.append(os.fork())
        if not exporters[-1]:
            export(Path(folder), at)
            os._exit(0)
    codes += [os.waitstatus_to_exitcode(os.waitpid(exporter, 0)[1]) for exporter in exporters]
print(json.dumps(codes))
"""


def run_exporters(tasks: Sequence[tuple[Path, str]]) -> list[int]:
    """Run one exporter per folder and point; returns how they ended."""
    for folder, _ in tasks:
        folder.mkdir()
    words = json.dumps([[str(folder), point] for folder, point in tasks])
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EXPORTERS, words],
        stdout=subprocess.PIPE,
        text=True,
        timeout=240,
        check=True,
    )
    return json.loads(run.stdout)


def kill_exporters(top: Path, points: Sequence[str]) -> list[Path]:
    """Run one exporter per point, all of which die there; returns the model folders."""
    tasks = [(top / str(number), point) for number, point in enumerate(points)]
    assert run_exporters(tasks) == [-signal.SIGKILL] * len(points)
    return [folder / "model" for folder, _ in tasks]


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
    assert run_exporters([(tmp_path / "counted", "never")]) == [0]
    operations = int((tmp_path / "counted" / "count").read_text())
    spread = [str(1 + i * (operations - 1) // 4) for i in range(5)]
    staging = STAGING_PREFIX + "*"
    appearing = [f"appears {staging}/variables", f"appears {staging}/saved_model.pb", "appears 1"]

    check_wrecks(kill_exporters(tmp_path, [*spread, *appearing]))
