"""However requests, evictions, new versions and configs meet: memory is kept to, every request is answered or refused."""

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.lease import Lease
from serving.manager import Loading, Manager
from serving.repository import ModelEntry, ModelTable, VersionPolicy
from serving.status import Code, StatusError
from tests.serving.fleet import MIB, PATIENCE, Fleet, ask, write_version

BUDGET = 4
SIZES = {"a": 1, "b": 1, "c": 2, "d": 3, "huge": 5}
MODELS = tuple(SIZES)

clients = st.lists(
    st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.sampled_from(MODELS[:-1]), st.just(None)),
            st.tuples(st.just("ask"), st.sampled_from(MODELS), st.sampled_from([None, 1, 2])),
            st.tuples(st.just("leave"), st.sampled_from(MODELS[:-1]), st.just(None)),
            st.tuples(st.just("return"), st.just("a"), st.just(None)),
        ),
        min_size=2,
        max_size=12,
    ),
    min_size=2,
    max_size=4,
)
operator = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(MODELS), st.sampled_from([2, 3]), st.booleans()),
        st.tuples(st.just("refresh")),
        st.tuples(st.just("load"), st.sampled_from(MODELS)),
        st.tuples(st.just("unload"), st.sampled_from(MODELS)),
        st.tuples(st.just("reload"), st.sets(st.sampled_from(MODELS)), st.sampled_from([1, 2, None])),
    ),
    max_size=8,
)


@dataclass
class Client:
    """Asks, holds what it was given for a while, and uses it until it gives it back."""

    manager: Manager
    held: list[Lease] = field(default_factory=list)
    outcomes: Counter[Code] = field(default_factory=Counter)
    fault: BaseException | None = None

    def run(self, plan: list[tuple[str, str, int | None]]) -> None:
        try:
            for what, model, version in plan:
                if what == "return":
                    self.give_back()
                else:
                    self.request(model, version, leaves=what == "leave")
            self.give_back()
        except BaseException as error:  # noqa: BLE001 - told by `check`
            self.fault = error

    def request(self, model: str, version: int | None, *, leaves: bool) -> None:
        try:
            coming = ask(self.manager, model, version)
            if leaves and coming.cancel():
                return
            lease = coming.result(PATIENCE)
        except StatusError as error:
            self.outcomes[error.code] += 1
            return
        assert lease.servable.name == model
        assert version in (None, lease.servable.version)
        self.outcomes[Code.OK] += 1
        self.held.append(lease)

    def give_back(self) -> None:
        for lease in self.held:
            answer = lease.servable.engine.run("serving_default", {"x": np.zeros(1, np.float32)})
            assert answer["y"] == [float(lease.servable.version)]
            lease.close()
        self.held.clear()


class Operator:
    """Puts versions, and says what is served."""

    def __init__(self, manager: Manager, root: Path) -> None:
        self.manager = manager
        self.root = root

    def run(self, plan: list[tuple[object, ...]]) -> None:
        for what, *arguments in plan:
            act: Callable[..., None] = getattr(self, str(what))
            with suppress(StatusError):
                act(*arguments)

    def put(self, model: str, version: int, broken: object) -> None:
        if not (self.root / model / str(version)).exists():
            write_version(self.root, model, version, SIZES[model], broken=bool(broken))

    def refresh(self) -> None:
        self.manager.refresh()

    def load(self, model: str) -> None:
        self.manager.load(model)

    def unload(self, model: str) -> None:
        self.manager.unload(model)

    def reload(self, models: set[str], latest: int | None) -> None:
        policy = VersionPolicy(latest=latest)
        self.manager.reload(ModelTable(tuple(ModelEntry(name, self.root / name, policy) for name in sorted(models))))


@pytest.mark.parametrize(("threads", "room_seconds"), [(1, 0.0), (3, 0.02)])
def test_memory_is_kept_to_and_every_request_is_answered_or_refused(threads: int, room_seconds: float) -> None:
    answered: Counter[Code] = Counter()

    @settings(max_examples=30, deadline=None)
    @given(plans=clients, plan=operator)
    def run(plans: list[list[tuple[str, str, int | None]]], plan: list[tuple[object, ...]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root, fleet = Path(folder), Fleet()
            for model, size in SIZES.items():
                write_version(root, model, 1, size)
            everything = ModelTable(tuple(ModelEntry(name, root / name) for name in MODELS))
            loading = Loading(
                threads=threads,
                max_retries=0,
                on_first_use=True,
                memory_bytes=BUDGET * MIB,
                room_seconds=room_seconds,
            )
            manager = Manager(everything, fleet, loading=loading)
            manager.refresh()
            asking = [Client(manager) for _ in plans]
            jobs = [threading.Thread(target=c.run, args=(p,)) for c, p in zip(asking, plans, strict=True)]
            jobs.append(threading.Thread(target=Operator(manager, root).run, args=(plan,)))
            for job in jobs:
                job.start()
            for job in jobs:
                job.join(2 * PATIENCE)
                assert not job.is_alive()
            for client in asking:
                if client.fault is not None:
                    raise client.fault
                assert client.outcomes.keys() <= {Code.OK, Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED}
                answered.update(client.outcomes)
            assert fleet.largest <= BUDGET
            assert fleet.twice == []
            manager.refresh()
            use = manager.memory_use()
            assert use is not None
            assert use.held == sum(SIZES[each.path.parent.name] for each in fleet.memory) * MIB
            assert manager.close()
            assert fleet.memory == []
            shutil.rmtree(root / "a")

    run()
    assert answered[Code.OK] > 50, answered
