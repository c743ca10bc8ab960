"""Which operations of a step must wait for the state: the two loops, and what each hands on."""
