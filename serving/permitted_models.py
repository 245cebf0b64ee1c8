"""The models as a caller may see them: what every service looks at in place of the manager."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from serving.caller import ANYONE, NOBODY, Caller, current_caller
from serving.description import Description
from serving.lease import Lease
from serving.manager import Manager, VersionStatus
from serving.model_ref import ModelRef
from serving.repository import ModelSource, VersionPolicy
from serving.status import Code, StatusError
from zoo.errors import did_you_mean


class PermittedModels:
    """A manager with a look at who asks. See Manager for what its methods do; each raises PERMISSION_DENIED as well.

    Models that the caller may not use are not listed, so that no hint names them.
    """

    def __init__(self, manager: Manager, *, tells_callers_apart: bool = False) -> None:
        """Look at the caller where callers are told apart: a call that nobody was asked about may then use nothing."""
        self._manager = manager
        self._default = NOBODY if tells_callers_apart else ANYONE

    def lease(self, model: ModelRef) -> Lease:
        """See Manager."""
        self._check_known(model)
        return self._manager.lease(model)

    def lease_loaded(self, model: ModelRef) -> "Future[Lease]":
        """See Manager."""
        self._check_known(model)
        return self._manager.lease_loaded(model)

    def describe(self, model: ModelRef) -> Description:
        """See Manager."""
        self._check_known(model)
        return self._manager.describe(model)

    def resolve(self, model: ModelRef) -> ModelRef:
        """See Manager."""
        self._check_known(model)
        return self._manager.resolve(model)

    def statuses(self, name: str) -> list[VersionStatus]:
        """See Manager."""
        self._caller.check_model(name)
        return self._manager.statuses(name)

    def policy(self, name: str) -> VersionPolicy:
        """See Manager."""
        self._caller.check_model(name)
        return self._manager.policy(name)

    def models(self) -> dict[str, bool]:
        """Return whether each known model that the caller may use has a version that answers."""
        caller = self._caller
        return {name: available for name, available in self._manager.models().items() if caller.may_use(name)}

    def found(self, name: str) -> tuple[int, ...]:
        """See Manager."""
        self._caller.check_model(name)
        return self._manager.found(name)

    def may_use(self, name: str) -> bool:
        """Tell whether the caller may use a model, be it there or not."""
        return self._caller.may_use(name)

    def load(self, name: str, policy: VersionPolicy | None = None) -> None:
        """See Manager."""
        self._check_control(name)
        with self._own_hints(name, f"failed to load '{name}', failed to poll from model repository: "):
            self._manager.load(name, policy)

    def unload(self, name: str) -> None:
        """See Manager."""
        self._check_control(name)
        with self._own_hints(name, f"Model to be unloaded has not been served: '{name}'; "):
            self._manager.unload(name)

    def reload(self, source: ModelSource) -> None:
        """See Manager. The caller has to be one that may use every model."""
        self.check_reload()
        self._manager.reload(source)

    def check_reload(self) -> None:
        """Raise StatusError, PERMISSION_DENIED, unless the caller may have other models served."""
        self._check_control("*")

    def _check_known(self, model: ModelRef) -> None:
        """Refuse what the caller may not use; and what there is not before the manager does, whose hint is of all models."""
        caller = self._caller
        if "*" in caller.models:
            return
        caller.check_model(model.name)
        if model.name not in self._manager.models():
            visible = self.models()
            raise StatusError(
                Code.NOT_FOUND,
                f"Servable not found for request: {model}; unknown model: {did_you_mean(model.name, visible)}",
            )

    @contextmanager
    def _own_hints(self, name: str, start: str) -> Iterator[None]:
        """Say of a model that is not there what the manager says, but for its hint, which is of all models."""
        try:
            yield
        except StatusError as error:
            if "*" in self._caller.models or name in self._manager.models():
                raise
            raise StatusError(error.code, f"{start}{did_you_mean(name, self.models())}", field=error.field) from None

    def _check_control(self, model: str) -> None:
        caller = self._caller
        caller.check_control()
        caller.check_model(model)

    @property
    def _caller(self) -> Caller:
        return current_caller.get(self._default)
