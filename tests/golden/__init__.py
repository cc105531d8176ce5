"""Files that show a change of the wire in review; `make golden` writes them."""
