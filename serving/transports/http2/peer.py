"""Who is at the other end of a connection."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serving.tls import names_in


@dataclass(frozen=True)
class Peer:
    """Where a connection comes from, and the names that TLS verified."""

    address: str
    """As gRPC's library writes it: `ipv4:127.0.0.1:1234`, `ipv6:[::1]:1234`, `unix:`."""
    identities: Sequence[str] = ()

    @classmethod
    def of(cls, transport: asyncio.BaseTransport) -> "Peer":
        """Read it off a connection."""
        certificate = transport.get_extra_info("peercert")
        return cls(_address(transport.get_extra_info("peername")), names_in(certificate or {}))


def _address(name: Any) -> str:
    if not isinstance(name, tuple):
        return "unix:"
    host, port = name[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
