"""Launch plans of the hand-written kernels in conftest.py."""

from __future__ import annotations

from tilelang.codegen.launch_plan import KernelArgument, KernelLaunch, LaunchPlan, Parameter


def tensor(index: int, dtype: str = "float32") -> KernelArgument:
    return KernelArgument("tensor", index, dtype)


def symbol(name: str, dtype: str = "int32") -> KernelArgument:
    return KernelArgument("symbol", name, dtype)


def add_plan(output: bool = True) -> LaunchPlan:
    return LaunchPlan(
        name="add",
        parameters=tuple(Parameter(name, "tensor", "float32", ("n",), output=output and name == "C") for name in "ABC"),
        kernels=(
            KernelLaunch("add", (["ceildiv", "n", 64], 1, 1), (64, 1, 1), 0, (tensor(0), tensor(1), tensor(2), symbol("n"))),
        ),
        symbols={"n": "int32"},
        outputs=(2,) if output else (),
    )


def scale_plan() -> LaunchPlan:
    return LaunchPlan(
        name="scale",
        parameters=(
            Parameter("X", "tensor", "float32", ("m", "n"), strides=("s", 1)),
            Parameter("alpha", "scalar", "float32"),
            Parameter("beta", "scalar", "int32"),
            Parameter("Y", "tensor", "float32", ("m", "n"), output=True),
        ),
        kernels=(
            KernelLaunch(
                "scale",
                (["ceildiv", ["*", "m", "n"], 32], 1, 1),
                (32, 1, 1),
                0,
                (
                    tensor(0),
                    tensor(3),
                    symbol("m"),
                    symbol("n", "int64"),
                    symbol("s", "int64"),
                    symbol("alpha", "float32"),
                    symbol("beta"),
                ),
            ),
        ),
        symbols={"m": "int32", "n": "int64", "s": "int64", "alpha": "float32", "beta": "int32"},
        outputs=(3,),
    )
