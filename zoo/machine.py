"""The machine that this runs on, in words."""

import os
import platform
from pathlib import Path


def describe_machine() -> dict[str, str]:
    """Return processor, cores of this process, system, TensorFlow, and the GPUs that it sees."""
    import tensorflow as tf

    found = {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": platform.platform(),
        "tensorflow": tf.__version__,
    }
    return found | ({"gpus": ", ".join(gpus())} if gpus() else {})


def processor() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def gpus() -> list[str]:
    """Return what each GPU that TensorFlow sees calls itself."""
    import tensorflow as tf

    return [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
