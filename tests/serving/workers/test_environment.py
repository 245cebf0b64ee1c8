"""What workers find in their environment."""

import pytest

from serving.workers.environment import worker_environment


def test_memory_of_large_messages_is_kept() -> None:
    found = worker_environment({"HOME": "/home/me"})
    assert found == {"HOME": "/home/me", "MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}


@pytest.mark.parametrize("set_by", [{"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=1"}])
def test_who_set_the_allocator_has_said_all(set_by: dict[str, str]) -> None:
    assert worker_environment(set_by) == set_by
