"""Free ports on the loopback, for all tests."""

import errno
import random
import socket

GIVEN = set()
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


def free_port(address="127.0.0.1"):
    """A port that is free now, for streams and datagrams, and has not been given out before. Drawn
    at random, so that tests that run at once do not draw the same."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        if port not in GIVEN and is_free(port, address):
            GIVEN.add(port)
            return port
