"""What belongs to a session in a viewer, put there and taken away together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_video.plugin.layers import Geometry, level_zero, transform_of
from napari_sam2_video.plugin.mask_layers import MaskLayers
from napari_sam2_video.plugin.preview import LivePreview
from napari_sam2_video.plugin.prompt_layers import PromptLayers
from napari_sam2_video.plugin.session_summary import FigureKeeper
from napari_sam2_video.plugin.tracking import TrackRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Image, Layer

    from napari_sam2_video.plugin.worker import Runner
    from napari_sam2_video.session import Session

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")


def _ignore() -> None:
    return None


class Shown:
    """A session, the image layer of its recording, its own layers, its preview, its runs and its figures."""

    def __init__(self, viewer: Any, runner: Runner, session: Session, image: Image) -> None:
        view, recording = session.view, session.recording
        self._viewer = viewer
        self.session = session
        self.image = image
        self.geometry = Geometry.of_view(recording.axes, recording.shape, view.plane_axes, view.settings)
        self.masks = MaskLayers(viewer, image, self.geometry, session)
        self.prompts = PromptLayers(viewer, image, self.geometry, session)
        self.preview = LivePreview(runner, session, self.masks)
        self.run = TrackRun(runner, session)
        self.keeper = FigureKeeper(runner, session)
        self.moved: Callable[[], Any] = _ignore
        self.replaced: Callable[[], Any] = _ignore
        self._data = level_zero(image)
        for name in PLACE:
            image.events[name].connect(self._follow)
        image.events.data.connect(self._on_data)

    def restoring(self) -> Iterator[None]:
        """Add the layers that are not in the viewer, one a step."""
        yield from self.masks.restoring()
        yield from self.prompts.restoring()
        self._stack()

    def _follow(self, event: Any) -> None:
        """Put the layers where the image was put."""
        value = transform_of(self.image)[event.type]
        for layer in self._own():
            setattr(layer, event.type, value)
        self.moved()

    def _own(self) -> list[Layer]:
        found = (self.masks.masks, self.masks.preview, self.prompts.points, self.prompts.shapes)
        return [layer for layer in found if layer is not None]

    def _on_data(self) -> None:
        if level_zero(self.image) is not self._data:
            self.replaced()

    def _stack(self) -> None:
        """Bring the layers in order, masks below prompts; one that was added again lies on top."""
        layers = self._viewer.layers
        # One may have been taken off again while the others were added.
        own = [layer for layer in self._own() if layer in layers]
        places = [layers.index(layer) for layer in own]
        if places != sorted(places):
            for layer in own:
                layers.move(layers.index(layer), len(layers))

    def close(self, *, keep_layers: bool = False) -> None:
        """Stop what runs and, unless they shall stay, take the layers off the viewer."""
        for name in PLACE:
            self.image.events[name].disconnect(self._follow)
        self.image.events.data.disconnect(self._on_data)
        self.moved = self.replaced = _ignore
        self.run.stop()
        self.run.close()
        self.preview.clear()
        self.keeper.close()
        self.prompts.close(keep_layers=keep_layers)
        self.masks.close(keep_layers=keep_layers)
