"""The demonstration model that ships with the package: a small SAM 2.1 trained on synthetic recordings."""

from __future__ import annotations

DEMO_FILE = "sam2.1_demo.pt"
DEMO_BYTES = 4036709
DEMO_SHA256 = "892e3611faa64622133223eb7bcf093f1b55d428738eeda66667791195b84d17"
