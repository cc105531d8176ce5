"""The volunteer client."""
