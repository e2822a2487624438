"""What every tile operator says of itself: operands, effects, layout rules, lowering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import is_
from typing import Any, ClassVar

from .. import ir
from ..errors import SourceSpan
from ..layout import Fragment, SharedLayout, TensorLayout, view_layout
from ..remarks import Remark
from ..target import Target


@dataclass(frozen=True)
class Effects:
    """Regions (TensorRegion nodes) that an operator reads and writes.

    `asynchronous` operators return before their writes are done: `tl.cp_async_wait` and a barrier order them.
    `atomic` operators update what they write atomically: two of them on one buffer do not conflict.
    """

    reads: tuple[ir.BufferRegion, ...] = ()
    writes: tuple[ir.BufferRegion, ...] = ()
    asynchronous: bool = False
    atomic: bool = False


@dataclass(frozen=True)
class TensorMapSpec:
    """A tensor map that a launch needs: of `tensor`, for boxes of `box` elements (innermost first), `swizzle` bytes wide rows."""

    tensor: ir.Var
    box: tuple[int, ...]
    swizzle: int


@dataclass
class LoweringContext:
    """What lowering needs to know beyond the operator.

    `fragments` and `shared` are the inferred layouts, `tensors` the author's for global memory; `views` leads from a view to
    the buffer whose memory it is (`root`); `tid` is the linear thread id; `remarks` collects decisions worth telling the
    author (`kernel.remarks`). While an operator is lowered, `ranges` and `constraints` hold the loops and conditions around
    it; `symbols` are the shape variables. `device_tensors` are those whose address only the device knows (T.make_tensor).
    Inside a statement of a group of threads (`transform/thread_group.py`) `tid` and `num_threads` are the group's, which starts
    at thread `first_thread` of the block.
    `tensor_maps` are the kernel's arguments for TMA, `stored_once` the tensors that TMA may write: one statement stores them, and
    nothing reads them; of those, `stored_apart` get no element twice from one block.
    `tensor_tiles` says where tiles in tensor memory are (`tcgen05.TensorTile`), `tensor_group` how many blocks share products.
    `packed` leads from a parameter of bytes to the one of 4-bit elements that the function declares. `pipeline_depths` are the
    slots that T.annotate_ws_pipeline_depth asks for.
    """

    target: Target
    num_threads: int
    tid: Any
    fragments: dict[ir.Var, Fragment] = field(default_factory=dict)
    shared: dict[ir.Var, Any] = field(default_factory=dict)
    tensors: dict[ir.Var, TensorLayout] = field(default_factory=dict)
    views: dict[ir.Var, ir.Var] = field(default_factory=dict)
    registers: dict[ir.Var, ir.Var] = field(default_factory=dict)
    pass_configs: Mapping[str, Any] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    ranges: dict[ir.Var, tuple[Any, Any]] = field(default_factory=dict)
    symbols: tuple[ir.Var, ...] = ()
    constraints: list[Any] = field(default_factory=list)
    tensor_maps: dict[TensorMapSpec, ir.Var] = field(default_factory=dict)
    stored_once: frozenset[ir.Var] = frozenset()
    stored_apart: frozenset[ir.Var] = frozenset()
    device_tensors: set[ir.Var] = field(default_factory=set)
    tensor_tiles: dict[ir.Var, Any] = field(default_factory=dict)
    tensor_group: int = 1
    first_thread: int = 0
    packed: dict[ir.Var, ir.Var] = field(default_factory=dict)
    pipeline_depths: dict[ir.Var, int] = field(default_factory=dict)
    _kept: tuple[list[Any], ir.Analyzer] | None = field(default=None, init=False, repr=False, compare=False)

    def copy(self) -> LoweringContext:
        """A context whose decisions are its own."""
        containers = {name: value for name, value in vars(self).items() if isinstance(value, (dict, list, set))}
        fresh: dict[str, Any] = {name: type(value)(value) for name, value in containers.items()}
        return replace(self, **fresh)

    @property
    def num_warps(self) -> int:
        return -(-self.num_threads // 32)

    def root(self, buf: ir.Var) -> ir.Var:
        """The buffer whose memory `buf` is: itself, unless it is a view."""
        return self.views.get(buf, buf)

    def registers_of(self, buf: ir.Var) -> ir.Var:
        """The per-thread array (1-D, scope "local") that holds a fragment's elements of this thread."""
        root = self.root(buf)
        if ir.buffer_dtype(root) == ir.buffer_dtype(buf):
            buf = root
        if buf not in self.registers:
            if not buf.same_as(root):
                self.registers_of(root)  # which is declared first
            size = self.fragments[buf].local_size
            self.registers[buf] = ir.buffer((size,), ir.buffer_dtype(buf), str(buf.name), "local")
        return self.registers[buf]

    def tensor_map(self, spec: TensorMapSpec) -> ir.Var:
        """The kernel's argument that holds a tensor map: a buffer of scope "tensor_map"."""
        if spec not in self.tensor_maps:
            self.tensor_maps[spec] = ir.buffer((1,), "uint64", f"{spec.tensor.name}_map", "tensor_map")
        return self.tensor_maps[spec]

    def shared_layout(self, buf: ir.Var) -> Any:
        """The layout of a shared buffer; row-major unless something asked for more."""
        found = self.shared.get(buf)
        root = self.root(buf)
        if found is None and root in self.shared:
            found = view_layout(self.shared[root], ir.static_shape(buf), dtype_bits(ir.buffer_dtype(buf)))
        return SharedLayout.linear(ir.static_shape(buf), dtype_bits(ir.buffer_dtype(buf))) if found is None else found

    def analyzer(self, ranges: Mapping[ir.Var, tuple[Any, Any]] | None = None) -> ir.Analyzer:
        """An analyzer that knows the ranges and conditions around this operator (and `ranges`), and symbols not negative."""
        return ir.analyzer_for({**self.ranges, **(ranges or {})}, self.symbols, self.constraints)

    @property
    def proofs(self) -> ir.Analyzer:
        """What `analyzer()` gives, kept until ranges or conditions change: for questions alone, nothing may be bound to it."""
        known = [*self.ranges, *self.ranges.values(), *self.symbols, *self.constraints]
        if self._kept is None or len(known) != len(self._kept[0]) or not all(map(is_, known, self._kept[0])):
            self._kept = known, self.analyzer()
        return self._kept[1]

    def remark(self, span: Any, text: str, rule: str = "missed", **values: Any) -> None:
        """Tell the author of a decision about the code at `span`; "missed" is what could not be done."""
        place = ir.span_to_source(span)
        file, line = (place.file, place.line) if place else ("", 0)
        self.remarks.append(Remark(rule, text, file, line, values))


class TileOp:
    """Base of the tile operators.

    Subclasses are frozen dataclasses decorated with `@tile_op("tl.name")`. `from_call`/`to_call` convert from and to the
    `Call` node in the tile program; all other methods speak about the operands.
    """

    name: ClassVar[str]
    span: Any

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> TileOp:
        raise NotImplementedError

    def to_call(self) -> ir.Call:
        raise NotImplementedError

    @property
    def source(self) -> SourceSpan | None:
        return ir.span_to_source(self.span)

    def check(self, target: Target) -> None:
        """Raise a SemanticError or UnsupportedError if the operands have no meaning (or none on this target)."""

    def effects(self) -> Effects:
        """Regions read and written."""
        raise NotImplementedError

    @property
    def is_collective(self) -> bool:
        """True if the work is spread over all threads that run the statement; False if each does it for itself."""
        return True

    @property
    def is_counted(self) -> bool:
        """True if an mbarrier of the author's tells when the writes are done: they need no other order after them."""
        return False

    @property
    def own_buffers(self) -> tuple[ir.Var, ...]:
        """Buffers that nothing else touches, and whose accesses it orders itself."""
        return ()

    @property
    def reads_late(self) -> bool:
        """True if it may still read its operands when the next statement runs, until its author waits."""
        return False

    # Pipelines ask whether the operator may return before its writes are done.

    may_be_async: ClassVar[bool] = False

    def can_be_async(self, ctx: LoweringContext) -> bool:
        """True if these operands can be moved asynchronously; asked of operators with `may_be_async`."""
        return False

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        """True if lowering reads shared memory through the asynchronous proxy (PTX ISA, "Proxies")."""
        return False

    # Layout inference asks in this order; a rule may leave operands out.

    def strict_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        """Fragments that the operator dictates whatever its neighbours want (matrix instructions)."""
        return {}

    def derive_fragments(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        """Layouts for operands that have none yet, from those in `known`."""
        return {}

    def default_fragments(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        """Free choice: layouts for operands that nothing else determines (coalesced, vectorised)."""
        return {}

    def required_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        """The layouts that `lower` needs its operands to have, given `ctx.fragments`; others are converted around it."""
        return {}

    def staged_operands(self, ctx: LoweringContext) -> tuple[ir.Var, ...]:
        """Fragments that `lower` needs to find in shared memory instead; they are copied there, and back if it writes them."""
        return ()

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        """Layouts that the operator prefers for its shared operands; the first operator to ask decides.

        Asked before fragments are inferred, and once more after.
        """
        return {}

    def scratch(self, ctx: LoweringContext) -> tuple[tuple[int, ...], str] | None:
        """(shape, dtype) of a shared-memory scratch tile that `lower` needs, or None. It is then `self.scratch_buffer`."""
        return None

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        """Plain TIR: loops over `ctx.registers_of(...)` arrays, loads and stores of shared and global buffers with logical
        indices, and calls of device functions (docs/architecture.md, section 5)."""
        raise NotImplementedError


_OPS: dict[str, type[TileOp]] = {}


def tile_op(name: str) -> Callable[[type[TileOp]], type[TileOp]]:
    """Register a class as the tile operator `name`."""

    def decorate(cls: type[TileOp]) -> type[TileOp]:
        ir.register_op(name)
        cls.name = name
        _OPS[name] = cls
        return cls

    return decorate


@lru_cache(maxsize=512)  # every pass asks again, mostly about statements that no pass between has changed
def as_tile_op(stmt: Any) -> TileOp | None:
    """The operator in `Evaluate(Call("tl.*"))`, or None for any other statement."""
    if isinstance(stmt, ir.Evaluate) and isinstance(stmt.value, ir.Call):
        cls = _OPS.get(ir.call_name(stmt.value))
        if cls is not None:
            return cls.from_call(stmt.value, stmt.span if stmt.span is not None else stmt.value.span)
    return None


def attribute(call: ir.Call, key: str, default: Any = None) -> Any:
    """An attribute of a call, or `default`."""
    if call.attrs is None or key not in call.attrs.keys():
        return default
    return call.attrs[key]


def scratch_of(call: ir.Call) -> ir.Var | None:
    """The scratch buffer that layout inference attached to an operator."""
    return attribute(call, "scratch")


def dtype_bits(dtype: str) -> int:
    """Bits of a dtype name in memory, all lanes of a vector; bool and elements of 6 bits take a byte."""
    if dtype == "bool":
        return 8
    element, _, lanes = dtype.partition("x")
    if lanes:
        return dtype_bits(element) * int(lanes)
    if element.startswith("float"):  # the digits behind the underscore say how the bits are used
        element = element.partition("_")[0]
        element = "8" if element == "float6" else element  # in memory a whole byte
    return int("".join(c for c in element.removeprefix("b") if c.isdigit()))
