"""The settings that were chosen, in a file that is written before anything is reported with them."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def save_choice(path: Path, settings: dict[str, Any], figures: dict[str, Any]) -> None:
    """Write the settings, and the figures on choosing seeds that they were chosen by.

    Raises
    ------
    ValueError
        If there are no figures: settings that were not measured cannot be a choice.
    """
    if not figures:
        raise ValueError("Measure the settings before you save them as the choice.")
    path.write_text(json.dumps({"settings": settings, "chosen by": figures, "reports": []}, indent=1) + "\n")


def chosen_settings(path: Path) -> dict[str, Any]:
    """The settings of a file that `save_choice` wrote.

    Raises
    ------
    ValueError
        If there is no such file, or it is another one.
    """
    try:
        held = json.loads(path.read_text())
        settings: dict[str, Any] = held["settings"]
        if not held["chosen by"]:
            raise KeyError("chosen by")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no choice of settings; write one with --save-choice first.") from error
    return settings


def note_report(path: Path, kinds: list[str]) -> None:
    """Note in the file that its settings were measured on the reporting seeds; looking often is choosing by them."""
    held = json.loads(path.read_text())
    held["reports"].append({"when": datetime.date.today().isoformat(), "kinds": kinds})
    path.write_text(json.dumps(held, indent=1) + "\n")
