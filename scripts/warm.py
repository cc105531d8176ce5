"""Import once what will run, so that its bytecode is there.

pip installs without compiling, because most of torch is never imported; what is imported has to be
compiled before a sandbox does it at every run, which can keep nothing.
"""

import contextlib
import importlib

OURS = ("hub.app", "hub.cli.root", "agent_client.cli")
THEIRS = ("tiktoken", "safetensors.torch", "torch._dynamo")  # each optimizer of torch imports it

for name in (*OURS, *THEIRS):
    with contextlib.suppress(ImportError):  # what runs will say it better
        importlib.import_module(name)
