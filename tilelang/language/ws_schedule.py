"""Typed schedules of specialised warps: roles, pipelines between them, and what each role runs in each scope.

The program stays what it is without a schedule: one sequence of statements, in the order that defines its result. A schedule
says which warps run which of its labelled statements and where they hand tiles over; the compiler makes the barriers, the slots
of the tiles and the code of each role, and refuses a schedule whose result it cannot prove to be the program's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..errors import DTypeError, SemanticError
from ..frontend.builder import Frame, require
from .buffer import Buffer
from .emit import WSID as _KEY
from .emit import labelled, statement, whole
from .kernel import Context

_SHARED = ("shared", "shared.dyn")
_MAX_DEPTH = 64
_MIN_REGISTERS, _MAX_REGISTERS, _REGISTER_STEP = 24, 256, 8  # PTX ISA, "setmaxnreg"


class AnnotationKey(str):
    """A key of `annotations=`: T.WSID labels a tile operator or a loop for T.annotate_ws_schedule.

    Examples
    --------
    >>> T.copy(A[0, 0], A_s, annotations={T.WSID: "load"})
    """


WSID = AnnotationKey(_KEY)


# A slot is empty until it is committed, full until it is released.
_BARRIERS = {"empty_wait": "ACQUIRE", "full_arrive": "COMMIT", "full_wait": "WAIT", "empty_arrive": "RELEASE"}


class WSSyncKind(str, Enum):
    """What a role does at a pipeline: a producer acquires a free slot and commits it full, a consumer waits and releases.

    The short names acquire, commit, wait and release mean the same, and so do the barriers' own: empty_wait, full_arrive,
    full_wait and empty_arrive.

    Examples
    --------
    >>> T.WSSyncKind("wait") is T.WSSyncKind.CONSUMER_WAIT
    True
    """

    PRODUCER_ACQUIRE = "producer_acquire"
    PRODUCER_COMMIT = "producer_commit"
    CONSUMER_WAIT = "consumer_wait"
    CONSUMER_RELEASE = "consumer_release"
    ACQUIRE = PRODUCER_ACQUIRE
    COMMIT = PRODUCER_COMMIT
    WAIT = CONSUMER_WAIT
    RELEASE = CONSUMER_RELEASE

    @classmethod
    def _missing_(cls, value: object) -> WSSyncKind | None:
        return cls.__members__.get(str(value).upper()) or cls.__members__.get(_BARRIERS.get(str(value).lower(), ""))


@dataclass(frozen=True)
class WSInstr:
    """What a body of a scope lists: WSOpRef, WSSync or a nested WSScope.

    Examples
    --------
    >>> isinstance(T.WSOpRef("load"), T.WSInstr)
    True
    """


@dataclass(frozen=True)
class WSOpRef(WSInstr):
    """The statement of that label; a plain string in a body means the same.

    Examples
    --------
    >>> T.WSOpRef("load")
    WSOpRef(id='load')
    """

    id: str

    def __post_init__(self) -> None:
        _name(self.id, "id of T.WSOpRef")


@dataclass(frozen=True)
class WSSync(WSInstr):
    """A hand-over at a pipeline.

    Parameters
    ----------
    kind : WSSyncKind or str
        producer_acquire, producer_commit, consumer_wait or consumer_release.
    pipeline : str
        Name of a WSPipeline.
    stage : int
        Which of the fills of one iteration of the scope, counted from 0: a scope that fills its tiles once an iteration has
        only stage 0.

    Examples
    --------
    >>> T.WSSync("consumer_wait", "kv")
    WSSync(kind=<WSSyncKind.CONSUMER_WAIT: 'consumer_wait'>, pipeline='kv', stage=0)
    """

    kind: WSSyncKind
    pipeline: str
    stage: int = 0

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "kind", WSSyncKind(self.kind))
        except ValueError:
            kinds = ", ".join(repr(k.value) for k in WSSyncKind)
            raise SemanticError(f"the kind {self.kind!r} of T.WSSync", fix=f"one of {kinds}") from None
        _name(self.pipeline, "pipeline of T.WSSync")
        _count(self.stage, "stage of T.WSSync", 0, _MAX_DEPTH - 1)


@dataclass(frozen=True)
class WSRole:
    """Neighbouring warps of the block that run one program.

    Parameters
    ----------
    name : str
    warps_lo, warps_hi : int
        Warps `warps_lo` to `warps_hi - 1`.
    max_nreg : int
        Registers of each of its threads, 24 to 256 in steps of 8; 0 leaves what the launch gives. Registers move between
        warpgroups (4 warps): all warps of one have the same number.

    Examples
    --------
    >>> T.WSRole("producer", warps_lo=8, warps_hi=12, max_nreg=24)
    WSRole(name='producer', warps_lo=8, warps_hi=12, max_nreg=24)
    """

    name: str
    warps_lo: int = field(kw_only=True)
    warps_hi: int = field(kw_only=True)
    max_nreg: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        _name(self.name, "name of T.WSRole")
        _count(self.warps_lo, f"warps_lo of role {self.name!r}", 0, 31)
        _count(self.warps_hi, f"warps_hi of role {self.name!r}", self.warps_lo + 1, 32)
        if self.max_nreg != 0:
            _count(self.max_nreg, f"max_nreg of role {self.name!r}", _MIN_REGISTERS, _MAX_REGISTERS)
            if self.max_nreg % _REGISTER_STEP:
                raise SemanticError(f"max_nreg={self.max_nreg} of role {self.name!r}", fix="a multiple of 8")


@dataclass(frozen=True, eq=False)
class WSPipeline:
    """Shared tiles that are handed over together, in `depth` slots.

    Parameters
    ----------
    name : str
    buffers : list of shared tiles
    depth : int

    Examples
    --------
    >>> T.WSPipeline("ab", [A_s, B_s], 2)
    """

    name: str
    buffers: list[Buffer]
    depth: int

    def __post_init__(self) -> None:
        _name(self.name, "name of T.WSPipeline")
        buffers = [self.buffers] if isinstance(self.buffers, Buffer) else list(self.buffers)
        object.__setattr__(self, "buffers", buffers)
        if not buffers:
            raise SemanticError(f"pipeline {self.name!r} hands nothing over", fix="list its shared tiles")
        for buffer in buffers:
            if not isinstance(buffer, Buffer):
                raise DTypeError(f"a buffer of pipeline {self.name!r} is {buffer!r}", fix="list tiles of T.alloc_shared")
            if buffer.scope() not in _SHARED:
                raise SemanticError(
                    f"pipeline {self.name!r} hands over {buffer.name}, which is {buffer.scope()}",
                    fix="roles exchange tiles through shared memory: T.alloc_shared",
                )
        _count(self.depth, f"depth of pipeline {self.name!r}", 1, _MAX_DEPTH)


@dataclass(frozen=True)
class WSScope(WSInstr):
    """What each role runs in one iteration of a loop, or in the kernel as a whole.

    Parameters
    ----------
    id : str
        The label of a loop (`T.serial(n, annotations={T.WSID: "main"})`), or "root": the statements of the kernel itself.
    bodies : dict of str to list
        For each role that takes part, in its order: labels, syncs, nested scopes (or the labels of their loops).

    Examples
    --------
    >>> T.WSScope("main", {"consumer": [T.WSSync("wait", "kv"), "gemm", T.WSSync("release", "kv")]}).id
    'main'
    """

    id: str
    bodies: dict[str, list[Any]]

    def __post_init__(self) -> None:
        _name(self.id, "id of T.WSScope")
        if not isinstance(self.bodies, Mapping):
            raise DTypeError(f"bodies of scope {self.id!r} is {type(self.bodies).__name__}", fix="{role name: [label, ...]}")
        read = {
            _name(role, f"a role of scope {self.id!r}"): [_instruction(i, self) for i in b] for role, b in self.bodies.items()
        }
        object.__setattr__(self, "bodies", read)


@dataclass(frozen=True, eq=False)
class WSSchedule:
    """A whole schedule; T.annotate_ws_schedule gives it to the kernel.

    Parameters
    ----------
    num_warps : int
        Warps of the block.
    roles : list of WSRole
    pipelines : list of WSPipeline
    scopes : list of WSScope

    Examples
    --------
    >>> T.WSSchedule(8, [T.WSRole("all", warps_lo=0, warps_hi=8)], [T.WSPipeline("ab", [A_s, B_s], 3)], [])
    """

    num_warps: int
    roles: list[WSRole]
    pipelines: list[WSPipeline]
    scopes: list[WSScope]

    def __post_init__(self) -> None:
        _count(self.num_warps, "num_warps of T.WSSchedule", 1, 32)
        for kind, items in ((WSRole, self.roles), (WSPipeline, self.pipelines), (WSScope, self.scopes)):
            names = [i.id if isinstance(i, WSScope) else i.name for i in items if isinstance(i, kind)]
            if len(names) < len(items):
                wrong = next(i for i in items if not isinstance(i, kind))
                raise DTypeError(f"{wrong!r} among the {kind.__name__} of a T.WSSchedule", fix=f"T.{kind.__name__}(...)")
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise SemanticError(f"two of T.{kind.__name__} are called {twice[0]!r}", fix="give each a name of its own")
        for role in self.roles:
            if role.warps_hi > self.num_warps:
                raise SemanticError(
                    f"role {role.name!r} has warps {role.warps_lo} to {role.warps_hi - 1} of {self.num_warps}",
                    fix="warps_hi is one past the last warp, at most num_warps",
                )


class ws_op(Context, dict):
    """`with T.ws_op("softmax"):` - labels statements for a schedule; also `T.copy(A, A_s, annotations=T.ws_op("load"))`.

    Without a schedule a label changes nothing.

    Examples
    --------
    >>> with T.ws_op("init"):
    ...     T.clear(acc)
    """

    def __init__(self, op_id: str) -> None:
        super().__init__({WSID: _name(op_id, "label of T.ws_op")})

    def open(self, names: list[str]) -> None:
        builder = require("T.ws_op")
        builder.need_kernel("T.ws_op")
        self.span = builder.span()
        self.frame = builder.push(Frame("label", "T.ws_op"))

    def close(self) -> None:
        builder = require("T.ws_op")
        builder.emit(labelled(self[WSID], builder.pop(self.frame), self.span))


def annotate_ws_schedule(schedule: WSSchedule) -> None:
    """Run the labelled statements of this kernel by the roles of a schedule; sm_90 or newer, elsewhere by all threads.

    Labels are given by `annotations={T.WSID: "label"}` of tile operators and loops, or by `with T.ws_op("label"):`.

    Copies from global memory that a producer runs go by TMA where it can bring them. Statements outside the scopes are run by
    the roles that own their fragments, or by all threads.

    Raises
    ------
    SemanticError
        When the schedule may change the program's result, or its roles wait for each other for ever; it names both sides.

    Examples
    --------
    >>> load = [T.WSSync("producer_acquire", "a"), "load", T.WSSync("producer_commit", "a")]
    >>> use = [T.WSSync("consumer_wait", "a"), "use", T.WSSync("consumer_release", "a")]
    >>> roles = [T.WSRole("load", warps_lo=4, warps_hi=8), T.WSRole("use", warps_lo=0, warps_hi=4)]
    >>> scope = T.WSScope("main", {"load": load, "use": use})
    >>> T.annotate_ws_schedule(T.WSSchedule(8, roles, [T.WSPipeline("a", [A_s], 3)], [scope]))
    >>> for k in T.serial(4, annotations={T.WSID: "main"}):
    ...     T.copy(A[0, k * 64], A_s, annotations={T.WSID: "load"})
    ...     T.copy(A_s, B[0, k * 64], annotations={T.WSID: "use"})
    """
    if not isinstance(schedule, WSSchedule):
        raise DTypeError(f"T.annotate_ws_schedule of {type(schedule).__name__}", fix="pass a T.WSSchedule")
    buffers = [whole(b, b.name) for p in schedule.pipelines for b in p.buffers]
    statement("tl.ws_schedule", tuple(buffers), {"schedule": json.dumps(_plain(schedule))}, "T.annotate_ws_schedule")


def annotate_ws_pipeline_depth(depth_map: Mapping[Any, int]) -> None:
    """How many slots the tiles of a pipeline have: `{buffer: slots}`, or `{"pipeline of the schedule": slots}`.

    It goes before the depth of a WSPipeline, and before what the compiler takes for a T.Pipelined loop with producer warps.

    Examples
    --------
    >>> T.annotate_ws_pipeline_depth({A_s: 4})
    """
    if not isinstance(depth_map, Mapping):
        raise DTypeError(f"T.annotate_ws_pipeline_depth takes a dict, got {type(depth_map).__name__}", fix="{buffer: slots}")
    for key, depth in depth_map.items():
        _count(depth, f"depth of {getattr(key, 'name', key)}", 1, _MAX_DEPTH)
        if isinstance(key, Buffer) and key.scope() in _SHARED:
            statement("tl.ws_pipeline_depth", (whole(key, key.name),), {"depth": depth}, "T.annotate_ws_pipeline_depth")
        elif isinstance(key, str):
            statement("tl.ws_pipeline_depth", (), {"depth": depth, "pipeline": key}, "T.annotate_ws_pipeline_depth")
        else:
            raise DTypeError(f"T.annotate_ws_pipeline_depth of {key!r}", fix="name a tile of T.alloc_shared, or a pipeline")


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise DTypeError(f"the {what} is {value!r}", fix="give a string")
    return value


def _count(value: Any, what: str, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SemanticError(f"the {what} is {value!r}", fix=f"an int from {low} to {high}")


def _instruction(value: Any, scope: WSScope) -> WSInstr:
    if isinstance(value, str):
        return WSOpRef(value)
    if isinstance(value, WSInstr):
        return value
    raise DTypeError(f"scope {scope.id!r} lists {value!r}", fix="list labels, T.WSSync(...) and T.WSScope(...)")


def _plain(schedule: WSSchedule) -> dict[str, Any]:
    """The schedule as JSON; a pipeline's buffers follow as operands, in order."""

    def instruction(i: WSInstr) -> dict[str, Any]:
        if isinstance(i, WSSync):
            return {"sync": i.kind.value, "pipeline": i.pipeline, "stage": i.stage}
        return scope(i) if isinstance(i, WSScope) else {"ref": i.id} if isinstance(i, WSOpRef) else {}

    def scope(s: WSScope) -> dict[str, Any]:
        return {"scope": s.id, "bodies": {role: [instruction(i) for i in body] for role, body in s.bodies.items()}}

    return {
        "num_warps": schedule.num_warps,
        "roles": [{"name": r.name, "first": r.warps_lo, "end": r.warps_hi, "registers": r.max_nreg} for r in schedule.roles],
        "pipelines": [{"name": p.name, "buffers": len(p.buffers), "depth": p.depth} for p in schedule.pipelines],
        "scopes": [scope(s) for s in schedule.scopes],
    }
