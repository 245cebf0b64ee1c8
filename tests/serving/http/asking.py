"""A client of HTTP for tests: the standard library's, and plain sockets where requests are to be broken."""

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    """In lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert list(self.json) == ["error"]
        return self.json["error"]


def ask(port: int, verb: str, path: str, body: bytes | str | None = None, headers: Headers | None = None) -> Answer:
    """Ask once, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        return ask_on(connection, verb, path, body, headers)
    finally:
        connection.close()


def ask_on(
    connection: http.client.HTTPConnection,
    verb: str,
    path: str,
    body: bytes | str | None = None,
    headers: Headers | None = None,
) -> Answer:
    connection.request(verb, path, body=body.encode() if isinstance(body, str) else body, headers=dict(headers or {}))
    response = connection.getresponse()
    found = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, found, response.read())


def predict(port: int, model: str, document: Any, headers: Headers | None = None) -> Answer:
    """Ask for predictions; `document` is a text of JSON, or what becomes one."""
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    return ask(port, "POST", f"/v1/models/{model}:predict", text, headers)


def send_raw(port: int, data: bytes, timeout: float = 30.0) -> bytes:
    """Send bytes and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(data)
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
        return b"".join(parts)
