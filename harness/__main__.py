"""`python -m harness` is `jina-eval`."""

import sys

from harness.cli import main

sys.exit(main())
