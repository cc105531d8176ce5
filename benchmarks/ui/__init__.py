"""How large and how fast the board is."""
