"""The layer that outlines proposals until they are accepted or rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_sam2_video.plugin.layers import Geometry, put_on, take_off, transform_of
from napari_sam2_video.plugin.own_layers import mark_own
from napari_sam2_video.plugin.plane_stack import shown_stack
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Image, Labels
    from napari.utils.colormaps import DirectLabelColormap

    from napari_sam2_video.linking.shapes import Shape
    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.session import Session

    Outlines = dict[int, list[tuple[int, Shape]]]

NAME = "SAM 2 proposals"
KEY = "proposals"
KINDS = ("new object", "division", "end", "found again")
CHOSEN = len(KINDS) + 1
COLORS = ((0.2, 0.9, 0.35), (1.0, 0.6, 0.1), (0.9, 0.2, 0.2), (0.3, 0.65, 1.0), (1.0, 1.0, 1.0))


class ProposalLayer(QObject):
    """Outlines of the open proposals, with a colour for each kind; those selected in the list are white."""

    def __init__(self, viewer: Any, image: Image, geometry: Geometry, session: Session, runner: TaskRunner) -> None:
        super().__init__()
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._session = session
        self._runner = runner
        self._images = _Images(geometry.n_frames, geometry.shape_yx)
        self.layer: Labels | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    def update(self) -> None:
        """Show the current proposals."""
        session = self._session
        if not session.proposals:
            self._show({})
            return
        job = Job("reading proposals", lambda _: outlines(session), done=self._show, key=KEY)
        self._runner.submit(job, KEY)

    def choose(self, proposals: set[int]) -> None:
        """Highlight some proposals."""
        self._images.chosen = proposals
        if self.layer is not None:
            self.layer.refresh(extent=False, thumbnail=False)

    def _show(self, found: Outlines) -> None:
        self._images.found = found
        if not found:
            take_off(self._viewer, self.layer)
            self.layer = None
            return
        if self.layer is None:
            from napari.layers import Labels

            data = shown_stack(self._geometry, self._images)
            self.layer = Labels(data, name=NAME, opacity=1.0, **transform_of(self._image))
            mark_own(self.layer, "proposals")
            self.layer.editable = False
            self.layer.contour = 1
            self.layer.colormap = _colormap()
            put_on(self._viewer, self.layer)
            return
        self.layer.refresh(extent=False, thumbnail=False)

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer:
            self.layer = None

    def close(self, *, keep_layers: bool = False) -> None:
        """Stop listening, and remove the layer unless it should stay."""
        self._runner.forget(KEY)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        if not keep_layers:
            take_off(self._viewer, self.layer)
        self.layer = None


def outlines(session: Session) -> Outlines:
    """Masks of the open proposals by frame, each with the number of its proposal."""
    found: Outlines = {}
    for proposal in session.proposals:
        for track in session.proposed_tracks(proposal):
            for frame, shape in track.shapes.items():
                found.setdefault(frame, []).append((proposal.id * CHOSEN + KINDS.index(proposal.kind), shape))
    return found


class _Images:
    """Label images of all frames, with one value for each kind and one for selected proposals."""

    dtype = np.dtype(np.uint8)

    def __init__(self, n_frames: int, shape_yx: tuple[int, int]) -> None:
        self.shape = (n_frames, *shape_yx)
        self.found: Outlines = {}
        self.chosen: set[int] = set()

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        frame, *within = index
        plane: npt.NDArray[Any] = np.zeros(self.shape[1:], np.uint8)
        for number, shape in self.found.get(int(frame), ()):
            proposal, kind = divmod(number, CHOSEN)
            plane[shape.region][shape.mask] = CHOSEN if proposal in self.chosen else kind + 1
        part: npt.NDArray[Any] = plane[tuple(within)]
        return part


def _colormap() -> DirectLabelColormap:
    from napari.utils.colormaps import DirectLabelColormap

    shown: dict[int | None, Any] = {None: (0.0, 0.0, 0.0, 0.0)}
    shown |= {number: (*color, 1.0) for number, color in enumerate(COLORS, start=1)}
    return DirectLabelColormap(color_dict=shown)
