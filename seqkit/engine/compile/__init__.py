"""C++ kernels for the loops."""
