import threading
from pathlib import Path

import pytest

from training.data.preparing import one_at_a_time


def test_a_second_one_waits_for_the_first(tmp_path: Path) -> None:
    order, inside = list[str](), threading.Event()

    def second() -> None:
        inside.wait(10)
        with one_at_a_time(str(tmp_path / "set" / "1.0.0")):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with one_at_a_time(str(tmp_path / "set" / "1.0.0")):
        inside.set()
        thread.join(0.3)
        assert thread.is_alive()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.mark.parametrize("folder", ["gs://bucket/set/1.0.0", "/proc/nowhere/set/1.0.0"])
def test_where_no_lock_can_be_nobody_waits(folder: str) -> None:
    with one_at_a_time(folder), one_at_a_time(folder):
        pass
