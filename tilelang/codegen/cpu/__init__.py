"""C++ text for the CPU: one function for a block, one that runs all blocks."""
