"""Makes the transport of gRPC that a config asks for."""

from collections.abc import Sequence
from dataclasses import replace

from serving.afterwards import Afterwards
from serving.config import ServerConfig
from serving.held_requests import HeldRequests
from serving.status import ServerError
from serving.tls import Tls
from serving.transports.place import Place
from serving.transports.transport import Stream, Transport, Unary


def grpc_transport(
    config: ServerConfig,
    methods: Sequence[Unary | Stream],
    place: Place,
    *,
    socket_path: str | None,
    held: HeldRequests,
    afterwards: Afterwards,
) -> Transport:
    """Return a transport that answers the methods.

    Args:
        config: says which.
        methods: what it answers.
        place: where it listens.
        socket_path: a UNIX socket to listen on too.
        held: counts what requests take, of this transport and others.
        afterwards: what is to be done once answers have left, by a transport that answers at once.

    Raises:
        ServerError: the config's credentials are not for its transport.
    """
    if config.transport == "asyncio":
        return _asyncio_transport(config, methods, place, socket_path=socket_path, held=held, afterwards=afterwards)
    from serving.transports.grpcio import GrpcioTransport

    credentials = config.credentials
    return GrpcioTransport(
        methods,
        place,
        socket_path=socket_path,
        arguments=config.grpc_channel_arguments,
        max_message_bytes=config.max_message_bytes,
        credentials=credentials.grpc_credentials() if isinstance(credentials, Tls) else credentials,
        held=held,
    )


def _asyncio_transport(
    config: ServerConfig,
    methods: Sequence[Unary | Stream],
    place: Place,
    *,
    socket_path: str | None,
    held: HeldRequests,
    afterwards: Afterwards,
) -> Transport:
    from serving.transports.http2.channel_arguments import ChannelArguments
    from serving.transports.http2.transport import AsyncioTransport

    credentials = config.credentials
    if credentials is not None and not isinstance(credentials, Tls):
        raise ServerError(
            "the transport asyncio cannot use credentials of gRPC's library: "
            "give those of serving.tls.Certificates, or set transport='grpcio'"
        )
    arguments = ChannelArguments.read(config.grpc_channel_arguments, max_message_bytes=config.max_message_bytes)
    return AsyncioTransport(
        methods,
        replace(place, reuse_port=place.reuse_port or arguments.reuse_port),
        socket_path=socket_path,
        max_message_bytes=arguments.max_message_bytes,
        held=held,
        afterwards=afterwards,
        limits=arguments.limits,
        tls=None if credentials is None else credentials.contexts(),
    )
