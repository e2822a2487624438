"""Tools for NVIDIA's GPUs."""
