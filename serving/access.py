"""Who may use what: clients, how each is known, and the models it may ask for. Read from a YAML file.

clients:
  - name: dashboard
    token_sha256: 9f86d0...        # of its bearer token; the token itself is written nowhere
    models: [digits_cnn, "wine_*"]
  - name: operator
    certificate: ops.example.org   # a name in its certificate, which TLS has verified
    models: ["*"]
    control: true                  # may load and unload models
anonymous:                         # who shows neither; left out, nobody else gets in
  models: ["public_*"]
"""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from serving.caller import Caller
from serving.file_content import check_is_file
from serving.status import Code, ServerError, StatusError
from zoo.errors import ConfigError
from zoo.yaml_text import parse_yaml, read_text

_SCHEME = "bearer "
_OF_NOTHING = hashlib.sha256(b"").hexdigest()
_PLACE = re.compile(r"line \d+, column \d+")
_EXPECTED = {
    "extra_forbidden": "there is no such field",
    "missing": "it has to be given",
    "model_type": "expected a mapping",
    "string_pattern_mismatch": "expected 64 hexadecimal digits, lower case, as sha256sum writes them",
    "string_type": "expected text, in quotes where it is digits alone",
    "tuple_type": "expected a list",
}
"""What an entry should be, by pydantic's name of what is wrong with it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Client(_Strict):
    name: Annotated[str, StringConstraints(min_length=1)]
    token_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    certificate: Annotated[str, StringConstraints(min_length=1)] | None = None
    models: tuple[str, ...] = ()
    control: bool = False

    @model_validator(mode="after")
    def _known_by_one(self) -> Self:
        if (self.token_sha256 is None) == (self.certificate is None):
            raise ValueError("give either token_sha256 (sha256sum of the token) or certificate (a name in it)")
        if self.token_sha256 == _OF_NOTHING:
            raise ValueError("token_sha256 is that of no token at all: was the variable empty that was hashed?")
        return self


class _Anonymous(_Strict):
    models: tuple[str, ...]


class _File(_Strict):
    clients: tuple[_Client, ...] = ()
    anonymous: _Anonymous | None = None

    @model_validator(mode="after")
    def _each_known_apart(self) -> Self:
        for field in ("token_sha256", "certificate"):
            shown = Counter(getattr(client, field) for client in self.clients)
            if again := [client.name for client in self.clients if shown[getattr(client, field) or ""] > 1]:
                raise ValueError(f"clients {' and '.join(again)} have the same {field}: which of them is it?")
        return self


class AccessPolicy:
    """Tells callers apart. Immutable; any thread may use it."""

    def __init__(self, file: _File) -> None:
        self._by_token = [
            (bytes.fromhex(each.token_sha256), _caller(each)) for each in file.clients if each.token_sha256
        ]
        self._by_certificate = {each.certificate: _caller(each) for each in file.clients if each.certificate}
        self._anonymous = Caller("an anonymous caller", file.anonymous.models) if file.anonymous else None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an access file. Raises ServerError where it cannot be read, or says what it should not."""
        try:
            check_is_file(path)
            found = parse_yaml(read_text(path))
            return cls(_File.model_validate({} if found is None else found))
        except OSError as error:
            raise ServerError(f"cannot read {path}: {error.strerror}") from None
        except ConfigError as error:
            places = _PLACE.findall(str(error))
            where = f", at {places[-1]}" if places else ""
            raise ServerError(
                f"{path} is not YAML that names everything once{where} (it is not shown: it may be a secret)"
            ) from None
        except ValidationError as error:
            first = error.errors(include_input=False)[0]  # what was written there may be a secret
            place = ".".join(map(str, first["loc"])) or "the file"
            raise ServerError(f"{path}: {place}: {_EXPECTED.get(first['type'], first['msg'])}") from None

    def caller(self, authorization: str | bytes, identities: Sequence[str], *, needs_name: bool = False) -> Caller:
        """Return who calls.

        Args:
            authorization: the metadata of that name, `Bearer TOKEN`; empty where there is none.
            identities: the names in the client's certificate, where TLS verified one.
            needs_name: whether nobody may be anonymous here.

        Raises:
            StatusError: UNAUTHENTICATED; a token that nobody has, or none where one is needed.
        """
        if authorization:
            return self._of_token(
                authorization.decode(errors="replace") if isinstance(authorization, bytes) else authorization
            )
        for name in identities:
            if name in self._by_certificate:
                return self._by_certificate[name]
        if self._anonymous is None or needs_name:
            raise StatusError(
                Code.UNAUTHENTICATED,
                "who are you? send the metadata 'authorization: Bearer TOKEN', or a known certificate",
            )
        return self._anonymous

    def _of_token(self, authorization: str) -> Caller:
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise StatusError(Code.UNAUTHENTICATED, "authorization: expected 'Bearer TOKEN', got another scheme")
        digest = hashlib.sha256(authorization[len(_SCHEME) :].strip().encode(errors="surrogateescape")).digest()
        found = None
        for known, caller in self._by_token:  # all of them, so that time tells nothing
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise StatusError(Code.UNAUTHENTICATED, "authorization: the token is not known")
        return found


def _caller(client: _Client) -> Caller:
    return Caller(client.name, client.models, client.control)
