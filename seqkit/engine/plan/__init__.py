"""Which engine runs a call: plans that are made once, compared with the loop, and kept."""
