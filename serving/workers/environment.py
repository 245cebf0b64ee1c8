"""The environment of workers: what has to be set before a process starts."""

from collections.abc import Mapping

_KEPT_BYTES = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # glibc's largest
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
"""Large messages: without these, glibc takes their memory from the system and returns it for every one of them."""


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return this environment with what suits a server, where it says nothing of the memory allocator itself."""
    if any(name.startswith("MALLOC_") for name in environment) or "glibc.malloc" in environment.get(
        "GLIBC_TUNABLES", ""
    ):
        return dict(environment)
    return {**environment, **_KEPT_BYTES}
