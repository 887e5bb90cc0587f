"""Free ports on the loopback, for all tests."""

import collections
import errno
import random
import socket

CLAIMS = collections.deque(maxlen=256)  # sockets, of the latest; they go with the process
PORTS = range(20000, 32000)  # below those that the kernel gives to whoever connects


def is_free(port, address="127.0.0.1"):
    """Whether nobody has it at that address, neither for streams nor for datagrams. OSError: there is no
    such address here."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError as why:
                if why.errno != errno.EADDRINUSE:
                    raise
                return False
    return True


def claim(port):
    """Whether the port is now this process's among all tests that run at once, bound or not: a siotd that
    is started again wants the one it had. Claimed by a name that the kernel forgets with the process."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0siotd-tests-port-{port}")
    except OSError as why:
        name.close()
        if why.errno != errno.EADDRINUSE:
            raise
        return False
    CLAIMS.append(name)
    return True


def release():
    """Gives back all that this process has claimed."""
    CLAIMS.clear()


def free_port(address="127.0.0.1"):
    """A port that is free now, for streams and datagrams, and that no test has been given that still
    runs. Drawn at random, so that few have to be tried."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        if claim(port) and is_free(port, address):
            return port
