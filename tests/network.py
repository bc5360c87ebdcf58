"""What keeps the tests, and programs that they start, away from the network."""

from __future__ import annotations

import ipaddress
import sys

NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
ADDRESSES = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def is_outside(host):
    """Whether a host, a name or a number, is not this computer."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or host in ("", "localhost"):
        return False
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return True


def host_asked(event, args):
    """Host that an event of the interpreter is about; None if it is about none."""
    if event in NAMES:
        return args[0]
    if event in ADDRESSES and isinstance(args[1], tuple):
        return args[1][0]
    return None


class Guard:
    """Refuses every host but this computer, wherever in the process it is asked for; a process has one for good.

    Attributes
    ----------
    refused : list of str
        What was refused, for a test to see where the refusal was caught on its way.
    """

    def __init__(self):
        self.refused = []
        sys.addaudithook(self._watch)

    def _watch(self, event, args):
        if not event.startswith("socket."):
            return
        host = host_asked(event, args)
        if is_outside(host):
            self.refused.append(f"{event} {host!r}")
            raise AssertionError(f"The tests may not reach the network, but {event} was asked for {host!r}.")


def forbid_sockets():
    """Refuse to make any socket in this process from now on."""

    def watch(event, args):
        if event == "socket.__new__" or event in NAMES:
            raise AssertionError(f"No socket may be made here, but {event} was asked for {args[1:]}.")

    sys.addaudithook(watch)
