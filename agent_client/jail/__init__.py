"""The small program around every stranger's program: it builds the walls, watches, and ends all.

It runs in a process of its own, starts in a few milliseconds, and therefore imports nothing but
the cheap part of the standard library. Its parent speaks to it by `agent_client.sandbox`.
"""
