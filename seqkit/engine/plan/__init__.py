"""Plans for running a call: each is made once, compared with the loop, and cached."""
