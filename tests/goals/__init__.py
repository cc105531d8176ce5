"""The goals that ship with AgentHub, run for real."""
