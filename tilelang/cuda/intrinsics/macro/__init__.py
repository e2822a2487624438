"""Emitters: matrix products as the instructions that make them, for kernels that place every one by hand."""
