"""The demonstration model that ships with the package: a small SAM 2.1 trained on synthetic recordings."""

from __future__ import annotations

DEMO_FILE = "sam2.1_demo.pt"
DEMO_BYTES = 4036709
DEMO_SHA256 = "2d5fabf089c4136a444688090e2a13ae444cb536c439fc47e7d89ddeb78946ec"
