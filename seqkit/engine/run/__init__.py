"""Running a split step: its loops, the operations on all steps at once, and their memory."""
