"""What is held back of file descriptor 2, and that it comes back."""

from collections.abc import Callable
from typing import Any

REDIRECTED_BY_TWO = """
import os, sys, threading
from zoo.tensorflow_noise import hushed, silence_tensorflow

inside, leave = threading.Event(), threading.Event()

def convert():
    with hushed():
        inside.set()
        leave.wait()

other = threading.Thread(target=convert)

class SlowImport:
    # stands for TensorFlow, which takes its time, while another thread begins to convert a model
    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        os.write(2, b"cuda_platform.cc:52] failed call to cuInit\\nworth reading\\n")
        other.start()
        inside.wait(0.5)  # where it does not wait for its turn, it is there by then
        raise ImportError

sys.meta_path.insert(0, SlowImport())
try:
    silence_tensorflow()
except ImportError:
    pass
inside.wait()
leave.set()
other.join()
os.write(2, b"after both\\n")
"""


def test_of_two_threads_that_redirect_the_errors_neither_loses_what_comes_later(run_python: Callable[..., Any]) -> None:
    done = run_python(REDIRECTED_BY_TWO, TF_CPP_MIN_LOG_LEVEL="2")
    assert done.stderr == "worth reading\nafter both\n"
