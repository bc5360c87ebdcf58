"""Notes for the user about a video: its times, the shape of its pixels, and unreadable parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2_video.frames.video_format import PictureFormat
    from napari_sam2_video.frames.video_frames import VideoFile
    from napari_sam2_video.frames.video_index import VideoIndex


def time_notes(file: VideoFile, index: VideoIndex) -> list[str]:
    """Notes about the frame rate and the time stamps."""
    name, timing = file.path.name, index.frame_times()
    notes = []
    if timing.times is not None:
        notes.append("The frame rate varies: each frame keeps its own time, and none is repeated or dropped.")
    elif timing.interval is None and len(index.pts) > 1:
        notes.append(f"{name} states no frame rate: the time between frames is unknown; give the interval if you know.")
    if file.copy is not None:
        if index.timing is not None:
            notes.append(f"{name} has no time stamps: it is read from a temporary copy that has them.")
        else:
            notes.append(f"The time stamps of {name} restart from zero: it is read from a temporary copy.")
    if index.counted and len(index.keys) == 1 and len(index.pts) > 1:
        notes.append(
            f"{name} has no time stamps: its frames were counted, and jumping back takes as long as "
            "decoding it from its beginning; convert it to an MP4 file to make that quicker."
        )
    return notes


def aspect_notes(file: VideoFile, picture: PictureFormat) -> list[str]:
    """A note about pixels that are not square."""
    if picture.sample_aspect == 1:
        return []
    return [
        f"The pixels of {file.path.name} are not square: each is displayed and measured "
        f"{float(picture.sample_aspect):.4g} times as wide as high."
    ]


def damage_notes(file: VideoFile, index: VideoIndex, missing: int) -> list[str]:
    """Notes about frames that are left out, damaged or lost, or `missing` at the end."""
    path, notes = file.path, []
    if index.left_out:
        frames = "frame" if index.left_out == 1 else f"{index.left_out} frames"
        notes.append(
            f"The first {frames} of {path.name} cannot be decoded without earlier frames, so they are left out."
        )
    if index.undecoded:
        frames = "One frame" if index.undecoded == 1 else f"{index.undecoded} frames"
        notes.append(
            f"{frames} of {path.name}, such as those ahead of the first key frame, cannot be decoded; the others are "
            "counted without them."
        )
    if missing:
        notes.append(
            f"{len(index.pts) - len(index.lost)} of {len(index.pts) + missing} frames are readable: {path.name} is "
            "truncated; copy or record it again to get all of them."
        )
    elif index.damaged:
        notes.append(f"{path.name} is damaged in places: frames that cannot be decoded are left out.")
    if index.lost:
        notes.append(f"{len(index.lost)} of the frames of {path.name} are missing: the others keep their numbers.")
    return notes
