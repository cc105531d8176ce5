"""`python -m agent_client` is `agent_client`."""

from agent_client.cli import main

main()
