"""Makes empty files without end."""

from itertools import count

for number in count():
    open(f"empty{number}", "w").close()
