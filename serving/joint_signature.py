"""Several signatures of one version, asked at once with the same inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.engines.engine import Engine, JointEngine
from serving.signature import Signature
from serving.status import invalid


@dataclass(frozen=True)
class JointSignature(Signature):
    """Takes what each of its parts takes, and answers what all of them answer; an output is called `part:output`."""

    members: tuple[Signature, ...] = ()

    @classmethod
    def of(cls, members: Sequence[Signature]) -> "JointSignature":
        """Join signatures, none of them twice.

        Raises:
            StatusError: INVALID_ARGUMENT; they do not take the same.
        """
        first = members[0]
        for other in members[1:]:
            if other.inputs != first.inputs:
                raise invalid(
                    f"Input tensor must be the same for all Signatures. {first.name!r} takes {_show(first)}, "
                    f"{other.name!r} takes {_show(other)}",
                    field="tasks",
                )
        return cls(
            "+".join(member.name for member in members),
            inputs=first.inputs,
            outputs={_joint_name(each, name): spec for each in members for name, spec in each.outputs.items()},
            members=tuple(members),
        )

    @property
    def parts(self) -> tuple[Signature, ...]:
        """See Signature."""
        return self.members

    def run(self, engine: Engine, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Signature."""
        names = [member.name for member in self.members]
        if isinstance(engine, JointEngine):
            answers = engine.run_jointly(names, inputs)
        else:
            answers = {name: engine.run(name, inputs) for name in names}
        return {_joint_name(each, name): array for each in self.members for name, array in answers[each.name].items()}

    def split(self, outputs: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Return the outputs of each part under their own names."""
        return [{name: outputs[_joint_name(each, name)] for name in each.outputs} for each in self.members]


def _joint_name(member: Signature, output: str) -> str:
    return f"{member.name}:{output}"


def _show(signature: Signature) -> str:
    return ", ".join(f"{name!r} ({spec})" for name, spec in signature.inputs.items()) or "nothing"
