"""Fill an object between settled frames by interpolating its shape, without the network."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from napari_sam2_video.analysis.interpolation import masks_between
from napari_sam2_video.engine.prompts import mask_as_object
from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.masks.records import FUSED, newest_record
from napari_sam2_video.session.part import SessionPart
from napari_sam2_video.session.prompts import key_of
from napari_sam2_video.types import FrameMasks, MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt


FILLED = "filled"
"""Table: for each object and frame, the record written by filling; while it is the newest, the mask is interpolated."""
SCORE = 10.0
LEAST_SETTLED = 2


class Filling(SessionPart):
    """Fills objects of a session between settled frames."""

    def fill(self, object_id: int, start: int, stop: int) -> list[int]:
        """Fill between settled frames; see `Session.fill_between`."""
        context = self._context
        n_frames = context.view.n_frames
        if not 0 <= start < stop <= n_frames:
            raise SessionError(
                f"The frames {start} to {stop} do not fit the recording, which has frames 0 to {n_frames - 1}."
            )
        info = self._objects.changeable(object_id)
        context.busy.check_idle(object_id)
        settled = [frame for frame in self._settled(object_id) if start <= frame < stop]
        masks = {frame: self._mask(object_id, frame) for frame in settled}
        ends = [frame for frame in settled if masks[frame].any()]
        if len(ends) < LEAST_SETTLED:
            raise PromptError(
                f"Object {object_id} is settled on {len(ends)} of the frames {start} to {stop - 1}; prompt, paint or "
                "accept it on two at least, and fill what lies between."
            )
        written: list[int] = []
        with context.changing():
            step = context.state.commit([], name=f"fill {info.name} between frames {ends[0]} and {ends[-1]}")
            for frame, mask in self._between(settled, masks):
                own = mask_as_object(object_id, mask, SCORE if mask.any() else -SCORE, 0.0)
                made = FrameMasks(frame, context.view.shape_yx, (own,))
                key = key_of(object_id, frame)
                number = context.state.next_number
                context.masks.write(made, generation=step, extra=[(FILLED, key, number)], table=FUSED)
                written.append(frame)
        context.events.announce("masks")
        return written

    def filled(self, object_id: int) -> frozenset[int]:
        """Frames with an interpolated mask that was not tracked, fused or cleaned up since."""
        state = self._context.state
        found = set()
        for key, number in state.group(FILLED, object_id).items():
            newest = newest_record(state, int(key), object_id)
            if newest is not None and newest[0] == number:
                found.add(int(key))
        return frozenset(found)

    def _settled(self, object_id: int) -> list[int]:
        """Frames that were prompted, painted or accepted."""
        context = self._context
        prompted = {one.frame for one in self._prompts.sets(object_id)}
        return sorted(prompted | context.inputs.accepted(object_id) | set(context.masks.painted(object_id)))

    def _mask(self, object_id: int, frame: int) -> npt.NDArray[np.bool_]:
        """Mask of a settled frame: the shown one, or a mask prompt that was not tracked yet."""
        shown = self._context.masks.object_mask(frame, object_id)
        if shown.any() or self._context.inputs.is_accepted(object_id, frame):
            return shown
        given = self._prompts.get(object_id, frame)
        return next((one.mask for one in given if isinstance(one, MaskPrompt)), shown)

    def _between(
        self, settled: list[int], masks: dict[int, npt.NDArray[np.bool_]]
    ) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
        sizes = self._context.view.pixel_size
        spacing = (float(sizes[0]), float(sizes[1])) if sizes[0] and sizes[1] else (1.0, 1.0)
        for first, last in pairwise(settled):
            if masks[first].any() and masks[last].any():
                made = masks_between(masks[first], masks[last], last - first - 1, spacing)
                yield from zip(range(first + 1, last), made, strict=True)
