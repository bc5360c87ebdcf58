"""The base of parts of an open session."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.prompt_table import PromptTable


class SessionPart:
    """A part of a session that works on its objects and prompts."""

    def __init__(self, context: Context, objects: Objects, prompts: PromptTable) -> None:
        self._context = context
        self._objects = objects
        self._prompts = prompts
