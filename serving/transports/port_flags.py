"""Which flags choose where to listen, for whoever finds a port taken."""

from typing import NamedTuple


class PortFlags(NamedTuple):
    """The flags of one port."""

    port: str
    host: str

    @property
    def hint(self) -> str:
        """What to do where nothing can listen there."""
        return f"is the port in use (choose another with {self.port}), or the host not this machine's ({self.host})?"


EVERYBODYS = PortFlags("--port", "--host")
HTTP = PortFlags("--rest_api_port", "--host")
OPERATORS = PortFlags("--admin_port", "--admin_host")
