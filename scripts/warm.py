"""Import once what will run, so that its bytecode is there.

pip installs without compiling, because most of torch is never imported; what is imported has to be
compiled before a sandbox does it at every run, which can keep nothing.
"""

import contextlib
import importlib

USED = ("hub.app", "hub.cli.root", "agent_client.cli", "tiktoken", "safetensors.torch")
USED += ("torch._dynamo",)  # every optimizer of torch imports it

for name in USED:
    with contextlib.suppress(ImportError):  # what runs will say it better
        importlib.import_module(name)
