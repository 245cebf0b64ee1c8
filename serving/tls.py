"""Certificates that are read anew while the server runs: they expire, and a server should not have to stop for that."""

import contextlib
import os
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from serving.file_content import check_is_file
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
        """Return TLS for a server; the files are looked at again for new connections.

        Raises:
            ServerError: a file cannot be read, or the key is not the certificate's.
        """
        paths = [Path(each) for each in (self.chain, self.key, self.client_roots) if each is not None]
        return Tls(paths, self._read, require_client=self.require_client)

    def _read(self) -> "KeyMaterial":
        try:
            roots = None if self.client_roots is None else _content(Path(self.client_roots))
            key, chain = _content(Path(self.key)), _content(Path(self.chain))
        except OSError as error:
            raise ServerError(f"cannot read the certificate file {error.filename}: {error.strerror}") from None
        return KeyMaterial(key, chain, roots, Names(str(self.key), str(self.chain), str(self.client_roots)))


def _content(path: Path) -> bytes:
    check_is_file(path)
    return path.read_bytes()


class Names(NamedTuple):
    """Where keys and certificates come from, for errors."""

    key: str
    chain: str
    roots: str


@dataclass(frozen=True)
class KeyMaterial:
    """Keys and certificates in PEM form."""

    key: bytes = field(repr=False)
    chain: bytes
    client_roots: bytes | None
    names: Names

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return it as gRPC's library wants it, which takes anything, and fails at the first connection.

        Raises:
            ServerError: as `context`.
        """
        self.context(require_client=False)
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], root_certificates=self.client_roots)

    def context(self, *, require_client: bool, protocol: str = "h2") -> ssl.SSLContext:
        """Return it as the standard library wants it.

        Args:
            require_client: whether clients have to show a certificate.
            protocol: what is spoken, by its name of ALPN.

        Raises:
            ServerError: the key is not the certificate's, or has a passphrase; or there is no certificate where one is
                needed.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols([protocol])
        try:
            load_pair(context, self.chain, self.key)
        except (ssl.SSLError, ValueError) as error:
            raise ServerError(
                f"{self.names.chain} and {self.names.key} are no certificate and its key, without a passphrase: {error}"
            ) from None
        if self.client_roots is not None:
            try:
                context.load_verify_locations(cadata=self.client_roots.decode())
            except (ssl.SSLError, ValueError) as error:
                raise ServerError(
                    f"{self.names.roots} holds no certificates that could sign those of clients: {error}"
                ) from None
        if require_client:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Tls:
    """TLS whose files are looked at again for new connections. Whether clients show a certificate is settled at once."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], KeyMaterial], *, require_client: bool) -> None:
        """Read the files. Raises what `read` does, a ZooError where they cannot be used."""
        self._paths = paths
        self._read = read
        self._require_client = require_client
        read().configuration()

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return credentials for ports of gRPC's library."""
        files = WatchedFile(self._paths, lambda: self._read().configuration())

        def current() -> grpc.ServerCertificateConfiguration:
            # Not only where it changed: every port has to be told, and gRPC does not say which of them asks.
            files.refresh()
            return files.value

        return grpc.dynamic_ssl_server_credentials(
            files.value, current, require_client_authentication=self._require_client
        )

    def contexts(self, protocol: str = "h2") -> Callable[[], ssl.SSLContext]:
        """Return what gives the context for every new connection of one port, which speaks a protocol of this ALPN name."""
        files = WatchedFile(
            self._paths, lambda: self._read().context(require_client=self._require_client, protocol=protocol)
        )

        def context() -> ssl.SSLContext:
            """Return what is right now."""
            files.refresh()
            return files.value

        return context


def names_in(certificate: Mapping[str, Any]) -> Sequence[str]:
    """Return the names in a client's certificate, as ssl.SSLObject.getpeercert has it: as gRPC's library takes them.

    The subject alternative names where there are any, else the common name.
    """
    others = [value for _, value in certificate.get("subjectAltName", ())]
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return others or common


def load_pair(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    """Give a context a certificate and its key, in PEM form. Raises ssl.SSLError or ValueError where they are none."""
    # Apart, so that one is not taken for the other: gRPC's library, which may get them next, would not.
    with _in_memory(chain) as certificate, _in_memory(key) as private:
        context.load_cert_chain(certificate, private, password=lambda: "")  # else the terminal would be asked


@contextlib.contextmanager
def _in_memory(pem: bytes) -> Iterator[str]:
    """Give keys and certificates the path that OpenSSL asks for: a key belongs on no disk."""
    with os.fdopen(os.memfd_create("certificate", os.MFD_CLOEXEC), "wb") as file:
        file.write(pem)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
