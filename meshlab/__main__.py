"""``python -m meshlab``."""

from meshlab.cli.app import main

if __name__ == "__main__":
    main()
