"""Paint of a session, which runs do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import SessionError
from napari_sam2_video.masks.label_array import LabelArray

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects


class Paint:
    """Paint of a session.

    Attributes
    ----------
    labels : LabelArray
        Label images as one array of shape ``(T, Y, X)``, to show and paint on.
    """

    def __init__(self, context: Context, objects: Objects) -> None:
        self._context = context
        self._objects = objects
        self._step: tuple[int, int] | None = None
        self.labels = LabelArray(context.masks, None if context.read_only else self)

    def stroke(
        self, frame: int, origin_yx: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> bool:
        """See `Session.stroke`."""
        last = self._context.state.last_step
        step = self._step[0] if self._step is not None and self._step == (last, frame) else None
        number = self.paint(frame, origin_yx, labels, where, step=step)
        if number is not None and step is None:
            self._step = (number, frame)
        return number is not None

    def end_stroke(self) -> None:
        """See `Session.end_stroke`."""
        self._step = None

    def paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None,
        *,
        step: int | None = None,
    ) -> int | None:
        """Paint pixels; returns the number of the stroke, None if nothing changed. See `Session.paint`."""
        if where is not None and np.shape(where) != labels.shape:
            raise SessionError(
                f"The painted pixels of frame {frame} and their mask differ in shape; give them the same shape."
            )
        if not np.isfinite(labels).all():
            raise SessionError(f"Labels on frame {frame} must be whole numbers; convert them.")
        context = self._context
        with context.changing():
            chosen = labels if where is None else labels[np.asarray(where, bool)]
            made = []
            for object_id in (int(i) for i in np.unique(chosen) if i > 0):
                if context.state.get("objects", object_id) is None:
                    made.append(self._objects.made(object_id))
                else:
                    self._objects.changeable(object_id, "paint")
            number = context.masks.paint(
                frame,
                origin_yx,
                labels,
                where,
                step=step,
                extra=[("objects", info.id, info.to_json()) for info in made],
                protected=self._objects.locked(),
            )
        if number is not None:
            context.events.announce(*(["objects"] if made else []), "masks")
        return number

    def clear(self, frame: int, object_id: int | None) -> bool:
        """See `Session.clear_paint`."""
        context = self._context
        with context.changing():
            locked = self._objects.locked()
            if object_id in locked:
                raise SessionError(f"Object {object_id} is locked; unlock it to change it.")
            done = context.masks.clear_paint(frame, object_id, protected=locked)
        if done:
            context.events.announce("masks")
        return done
