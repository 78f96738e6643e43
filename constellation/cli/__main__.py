"""``python -m constellation.cli``: the same as the command ``constellation``."""

from . import main

if __name__ == "__main__":
    main()
