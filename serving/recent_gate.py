"""Whether a new version answers what clients asked lately: tried before it goes live, beside the one that answers now."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

import numpy as np

from serving.answer_changes import AnswerChanges, OutputChange, broken
from serving.asking import answer, check_fit
from serving.gate_rules import GateRules
from serving.recent_requests import RecentRequest, RecentRequests
from serving.servable import Servable
from serving.signature import DEFAULT_SIGNATURE, Signature
from serving.status import Code, ServerError, StatusError

logger = logging.getLogger(__name__)

_LONGEST = 10.0
"""Seconds after which no further request is tried: a version that is slow shall not be kept waiting for ever."""
_REASON = 200  # characters


class RefusedVersionError(ServerError):
    """A version that loads, and is not to go live. To load it again changes nothing."""


@dataclass
class _Trial:
    """What came of the requests."""

    changes: AnswerChanges
    asked: int = 0
    rows: int = 0
    faults: list[str] = field(default_factory=list)


class RecentGate:
    """Holds versions against the one that answers. Any thread may use it."""

    def __init__(self, rules: GateRules, recent: RecentRequests, *, clock: Callable[[], float] = monotonic) -> None:
        self._rules = rules
        self._recent = recent
        self._clock = clock

    def check(self, new: Servable, live: Servable, *, may_refuse: bool = True) -> None:
        """Ask both what was asked of the model lately, and log how far their answers are apart.

        Nobody is told what the requests held: messages of a model, which may quote them, are left out.

        Args:
            new: what is to take the place of `live`. An older version, which is gone back to, is not asked.
            live: what answers now; it has to stay loaded meanwhile.
            may_refuse: whether it is to be refused, or its faults logged alone.

        Raises:
            RefusedVersionError: it fails where the other answers, or is further apart than the rules let it be.
        """
        if new.version < live.version:
            return
        trial = self._try(new, live)
        if not trial.asked:
            return
        title, reason, changes = f"{new.name} version {new.version}", self._reason(trial, live), str(trial.changes)
        if reason is None:
            logger.info(
                "%s answers what was asked lately (requests: %d, rows: %d) as version %d%s",
                title, trial.asked, trial.rows, live.version, f", but for: {changes}" if changes else "",
            )  # fmt: skip
        elif may_refuse:
            way_out = f"zoo models promote {new.name} --to {new.version} serves this one all the same"
            raise RefusedVersionError(f"{reason}. Version {live.version} stays ({way_out})")
        else:
            logger.warning("%s is served since it was asked for by its number, though %s", title, reason)

    def _try(self, new: Servable, live: Servable) -> _Trial:
        trial = _Trial(AnswerChanges({*live.class_names, *new.class_names}))
        began = self._clock()
        for request in self._recent.of(new.name):
            if self._clock() - began > _LONGEST:
                logger.info("%s version %d was tried for %g s: that has to do", new.name, new.version, _LONGEST)
                break
            self._compare(request, new, live, trial)
        return trial

    def _compare(self, request: RecentRequest, new: Servable, live: Servable, trial: _Trial) -> None:
        before = _answer(live, request)
        if isinstance(before, _Fault):
            return  # it was answered by an earlier version, or by chance
        after = _answer(new, request)
        if isinstance(after, _Fault) and after.is_passing:
            return
        trial.asked += 1
        trial.rows += max((len(array) for array in request.inputs.values() if array.ndim), default=1)
        fault = after.text if isinstance(after, _Fault) else broken(before, after)
        if fault is not None:
            trial.faults.append(fault)
        elif not isinstance(after, _Fault):
            trial.changes.add(before, after, _prefix(request))

    def _reason(self, trial: _Trial, live: Servable) -> str | None:
        """Return what speaks against a version; None where nothing does."""
        if trial.faults:
            share = f"{len(trial.faults)} of {trial.asked} go wrong"
            return f"of what was asked lately and version {live.version} answers, {share}: {trial.faults[0][:_REASON]}"
        for name, change in trial.changes.outputs.items():
            if self._is_too_far(change):
                return f"its answers are too far from those of version {live.version}: {name} {change}"
        return None

    def _is_too_far(self, change: OutputChange) -> bool:
        distance, flips = self._rules.max_difference, self._rules.max_flips
        if change.shapes and (distance is not None or flips is not None):
            return True
        return (distance is not None and (change.distance or 0.0) > distance) or (
            flips is not None and change.share > flips
        )


@dataclass(frozen=True)
class _Fault:
    text: str
    is_passing: bool = False
    """Whether it may be of the moment and not of the version."""


def _answer(servable: Servable, request: RecentRequest) -> Mapping[str, np.ndarray] | _Fault:
    """Return the answer to a request, or why there is none, in words that quote none of its values."""
    names = request.signatures
    try:
        signature = servable.signature(names if len(names) > 1 else names[0])
        inputs = {**signature.defaults, **request.inputs}
        check_fit(signature, inputs)
    except StatusError as error:
        return _Fault(str(error))
    return _run(servable, signature, inputs)


def _prefix(request: RecentRequest) -> str:
    """Return what tells outputs of several signatures apart; joint ones have names that do."""
    names = request.signatures
    return "" if len(names) > 1 or names[0] == DEFAULT_SIGNATURE else f"{names[0]}:"


def _run(
    servable: Servable, signature: Signature, inputs: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray] | _Fault:
    try:
        return answer(servable.engine, signature, inputs)
    except StatusError as error:
        return _Fault(
            f"signature {signature.name!r} ends with {error.code.name}", error.code is Code.RESOURCE_EXHAUSTED
        )
    except Exception as error:  # noqa: BLE001 - whatever a model does, the version before goes on
        return _Fault(f"signature {signature.name!r} fails with {type(error).__name__}")
