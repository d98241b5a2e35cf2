"""`python -m kwrap`: the same as the command `kwrap`."""

from __future__ import annotations

import sys

from kwrap.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
