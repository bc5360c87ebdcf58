"""Date divisions between frames if the detector did not look at every one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam2_video.session.finding.matching import matched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.linking.shapes import Shape
    from napari_sam2_video.linking.tracks import Track


def dated_divisions(tracks: Sequence[Track], look: Callable[[int], Sequence[Shape]]) -> list[Track]:
    """Find the frame of each division between two frames that were looked at.

    A binary search over the frames between the last one of the mother and the first one of the daughters: if both
    daughters are found on the middle frame, the division is earlier.

    Parameters
    ----------
    tracks : sequence of Track
        The tracks found.
    look : callable
        Returns what the detector finds on a frame.

    Returns
    -------
    list of Track
        The same tracks, with the daughters' masks on the additional frames.
    """
    dated = {track.number: track for track in tracks}
    for mother in tracks:
        daughters = [dated[track.number] for track in tracks if track.parent == mother.number]
        if len(daughters) != 2 or daughters[0].first_found != daughters[1].first_found:
            continue
        before, after = max(mother.shapes), daughters[0].first_found
        while after - before > 1:
            middle = (before + after) // 2
            found = look(middle)
            pairs = matched(found, {n: one.shapes[after] for n, one in enumerate(daughters)})
            if len(pairs) < 2:
                before = middle
                continue
            for place, (n, _) in pairs.items():
                one = daughters[n]
                daughters[n] = replace(
                    one, shapes={middle: found[place], **one.shapes}, sources={middle: "label", **one.sources}
                )
            after = middle
        dated |= {one.number: one for one in daughters}
    return list(dated.values())
