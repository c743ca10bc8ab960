"""`python -m seqkit`, the same as the command `seqkit`; Debian's `seqkit` is another program."""

from seqkit.cli import main

if __name__ == "__main__":
    main()
