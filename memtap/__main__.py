"""`python -m memtap`."""

import sys

from memtap.cli import main

sys.exit(main())
