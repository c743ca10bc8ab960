"""`python -m seqkit`: the same command; Debian's `seqkit` is another program."""

from seqkit.cli import main

if __name__ == "__main__":
    main()
