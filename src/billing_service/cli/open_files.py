"""How many files, and connections, a process may have open."""

import logging
import sys

log = logging.getLogger("billing.service")


def allow_open_files(wanted: int) -> None:
    """Raise this process's own limit, and that of the workers it starts, as far as it may; warn if that is too little.

    Where the limit is lower, a connection that is one too many for it is not even told so.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - there is none but on Unix

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):
        # The system knows a limit that it does not tell of.
        allowed = soft
    if allowed < wanted:
        log.warning("only %d files may be open (ulimit -n), and %d connections may come", allowed, wanted)
