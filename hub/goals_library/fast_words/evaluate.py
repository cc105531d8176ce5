"""
Measures solution.py, in two processes. Protected.

    python evaluate.py

This process never imports solution.py. It draws texts from AGENTHUB_NONCE, sends each to a child
that holds the solution, and compares every answer with the reference. What an answer cost is the
processor time of the child, all threads, from the answer before to this one, as the kernel tells it
to this process: nothing in the child can turn that clock, work put off to between the questions
counts too, and a busy machine hardly moves it. Reference and solution take turns; the metric is the
ratio of their cheapest answers. The solution is alone: it can start nobody who works for it on
another clock, and reaches neither the reference nor this process. Prints a `---` block with `speedup`, or `failed: wrong_answer`.
"""

import json
import os
import random
import resource
import socket
import subprocess
import sys
import time

import reference

ROUNDS = 15         # texts, each counted by both
WORDS = 60000       # words of a text
N = 25              # how many are asked for

CHILD = """
import importlib.util, json, os, socket, sys
wire = socket.socket(fileno=os.dup(0))
questions, answers = wire.makefile("r"), wire.makefile("w")
os.dup2(2, 0)
os.dup2(2, 1)                       # what the module prints is no answer
spec = importlib.util.spec_from_file_location("module", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for line in questions:
    text, n = json.loads(line)
    answers.write(json.dumps(module.most_frequent(text, n)) + chr(10))
    answers.flush()
"""


def a_text(dice):
    """Words with a long tail of frequencies, punctuation, capitals, digits and other alphabets."""
    words = ["".join(dice.choice("etaoinshrdlu") for _ in range(1 + int(dice.expovariate(0.25)))) for _ in range(3000)]
    ends = [" "] * 12 + [", ", ". ", "\n", "-", " 7 ", " ß ", "'"]
    chosen = dice.choices(words, weights=[1 / (i + 1) for i in range(len(words))], k=WORDS)
    return "".join((word.capitalize() if dice.random() < 0.1 else word) + dice.choice(ends) for word in chosen)


def alone():
    """From now on this process starts no other, and no thread."""
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


class Child:
    """A process that answers questions with one module, over a socket: a pipe could be opened by
    its neighbours, through /proc."""

    def __init__(self, path):
        here, there = socket.socketpair()
        with here, there:
            self.process = subprocess.Popen([sys.executable, "-c", CHILD, path], stdin=there, stdout=2, preexec_fn=alone)
            self.questions, self.answers = here.makefile("w"), here.makefile("r")
        self.seconds = 0.0
        self.ask("a warm-up")       # so that the interpreter's start is not part of a time

    def spent(self):
        """Processor seconds of all its threads since it began, from the kernel (Linux)."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def ask(self, text):
        """The answer and the processor seconds it took since the last one."""
        self.questions.write(json.dumps([text, N]) + "\n")
        self.questions.flush()
        line = self.answers.readline(1 << 20)
        before, self.seconds = self.seconds, self.spent()
        seconds = self.seconds - before
        try:
            return [tuple(pair) for pair in json.loads(line)], seconds
        except (ValueError, TypeError):
            return None, seconds

    def close(self):
        self.process.kill()
        self.process.wait()


def main():
    began = time.perf_counter()
    dice = random.Random(os.environ.get("AGENTHUB_NONCE", "by hand"))
    children, best, wrong = [], [float("inf"), float("inf")], False
    try:
        # The reference is up before the solution can touch a file, and answers after it.
        children = [Child("reference.py"), Child("solution.py")]
        for _ in range(ROUNDS):
            text = a_text(dice)
            told = [children[i].ask(text) for i in (1, 0)]
            right = reference.most_frequent(text, N)
            for i, (answer, seconds) in zip((1, 0), told):
                wrong |= answer != right
                best[i] = min(best[i], seconds)
    except OSError:     # it ended in the middle
        wrong = True
    finally:
        for child in children:
            child.close()
    print("---")
    if wrong:
        print("failed: wrong_answer")
    else:
        print(f"speedup: {best[0] / best[1]:.4f}")
    print(f"total_seconds: {time.perf_counter() - began:.2f}")


if __name__ == "__main__":
    main()
