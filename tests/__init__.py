"""Tests: real databases, real git, real sandboxes; fakes only for the LLM and the clock."""
