"""What each role runs, with the fill of every tile that a statement touches: syncs open and close sections of a body.

[acquire ab, load_a, load_b, commit ab]     load_a and load_b write fill 0 of `ab` of this iteration
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ... import ir
from ..effects import Access, accesses_within
from .schedule import Op, Pipeline, Role, Schedule, Scope, Sync


@dataclass(frozen=True, eq=False)
class Step:
    """A statement in a role's body; `fills`: for each pipeline with an open section, which fill that is, and whose side."""

    op: Op
    role: Role
    fills: dict[Pipeline, Sync]


@dataclass(eq=False)
class RoleScope:
    """A role's part in a scope."""

    scope: Scope
    role: Role
    body: list[Step | Sync | RoleScope] = field(default_factory=list)

    def steps(self) -> Iterator[Step]:
        """The statements of this part and of those inside."""
        for item in self.body:
            if isinstance(item, Step):
                yield item
            elif isinstance(item, RoleScope):
                yield from item.steps()

    def syncs(self, pipeline: Pipeline) -> list[Sync]:
        """The syncs on a pipeline, nested scopes aside."""
        return [i for i in self.body if isinstance(i, Sync) and i.pipeline is pipeline]

    def parts(self) -> Iterator[RoleScope]:
        yield self
        for item in self.body:
            if isinstance(item, RoleScope):
                yield from item.parts()


def place_roles(schedule: Schedule) -> list[RoleScope]:
    """Each role's part in each outermost scope, outermost scopes in program order.

    Raises
    ------
    SemanticError
        Syncs of a body do not pair up.
    """
    return [
        _place(scope, role, schedule, {})
        for scope in schedule.scopes
        for role in schedule.roles.values()
        if any(role.name in s.bodies for s in scope.nested())
    ]


def _place(scope: Scope, role: Role, schedule: Schedule, around: dict[Pipeline, Sync]) -> RoleScope:
    part = RoleScope(scope, role)
    opened: dict[Pipeline, list[int]] = {}
    closed: dict[Pipeline, list[int]] = {}
    fills = dict(around)
    where = f"role {role.name!r} in scope {scope.label!r}"
    for item in scope.bodies.get(role.name, []):
        if isinstance(item, Scope):
            part.body.append(_place(item, role, schedule, fills))
        elif isinstance(item, Op):
            part.body.append(Step(item, role, dict(fills)))
        elif item.opens:
            fill, before = item.pipeline, opened.setdefault(item.pipeline, [])
            if item.stage != len(before):
                raise schedule.error(
                    f"{where}: {item.kind} of {fill.name!r} with stage {item.stage} comes after {len(before)} others",
                    f"the fills of one iteration are stages 0, 1, ... in this order: stage={len(before)}",
                )
            if fill in fills and fills[fill].produces != item.produces:
                raise schedule.error(f"{where} is producer and consumer of {fill.name!r}", "split the role in two")
            before.append(item.stage)
            fills[fill] = item
            part.body.append(item)
        else:
            verb = "producer_acquire" if item.produces else "consumer_wait"
            is_open = item.stage in opened.get(item.pipeline, []) and item.stage not in closed.get(item.pipeline, [])
            if not is_open or fills[item.pipeline].produces != item.produces:
                raise schedule.error(
                    f"{where}: {item.kind} of {item.pipeline.name!r}, stage {item.stage}, without a {verb} before it",
                    f'T.WSSync("{verb}", {item.pipeline.name!r}, {item.stage}) goes before what touches the tiles',
                )
            closed.setdefault(item.pipeline, []).append(item.stage)
            if fills[item.pipeline].stage == item.stage:
                rest = [s for s in opened[item.pipeline] if s not in closed[item.pipeline]]
                if rest:
                    fills[item.pipeline] = Sync(fills[item.pipeline].kind, item.pipeline, rest[-1])
                else:
                    del fills[item.pipeline]
            part.body.append(item)
    for pipeline, stages in opened.items():
        left = [s for s in stages if s not in closed.get(pipeline, [])]
        if left:
            raise schedule.error(
                f"{where} never gives back {pipeline.name!r}, stage {left[0]}",
                "end its section: producer_commit after producer_acquire, consumer_release after consumer_wait",
            )
    return part


def accesses_of(op: Op, views: dict[ir.Var, ir.Var]) -> list[Access]:
    """What a statement reads and writes; views as what they are views of."""
    return [a.of_root(views) for a in accesses_within(op.stmt)]


def in_registers(access: Any) -> bool:
    """True for what each thread or role holds for itself."""
    return bool(access.scope.startswith("local"))
