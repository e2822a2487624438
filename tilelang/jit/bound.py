"""A kernel with some or all of its arguments fixed."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentError
from tilelang.runtime.launcher import Launcher

if TYPE_CHECKING:
    from tilelang.jit.kernel import JITKernel


class BoundKernel:
    """What `kernel.bind(...)` returns.

    It holds strong references: the memory of bound tensors stays taken as long as this object lives. A kernel that reads a
    bound tensor sees what the tensor holds at the time of the call. Nothing is looked up by the identity of an object.

    When every argument is bound, they were checked once, and a call only launches. With outputs bound too, it allocates nothing.

    Attributes
    ----------
    arguments : dict
        What is bound, by parameter.
    """

    def __init__(self, kernel: JITKernel, arguments: Mapping[str, Any]) -> None:
        plan = kernel.artifact.plan
        self.kernel, self.arguments = kernel, dict(arguments)
        outputs = [plan.parameters[index].name for index in plan.outputs]
        given = [name for name in outputs if name in arguments]
        if given and len(given) < len(outputs):
            missing = next(name for name in outputs if name not in arguments)
            raise ArgumentError(
                f"the output `{missing}` of `{plan.name}` is not bound, but `{given[0]}` is", fix="bind all or none"
            )
        self._plan = plan.without_outputs() if given else plan
        self._names = [p.name for p in self._plan.parameters if not p.output]
        made = [arguments[name] for name in outputs] if given else []
        self._result = None if not made else made[0] if len(made) == 1 else made
        self._free = [name for name in self._names if name not in arguments]
        launcher = Launcher(self._plan, kernel.artifact.binary())
        self._launch: Callable[..., Any] = (
            functools.partial(self._merged, launcher)
            if self._free
            else launcher.bind(*(arguments[name] for name in self._names), result=self._result)
        )

    def _merged(self, launcher: Launcher, *args: Any) -> Any:
        if len(args) != len(self._free):
            raise ArgumentError(
                f"`{self._plan.name}` misses {len(self._free)} argument(s) ({', '.join(self._free)}), got {len(args)}",
                fix="pass what is not bound, in this order",
            )
        free = iter(args)
        result = launcher(*(self.arguments[name] if name in self.arguments else next(free) for name in self._names))
        return result if self._result is None else self._result

    if TYPE_CHECKING:

        def __call__(self, *args: Any) -> Any:
            """Run the kernel on what is bound and, in signature order, on what is not."""

    else:  # read by the interpreter itself: a method here would cost as much as the whole call
        __call__ = property(operator.attrgetter("_launch"), doc="Run the kernel on what is bound, and on what is not.")

    def __repr__(self) -> str:
        return f"<BoundKernel {self._plan.name}({', '.join(self._free)})>"
