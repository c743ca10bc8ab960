"""Kernels of C++ for the loops."""
