"""Any sequence of configs and file changes ends with exactly what the last config says, and with a version up throughout."""

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.manager import Loading, Manager, State
from serving.model_ref import ModelRef
from serving.repository import ModelEntry, ModelTable, VersionPolicy
from serving.servable import Servable
from serving.status import ServerError, StatusError

FOLDERS, MODELS, VERSIONS, LABELS = ("x", "y"), ("m", "n"), (1, 2, 3), ("stable", "canary")


class Engine:
    def __init__(self) -> None:
        self.closed = False

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def close(self) -> None:
        assert not self.closed
        self.closed = True


def load(path: Path) -> Engine:
    if (path / "broken").exists():
        raise ServerError("broken")
    return Engine()


policies = st.one_of(
    st.builds(VersionPolicy, latest=st.sampled_from([1, 2, None])),
    st.builds(
        lambda chosen: VersionPolicy(latest=None, specific=frozenset(chosen)),
        st.sets(st.sampled_from(VERSIONS), min_size=1),
    ),
)
rows = st.tuples(
    st.sampled_from(FOLDERS), policies, st.dictionaries(st.sampled_from(LABELS), st.sampled_from(VERSIONS))
)
steps = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(FOLDERS), st.sampled_from(VERSIONS), st.booleans()),
    st.tuples(st.just("remove"), st.sampled_from(FOLDERS), st.sampled_from(VERSIONS)),
    st.tuples(st.just("reload"), st.dictionaries(st.sampled_from(MODELS), rows)),
    st.tuples(st.just("lease"), st.sampled_from(MODELS)),
    st.tuples(
        st.just("return"),
    ),
)


@dataclass
class World:
    """The files, the config, and what a person with a pencil would say is live."""

    root: Path
    manager: Manager
    template: Path
    table: dict[str, ModelEntry] = field(default_factory=dict)
    live: dict[str, dict[int, Path]] = field(default_factory=dict)
    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    leases: list[tuple[AbstractContextManager[Servable], Servable]] = field(default_factory=list)
    must_be_up: set[str] = field(default_factory=set)

    def check_up(self) -> None:
        up = self.manager.models()
        assert all(up[name] for name in self.must_be_up)

    def put(self, folder: str, version: int, broken: object) -> None:
        path = self.root / folder / str(version)
        if not path.exists():
            staging = self.root / "staging"
            staging.mkdir()
            shutil.copy(self.template, staging)
            if broken:
                (staging / "broken").touch()
            staging.rename(path)

    def remove(self, folder: str, version: int) -> None:
        shutil.rmtree(self.root / folder / str(version), ignore_errors=True)

    def reload(self, rows: Mapping[str, tuple[str, VersionPolicy, Mapping[str, int]]]) -> None:
        self.table = {
            name: ModelEntry(name, self.root / f, policy, labels) for name, (f, policy, labels) in rows.items()
        }
        self.must_be_up &= set(self.table)
        with suppress(StatusError):
            self.manager.reload(ModelTable(tuple(self.table.values())))

    def lease(self, name: str) -> None:
        with suppress(StatusError):
            lease = self.manager.lease(ModelRef(name))
            self.leases.append((lease, lease.__enter__()))

    def give_back(self) -> None:
        for lease, servable in self.leases:
            assert not servable.engine.closed
            lease.__exit__(None, None, None)
        self.leases.clear()

    def expect(self) -> None:
        """Work out by hand what the config and the files make live, from what was live before."""
        self.live = {name: versions for name, versions in self.live.items() if name in self.table}
        self.labels = {name: labels for name, labels in self.labels.items() if name in self.table}
        for name, config in self.table.items():
            before = self.live.get(name, {})
            keep = {}
            for version in sorted(VERSIONS, reverse=True):
                path = config.base_path / str(version)
                is_wanted = config.policy.specific is None or version in config.policy.specific
                is_room = config.policy.latest is None or len(keep) < config.policy.latest
                loads = path.exists() and not (path / "broken").exists()
                if path.exists() and is_wanted and is_room and (loads or version in before):
                    keep[version] = path
            self.live[name] = keep or before
            old = self.labels.get(name, {})
            self.labels[name] = {
                label: version if version in self.live[name] else old[label]
                for label, version in config.labels.items()
                if version in self.live[name] or label in old
            }

    def check(self) -> None:
        for name in MODELS:
            live = {status.version for status in self.manager.statuses(name) if status.state is State.AVAILABLE}
            assert live == set(self.live.get(name, {}))
            if name in self.table:
                assert self.manager.labels(name) == self.labels[name]
        for _, servable in self.leases:
            assert not servable.engine.closed
        self.must_be_up = {name for name, versions in self.live.items() if versions}


@pytest.mark.parametrize("threads", [0, 2])
def test_the_manager_does_what_the_config_says_and_never_drops_the_last_good_version(
    saved_models: Path, threads: int
) -> None:
    template = saved_models / "affine2" / "saved_model.pb"

    @settings(max_examples=75, deadline=None)
    @given(st.lists(steps, min_size=3, max_size=15))
    def run(sequence: list[tuple[object, ...]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for each in FOLDERS:
                (root / each).mkdir()
            manager = Manager(ModelTable(), load, loading=Loading(threads=threads, max_retries=0))
            world = World(root, manager, template)
            manager.on_change(world.check_up)
            actions = {
                "put": world.put,
                "remove": world.remove,
                "reload": world.reload,
                "lease": world.lease,
                "return": world.give_back,
            }
            for name, *arguments in sequence:
                actions[str(name)](*arguments)
                world.expect()
                manager.refresh()
                world.check()
            world.give_back()
            world.must_be_up.clear()
            assert manager.close()

    run()
