"""What a person settles in a session: paint and acceptance, which runs leave as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import SessionError
from napari_sam2_video.masks.label_array import LabelArray
from napari_sam2_video.session.editing import SessionEditor
from napari_sam2_video.session.prompts import key_of
from napari_sam2_video.session.run import Runner
from napari_sam2_video.spans import bounds_of
from napari_sam2_video.types import MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.frames.view import FrameView
    from napari_sam2_video.session.base import TrackerFactory
    from napari_sam2_video.session.conditioning import Mark
    from napari_sam2_video.storage.lock import SessionLock
    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import Prompt


class SessionPainter(SessionEditor):
    """A session whose masks can be painted and accepted."""

    def __init__(
        self,
        folder: Path,
        recording: Recording,
        view: FrameView,
        *,
        lock: SessionLock | None,
        owns_recording: bool,
        tracker_factory: TrackerFactory | None,
    ) -> None:
        super().__init__(
            folder, recording, view, lock=lock, owns_recording=owns_recording, tracker_factory=tracker_factory
        )
        self._stroke_step: tuple[int, int] | None = None
        self._runner = Runner(self._state, self.masks, self._inputs, self._conditioning_prompts)
        self.labels = LabelArray(self.masks, None if self.read_only else self)

    def paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None = None,
    ) -> bool:
        """Set pixels by hand; True if any changed hands.

        The model never changes them again. A frame painted for an object is a prompt of it, and a frame that runs leave
        as it is. Pixels of locked objects stay.

        Parameters
        ----------
        frame : int
            The frame.
        origin_yx : tuple of int
            Where `labels` begins.
        labels : ndarray of int, shape (h, w)
            Object ids, 0 to erase; an id without an object makes one.
        where : ndarray of bool, shape (h, w), optional
            Which pixels are set; all if not given.
        """
        self.end_stroke()
        done = self._paint(frame, origin_yx, np.asarray(labels), where, step=None)
        return done is not None

    def clear_paint(self, frame: int, object_id: int | None = None) -> bool:
        """Give painted pixels of a frame, or of one object on it, back to the model; True if there were any.

        Locked objects neither lose nor gain a pixel.

        Raises
        ------
        SessionError
            If the object is locked.
        """
        with self._changing():
            locked = frozenset(o.id for o in self.objects if o.locked)
            if object_id in locked:
                raise SessionError(f"Object {object_id} is locked; unlock it to change it.")
            done = self.masks.clear_paint(frame, object_id, protected=locked)
        if done:
            self.events.announce("masks")
        return done

    def end_stroke(self) -> None:
        """End the step that strokes go to; a viewer calls it when the mouse button is released."""
        self._stroke_step = None

    def stroke(
        self, frame: int, origin_yx: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> bool:
        """Set pixels by hand, as `paint`, in one step with those before it until `end_stroke`; True if any changed.

        A step also ends where another frame is painted, or something else is done.
        """
        open_step, last = self._stroke_step, self._state.last_step
        step = open_step[0] if open_step is not None and open_step == (last, frame) else None
        number = self._paint(frame, origin_yx, labels, where, step=step)
        if number is not None and step is None:
            self._stroke_step = (number, frame)
        return number is not None

    def accept(self, object_id: int, start: int, stop: int) -> None:
        """Accept an object on the frames from `start` up to, not including, `stop`: runs leave them as they are."""
        self._set_accepted(object_id, start, stop, accept=True)

    def unaccept(self, object_id: int, start: int, stop: int) -> None:
        """Take acceptance back on the frames from `start` up to, not including, `stop`."""
        self._set_accepted(object_id, start, stop, accept=False)

    def _paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None,
        *,
        step: int | None,
    ) -> int | None:
        if where is not None and np.shape(where) != labels.shape:
            raise SessionError(f"The painted pixels of frame {frame} and their mask differ in shape; give both alike.")
        if not np.isfinite(labels).all():
            raise SessionError(f"Labels on frame {frame} must be whole numbers; convert them.")
        with self._changing():
            chosen = labels if where is None else labels[np.asarray(where, bool)]
            ids = [int(i) for i in np.unique(chosen) if i > 0]
            made = []
            for object_id in ids:
                info = self._state.get("objects", object_id)
                if info is None:
                    made.append(self._new_object(object_id, None, None))
                elif info.locked:
                    raise SessionError(f"Object {object_id} is locked; unlock it to paint it.")
            number = self.masks.paint(
                frame,
                origin_yx,
                labels,
                where,
                step=step,
                extra=[("objects", o.id, o.to_json()) for o in made],
                protected=frozenset(o.id for o in self.objects if o.locked),
            )
        if number is not None:
            self.events.announce(*(["objects"] if made else []), "masks")
        return number

    def _set_accepted(self, object_id: int, start: int, stop: int, *, accept: bool) -> None:
        whole = isinstance(start, int | np.integer) and isinstance(stop, int | np.integer)
        if not whole or not 0 <= start < stop <= self.n_frames:
            raise SessionError(
                f"The frames {start} to {stop} do not fit the recording, which has 0 to {self.n_frames - 1}."
            )
        with self._changing():
            info = self.object(object_id)
            old = self.accepted(object_id)
            span = frozenset(range(start, stop))
            new = old | span if accept else old - span
            if new == old:
                return
            word = "accept" if accept else "take back acceptance of"
            name = f"{word} {info.name} on frames {start} to {stop - 1}"
            changes: list[Change] = [("accepted", object_id, bounds_of(new) or None)]
            changes += [("conditioned", key_of(object_id, f), None) for f in self._overruled(object_id, old - new)]
            self._state.commit(changes, name=name)
        self.events.announce("accepted")

    def _overruled(self, object_id: int, frames: Collection[int]) -> list[int]:
        """Those of some frames whose mask is older than the prompts there, because acceptance kept it."""
        given = {p.frame: p.revision for p in self.prompt_sets(object_id) if p.frame in frames}
        older = [f for f, revision in given.items() if self.masks.stamp(f, object_id)[0] < revision]
        return [f for f in older if object_id not in self.masks.touched(f)]

    def _conditioning_prompts(self, object_id: int, frame: int, mark: Mark) -> list[Prompt]:
        """Prompts that the tracker gets: what a person painted, and clicks made after it."""
        revision, stroke, _ = mark
        prompts: list[Prompt] = list(self.prompts(object_id, frame)) if revision > stroke or not stroke else []
        if not stroke:
            return prompts
        painted = MaskPrompt(object_id, frame, self.masks.object_mask(frame, object_id))
        return [painted, *(p for p in prompts if not isinstance(p, MaskPrompt))]
