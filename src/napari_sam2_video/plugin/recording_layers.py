"""Image layers of recordings: make one from a reader's recording, or find it in the viewer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2_video.plugin.settings import PLUGIN

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import ContrastWindow

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]


def recording_layer(recording: Recording, *, window: ContrastWindow | None = None, close: bool = True) -> LayerData:
    """Image layer of a recording; frames are read when shown.

    Parameters
    ----------
    recording : Recording
        The recording.
    window : ContrastWindow, optional
        Contrast limits of the layer; those of the recording's default view if not given.
    close : bool
        Close the recording when nothing uses it any more.
    """
    data = recording.to_dask()
    if close:
        # Not tied to `data` itself: arrays sliced or copied from it read through the same source.
        weakref.finalize(data.dask[f"original-{data.name}"], recording.close)
    axes = recording.axes.removesuffix("S")
    rgb = recording.axes.endswith("S")
    arguments: dict[str, Any] = {
        "name": recording.name,
        "rgb": rgb,
        "multiscale": False,
        "scale": [(recording.scale[axis] or 1.0) if axis in "ZYX" else 1.0 for axis in axes],
        "axis_labels": [axis.lower() for axis in axes],
        # Along time, the slider counts frames.
        "units": [(recording.units[axis] or "pixel") if axis in "ZYX" else "pixel" for axis in axes],
        "metadata": {PLUGIN: {"recording": recording, "array": data.name}},
    }
    if not rgb:
        if window is None:
            from napari_sam2_video.frames.view import default_view

            window = default_view(recording).window
        arguments["contrast_limits"] = (window.low, window.high)
    return data, arguments, "image"


def reopened(session: Session) -> Recording:
    """Open the recording of a session again for a layer, because either may outlive the other.

    Raises
    ------
    SessionError
        If the recording is not a file, and the session keeps no copy.
    """
    from napari_sam2_video.session.kept_source import kept_array

    recording = session.recording
    source = kept_array(session.folder) if recording.path is None else recording.path
    if source is None:
        from napari_sam2_video.errors import SessionError

        raise SessionError(f"{recording.name} is not a file; show it as an image layer before you open its session.")
    from napari_sam2_video.frames.reopen import described, open_described

    return open_described(source, described(recording))


def known_recording(layer: Image) -> Recording | None:
    """The recording behind a layer from one of the plugin's readers, unless the layer's data were replaced."""
    from napari_sam2_video.plugin.layers import level_zero

    own = layer.metadata.get(PLUGIN)
    if not isinstance(own, dict) or getattr(level_zero(layer), "name", None) != own.get("array"):
        return None
    recording: Recording | None = own.get("recording")
    return None if recording is None or recording.closed else recording


def layer_of(viewer: Any, recording: Recording) -> Image | None:
    """The layer in which one of the plugin's readers already shows the same recording, if any."""
    from napari.layers import Image

    for layer in viewer.layers:
        known = known_recording(layer) if isinstance(layer, Image) else None
        if known is not None and (known.path, known.axes, known.shape) == (
            recording.path,
            recording.axes,
            recording.shape,
        ):
            return layer
    return None


def add_recording(viewer: Any, recording: Recording, session: Session, *, again: bool = False) -> Image:
    """Show a recording as an image layer in the session's window; a file is opened `again` just for the layer."""
    is_file = recording.path is not None
    if again and is_file:
        recording = reopened(session)
    own = is_file or recording is not session.recording
    data, arguments, _ = recording_layer(recording, window=session.view.settings.window, close=own)
    image: Image = viewer.add_image(data, **arguments)
    return image
