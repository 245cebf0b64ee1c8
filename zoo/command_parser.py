"""What reads a command's arguments: argparse, but for errors that do not say what was expected."""

import argparse
import re
from typing import NoReturn

from zoo.errors import ZooError

_TAKES_NO_VALUE = re.compile(r"argument (?:-\w/)?(--[\w-]+): ignored explicit argument (.*)", re.DOTALL)


class CommandParser(argparse.ArgumentParser):
    """Says of a switch that was given a value which forms it has. As ArgumentParser otherwise."""

    def error(self, message: str) -> NoReturn:
        """See ArgumentParser. Raises ZooError on the value of a switch."""
        found = _TAKES_NO_VALUE.fullmatch(message)
        if found is None:
            super().error(message)
        switch, value = found.groups()
        spelled_out = f"{switch}=true" in self._option_string_actions
        forms = f"{switch}, {switch}=true or {switch}=false" if spelled_out else f"{switch} alone, or nothing"
        raise ZooError(f"{switch} got {value}: expected {forms}")
