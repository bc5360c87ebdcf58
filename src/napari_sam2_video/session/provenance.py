"""Provenance of the masks of a session, and the masks in the form that exports read."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from napari_sam2_video import __version__
from napari_sam2_video.engine.networks.sam2.installed import installed_sam2, installed_versions
from napari_sam2_video.masks.union import highest_levels
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.session.kept_source import LostRecording
from napari_sam2_video.session.manifest import describe_source, plain
from napari_sam2_video.session.prompts import split_key, without_place
from napari_sam2_video.spans import bounds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_video.session.content import SessionContent
    from napari_sam2_video.session.finding.proposal import Proposal
    from napari_sam2_video.storage.state import State

_PACKAGES = ("torch", "numpy", "zarr", "tifffile", "imageio-ffmpeg", "dask", "scikit-image", "napari")


def provenance_of(session: SessionContent, state: State) -> dict[str, Any]:
    """Everything needed to reproduce the masks, as JSON-serializable values."""
    with state.lock:
        runs = [run for _, run in sorted(state.table("runs").items())]
        finds = sorted(state.table("finds").items())
        proposals = list(state.table("proposals").values())
        cleaned_up = [record for _, record in sorted(state.table("cleaned_up").items())]
        given = sorted(state.table("prompts").values(), key=lambda p: (p.object_id, p.frame))
    models = [dict(run.model) for run in runs if run.model]
    document: dict[str, Any] = {
        "schema": 1,
        "software": {
            "napari-sam2-video": __version__,
            "python": platform.python_version(),
            "platform": sys.platform,
            "packages": installed_versions(_PACKAGES),
            "sam2": installed_sam2(),
        },
        "source": describe_source(session.folder, session.recording),
        "view": session.view.settings.to_json(),
        "n_frames": session.n_frames,
        "shape_yx": list(session.shape_yx),
        "model": {"settings": session.model_settings.to_json(), "used": models[-1] if models else None},
        "runs": [
            {
                "settings": run.settings.to_json(),
                "objects": list(run.plan.object_ids),
                "model": dict(run.model) or None,
                "started": run.started,
                "finished": run.finished,
            }
            for run in runs
        ],
        "finds": [
            {**find, "proposals": [_decided(one) for one in proposals if one.find == number]} for number, find in finds
        ],
        "cleaned_up": cleaned_up,
        "objects": [
            {
                **asdict(info),
                "prompts": [
                    {"frame": p.frame, **without_place(item)}
                    for p in given
                    if p.object_id == info.id
                    for item in p.items
                ],
                "painted": session.masks.painted(info.id),
                "accepted": bounds_of(session.accepted(info.id)),
                "interpolated": bounds_of(session.filled(info.id)),
                "fused": session.planes.fused_on(info.id),
            }
            for info in session.objects
        ],
        "edited_frames": sorted({*session.masks.painted(), *(split_key(k)[1] for k in _corrected(state))}),
    }
    result: dict[str, Any] = plain(document)
    return result


def _decided(one: Proposal) -> dict[str, Any]:
    """What was proposed, and who decided what about it."""
    names = ("id", "kind", "frame", "score", "object_id", "decision", "by", "made")
    return {name: getattr(one, name) for name in names}


def result_of(session: SessionContent) -> TrackingResult:
    """The masks of a session in the form that exports read."""
    view, recording = session.view, session.recording
    lost = isinstance(recording, LostRecording)
    return TrackingResult(
        n_frames=session.n_frames,
        shape_yx=session.shape_yx,
        read_labels=session.masks.read_labels,
        objects=session.objects,
        walk_axis=view.walk_axis,
        plane_axes=view.plane_axes,
        pixel_size=view.pixel_size,
        step=view.step,
        times=view.times,
        units=(view.walk_unit, *view.units),
        affine=recording.affine,
        at=dict(view.settings.at),
        metadata=recording.metadata,
        provenance=session.provenance(),
        source_path=recording.path,
        read_frame=None if lost else view.read,
        read_raw=None if lost else view.raw,
        read_scores=session.scores,
        read_masks=session.masks.each_mask,
        read_levels=lambda frame, ids: highest_levels(session.masks.object_masks(frame), ids, session.shape_yx),
        read_name=lambda frame: recording.file_of(view.walk_axis, frame),
        tracked=_tracked(session),
    )


def _tracked(session: SessionContent) -> range | None:
    """From the first frame with a mask or paint to the last; None if there is none."""
    frames = [f for info in session.objects for f in session.masks.frames_done(info.id).tolist()]
    frames += session.masks.painted()
    return range(min(frames), max(frames) + 1) if frames else None


def _corrected(state: State) -> Mapping[Any, Any]:
    """Prompted frames beyond the first of each object."""
    first: dict[int, int] = {}
    with state.lock:
        table = dict(state.table("prompts"))
    for found in sorted(table.values(), key=lambda p: p.revision):
        first.setdefault(found.object_id, found.frame)
    return {k: p for k, p in table.items() if first[p.object_id] != p.frame}
