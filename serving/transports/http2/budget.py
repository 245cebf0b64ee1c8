"""How much of what is of no use a peer may send."""


class Budget:
    """Tokens that are spent, earned by what is of use, and come back with time. Never more than there were at first."""

    def __init__(self, tokens: int, per_second: float) -> None:
        self._most = tokens
        self._per_second = per_second
        self.left = float(tokens)
        """Tokens that there are for certain: what was earned, or came back, since somebody spent is yet to be added."""
        self._looked: float | None = None
        self.earned = 0
        """Tokens to give back, added to by whoever sees something of use."""

    def spend(self, tokens: int, now: float) -> bool:
        """Take tokens; tell whether there were as many. `now` never goes back."""
        back = 0.0 if self._looked is None else (now - self._looked) * self._per_second
        self.left = min(self._most, self.left + self.earned + back) - tokens
        self._looked, self.earned = now, 0
        return self.left >= 0
