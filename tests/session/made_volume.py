"""A volume of ellipsoids, and a tracker that sees the true section of each on every plane."""

from __future__ import annotations

import numpy as np

from napari_sam2_video.types import FrameMasks, ObjectMask, Preview
from tests.fakes import FakeTracker


def ellipsoid(shape, centre, radii):
    """Voxels of an ellipsoid, bool of `shape`."""
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


class SectionTracker(FakeTracker):
    """Knows the truth by what the frames show: object i has the value 40 * i."""

    def _section(self, object_id, frame, *, prompted=False):
        picture = self.view.read(frame)[..., 0].astype(int)
        inside = np.abs(picture - 40 * object_id) < 15
        inside = self.spoil(object_id, frame, inside)
        levels = np.where(inside, 40, 0).astype(np.uint8)
        return ObjectMask(object_id, (0, 0), levels, 6.0 if inside.any() else -6.0, 0.9, prompted)

    def spoil(self, object_id, frame, inside):
        return inside

    def preview(self, object_id, frame, prompts, *, tracked=None):
        return Preview(object_id, frame, self.view.shape_yx, (self._section(object_id, frame),), 0)

    def condition(self, object_id, frame, prompts, *, tracked=None):
        super().condition(object_id, frame, prompts, tracked=tracked)
        return self._section(object_id, frame, prompted=True)

    def run(self, plan, *, stop=None):
        for masks in super().run(plan, stop=stop):
            entries = {m.object_id: self.memory.entries(m.object_id) for m in masks.objects}
            objects = tuple(
                self._section(m.object_id, masks.frame, prompted=masks.frame in entries[m.object_id])
                for m in masks.objects
            )
            yield FrameMasks(masks.frame, masks.shape_yx, objects, masks.direction)


def section_factory(kind=SectionTracker):
    """Tracker factory; the trackers made stand in its `made` list."""

    def factory(settings, view, memory):
        tracker = kind(view, memory)
        factory.made.append(tracker)
        return tracker

    factory.made = []
    return factory
