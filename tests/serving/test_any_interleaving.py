"""Any interleaving of sizes, cancellations, errors and deadlines on a simulated clock, against a plain list."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching_parameters import BatchingParameters
from serving.batching_rules import BatchingRules
from serving.job import Ticket
from serving.status import Code, StatusError
from tests.serving.simulation import BAD, BadValuesError, Engine, Simulation, make_job

ENGINES = ("batched", "mixing", "unbatched")
RULES = [
    BatchingRules(),
    BatchingRules(max_rows=4),
    BatchingRules.off(),
    BatchingRules.of(BatchingParameters(max_batch_size=8, batch_timeout_micros=200_000)),
    BatchingRules.of(BatchingParameters(max_batch_size=8, allowed_batch_sizes=(2, 5, 8))),
    BatchingRules.of(
        BatchingParameters(max_batch_size=8, enable_large_batch_splitting=True, max_execution_batch_size=3)
    ),
]


@dataclass(frozen=True)
class Request:
    """What one client does."""

    at: float
    lane: str
    rows: int
    width: int
    bad: bool
    patience: float | None
    cancelled_after: float | None
    priority: int


hundredths = st.integers(0, 100).map(lambda number: number / 100)
requests = st.builds(
    Request,
    at=st.integers(0, 200).map(lambda number: number / 100),
    lane=st.sampled_from(ENGINES),
    rows=st.integers(1, 6),
    width=st.integers(1, 2),
    bad=st.sampled_from([False] * 5 + [True]),
    patience=st.none() | hundredths,
    cancelled_after=st.none() | hundredths,
    priority=st.integers(0, 6),
)


@dataclass
class Clients:
    """Who asked what; knows by a plain list what is pending."""

    simulation: Simulation
    rules: BatchingRules
    bound: int
    model_bound: int
    asked: dict[Ticket, tuple[Request, list[float]]] = field(default_factory=dict)
    pending: list[Ticket] = field(default_factory=list)
    cancelled: set[Ticket] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.engines = {name: Engine(self.simulation.clock, mixes_rows=name == "mixing") for name in ENGINES}
        self.independence = {name: self.engines[name].independence() for name in ("batched", "mixing")}

    def come(self, number: int, request: Request) -> None:
        """Send a request whose values no other has; see that it is let in exactly where there is room."""
        values = [100.0 * (number + 1) + row for row in range(request.rows)]
        if request.bad:
            values[-1] = BAD
        now = self.simulation.clock()
        job = make_job(
            self.engines[request.lane],
            values,
            lane=request.lane,
            width=request.width,
            model=request.lane,
            priority=request.priority,
            deadline=None if request.patience is None else now + request.patience,
            independence=self.independence.get(request.lane),
        )
        refused = self.submit(job, request, values)
        left = [ticket for ticket in self.pending if self.is_pending(ticket)]
        same_model = [ticket for ticket in left if ticket.job.lane == request.lane]
        full = len(left) >= self.bound or len(same_model) >= self.model_bound
        if refused is None:
            assert not full
            self.pending = [*left, ticket_of(self.asked)]
        elif full:
            assert refused.code is Code.RESOURCE_EXHAUSTED
        else:
            assert refused.code is Code.UNAVAILABLE, "too many batches of TensorFlow Serving's wait"
            assert self.rules.max_waiting_rows is not None

    def submit(self, job: object, request: Request, values: list[float]) -> StatusError | None:
        try:
            ticket = self.simulation.submit(job)
        except StatusError as error:
            return error
        self.asked[ticket] = (request, values)
        if request.cancelled_after is not None:
            self.simulation.at(self.simulation.clock() + request.cancelled_after, lambda: self.cancel(ticket))
        return None

    def is_pending(self, ticket: Ticket) -> bool:
        return ticket not in self.simulation.outcomes and ticket not in self.cancelled

    def cancel(self, ticket: Ticket) -> None:
        if ticket not in self.simulation.outcomes and ticket.cancel():
            self.cancelled.add(ticket)
            assert self.simulation.queue.discard(ticket)

    def computed(self, lane: str) -> set[float]:
        return {row for _, rows in self.engines[lane].calls for row in rows}

    def check_outcome(self, ticket: Ticket) -> None:
        """Every client got the answer to its own rows, or an error of its own."""
        request, values = self.asked[ticket]
        own = {value for value in values if value != BAD}
        if ticket in self.cancelled:
            assert ticket not in self.simulation.outcomes
            assert not own & self.computed(request.lane), "cancelled before its turn, and computed"
            return
        outcome = self.simulation.outcomes[ticket]
        if isinstance(outcome, dict):
            assert not request.bad
            added = len(values) if request.lane == "mixing" else 0
            assert outcome["y"].tolist() == [[2 * value + added] * request.width for value in values]
        elif isinstance(outcome, BadValuesError):
            assert request.bad, "failed for another's values"
        else:
            assert isinstance(outcome, StatusError)
            assert outcome.code is Code.DEADLINE_EXCEEDED
            assert request.patience is not None
            if not ticket.running():
                assert not own & self.computed(request.lane), "expired before its turn, and computed"
                assert self.simulation.ended_at[ticket] == pytest.approx(ticket.job.deadline), "not at its deadline"

    def check_calls(self) -> None:
        """No call had too many rows, or one whose deadline had passed."""
        deadline = {value: ticket.job.deadline for ticket, (_, values) in self.asked.items() for value in values}
        for engine in self.engines.values():
            for start, rows in engine.calls:
                assert len(rows) <= max(self.rules.max_rows, 6)
                assert all(deadline[row] is None or start < deadline[row] for row in rows if row != BAD)


def ticket_of(asked: dict[Ticket, object]) -> Ticket:
    return next(reversed(asked))


@settings(max_examples=400, deadline=None)
@given(
    plan=st.lists(requests, max_size=30),
    rules=st.sampled_from(RULES),
    threads=st.integers(1, 3),
    bound=st.integers(1, 12),
    model_bound=st.integers(1, 12),
)
def test_every_client_gets_the_answer_to_its_own_rows_or_an_error(
    plan: list[Request], rules: BatchingRules, threads: int, bound: int, model_bound: int
) -> None:
    simulation = Simulation.of(threads=threads, max_pending=bound, max_pending_per_model=model_bound, rules=rules)
    clients = Clients(simulation, rules, bound, model_bound)
    for number, request in enumerate(plan):
        simulation.at(request.at, lambda number=number, request=request: clients.come(number, request))
    simulation.run()
    for ticket in clients.asked:
        clients.check_outcome(ticket)
    clients.check_calls()
    assert simulation.queue.pending == 0
    assert simulation.queue.remembered == 0
