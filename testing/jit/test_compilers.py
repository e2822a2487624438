"""Compiler objects: users' own, refusing ones, staging, what is missing, what is guaranteed."""

from __future__ import annotations

import importlib.util
import pickle

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import (
    ArgumentTypeError,
    ExperimentalWarning,
    JITDisabledError,
    JitError,
    JITUnavailableError,
    UnsupportedError,
)
from tilelang.jit import (
    CudaJit,
    CupyJit,
    JitBase,
    KernelWrapper,
    LaunchGrid,
    LoweredKernel,
    NoJit,
    NvrtcJit,
    SimulatorJit,
    compiler,
    default_jit,
    no_jit,
)
from tilelang.jit.compilers import cuda as cuda_jit
from tilelang.target import Target, device_arch

TARGET = Target("cuda", device_arch() or "sm_90a", simulated=device_arch() is None)
DEVICE = "cpu" if TARGET.simulated else "cuda"
SM90 = Target("cuda", "sm_90a")


def increment():
    n = T.dynamic("n")

    @T.prim_func
    def increment(A: T.Tensor((n,), "float32"), alpha: T.float32, B: T.Tensor((n,), "float32"), C: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
            for i in T.Parallel(64):
                C[bx * 64 + i] = A[bx * 64 + i] + alpha
                B[bx * 64 + i] = alpha

    return increment


class Counting(JitBase):
    """A user's compiler: counts, and leaves the work to the target's own."""

    name = "counting"

    def __init__(self):
        self.kernels = []

    def compile(self, kernel, **options):
        self.kernels.append(kernel)
        return default_jit(TARGET).compile(kernel, **options)


@pytest.fixture
def builds(monkeypatch, tmp_path):
    monkeypatch.setenv("TILELANG_CACHE_DIR", str(tmp_path / "cache"))
    names = []
    real = compiler._build
    monkeypatch.setattr(compiler, "_build", lambda program: names.append(program.name) or real(program))
    return names


def check(kernel):
    a, b = torch.randn(100, device=DEVICE), torch.full((100,), torch.nan, device=DEVICE)
    torch.testing.assert_close(kernel(a, 2.0, b), a + 2)
    assert bool((b == 2).all())


def test_a_users_compiler_through_every_door(builds):
    mine = Counting()

    @tilelang.jit(jit=mine, out_idx=[-1], target=TARGET)
    def make():
        return increment()

    for kernel in (
        make(),
        tilelang.compile(increment(), out_idx=-1, target=TARGET, jit=mine),
        tilelang.compile(increment(), out_idx=-1, target=TARGET, compiler=mine),
        mine.compile(increment(), out_idx=-1, target=TARGET),
        make.lower().compile(),
    ):
        check(kernel)
    assert len(mine.kernels) == 5 and isinstance(mine.kernels[-1], LoweredKernel)
    assert builds == ["increment"]


def test_a_program_and_its_lowered_form_have_one_digest(builds):
    mine = default_jit(TARGET)
    program = increment()
    first = mine.compile(program, target=TARGET)
    lowered = compiler.lower(program.prim_func, first.options, None)
    second = mine.compile(lowered)
    assert builds == ["increment"] and first.signatures == second.signatures
    with pytest.raises(ArgumentTypeError, match="lowered already.*out_idx"):
        tilelang.compile(lowered, out_idx=-1)


def test_no_jit(builds):
    assert NoJit() is no_jit is pickle.loads(pickle.dumps(no_jit))

    @tilelang.jit(jit=no_jit, target=TARGET)
    def make():
        return increment()

    assert "increment" in make.lower().code
    with pytest.raises(JITDisabledError, match="explicitly disabled"):
        make()
    with pytest.raises(JitError):
        no_jit.compile(increment())
    assert builds == []


def test_only_cached_kernels_run_in_the_scope(builds, monkeypatch):
    with tilelang.no_jit_scope(), pytest.raises(JITDisabledError, match="`increment` is explicitly disabled") as caught:
        tilelang.compile(increment(), out_idx=-1, target=TARGET)
    assert len(caught.value.digest) == 64 and caught.value.digest in str(caught.value)
    tilelang.compile(increment(), out_idx=-1, target=TARGET)
    with tilelang.no_jit_scope():
        check(tilelang.compile(increment(), out_idx=-1, target=TARGET))
    monkeypatch.setenv("TILELANG_JIT", "off")
    check(tilelang.compile(increment(), out_idx=-1, target=TARGET))
    with pytest.raises(JITDisabledError):
        tilelang.compile(increment(), target=TARGET)
    assert builds == ["increment"]


def test_default_compilers(monkeypatch):
    assert isinstance(default_jit(Target(simulated=True)), SimulatorJit)
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
    assert isinstance(default_jit(SM90), NvrtcJit)
    monkeypatch.setenv("TILELANG_CUDA_COMPILER", "nvcc")
    assert isinstance(default_jit(SM90), CudaJit)


def test_abstract_classes():
    for cls in (JitBase, KernelWrapper):
        with pytest.raises(TypeError):
            cls()


def test_nvcc_and_nvrtc_make_one_kernel(builds):
    pytest.importorskip("cuda.bindings")
    if not CudaJit().available():
        pytest.skip("no nvcc")
    kernels = [tilelang.compile(increment(), target=SM90, jit=one) for one in (CudaJit(), NvrtcJit())]
    assert builds == ["increment", "increment"]  # two compilers, two entries
    assert all(kernel.artifact.payload[:4] == b"\x7fELF" and kernel.n_regs > 0 for kernel in kernels)
    assert kernels[0].code == kernels[1].code and kernels[0].compiler == CudaJit()
    assert CudaJit(("-lineinfo",)).cache_identity() != CudaJit().cache_identity()


def test_missing_tools_are_named(monkeypatch):
    if importlib.util.find_spec("cupy") is None:
        with pytest.raises(JITUnavailableError, match="(?s)CupyJit needs cupy.*pip install cupy"):
            tilelang.compile(increment(), target=SM90, jit=CupyJit())
    monkeypatch.setattr(cuda_jit, "find_tool", lambda name: None)
    with pytest.raises(JITUnavailableError, match="CudaJit needs nvcc") as caught:
        tilelang.compile(increment(), target=SM90, jit=CudaJit())
    assert caught.value.tool == "nvcc"
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(JITUnavailableError, match="(?s)SimulatorJit needs g\\+\\+.*apt-get install"):
        tilelang.compile(increment(), target=Target(simulated=True), jit=SimulatorJit())


def test_wrong_targets_and_values():
    with pytest.raises(UnsupportedError, match="CudaJit does not compile for"):
        tilelang.compile(increment(), target=Target(simulated=True), jit=CudaJit())
    with pytest.raises(ArgumentTypeError, match="no compiler object"):
        tilelang.compile(increment(), jit="nvcc")
    with pytest.raises(ArgumentTypeError, match="two names"):
        tilelang.compile(increment(), jit=CudaJit(), compiler=CudaJit())
    with pytest.raises(TypeError):
        tilelang.jit(increment, out_index=[1])


def test_guarantees():
    simulated = Target(simulated=True)
    kernel = tilelang.compile(increment(), target=simulated, require={"gil_free", "fp_contract_off"})
    assert kernel.gil_free
    with pytest.raises(JitError, match="fp_contract_off.*NvrtcJit"):
        tilelang.compile(increment(), target=SM90, require="fp_contract_off")
    with pytest.raises(JitError, match="require='gil_free'.*'nvrtc'"):
        tilelang.compile(increment(), target=SM90, execution_backend="nvrtc", require="gil_free")


def test_the_wrapper_says_what_it_wraps():
    kernel = tilelang.compile(increment(), out_idx=-1, target=TARGET)
    roles = [(p.name, p.role) for p in kernel.parameters]
    assert roles == [("A", "in"), ("alpha", "scalar"), ("B", "inout"), ("C", "out")]
    assert kernel.ast.code == kernel.kernel.code == kernel.code == kernel.get_kernel_source()
    assert kernel.kernel.target == kernel.target == TARGET and kernel.kernel.prim_func is kernel.prim_func


def test_launch_grids_without_launching():
    config = tilelang.compile(increment(), target=TARGET).launch_config
    for n in (0, 1, 64, 65, 12345):
        expected = LaunchGrid((-(-n // 64), 1, 1), (64, 1, 1), (1, 1, 1), 0)
        assert config.evaluate(n=n) == config.evaluate(A=(n,)) == config.evaluate_all(A=(n,))[0] == expected
    assert expected.num_threads == 64 and expected.num_blocks == 193
    with pytest.raises(ValueError, match="depends on `n`"):
        config.evaluate()


def test_experimental_parts_say_so_once(monkeypatch):
    """Row A16."""
    monkeypatch.setattr("tilelang.stability._warned", set())
    with pytest.warns(ExperimentalWarning, match="CupyJit is experimental") as seen:
        CupyJit()
        CupyJit()
    assert len(seen) == 1 and seen[0].filename == __file__
