"""A test's port is its own for as long as it runs."""

import socket

import pytest

from tests.services.ports import free_port


def test_a_port_is_free_for_servers_again_and_again_and_for_nobody_else() -> None:
    port = free_port()

    for host in ("127.0.0.1", "0.0.0.0"):
        with socket.create_server((host, port)) as server:
            socket.create_connection(("127.0.0.1", port)).close()
            server.accept()[0].close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with socket.socket() as anybody, pytest.raises(OSError, match="in use"):
            anybody.bind((host, port))
