"""A schedule of the author's, tied to the statements of the launch that it is for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ... import ir
from ...errors import SemanticError
from ..thread_group import ThreadGroup

WSID = "tl.ws_id"
SCHEDULE, DEPTH = "tl.ws_schedule", "tl.ws_pipeline_depth"
ROOT = "root"
WARP = 32


@dataclass(frozen=True)
class Role:
    """Warps `first` to `end - 1`; `registers` of a thread, 0 for what the launch gives."""

    name: str
    first: int
    end: int
    registers: int

    @property
    def group(self) -> ThreadGroup:
        return ThreadGroup(self.first * WARP, (self.end - self.first) * WARP)


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Tiles that are handed over together, in `depth` slots."""

    name: str
    buffers: tuple[ir.Var, ...]
    depth: int


@dataclass(frozen=True, eq=False)
class Op:
    """A labelled statement."""

    label: str
    stmt: ir.Stmt
    span: Any


@dataclass(frozen=True)
class Sync:
    """What a role does at a pipeline: "producer_acquire", "producer_commit", "consumer_wait" or "consumer_release"."""

    kind: str
    pipeline: Pipeline
    stage: int

    @property
    def opens(self) -> bool:
        return self.kind in ("producer_acquire", "consumer_wait")

    @property
    def produces(self) -> bool:
        return self.kind.startswith("producer")


@dataclass(eq=False)
class Scope:
    """A loop of the program (None: the kernel itself) and what each role runs in it.

    `ops` and `inner` are the labelled statements and scopes directly inside, `free` the other statements; all in program order
    in `items`.
    """

    label: str
    loop: ir.For | None
    span: Any
    items: list[Any] = field(default_factory=list)
    bodies: dict[str, list[Op | Sync | Scope]] = field(default_factory=dict)

    @property
    def ops(self) -> list[Op]:
        return [i for i in self.items if isinstance(i, Op)]

    @property
    def inner(self) -> list[Scope]:
        return [i for i in self.items if isinstance(i, Scope)]

    @property
    def free(self) -> list[ir.Stmt]:
        return [i for i in self.items if isinstance(i, ir.Stmt)]

    def nested(self) -> Iterator[Scope]:
        """This scope and all inside it."""
        yield self
        for scope in self.inner:
            yield from scope.nested()


@dataclass(eq=False)
class Schedule:
    """A schedule with its scopes tied to loops: `scopes` are those that no other scope holds."""

    num_warps: int
    roles: dict[str, Role]
    pipelines: dict[str, Pipeline]
    scopes: list[Scope]
    span: Any

    def error(self, text: str, fix: str, span: Any = None) -> SemanticError:
        """An error about the schedule, at `span` or where the schedule is annotated."""
        return SemanticError(text, fix=fix, span=ir.span_to_source(span if span is not None else self.span))

    def all_scopes(self) -> list[Scope]:
        return [s for top in self.scopes for s in top.nested()]


def label_of(stmt: ir.Stmt) -> str | None:
    """The label of a statement; None if it has none."""
    if isinstance(stmt, ir.AttrStmt) and stmt.attr_key == WSID:
        return str(stmt.value.value)
    if isinstance(stmt, ir.For) and WSID in stmt.annotations:
        return str(stmt.annotations[WSID])
    return None


def schedule_call(body: ir.Stmt) -> ir.Evaluate | None:
    """The statement of T.annotate_ws_schedule."""
    found = [s for s in ir.collect(body, ir.Evaluate) if ir.is_call(s.value, SCHEDULE)]
    if len(found) > 1:
        raise SemanticError(
            "a kernel has two schedules", fix="call T.annotate_ws_schedule once", span=ir.span_to_source(found[1].span)
        )
    return found[0] if found else None


def read_schedule(call: ir.Evaluate, body: ir.Stmt) -> Schedule:
    """The schedule of a launch.

    Raises
    ------
    SemanticError
        It names a role, pipeline, label or loop that is not there, or leaves a labelled statement out.
    """
    return _Reader(call, body).read()


class _Reader:
    def __init__(self, call: ir.Evaluate, body: ir.Stmt) -> None:
        self.data: dict[str, Any] = json.loads(str(call.value.attrs["schedule"]))
        self.operands = [region.source for region in call.value.args]
        self.body, self.span = body, call.span
        self.hints = [s.value for s in ir.collect(body, ir.Evaluate) if ir.is_call(s.value, DEPTH)]
        self.written: dict[str, dict[str, Any]] = {}
        self.used: set[str] = set()

    def error(self, text: str, fix: str, span: Any = None) -> SemanticError:
        return SemanticError(text, fix=fix, span=ir.span_to_source(span if span is not None else self.span))

    def read(self) -> Schedule:
        roles = {r["name"]: Role(**r) for r in self.data["roles"]}
        pipelines = self.pipelines()
        for scope in self.data["scopes"]:
            self.collect(scope)
        out = Schedule(self.data["num_warps"], roles, pipelines, [], self.span)
        if ROOT in self.written:
            out.scopes = [self.scope_of(ROOT, None, self.body, out)]
        else:
            out.scopes = self.outermost(self.body, out)
        missing = sorted(set(self.written) - self.used)
        if missing:
            raise self.error(
                f"scope {missing[0]!r} of the schedule is no loop of the kernel",
                "label the loop: T.serial(n, annotations={T.WSID: " + repr(missing[0]) + "})",
            )
        return out

    def pipelines(self) -> dict[str, Pipeline]:
        operands, out = iter(self.operands), {}
        owner: dict[ir.Var, str] = {}
        for entry in self.data["pipelines"]:
            buffers = tuple(next(operands) for _ in range(entry["buffers"]))
            for buf in buffers:
                if owner.setdefault(buf, entry["name"]) != entry["name"]:
                    raise self.error(
                        f"{buf.name} is handed over by pipelines {owner[buf]!r} and {entry['name']!r}",
                        "list a tile in one of them",
                    )
            out[entry["name"]] = Pipeline(entry["name"], buffers, self.depth(entry, buffers))
        return out

    def depth(self, entry: dict[str, Any], buffers: tuple[ir.Var, ...]) -> int:
        depth = int(entry["depth"])
        for hint in self.hints:
            by_name = "pipeline" in hint.attrs.keys() and str(hint.attrs["pipeline"]) == entry["name"]
            if by_name or (len(hint.args) and hint.args[0].source in buffers):
                depth = int(hint.attrs["depth"])
        return depth

    def collect(self, scope: dict[str, Any]) -> None:
        """Note a scope and those written inside its bodies: one label may come by in several bodies."""
        known = self.written.setdefault(scope["scope"], {"scope": scope["scope"], "bodies": {}})
        for role, body in scope["bodies"].items():
            if known["bodies"].setdefault(role, body) != body:
                raise self.error(f"role {role!r} has two bodies in scope {scope['scope']!r}", "write one of them")
            for entry in body:
                if "scope" in entry:
                    self.collect(entry)

    # ------------------------------------------------------------------ scopes

    def outermost(self, stmt: ir.Stmt, out: Schedule) -> list[Scope]:
        """The scopes of a statement that lie in no other."""
        label = label_of(stmt)
        if label is not None and label in self.written:
            return [self.scope_of(label, stmt, stmt.body, out)]
        if isinstance(stmt, ir.SeqStmt):
            return [s for part in stmt.seq for s in self.outermost(part, out)]
        if isinstance(stmt, ir.IfThenElse):
            sides = [stmt.then_case] + ([] if stmt.else_case is None else [stmt.else_case])
            return [s for side in sides for s in self.outermost(side, out)]
        if isinstance(stmt, (ir.For, ir.While, ir.AttrStmt)):
            return self.outermost(stmt.body, out)
        return []

    def scope_of(self, label: str, loop: ir.Stmt | None, body: ir.Stmt, out: Schedule) -> Scope:
        span = self.span if loop is None else loop.span
        if label in self.used:
            raise self.error(f"two loops are labelled {label!r}", "give each loop a label of its own", span)
        if loop is not None and (not isinstance(loop, ir.For) or loop.kind != ir.ForKind.SERIAL):
            raise self.error(f"scope {label!r} is no serial loop", "label a loop of T.serial, range or T.Pipelined", span)
        self.used.add(label)
        scope = Scope(label, loop, span)
        for stmt in ir.statements(body):
            inner = label_of(stmt)
            if inner is None:
                found = self.outermost(stmt, out)
                if found:
                    raise self.error(
                        f"scope {found[0].label!r} lies in scope {label!r}, inside a statement without a label",
                        "label the loop around it and give it a scope",
                        stmt.span,
                    )
                scope.items.append(stmt)
            elif inner in self.written:
                scope.items.append(self.scope_of(inner, stmt, stmt.body, out))
            else:
                scope.items.append(Op(inner, stmt.body if isinstance(stmt, ir.AttrStmt) else without_label(stmt), stmt.span))
        self.bodies(scope, out)
        return scope

    def bodies(self, scope: Scope, out: Schedule) -> None:
        known: dict[str, Op | Scope] = {}
        labelled: list[Op | Scope] = [*scope.ops, *scope.inner]
        for item in labelled:
            if known.setdefault(item.label, item) is not item:
                raise self.error(f"two statements of scope {scope.label!r} are labelled {item.label!r}", "rename one", item.span)
        for role, body in self.written[scope.label]["bodies"].items():
            if role not in out.roles:
                raise self.error(f"scope {scope.label!r} has a body for {role!r}, which is no role", "one of " + _list(out.roles))
            scope.bodies[role] = [self.instruction(entry, known, scope, role, out) for entry in body]
        mentioned = {i.label for body in scope.bodies.values() for i in body if not isinstance(i, Sync)}
        for label, item in known.items():
            if label not in mentioned:
                raise self.error(
                    f"no role runs {label!r} of scope {scope.label!r}", f"list {label!r} in the body of a role", item.span
                )

    def instruction(self, entry: dict[str, Any], known: dict[str, Op | Scope], scope: Scope, role: str, out: Schedule) -> Any:
        if "sync" in entry:
            if entry["pipeline"] not in out.pipelines:
                raise self.error(
                    f"role {role!r} syncs on {entry['pipeline']!r}, which is no pipeline", "one of " + _list(out.pipelines)
                )
            return Sync(entry["sync"], out.pipelines[entry["pipeline"]], int(entry["stage"]))
        label = entry.get("ref", entry.get("scope"))
        if label not in known:
            raise self.error(
                f"role {role!r} lists {label!r}, which is no label directly in scope {scope.label!r}",
                f"there: {_list(known) or 'no labels'}",
            )
        return known[label]


def without_label(loop: ir.For) -> ir.For:
    """The loop without its label, and without what asks for a pipeline of its own."""
    notes = {k: v for k, v in loop.annotations.items() if k != WSID}
    parts = loop.loop_var, loop.min, loop.extent, loop.kind, loop.body, loop.thread_binding
    return ir.For(*parts, notes, loop.step, loop.span)


def _list(names: Any) -> str:
    return ", ".join(repr(n) for n in names)
