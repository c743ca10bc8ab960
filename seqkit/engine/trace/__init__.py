"""From a plain step to a graph of single operations, and what of a cell the graph depends on."""
