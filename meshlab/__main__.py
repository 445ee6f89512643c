"""``python -m meshlab``."""

from meshlab.cli import main

if __name__ == "__main__":
    main()
