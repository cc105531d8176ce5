"""Ports that nobody listens on."""

import socket


def free_port() -> int:
    """A port on 127.0.0.1 for a server of this process's tests, over any number of its lives.

    It stays bound, by a socket that never listens: servers take it all the same (SO_REUSEADDR, as
    all of ours), while the kernel gives it to nobody who takes any port, of which tests on several
    cores have hundreds a minute; a hub that was killed could not start again on its own.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    port: int = kept.getsockname()[1]
    kept.detach()
    return port
