"""Shapes far from the table of the issue: products and attention of real models, beside torch and Triton."""
