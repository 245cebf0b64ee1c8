"""Which of the jobs that wait in a lane are computed in its next batch."""

import itertools
import math

from serving.job import Ticket
from serving.lanes import Lane
from serving.levels import Turn

MOST_BYTES = 1 << 24
"""Of the inputs that are joined: copying more costs more than one call for all of it saves."""
FOR_THREADS = 150e-6
"""Seconds of compute beyond which a job is for a thread: to hand a job to one, and its answer back, takes as long."""
_LONGEST_LOOK = 512
"""Jobs that are looked at for one batch, where few fit."""


def choose(turn: Turn) -> list[Ticket]:
    """Return the first job of the lane whose turn it is, and others of that lane that fit to it."""
    first = next(iter(turn.lane.flows[turn.level].waiting))
    most = wanted_rows(turn.lane)
    chosen, rows, size = [first], first.job.rows, first.size
    if turn.lane.jobs == 1 or not first.joinable or rows >= most:
        return chosen
    in_order = itertools.chain.from_iterable(flow.waiting for flow in turn.lane.by_urgency(turn.level))
    for ticket in itertools.islice(in_order, _LONGEST_LOOK):
        if (
            ticket is not first
            and ticket.shapes == first.shapes
            and ticket.job.independence is first.job.independence
            and rows + ticket.job.rows <= most
            and size + ticket.size <= MOST_BYTES
        ):
            chosen.append(ticket)
            rows += ticket.job.rows
            size += ticket.size
            if rows == most:
                break
    return chosen


def wanted_rows(lane: Lane) -> int:
    """Return how many rows the next batch of a lane is to have at most."""
    turn = rows_of_a_turn(lane)
    return lane.most_rows() if turn is None else min(turn, _power_of_two(lane.rows))


def rows_of_a_turn(lane: Lane) -> int | None:
    """Return how many rows a batch has where those of a lane take turns; None where they do not.

    Jobs for threads, of an engine that takes one core for each (LiteRT), gain little by a large batch. If all that there are
    were one, the core would idle while their answers travel and come back as requests. So each batch is half of them, and
    one half is computed while the other is on its way. Such an engine lays its memory out anew for every number of rows, a
    tenth of a call: it is given powers of two, which it has met.
    """
    if not lane.takes_one_core or not lane.rules.adaptive or lane.times.estimate(1) <= FOR_THREADS:
        return None
    return min(lane.most_rows(), _power_of_two(math.ceil(lane.crowd / 2)))


def _power_of_two(rows: int) -> int:
    """Return the largest that is no more than this; 1 at least."""
    return 1 << max(1, rows).bit_length() - 1
