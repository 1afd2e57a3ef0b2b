"""`python -m loop.cli` is `npsloop`."""

from loop.cli import main

if __name__ == "__main__":
    main()
