"""A TCP proxy that breaks connections the way networks do."""

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST instead of FIN


@dataclass(frozen=True)
class Fault:
    """How one connection goes wrong.

    `delay` is in seconds before anything is forwarded, `trickle` in bytes a second from the
    server, the two `drop` counts are bytes forwarded before the connection is closed,
    `lose_reply` forwards the request and closes as soon as the server begins to answer,
    `reset` closes with RST instead of FIN, `refuse` closes before anything is forwarded.
    """

    delay: float = 0.0
    trickle: int | None = None
    drop_request_after: int | None = None
    drop_reply_after: int | None = None
    lose_reply: bool = False
    reset: bool = False
    refuse: bool = False

    @property
    def reply_limit(self) -> int | None:
        """Bytes of the server's answer that get through; None means all."""
        return 0 if self.lose_reply else self.drop_reply_after


NO_FAULT = Fault()


class FaultProxy:
    """Listens on a port of its own and forwards to `target_port` on 127.0.0.1.

    The next connections take the faults given to `plan`, one each; then `always` holds.
    `partition` makes every connection, open ones too, fail until `heal`.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.always = NO_FAULT
        self.faults_met: list[Fault] = []
        self._plan: deque[Fault] = deque()
        self._open: set[socket.socket] = set()
        self._cut = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """The address that clients use instead of the server's."""
        return f"http://127.0.0.1:{self.port}"

    def plan(self, *faults: Fault) -> None:
        """Give the next connections these faults, in order."""
        self._plan.extend(faults)

    def partition(self) -> None:
        """Break every open connection with RST and accept no more."""
        self._cut.set()
        with self._lock:
            for connection in self._open:
                _hang_up(connection, reset=True)

    def heal(self) -> None:
        """Let new connections through again."""
        self._cut.clear()

    def start(self) -> None:
        """Serve in threads until `stop`."""
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.partition()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            fault = self._next_fault()
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _next_fault(self) -> Fault:
        if self._cut.is_set():
            return Fault(refuse=True, reset=True)
        fault = self._plan.popleft() if self._plan else self.always
        if fault is not NO_FAULT:
            self.faults_met.append(fault)
        return fault

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        if fault.refuse:
            _hang_up(client, fault.reset)
            return
        time.sleep(fault.delay)
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port), timeout=10)
        except OSError:
            _hang_up(client, fault.reset)
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
        self._join(client, server, fault)

    def _join(self, client: socket.socket, server: socket.socket, fault: Fault) -> None:
        back = threading.Thread(target=self._reply, args=(client, server, fault), daemon=True)
        back.start()
        whole = _forward(client, server, fault.drop_request_after)
        if not whole:
            _hang_up(client, fault.reset)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)
        back.join()
        with self._lock:
            self._open -= {client, server}
        server.close()
        client.close()

    def _reply(self, client: socket.socket, server: socket.socket, fault: Fault) -> None:
        _forward(server, client, fault.reply_limit, fault.trickle)
        _hang_up(client, fault.reset)


@contextmanager
def fault_proxy(target_port: int) -> Iterator[FaultProxy]:
    """A running proxy to a local port, stopped on exit."""
    proxy = FaultProxy(target_port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def _forward(
    source: socket.socket, sink: socket.socket, limit: int | None, trickle: int | None = None
) -> bool:
    """Copy until the source ends, or to the limit; say whether everything went through."""
    size = CHUNK if trickle is None else 1
    with suppress(OSError):
        while chunk := source.recv(size):
            if limit is not None:
                chunk, limit = chunk[:limit], limit - len(chunk)
            sink.sendall(chunk)
            if limit is not None and limit <= 0:
                return False
            time.sleep(0 if trickle is None else 1 / trickle)
    return True


def _hang_up(connection: socket.socket, reset: bool) -> None:
    with suppress(OSError):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.shutdown(socket.SHUT_RD)  # wakes a thread that reads, else nothing is sent
            connection.close()
        else:
            connection.shutdown(socket.SHUT_RDWR)
