"""A kernel with inputs: compare it with a reference, measure it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilelang.profiler.bench import do_bench
from tilelang.profiler.supply import TensorSupplyType, supply_tensor
from tilelang.testing.compare import torch_assert_close

if TYPE_CHECKING:
    from tilelang.jit.kernel import JITKernel
    from tilelang.jit.param import KernelParam


class Profiler:
    """Measures and checks a kernel.

    Parameters
    ----------
    params : list of KernelParam
        All parameters, outputs included.
    result_idx : list of int
        Those that a call returns.
    supply_type : TensorSupplyType
        How inputs are filled.
    adapter : JITKernel
        What is called.
    """

    def __init__(
        self, params: list[KernelParam], result_idx: list[int], supply_type: TensorSupplyType, adapter: JITKernel
    ) -> None:
        self.params, self.result_idx, self.supply_type, self.adapter = params, result_idx, supply_type, adapter

    @property
    def func(self) -> JITKernel:
        return self.adapter

    def with_default_adapter(self, adapter: Any) -> Profiler:
        """This profiler, calling `adapter` (a kernel, or anything that takes its arguments) from now on."""
        self.adapter = adapter
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.adapter(*args, **kwargs)

    def _get_params(self, with_output: bool = False) -> list[KernelParam]:
        return [param for index, param in enumerate(self.params) if with_output or index not in self.result_idx]

    def _get_inputs(self, with_output: bool = False) -> list[Any]:
        device = "cpu" if self.adapter.target.on_host else "cuda"
        return [supply_tensor(param, self.supply_type, device) for param in self._get_params(with_output)]

    def assert_allclose(
        self,
        reference_program: Callable,
        input_tensors: Sequence[Any] | None = None,
        atol: float = 1e-2,
        rtol: float = 1e-2,
        max_mismatched_ratio: float = 0.01,
    ) -> None:
        """Compare the outputs with those of `reference_program` on the same inputs.

        Raises
        ------
        AssertionError
            When more than `max_mismatched_ratio` of an output's elements differ.
        """
        inputs = list(input_tensors) if input_tensors is not None else self._get_inputs()
        expected, got = _as_list(reference_program(*inputs)), _as_list(self.adapter(*inputs))
        assert len(expected) == len(got), f"the reference returns {len(expected)} tensor(s), the kernel {len(got)}"
        for ours, theirs in zip(got, expected):
            torch_assert_close(
                ours,
                theirs,
                rtol=rtol,
                atol=atol,
                max_mismatched_ratio=max_mismatched_ratio,
                check_dtype=False,
                base_name="kernel",
                ref_name="reference",
            )

    def manual_assert_close(
        self, reference_program: Callable, input_tensors: Sequence[Any] | None = None, manual_check_prog: Callable | None = None
    ) -> None:
        """Hand the kernel's and the reference's outputs to `manual_check_prog`."""
        assert manual_check_prog is not None, "manual_check_prog is required"
        inputs = list(input_tensors) if input_tensors is not None else self._get_inputs()
        manual_check_prog(_as_list(self.adapter(*inputs)), _as_list(reference_program(*inputs)))

    def assert_consistent(self, repeat: int = 10) -> None:
        """Check that repeated calls on the same inputs give the same bits."""
        import torch

        inputs = self._get_inputs()
        first = [tensor.clone() for tensor in _as_list(self.adapter(*inputs))]
        for _ in range(repeat):
            for ours, theirs in zip(_as_list(self.adapter(*inputs)), first):
                assert torch.equal(ours.view(torch.uint8), theirs.view(torch.uint8)), "repeated calls differ"

    def run_once(self, func: Callable | None = None) -> Any:
        """Call once on inputs made to order."""
        return (func or self.adapter)(*self._get_inputs())

    def do_bench(
        self,
        func: Callable | None = None,
        warmup: float = 25,
        rep: float = 100,
        n_warmup: int = 0,
        n_repeat: int = 0,
        input_tensors: Sequence[Any] | None = None,
        backend: str = "event",
        quantiles: Sequence[float] | None = None,
        return_mode: str = "mean",
        dynamic_symbolic_constraints: dict[str, int] | None = None,
        device: Any = None,
        early_stop_baseline: float | None = None,
    ) -> float | list[float]:
        """Milliseconds a call, of the kernel or of `func` on the same inputs; see `tilelang.profiler.do_bench`.

        `dynamic_symbolic_constraints` gives symbols of shapes their values.
        """
        callee = func or self.adapter
        if input_tensors is None:
            inputs = self._with_values(dynamic_symbolic_constraints or {})._get_inputs()
        else:
            inputs = list(input_tensors)
        if self.adapter.target.on_host and backend == "event":
            backend = "wall"
        result = do_bench(
            lambda: callee(*inputs),
            warmup,
            rep,
            n_warmup,
            n_repeat,
            quantiles,
            backend=backend,
            return_mode=return_mode,
            device=device,
            early_stop_baseline=early_stop_baseline,
        )
        if func is None and isinstance(result, float):
            self.adapter.stats.run_s = result / 1e3
        return result

    def _with_values(self, values: dict[str, int]) -> Profiler:
        import dataclasses

        params = [
            dataclasses.replace(p, shape=tuple(values.get(e, e) if isinstance(e, str) else e for e in p.shape))
            for p in self.params
        ]
        return Profiler(params, self.result_idx, self.supply_type, self.adapter)


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]
