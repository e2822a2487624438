"""How Python arguments reach a binary: one adapter for each execution backend, each in the file of its name.

Importing an adapter registers it and imports none of the libraries that it stands on.
"""

from __future__ import annotations

from tilelang.jit.adapter.base import Adapter, adapter_of, adapters, register

__all__ = ["Adapter", "adapter_of", "adapters", "register"]
