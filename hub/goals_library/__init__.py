"""Goals that ship with the hub, as package data."""
