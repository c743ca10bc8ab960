"""Tracing a plain step to a graph of single operations, and finding what the graph depends on in a cell."""
