"""How the commands reach a server: its address, how long they wait, TLS and a token."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from serving.arguments import positive_seconds
from serving.status import ServerError

if TYPE_CHECKING:
    import grpc

    from serving.client import Client

DEFAULT_TARGET = "localhost:8500"
TOKEN_VARIABLE = "ZOO_TOKEN"  # noqa: S105 - the name of the variable
TOKEN_HINT = f"Where the server asks for a token, put it into the environment variable {TOKEN_VARIABLE}."


def add_connection_arguments(parser: argparse.ArgumentParser, *, timeout: float) -> None:
    """Have a command take what `connect` needs, and `--timeout` of its calls."""
    parser.add_argument("--target", default=DEFAULT_TARGET, help="host:port (default: %(default)s)")
    parser.add_argument(
        "--timeout",
        type=positive_seconds,
        default=timeout,
        metavar="SECONDS",
        help="give a call up after (default: %(default)s)",
    )
    parser.add_argument(
        "--tls-roots",
        type=Path,
        metavar="FILE",
        help="connect with TLS; the certificate that signed the server's, as PEM",
    )
    parser.add_argument(
        "--tls-chain", type=Path, metavar="FILE", help="certificate to show, where the server asks for one"
    )
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key")


def connect(args: argparse.Namespace) -> "Client":
    """Return a client for what the command line and the environment say.

    Raises:
        ServerError: a file cannot be read, or one of them is missing.
        CallError: the token cannot be sent.
    """
    from serving.client import Client

    return Client(args.target, credentials=_credentials(args), token=token_given())


def token_given() -> str | None:
    """Return the token that the environment holds, without the line end of the file that it came from; None for none."""
    return os.environ.get(TOKEN_VARIABLE, "").strip() or None


def _check(args: argparse.Namespace, roots: bytes, key: bytes | None, chain: bytes | None) -> None:
    """Raise ServerError on files that gRPC's library would take, to find at the first call that they are of no use."""
    import ssl

    from serving.tls import load_pair

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=roots.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise ServerError(f"--tls-roots {args.tls_roots}: there is no certificate in PEM form in it") from None
    if key is None or chain is None:
        return
    try:
        load_pair(context, chain, key)
    except (ssl.SSLError, ValueError) as error:
        raise ServerError(
            f"--tls-chain {args.tls_chain} and --tls-key {args.tls_key} are no certificate and its key, without a "
            f"passphrase: {error}"
        ) from None


def _credentials(args: argparse.Namespace) -> "grpc.ChannelCredentials | None":
    import grpc

    if (args.tls_chain is None) != (args.tls_key is None):
        raise ServerError("--tls-chain and --tls-key go together: a certificate, and the key that it is for")
    if args.tls_roots is None:
        if args.tls_key is not None:
            raise ServerError("--tls-key is for TLS: give --tls-roots too, the certificate that signed the server's")
        return None
    try:
        roots = args.tls_roots.read_bytes()
        key, chain = (None if path is None else path.read_bytes() for path in (args.tls_key, args.tls_chain))
    except OSError as error:
        raise ServerError(f"cannot read {error.filename}: {error.strerror}") from None
    _check(args, roots, key, chain)
    return grpc.ssl_channel_credentials(roots, key, chain)
