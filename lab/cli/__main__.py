from __future__ import annotations

import sys

from lab.cli.main import main

sys.exit(main())
