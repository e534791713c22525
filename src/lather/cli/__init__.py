"""The command line: ``lather --help`` is the manual.

Commands live one to a file and import what they need when they run, so that ``--help`` is quick.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

#: exit statuses: 0 done, 1 it failed, 2 the command line was wrong, 130 stopped by Ctrl-C
FAILED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake ends with one message and no traceback (``--debug`` shows it)."""
    from lather.cli.app import app
    from lather.errors import LatherError

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or bool(os.environ.get("LATHER_DEBUG"))
    arguments = [argument for argument in arguments if argument != "--debug"]
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces every process
    try:
        app(arguments)
    except KeyboardInterrupt:
        if debug:
            raise
        print("stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output went away, as `lather recipes | head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except (LatherError, OSError) as error:
        if debug:
            raise
        if os.environ.get("LOCAL_RANK", "0") == "0":  # where several processes fail alike, one says so
            _explain(error)
        sys.exit(FAILED)


def _explain(error: BaseException) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    console.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
