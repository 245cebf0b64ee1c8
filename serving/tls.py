"""Certificates that are read anew while the server runs: they expire, and a server should not have to stop for that."""

import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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

    def credentials(self) -> "Tls":
        """Return TLS for the ports of a server; the files are looked at again for new connections.

        Raises:
            ServerError: a file cannot be read, or the key is not the certificate's.
        """
        paths = [Path(each) for each in (self.chain, self.key, self.client_roots) if each is not None]
        return Tls(paths, self._read, require_client=self.require_client)

    def _read(self) -> "KeyMaterial":
        try:
            roots = None if self.client_roots is None else Path(self.client_roots).read_bytes()
            key, chain = Path(self.key).read_bytes(), Path(self.chain).read_bytes()
        except OSError as error:
            raise ServerError(f"cannot read the certificate file {error.filename}: {error.strerror}") from None
        names = Names(str(self.key), str(self.chain), str(self.client_roots))
        return KeyMaterial(key, chain, roots, names)


class Names(NamedTuple):
    """Where keys and certificates come from, for errors."""

    key: str
    chain: str
    roots: str


@dataclass(frozen=True)
class KeyMaterial:
    """Keys and certificates, all of it PEM."""

    key: bytes = field(repr=False)
    chain: bytes
    roots: bytes | None
    names: Names

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return it as gRPC's library wants it, which takes anything, and fails at the first connection."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], root_certificates=self.roots)

    def context(self, *, require_client: bool) -> ssl.SSLContext:
        """Return it as the standard library wants it, for HTTP/2.

        Raises:
            ServerError: the key is not the certificate's, or has a passphrase; or there is no certificate where one is
                needed.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["h2"])
        self._load_pair(context)
        if self.roots is not None:
            try:
                context.load_verify_locations(cadata=self.roots.decode())
            except (ssl.SSLError, ValueError) as error:
                raise ServerError(
                    f"{self.names.roots} holds no certificates that could sign those of clients: {error}"
                ) from None
        if require_client:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _load_pair(self, context: ssl.SSLContext) -> None:
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)  # the library reads files only; a key belongs on no disk
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(self.chain + b"\n" + self.key)
            # A password, or the terminal would be asked.
            context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")
        except (ssl.SSLError, ValueError) as error:
            raise ServerError(
                f"{self.names.chain} and {self.names.key} are no certificate and its key, without a passphrase: {error}"
            ) from None
        finally:
            os.close(descriptor)


class Tls:
    """TLS whose files are looked at again for new connections. Whether clients show a certificate is settled at once."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], KeyMaterial], *, require_client: bool) -> None:
        """Read the files. Raises what `read` does, and ServerError where they cannot be used."""
        self._paths = paths
        self._read = read
        self._require_client = require_client
        self._usable()

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return credentials for ports of gRPC's library."""
        files = WatchedFile(self._paths, self._usable)

        def current() -> grpc.ServerCertificateConfiguration:
            # Not only where it changed: every port has to be told, and gRPC does not say which of them asks.
            files.refresh()
            return files.value.configuration()

        return grpc.dynamic_ssl_server_credentials(
            files.value.configuration(), current, require_client_authentication=self._require_client
        )

    def contexts(self) -> Callable[[], ssl.SSLContext]:
        """Return what gives the context for every new connection."""
        files = WatchedFile(self._paths, lambda: self._read().context(require_client=self._require_client))

        def current() -> ssl.SSLContext:
            files.refresh()
            return files.value

        return current

    def _usable(self) -> KeyMaterial:
        found = self._read()
        found.context(require_client=self._require_client)
        return found
