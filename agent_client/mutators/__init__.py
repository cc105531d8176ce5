"""Mutators: whatever turns a parent's files into a proposal with a hypothesis."""
