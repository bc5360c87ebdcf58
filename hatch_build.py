"""Package metadata that depends on where the repository is: its links, and the links of the README.

``REPOSITORY`` is the only place for that address. GitHub Actions sets it in the environment. A build elsewhere knows no
address: it has no links, and those of the README stay relative.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")
IMAGE = re.compile(r"!\[([^\]]*)\]\((docs/[^)]+)\)")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:docs/)?[\w./-]+\.(?:md|cff|webp)(?:#[\w-]+)?)\)")


class Links(MetadataHookInterface):
    """Whole addresses, as the package index and the napari hub need them."""

    def update(self, metadata: dict[str, object]) -> None:
        """Add the links and the README."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        if REPOSITORY:
            owner, _, name = REPOSITORY.partition("/")
            page = f"https://github.com/{REPOSITORY}"
            metadata["urls"] = {
                "Homepage": page,
                "Documentation": f"https://{owner}.github.io/{name}",
                "Source Code": page,
                "Bug Tracker": f"{page}/issues",
                "Changelog": f"{page}/blob/main/CHANGELOG.md",
            }
            readme = IMAGE.sub(rf"![\1](https://raw.githubusercontent.com/{REPOSITORY}/main/\2)", readme)
            readme = LINK.sub(rf"[\1]({page}/blob/main/\2)", readme)
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
