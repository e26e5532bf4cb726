from __future__ import annotations

import sys
from pathlib import Path

FAKES = str(Path(__file__).resolve().parents[1] / "search")
if FAKES not in sys.path:
    sys.path.append(FAKES)
