"""Certificates that are read anew while the server runs: they expire, and a server should not have to stop for that."""

import contextlib
import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
    """Certificates that signed those of clients; without it, clients show none."""
    require_client: bool = False
    """Whether a client without a certificate is refused (mutual TLS)."""

    def __post_init__(self) -> None:
        if self.require_client and self.client_roots is None:
            raise ServerError(
                "clients have to show a certificate, and none is known that signed them: give client_roots"
            )

    def credentials(self) -> "Tls":
        """Return TLS for a server; the files are looked at again for new connections.

        Raises:
            ServerError: a file cannot be read, or the key is not the certificate's.
        """
        paths = [Path(each) for each in (self.chain, self.key, self.client_roots) if each is not None]
        return Tls(paths, self._read, require_client=self.require_client)

    def _read(self) -> "KeyMaterial":
        try:
            roots = None if self.client_roots is None else Path(self.client_roots).read_bytes()
            found = KeyMaterial(Path(self.key).read_bytes(), Path(self.chain).read_bytes(), roots)
        except OSError as error:
            raise ServerError(f"cannot read the certificate file {error.filename}: {error.strerror}") from None
        try:
            found.context(require_client=self.require_client)
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise ServerError(f"{self.chain} and {self.key} are no certificate and its key: {error}") from None
        return found


@dataclass(frozen=True)
class KeyMaterial:
    """Keys and certificates in PEM form."""

    key: bytes = field(repr=False)
    chain: bytes
    client_roots: bytes | None = None

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return it as gRPC's library wants it."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], root_certificates=self.client_roots)

    def context(self, *, require_client: bool) -> ssl.SSLContext:
        """Return it as the standard library wants it, for HTTP/2. Raises ssl.SSLError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["h2"])
        with _in_memory(self.key) as key, _in_memory(self.chain) as chain:
            context.load_cert_chain(
                chain, key, password=lambda: b""
            )  # of a key with a password, or it would be asked for
        if require_client and self.client_roots is not None:
            context.load_verify_locations(cadata=self.client_roots.decode("ascii"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Tls:
    """TLS whose files are looked at again for new connections. Whether clients show a certificate is settled at once."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], KeyMaterial], *, require_client: bool) -> None:
        """Read the files. Raises what `read` does, a ZooError where they cannot be used."""
        self._paths = paths
        self._read = read
        self._require_client = require_client
        read()

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return credentials for one port of gRPC's library."""
        files = WatchedFile(self._paths, self._read)

        def changed() -> grpc.ServerCertificateConfiguration | None:
            """Return what gRPC is to use from now on; None for what it has already."""
            return files.value.configuration() if files.refresh() else None

        return grpc.dynamic_ssl_server_credentials(
            files.value.configuration(), changed, require_client_authentication=self._require_client
        )

    def contexts(self) -> Callable[[], ssl.SSLContext]:
        """Return what gives the context for every new connection of one port."""
        files = WatchedFile(self._paths, self._context)

        def context() -> ssl.SSLContext:
            """Return what is right now."""
            files.refresh()
            return files.value

        return context

    def _context(self) -> ssl.SSLContext:
        try:
            return self._read().context(require_client=self._require_client)
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise ServerError(f"{self._paths[0]}: no certificate and its key: {error}") from None


@contextlib.contextmanager
def _in_memory(pem: bytes) -> Iterator[str]:
    """Give a key the path that OpenSSL asks for, without a file that others could read."""
    with os.fdopen(os.memfd_create("pem"), "wb") as file:
        file.write(pem)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
