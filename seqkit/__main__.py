"""The command `seqkit`, also as `python -m seqkit`; Debian's `seqkit` is another program."""

import signal

from seqkit.launch import world


def main() -> None:
    """Import the commands and run one; Ctrl-C in an import, or at the very end, prints no traceback."""
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from seqkit import cli

    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.main()
    except SystemExit as stop:
        if world() > 1:
            from seqkit.cli.ranks import end_process

            end_process(stop.code)
        raise
    finally:
        if is_heard:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
