"""Run the demo: `python -m examples.support_bot`, or `make demo`, which installs what it needs before."""

from __future__ import annotations

import sys

from examples.support_bot.runner import main

sys.exit(main())
