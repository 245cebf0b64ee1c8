"""Who calls, and what it may do."""

from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase

from serving.status import Code, StatusError


@dataclass(frozen=True)
class Caller:
    """A client that was told apart from others, or all of them."""

    name: str
    models: tuple[str, ...]
    """Patterns of model names: `*` for any text, `?` for any character."""
    control: bool = False
    """Whether it may say what is served."""

    def may_use(self, model: str) -> bool:
        """Tell whether the caller may use a model, be it there or not."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def check_model(self, model: str) -> None:
        """Raise StatusError, PERMISSION_DENIED, where the caller may not use a model."""
        if not self.may_use(model):
            raise StatusError(Code.PERMISSION_DENIED, f"{self.name} may not use the model {model[:80]!r}")

    def check_control(self) -> None:
        """Raise StatusError, PERMISSION_DENIED, where the caller may not say what is served."""
        if not self.control:
            raise StatusError(Code.PERMISSION_DENIED, f"{self.name} may not say what is served")


ANYONE = Caller("anyone", ("*",), control=True)
"""The caller of a server that tells none apart."""
NOBODY = Caller("who was not asked for a name", ())

current_caller: ContextVar[Caller] = ContextVar("current_caller")
"""Whose call is being answered; set by `serving.authentication`, and by nothing where a server tells no callers apart."""
