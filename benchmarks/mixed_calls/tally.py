"""What became of calls, counted."""

from collections import Counter
from dataclasses import dataclass, field

from benchmarks.mixed_calls.answer import WrongAnswerError
from benchmarks.mixed_calls.case import OK, UNIMPORTANT, Case, Outcome


@dataclass
class Tally:
    """What became of calls."""

    kinds: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        """How many there were."""
        return sum(self.codes.values())

    def note(self, case: Case, outcome: Outcome) -> None:
        """Count a call. Raises WrongAnswerError where it did not end as it should."""
        if outcome.code == OK:
            try:
                case.check(outcome.answers)
            except WrongAnswerError as error:
                raise WrongAnswerError(f"{case.kind}: {error}") from None
        if case.code not in (outcome.code, UNIMPORTANT):
            raise WrongAnswerError(f"{case.kind} ended with {outcome.code} ({outcome.text}), not {case.code}")
        self.kinds[case.kind] += 1
        self.codes[outcome.code] += 1
