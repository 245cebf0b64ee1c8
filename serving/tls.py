"""Certificates that are read anew while the server runs: they expire, and a server should not have to stop for that."""

import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import grpc

from serving.status import ServerError
from serving.watched_file import WatchedFile


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form."""

    key: str | Path
    """The server's private key."""
    chain: str | Path
    """The server's certificate, and those that signed it."""
    client_roots: str | Path | None = None
    """Certificates that signed those of clients."""
    require_client: bool = False
    """Whether a client without a certificate is refused (mutual TLS). Unless it is, clients are not asked for one."""

    def __post_init__(self) -> None:
        if self.require_client and self.client_roots is None:
            raise ServerError(
                "clients have to show a certificate, and none is known that signed them: give client_roots"
            )

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a gRPC port; the files are looked at again for new connections.

        Raises:
            ServerError: a file cannot be read, or the key is not the certificate's.
        """
        paths = [Path(each) for each in (self.chain, self.key, self.client_roots) if each is not None]
        return reread_credentials(paths, self._read, require_client=self.require_client)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        try:
            roots = None if self.client_roots is None else Path(self.client_roots).read_bytes()
            key, chain = Path(self.key).read_bytes(), Path(self.chain).read_bytes()
        except OSError as error:
            raise ServerError(f"cannot read the certificate file {error.filename}: {error.strerror}") from None
        names = Names(str(self.key), str(self.chain), str(self.client_roots))
        return certificate_configuration(key, chain, roots, names)


class Names(NamedTuple):
    """Where keys and certificates come from, for errors."""

    key: str
    chain: str
    roots: str


def certificate_configuration(
    key: bytes, chain: bytes, roots: bytes | None, names: Names
) -> grpc.ServerCertificateConfiguration:
    """Return what a gRPC port is to use, all of it PEM.

    gRPC takes anything, and fails at the first connection or tells that the port could not be had.

    Raises:
        ServerError: the key is not the certificate's, or has a passphrase; or there is no certificate where one is needed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor = os.memfd_create(
        "certificate", os.MFD_CLOEXEC
    )  # the library reads files only; a key belongs on no disk
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(chain + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")  # else the terminal would be asked
    except (ssl.SSLError, ValueError) as error:
        raise ServerError(
            f"{names.chain} and {names.key} are no certificate and its key, without a passphrase: {error}"
        ) from None
    finally:
        os.close(descriptor)
    if roots is not None:
        try:
            context.load_verify_locations(cadata=roots.decode())
        except (ssl.SSLError, ValueError) as error:
            raise ServerError(
                f"{names.roots} holds no certificates that could sign those of clients: {error}"
            ) from None
    return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=roots)


def reread_credentials(
    paths: Sequence[Path], read: Callable[[], grpc.ServerCertificateConfiguration], *, require_client: bool
) -> grpc.ServerCredentials:
    """Return credentials for gRPC ports whose files are looked at again for new connections. Raises what `read` does."""
    files = WatchedFile(paths, read)

    def current() -> grpc.ServerCertificateConfiguration:
        # Not only where it changed: every port has to be told, and gRPC does not say which of them asks.
        files.refresh()
        return files.value

    return grpc.dynamic_ssl_server_credentials(files.value, current, require_client_authentication=require_client)
