"""Which operations of a step depend on the state: the two loops, and what each of them emits."""
