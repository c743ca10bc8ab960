"""Running a split step: its loops, what is computed for all steps at once, and the memory between."""
