"""The kernels of `compile_zoo.py`."""
