"""The demo model that ships with the package: a small SAM 2.1 trained on synthetic recordings."""

from __future__ import annotations

DEMO_FILE = "sam2.1_demo.pt"
DEMO_BYTES = 4036709
DEMO_SHA256 = "7d658b431bf7129f0fb008c9c5a7a60649586583c84bcc9d1226283d96680494"
DEMO_REMARK = "The demo model is for trying out: it knows simple shapes only. For real work, get one of Meta's models."
