"""Two processes that start each other again as soon as one of them is killed."""

import os
import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setsid() if os.getpid() != os.getsid(0) else None
while True:
    child = os.fork()
    if child == 0:
        os.setsid()
        continue
    os.waitpid(child, 0)
    time.sleep(0.001)
