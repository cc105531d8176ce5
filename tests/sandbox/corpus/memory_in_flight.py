"""Fills anonymous files and leaves them in a socket's queue, where no process holds them."""

import os
import socket

left, right = socket.socketpair()
for number in range(200):
    fd = os.memfd_create(str(number))
    os.write(fd, b"x" * (16 << 20))
    socket.send_fds(left, [b"."], [fd])
    os.close(fd)
