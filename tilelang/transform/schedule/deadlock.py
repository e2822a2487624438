"""Run the roles' syncs against each other, without data: a schedule that stops here would stop on the GPU.

Every loop runs for a few iterations more than the deepest pipeline has slots. From then on the roles repeat what they did, so
that a schedule that gets through these iterations gets through all.
"""

from __future__ import annotations

from collections.abc import Iterator

from .place import RoleScope
from .schedule import Pipeline, Role, Schedule, Sync

_INNER_TRIPS = 2  # of loops that a pipeline goes around


def check_progress(schedule: Schedule, parts: list[RoleScope]) -> None:
    """Raise SemanticError, with what each role waits for, if the roles come to a stop."""
    fills = _fills(parts)
    producers = {p: _roles(parts, p, True) for p in fills}
    consumers = {p: _roles(parts, p, False) for p in fills}
    runs: dict[Role, list[RoleScope]] = {}
    for part in parts:
        runs.setdefault(part.role, []).append(part)
    done: dict[tuple[Role, str, Pipeline], int] = {}
    programs = {role: _syncs(own, fills, schedule) for role, own in runs.items()}
    waiting: dict[Role, tuple[Sync, int]] = {}
    while programs:
        moved = False
        for role in list(programs):
            while True:
                if role not in waiting:
                    step = next(programs[role], None)
                    if step is None:
                        del programs[role]
                        moved = True
                        break
                    waiting[role] = step
                sync, item = waiting[role]
                pipeline = sync.pipeline
                if sync.kind == "producer_acquire":
                    needed = [(r, "consumer_release", item - pipeline.depth) for r in consumers[pipeline]]
                elif sync.kind == "consumer_wait":
                    needed = [(r, "producer_commit", item) for r in producers[pipeline]]
                else:
                    needed = []
                    done[role, sync.kind, pipeline] = item + 1
                if any(done.get((r, kind, pipeline), 0) <= number for r, kind, number in needed):
                    break
                del waiting[role]
                moved = True
        if not moved:
            text = "; ".join(
                f"{role.name!r} at {sync.kind} of {sync.pipeline.name!r} (fill {item})" for role, (sync, item) in waiting.items()
            )
            raise schedule.error(
                f"the roles of the schedule wait for each other: {text}",
                "order the syncs alike in all roles, or give the pipeline more slots (depth)",
            )


def _roles(parts: list[RoleScope], pipeline: Pipeline, produces: bool) -> list[Role]:
    found = [part.role for top in parts for part in top.parts() if any(s.produces == produces for s in part.syncs(pipeline))]
    return list(dict.fromkeys(found))


def _fills(parts: list[RoleScope]) -> dict[Pipeline, int]:
    """How often one iteration of its scope fills each pipeline."""
    out: dict[Pipeline, int] = {}
    for top in parts:
        for part in top.parts():
            for item in part.body:
                if isinstance(item, Sync):
                    out[item.pipeline] = max(out.get(item.pipeline, 0), item.stage + 1)
    return out


def _syncs(parts: list[RoleScope], fills: dict[Pipeline, int], schedule: Schedule) -> Iterator[tuple[Sync, int]]:
    """A role's syncs, with the number of the fill that each is about."""
    trips = 2 * max((p.depth for p in schedule.pipelines.values()), default=1) + 2
    first: dict[Pipeline, int] = {}

    def run(part: RoleScope, depth: int) -> Iterator[tuple[Sync, int]]:
        count = 1 if part.scope.loop is None else trips if depth == 0 else _INNER_TRIPS
        own = dict.fromkeys(i.pipeline for i in part.body if isinstance(i, Sync))
        for _ in range(count):
            for item in part.body:
                if isinstance(item, Sync):
                    yield item, first.get(item.pipeline, 0) + item.stage
                elif isinstance(item, RoleScope):
                    yield from run(item, depth + (part.scope.loop is not None))
            for pipeline in own:
                first[pipeline] = first.get(pipeline, 0) + fills[pipeline]

    for part in parts:
        yield from run(part, 0)
