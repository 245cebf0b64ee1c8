"""Where a transport listens."""

from dataclasses import dataclass

from serving.transports.port_flags import EVERYBODYS, PortFlags


@dataclass(frozen=True)
class Place:
    """A port of a host."""

    host: str
    """Name or address."""
    port: int
    """0 for any free one."""
    flags: PortFlags = EVERYBODYS
    """That chose them: errors name them."""
    reuse_port: bool = False
    """Whether other processes of this user may listen there too, and get a share of the connections."""
