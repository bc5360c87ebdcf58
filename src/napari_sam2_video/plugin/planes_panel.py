"""The panel for volumes: planes across the axes, walks along them, and fusing their masks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QSpinBox, QWidget

from napari_sam2_video.plugin.background_task import BackgroundTask
from napari_sam2_video.plugin.label_slices import LabelSlices
from napari_sam2_video.plugin.layers import level_zero, put_on, take_off, transform_of
from napari_sam2_video.plugin.own_layers import mark_own
from napari_sam2_video.plugin.plane_stack import shown_stack
from napari_sam2_video.plugin.surface_layer import show_surface, surface
from napari_sam2_video.plugin.tracking import TRACKING
from napari_sam2_video.plugin.volume_view import VolumeView
from napari_sam2_video.plugin.widgets import (
    IN_A_RUN,
    NO_SESSION,
    allow,
    area_box,
    button,
    fill,
    form,
    narrow,
    narrow_spin,
    row,
    set_note,
    stack,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Labels

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.plugin.seeds_row import SeedsRow
    from napari_sam2_video.session import Session
    from napari_sam2_video.session.planes.fusing import Fusion

DISPUTED_NAME = "SAM 2 disputed voxels"
NO_VOLUME = "This recording is not a volume that can be cut along three axes."
ONE_WALK = "Track along two axes first: choose them above, then press Track."
UP_TO_DATE = "The masks are already fused; nothing has been tracked since."
SEEDED = "Every label of the layer chosen in Objects and prompts becomes an object, with a mask prompt on these slices."
SETTLED = (
    "Frames that you prompted, painted or accepted stay; the masks between them are interpolated from their shapes."
)


class PlanesPanel(QWidget):
    """Views of a volume, walks along its axes, fusing, filling and surfaces.

    Signals
    -------
    fused : str
        A message: planes that a run tracked are being fused, or the outcome.

    Attributes
    ----------
    volume : VolumeView
        How the volume is displayed.
    """

    fused = Signal(str)

    def __init__(self, controller: Controller, seeds: SeedsRow) -> None:
        super().__init__()
        self._controller = controller
        self._seeds = seeds
        self.volume = VolumeView(controller)
        self.view_buttons = {
            axis: button(axis, partial(self.volume.show_across, axis), f"Show the planes across {axis} (Alt+{axis}).")
            for axis in "ZYX"
        }
        self.solid_button = button("3D", self.volume.show_in_3d, "Show the masks in 3D, or return to 2D (Alt+V).")
        self.walk_boxes = {axis: QCheckBox(axis) for axis in "ZYX"}
        for axis, box in self.walk_boxes.items():
            box.setToolTip(
                f"Also track along {axis}: the same objects, prompted by their sections on crossing planes. "
                f"A prompt on a plane across {axis} ticks it."
            )
            box.toggled.connect(self._on_walks)
        self.fuse_button = button("Fuse planes", self.fuse, "Give each object the voxels that its walks agree on.")
        self.fuse_box = QCheckBox("Fuse when done")
        self.fuse_box.setToolTip("Fuse the planes when a run along several axes is done.")
        self.fuse_box.setChecked(True)
        self.disputed_box = QCheckBox("Show disputed voxels")
        self.disputed_box.setToolTip("Voxels on which the walks disagree.")
        self.disputed_box.toggled.connect(self._show_disputed)
        self.crosshair_box = QCheckBox("Crosshair")
        self.crosshair_box.setToolTip("Click to move the planes of all axes to that voxel.")
        self.crosshair_box.toggled.connect(self.volume.set_crosshair)
        self.ball_box = QCheckBox("Brush through slices")
        self.ball_box.setToolTip("Paint a ball that is round in real units, whatever the slice thickness.")
        self.ball_box.toggled.connect(self.volume.set_brush_through)
        self.first_spin, self.last_spin = QSpinBox(), QSpinBox()
        self.first_spin.setToolTip("Slices after this one are filled.")
        self.last_spin.setToolTip("Slices before this one are filled.")
        self.in_button = button("In", lambda: self.first_spin.setValue(controller.frame), "Start at the shown slice.")
        self.out_button = button("Out", lambda: self.last_spin.setValue(controller.frame), "End at the shown slice.")
        self.fill_button = button("Fill between slices", self.fill, SETTLED)
        self.surface_button = button(
            "Surface of the object", self.show_surface, "Add the surface of the object as a layer, for 3D."
        )
        self.slices_box = narrow(QComboBox())
        self.slices_box.setToolTip("Slices on which each label becomes a prompt.")
        fill(self.slices_box, [("every slice", "all"), ("the middle slice", "middle")])
        self.seeds_button = button("Objects from labels on", self.add_seeds, SEEDED)
        self.area_box = area_box("Labels with fewer pixels on a slice are skipped there.")
        self.task = BackgroundTask(controller, "Stop", "Stop; the masks from before stay.")
        self._disputed: Labels | None = None
        self._showing = False
        self._prompted: frozenset[str] = frozenset()
        self._after_run = False
        stack(
            self,
            row(QLabel("Planes across"), *self.view_buttons.values(), self.solid_button, stretch=0),
            row(QLabel("Track along"), *self.walk_boxes.values(), stretch=0),
            row(self.fuse_button, self.fuse_box, self.task.stop_button),
            self.task.bar,
            self.task.outcome,
            row(self.disputed_box, self.crosshair_box),
            self.ball_box,
            row(
                QLabel("Slices"),
                narrow_spin(self.first_spin),
                self.in_button,
                narrow_spin(self.last_spin),
                self.out_button,
            ),
            row(self.fill_button, self.surface_button),
            row(self.seeds_button, self.slices_box),
        )
        self.layout().addLayout(form(("Smallest area", self.area_box)))  # type: ignore[union-attr]
        for signal in (
            controller.session_changed,
            controller.run_changed,
            controller.changed,
            controller.active_changed,
            self.task.changed,
        ):
            signal.connect(self.update_state)
        for event in (controller.viewer.layers.events.inserted, controller.viewer.layers.events.removed):
            controller.listen(event, self.update_state)
        controller.session_changed.connect(self._on_session)
        controller.changed.connect(self._on_changed)
        self.task.changed.connect(self._on_task)
        self.update_state()

    def _on_session(self) -> None:
        session, axes = self._controller.session, self.volume.axes()
        fused = set() if session is None else {axis for one in session.objects for axis in session.planes.fused(one.id)}
        self._showing = True
        for axis, box in self.walk_boxes.items():
            box.setChecked(axis in {*axes[:1], *fused})
        self._showing = False
        self._prompted = frozenset()
        self._after_run = False
        self._tick_prompted()
        self._on_walks()
        if session is not None:
            for spin in (self.first_spin, self.last_spin):
                spin.setMaximum(session.n_frames - 1)
            self.first_spin.setValue(0)
            self.last_spin.setValue(session.n_frames - 1)
        take_off(self._controller.viewer, self._disputed)
        self._disputed = None
        self._show_disputed(self.disputed_box.isChecked())

    def _tick_prompted(self) -> None:
        """Track along an axis once there is a prompt on a plane across it; the user may untick it again."""
        session, axes = self._controller.session, self.volume.axes()
        if session is not None:
            prompted = frozenset(session.planes.prompted) & frozenset(axes)
            for axis in prompted - self._prompted:
                self.walk_boxes[axis].setChecked(True)
            self._prompted = prompted

    def follow_run(self, how: str, _: str) -> None:
        """Fuse the masks of a run along several axes; called after the end of the run was reported."""
        controller = self._controller
        session, run = controller.session, controller.run
        if how != "done" or session is None or run is None or run.doing != TRACKING or not self.fuse_box.isChecked():
            return
        if len(controller.walks) > 1 and session.planes.outdated() and self.fuse_button.isEnabled():
            self._after_run = True
            self.fuse()

    def _on_walks(self, *_: Any) -> None:
        """Set the axes for Track; with only the session's own, it is an ordinary run."""
        if not self._showing:
            chosen = tuple(axis for axis in self.volume.axes() if self.walk_boxes[axis].isChecked())
            self._controller.walks = chosen if chosen != self.volume.axes()[:1] else ()
            self._controller.run_changed.emit()

    def _on_task(self) -> None:
        """Show the progress and outcome of fusing after a run in the place where the run's own end is shown."""
        if self._after_run:
            self._after_run = self.task.working
            self.fused.emit("Fusing the planes…" if self.task.working else self.task.outcome.text())

    def fuse(self) -> None:
        """Fuse the masks of the walks, in the background."""
        session = self._controller.session

        def done(found: list[Fusion]) -> None:
            self._changed_masks()
            disputed = sum(one.disputed for one in found)
            objects = "1 object" if len(found) == 1 else f"{len(found)} objects"
            look = f" {disputed} voxels are disputed: the review shows where." if disputed else ""
            set_note(self.task.outcome, f"{objects} fused.{look} Undo reverts it." if found else UP_TO_DATE)

        if session is not None:
            self.task.begin(
                "fusing the planes",
                lambda progress: session.fuse(progress=progress),
                done=done,
                stopped="Fusing was stopped; undo reverts the fused slices.",
            )

    def fill(self) -> None:
        """Fill the active object between its settled slices in the chosen range."""
        controller = self._controller
        session, active = controller.session, controller.active
        if session is None or not active:
            return
        start, last = sorted((self.first_spin.value(), self.last_spin.value()))

        def done(filled: list[int]) -> None:
            self._changed_masks()
            slices = "1 slice" if len(filled) == 1 else f"{len(filled)} slices"
            set_note(self.task.outcome, f"{slices} filled by shape, no network ran. Undo reverts it.")

        self.task.begin(
            "filling slices",
            lambda progress: session.fill_between(active, start, last + 1),
            done=done,
            stopped="Filling was stopped; undo reverts the filled slices.",
        )

    def add_seeds(self) -> None:
        """Make an object of every label in the layer chosen for labels, on many slices at once."""
        controller, view, layer = self._controller, self._controller.view, self._seeds.box.currentData()
        if view is None or layer is None:
            return
        name, which = layer.name, self.slices_box.currentData()
        labels = LabelSlices(level_zero(layer), name, view.geometry, self.area_box.value())

        def done(made: list[int]) -> None:
            controller.perform()
            if made:
                controller.set_active(made[0])
                layer.visible = False
            objects = {0: "No object was", 1: "1 object was"}.get(len(made), f"{len(made)} objects were")
            hidden = ", which is now hidden" if made else ""
            set_note(self.task.outcome, f"{objects} created from the labels of {name}{hidden}.{labels.left_out()}")

        def work(_: Any) -> list[int]:
            # Labels that are all too small are not an error of the layer.
            return view.session.add_volume_seeds(labels, which) if labels.any() else []

        self.task.begin(
            "creating objects from labels",
            work,
            done=done,
            stopped="No object was created.",
        )

    def show_surface(self) -> None:
        """Add the surface of the active object as a layer."""
        controller = self._controller
        view, active = controller.view, controller.active
        if view is None or not active:
            return
        self.task.begin(
            "making a surface",
            lambda progress: surface(view.session, active, view.geometry, progress),
            done=lambda made: show_surface(controller.viewer, view.image, view.session, active, made),
            stopped="No surface was created.",
        )

    def _changed_masks(self) -> None:
        self._controller.deliver()
        if self._disputed is not None:
            self._disputed.refresh(extent=False)

    def _on_changed(self, topic: str) -> None:
        if topic == "masks" and self._disputed is not None:
            self._disputed.refresh(extent=False)
        if topic == "prompts":
            self._tick_prompted()

    def _show_disputed(self, on: bool) -> None:
        from napari.layers import Labels

        controller, view = self._controller, self._controller.view
        if not on or view is None or not self.volume.axes():
            take_off(controller.viewer, self._disputed)
            self._disputed = None
        elif self._disputed is None or self._disputed not in controller.viewer.layers:
            shown = shown_stack(view.geometry, _Disputed(view.session))
            self._disputed = Labels(shown, name=DISPUTED_NAME, opacity=0.9, **transform_of(view.image))
            self._disputed.editable = False
            self._disputed.contour = 1
            mark_own(self._disputed, "disputed", locked=False)
            put_on(controller.viewer, self._disputed)

    def update_state(self, *_: Any) -> None:
        """Enable the controls that can be used now."""
        controller = self._controller
        session, axes = controller.session, self.volume.axes()
        reason = NO_SESSION if session is None else "" if axes else NO_VOLUME
        if not reason and (controller.running or self.task.working):
            reason = IN_A_RUN
        for axis in "ZYX":
            allow(self.view_buttons[axis], "" if axes else reason)
            self.walk_boxes[axis].setEnabled(bool(axes) and not controller.running)
        fusing = reason
        if not reason and session is not None:
            fusing = "" if len(session.planes.begun) > 1 else ONE_WALK
        allow(self.fuse_button, fusing)
        active = "" if controller.active else "Choose an object first."
        busy = IN_A_RUN if session is not None and (controller.running or self.task.working) else ""
        allow(self.fill_button, (NO_SESSION if session is None else busy) or active)
        allow(self.surface_button, reason or active)
        allow(self.seeds_button, reason or ("" if self._seeds.box.count() else "Open a Labels layer first."))


class _Disputed:
    """Label images of the voxels on which the walks disagree, read when shown."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.shape = (session.n_frames, *session.shape_yx)
        self.dtype = session.masks.dtype

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        frame, *within = index
        part: npt.NDArray[Any] = np.asarray(self._session.planes.disputed(int(frame)), self.dtype)[tuple(within)]
        return part
