"""``python -m meshlab``."""

import sys
from pathlib import Path

# The folder one works in, which Python put first: what lies there takes nobody's place.
if not sys.flags.safe_path and sys.path and Path(sys.path[0] or ".").resolve() == Path.cwd():
    del sys.path[0]

from meshlab.cli.app import main

if __name__ == "__main__":
    main()
