"""The way from a session into a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.types.calls import public

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sam2_video.plugin.scripting import SessionHandle
    from napari_sam2_video.session import Session


@public
def add_to_viewer(session: Session, viewer: Viewer) -> SessionHandle:
    """Show a session in napari with the widget, ready to correct.

    Parameters
    ----------
    session : Session
        The session, which the widget closes.
    viewer : napari.Viewer
        The viewer.

    Returns
    -------
    SessionHandle
        What the widget does, for scripts.
    """
    from napari_sam2_video.plugin import scripting

    return scripting.add_to_viewer(session, viewer)
