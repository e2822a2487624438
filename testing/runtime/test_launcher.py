"""Calls through hand-written plans: results, outputs, strides, symbols, empty tensors."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from testing.runtime.plans import add_plan, scale_plan, symbol, tensor
from tilelang.codegen.launch_plan import KernelLaunch, LaunchPlan, Parameter, Workspace
from tilelang.errors import SimulationError
from tilelang.runtime import Launcher


@pytest.mark.parametrize("n", [1, 63, 64, 1000])
def test_allocates_and_returns_the_output(shim_binary, n):
    a, b = torch.randn(n), torch.randn(n)
    c = Launcher(add_plan(), shim_binary)(a, b)
    assert isinstance(c, torch.Tensor)
    torch.testing.assert_close(c, a + b)


def test_writes_into_a_given_output(shim_binary):
    a, b, c = torch.randn(70), torch.randn(70), torch.full((70,), torch.nan)
    assert Launcher(add_plan(output=False), shim_binary)(a, b, c) is None
    torch.testing.assert_close(c, a + b)


def test_plan_survives_json(shim_binary):
    a, b = torch.randn(8), torch.randn(8)
    torch.testing.assert_close(Launcher(LaunchPlan.from_json(add_plan().to_json()), shim_binary)(a, b), a + b)


def test_strides_scalars_and_widths(shim_binary):
    base = torch.randn(9, 40)
    x = base[:, 4:37]  # 16 bytes in: aligned, rows of stride 40
    y = Launcher(scale_plan(), shim_binary)(x, 0.5, -3)
    torch.testing.assert_close(y, x * 0.5 - 3)


def test_integers_and_bools_are_numbers(shim_binary):
    x = torch.randn(4, 4)
    torch.testing.assert_close(Launcher(scale_plan(), shim_binary)(x, 2, True), x * 2 + 1)


def test_empty_tensor_launches_nothing(shim_binary):
    assert Launcher(add_plan(), shim_binary)(torch.empty(0), torch.empty(0)).shape == (0,)


def test_offset_tensor(shim_binary):
    base = torch.randn(100)
    torch.testing.assert_close(Launcher(add_plan(), shim_binary)(base[8:40], base[16:48]), base[8:40] + base[16:48])


def test_numpy_arrays(shim_binary):
    a = np.arange(20, dtype=np.float32)
    np.testing.assert_array_equal(np.from_dlpack(Launcher(add_plan(), shim_binary)(a, a)), 2 * a)


def test_gradient_tensors_and_views(shim_binary):
    a = torch.randn(12, requires_grad=True)
    torch.testing.assert_close(Launcher(add_plan(), shim_binary)(a, a.detach()), (a + a).detach())


def test_no_tensor_argument(shim_binary):
    plan = LaunchPlan(
        name="iota",
        parameters=(Parameter("n", "scalar", "int32"), Parameter("Y", "tensor", "int32", ("n",), output=True)),
        kernels=(KernelLaunch("iota", (["ceildiv", "n", 32], 1, 1), (32, 1, 1), 0, (tensor(1, "int32"), symbol("n"))),),
        symbols={"n": "int32"},
        outputs=(1,),
    )
    torch.testing.assert_close(Launcher(plan, shim_binary)(45), torch.arange(45, dtype=torch.int32))


def test_two_outputs_and_a_workspace(shim_binary):
    plan = LaunchPlan(
        name="two",
        parameters=(
            Parameter("A", "tensor", "float32", ("n",)),
            Parameter("C", "tensor", "float32", ("n",), output=True),
            Parameter("D", "tensor", "float32", ("n",), output=True),
        ),
        kernels=(
            KernelLaunch("add", (["ceildiv", "n", 64], 1, 1), (64, 1, 1), 0, (tensor(0), tensor(0), tensor(3), symbol("n"))),
            KernelLaunch("add", (["ceildiv", "n", 64], 1, 1), (64, 1, 1), 0, (tensor(0), tensor(3), tensor(1), symbol("n"))),
            KernelLaunch("add", (["ceildiv", "n", 64], 1, 1), (64, 1, 1), 0, (tensor(3), tensor(3), tensor(2), symbol("n"))),
        ),
        symbols={"n": "int32"},
        outputs=(2, 1),
        workspaces=(Workspace("W", "float32", ("n",)),),
    )
    a = torch.randn(50)
    d, c = Launcher(plan, shim_binary)(a)
    torch.testing.assert_close(c, 3 * a)
    torch.testing.assert_close(d, 4 * a)


def test_unused_parameter_may_be_none(shim_binary):
    plan = add_plan()
    parameters = (*plan.parameters, Parameter("bias", "tensor", "float32", ("n",), used=False))
    launcher = Launcher(LaunchPlan(plan.name, parameters, plan.kernels, plan.symbols, plan.outputs), shim_binary)
    a = torch.randn(5)
    torch.testing.assert_close(launcher(a, a, None), 2 * a)
    torch.testing.assert_close(launcher(a, a, a), 2 * a)


def test_simulator_report(shim_binary):
    plan = LaunchPlan("fail", (), (KernelLaunch("fail", (1, 1, 1), (1, 13, 1), 0, ()),))
    with pytest.raises(SimulationError, match="out of bounds at kernel.cu:3"):
        Launcher(plan, shim_binary)()


def test_calls_from_many_threads(shim_binary):
    launcher, failures = Launcher(add_plan(), shim_binary), []

    def work():
        for _ in range(50):
            a, b = torch.randn(100), torch.randn(100)
            if not torch.equal(launcher(a, b), a + b):
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
