import subprocess
import sys
from pathlib import Path

import pytest

from training.run_lock import lock_run
from zoo.errors import ConfigError

HOLD = """
import sys
from pathlib import Path
from training.run_lock import lock_run
with lock_run(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_trained_by_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: x\n")
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="is being trained by another process"), lock_run(tmp_path):
            pass
        other.kill()
        other.wait(timeout=60)
    with lock_run(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
