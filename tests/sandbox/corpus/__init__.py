"""Hostile programs, one per file; each says in its first line what it does. Never run by hand."""
