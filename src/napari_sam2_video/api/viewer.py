"""Open a viewer's layer as a recording, and show a session in a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.session import Session
from napari_sam2_video.types.calls import public
from napari_sam2_video.types.checks import instance, shown

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.plugin.scripting import SessionHandle


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
        The widget's functions for scripts.
    """
    from napari_sam2_video.plugin import scripting

    instance(session, Session, "The session")
    if not hasattr(viewer, "window"):
        raise SettingsError(f"The viewer must be a napari.Viewer, not {shown(viewer)}.")

    return scripting.add_to_viewer(session, viewer)


@public
def open_layer(layer: Image, *, axes: str | None = None) -> Recording:
    """Open the data of a napari image layer without reading it.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer. Its scale and units become pixel sizes; of a multiscale image the full resolution is used.
    axes : str, optional
        A letter for each axis of the data except RGB samples; by default from the layer's axis labels, or guessed.

    Returns
    -------
    Recording
        The file that the layer was read from, if that still holds the same pixels, else the layer's array; close it
        with `close`, or use it as a context manager.

    Raises
    ------
    RecordingError
        If it cannot be opened, or the axes do not fit.
    """
    if not hasattr(layer, "axis_labels") or not hasattr(layer, "rgb"):
        raise SettingsError(f"The layer must be an image layer of napari, not {type(layer).__name__}.")
    from napari_sam2_video.plugin.layer_source import LayerSource
    from napari_sam2_video.plugin.layers import axes_are_labelled, axes_of

    known = axes is not None or axes_are_labelled(layer)
    return LayerSource.of(layer, axes or axes_of(layer), axes_known=known).open()
