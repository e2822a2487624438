"""Modules that load at first use, so that `import tilelang` stays light."""

from __future__ import annotations

import importlib
from types import ModuleType


class LazyModule(ModuleType):
    """Stands for a module until an attribute is asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__dict__["_target"] = name

    def __getattr__(self, attribute: str):
        if attribute.startswith("__"):  # inspect and pickle probe these; they must not import TVM
            raise AttributeError(attribute)
        module = importlib.import_module(self.__dict__["_target"])
        value = getattr(module, attribute)
        self.__dict__[attribute] = value
        return value


ir = LazyModule("tilelang.ir")
