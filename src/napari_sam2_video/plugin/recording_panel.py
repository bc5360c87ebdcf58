"""Choose the image layer to track, the axis, the channel and the contrast window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.frames.file_names import natural_key
from napari_sam2_video.plugin.channels_field import ChannelsField
from napari_sam2_video.plugin.image_watch import ImageWatch
from napari_sam2_video.plugin.layer_source import AS_SHOWN, Choices, default_choices, shown_window
from napari_sam2_video.plugin.layers import axes_are_labelled, level_zero, show_position
from napari_sam2_video.plugin.opening_fields import OpeningFields
from napari_sam2_video.plugin.reader import open_as_layers
from napari_sam2_video.plugin.recent_sessions import session_of
from napari_sam2_video.plugin.sample_data import cells
from napari_sam2_video.plugin.seen_picture import SeenPicture
from napari_sam2_video.plugin.stacked_layers import CHANNELS, stackable, stacked
from napari_sam2_video.plugin.widgets import button, choose, fill, form, narrow, note, row, set_note, stack
from napari_sam2_video.types import OpenSettings
from napari_sam2_video.types.contrast import PERCENTILE

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import ChannelColor

AS_SHOWN_TEXT = "As shown"
IN_COLOUR, FROZEN_COLOUR = "colour", "frozen colour"
COLOUR_TEXT = "Several in colour"
STACK_TIP = "Combine all image layers of this shape into one; the model sees each in its present colour and contrast."
FEWEST_AXES = 3
SINGLE = "A single image"
AXIS_WORDS = {"T": "time", "Z": "depth", "C": "channel", "Y": "rows", "X": "columns"}


class RecordingPanel(QWidget):
    """Choices for the next session, or the fixed ones of the open session.

    Signals
    -------
    continued : str
        The user wants to open the chosen image's existing session in this folder.
    described
        What can be tracked may have changed: the image, its earlier session, the choices or what is wrong with them.
    """

    continued = Signal(str)
    described = Signal()

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.layer_box = narrow(QComboBox())
        self.axis_box = narrow(QComboBox())
        self.channel_box = narrow(QComboBox())
        self.window_box = narrow(QComboBox())
        self.layer_box.setToolTip("The image layer to track in.")
        self.axis_box.setToolTip("The axis to track along: time, depth, or any other.")
        self.channel_box.setToolTip("The channel that the model sees.")
        self.window_box.setToolTip("The model sees raw values between these limits, on every frame.")
        self.channels_field = ChannelsField()
        self.stack_button = button("", self.stack_layers, STACK_TIP)
        self.seen = SeenPicture(controller)
        self.opening = OpeningFields(controller)
        self.open_button = button("Open…", self.choose_files, "Open a video, a stack, a volume or a set of images.")
        self.sample_button = button("Sample", self.open_sample, "Open the sample: cells in a time series.")
        self._doors = row(self.open_button, self.sample_button)
        self.found = note()
        self.continue_button = button("Continue", self._continue, "Open the existing session of this image.")
        self.about = note()
        self.warning = note()
        self._form = form(
            ("Image", self.layer_box),
            ("Frames along", self.axis_box),
            ("Channel", self.channel_box),
            ("In colour", self.channels_field),
            ("Contrast", self.window_box),
        )
        found = row(self.found, self.continue_button, stretch=0)
        about = (self.seen, self.opening, self.about, self.warning)
        stack(self, self._doors, found, self._form, self.stack_button, *about)
        self.layer_box.currentIndexChanged.connect(self._on_layer)
        self.axis_box.currentIndexChanged.connect(lambda *_: self._describe())
        self.channel_box.currentIndexChanged.connect(self._on_channel)
        self.channels_field.changed.connect(self._describe)
        self.window_box.currentIndexChanged.connect(lambda *_: self._describe())
        self.opening.changed.connect(self._describe)
        self.opening.found.connect(self._on_layer)
        events, dims = controller.viewer.layers.events, controller.viewer.dims.events
        controller.listen(events.inserted, self.update_layers)
        controller.listen(events.removed, self.update_layers)
        controller.listen(events.renamed, self.update_layers)
        controller.listen(dims.order, self._on_layer)
        controller.listen(dims.point, self._on_moved)
        controller.at_close(self._let_go)
        controller.session_changed.connect(self._on_session)
        self._images = ImageWatch(controller, self._on_image)
        self._offered: Image | None = None
        self.update_layers()

    @property
    def layer(self) -> Image | None:
        """The chosen image layer."""
        chosen: Image | None = self.layer_box.currentData()
        return chosen

    def update_layers(self, *_: Any) -> None:
        """Offer the image layers in the viewer."""
        from napari.layers import Image

        before = self.layer
        images = [layer for layer in self._controller.viewer.layers if isinstance(layer, Image)]
        self._images.watch(images)
        fill(self.layer_box, [(layer.name, layer) for layer in images], before if before in images else None)
        if self.layer is not before or before is None:
            self._on_layer()
        else:
            self._describe()

    def choose_files(self) -> None:
        """Ask for a file, or for images of one frame each, and open them."""
        paths, _ = QFileDialog.getOpenFileNames(self, "Open a recording")
        if paths:
            source = paths[0] if len(paths) == 1 else sorted(paths, key=natural_key)
            self._controller.perform(lambda: self._open(source), "opening files")

    def _open(self, source: str | list[str]) -> None:
        from napari.layers import Layer

        for data in open_as_layers(source):
            self.select(self._controller.viewer.add_layer(Layer.create(*data)))

    def open_sample(self) -> None:
        """Open the sample of cells."""
        from napari.layers import Layer

        self.select(self._controller.viewer.add_layer(Layer.create(*cells()[0])))

    def stack_layers(self) -> None:
        """Combine the layers that match the chosen one into one with a channel axis, and choose it."""
        layers, axes = self._stackable(), self._walk()[1]
        if layers and axes is not None:
            self.select(self._controller.viewer.add_layer(stacked(layers, axes[-layers[0].ndim :])))

    def _stackable(self) -> list[Image]:
        if self._controller.session is not None:
            return []
        return stackable(self.layer, [self.layer_box.itemData(n) for n in range(self.layer_box.count())])

    def select(self, layer: Image) -> None:
        """Choose a layer."""
        choose(self.layer_box, layer)

    def _let_go(self) -> None:
        self._controller.session_changed.disconnect(self._on_session)

    def _on_image(self, layer: Image, what: str) -> None:
        """React to a change of an image layer: other layers may now match the chosen one."""
        if self._controller.session is not None:
            return
        if layer is self.layer and what in ("data", "axis_labels"):
            self._on_layer()
            return
        if layer is self.layer and what == "contrast_limits" and self.window_box.count():
            self.window_box.setItemText(0, _window_text(AS_SHOWN_TEXT, shown_window(layer)))
        self._describe()

    def _on_layer(self, *_: Any) -> None:
        layer = self.layer
        self.opening.look_at(layer)
        self._find_session()
        if self._controller.session is not None:
            self._show_frozen(self._controller.session)
            return
        self._doors.setVisible(layer is None)
        if layer is None:
            self._offered = None
            for box in (self.axis_box, self.channel_box, self.window_box):
                fill(box, [])
            self._form.setRowVisible(self.channel_box, False)
            self._describe()
            return
        choices = default_choices(self._controller.viewer, layer, self.opening.axes_of(layer))
        shape = level_zero(layer).shape[: layer.ndim]
        lengths = dict(zip(choices.axes[-layer.ndim :], shape, strict=True))
        walks = [(_axis_text(a, n), (a, choices.axes)) for a, n in lengths.items() if n > 1]
        if _is_single(layer, choices.axes):
            walks = [(SINGLE, (choices.axis, choices.axes))]
        elif choices.axes == "TYX" and not choices.axes_known:
            walks[1:1] = [(_axis_text("Z", shape[0]), ("Z", "ZYX"))]
        fill(self.axis_box, walks, (choices.axis, choices.axes))
        count = lengths.get("C", 0)
        channels: list[tuple[str, Any]] = [(str(n), n) for n in range(count)]
        known = layer.metadata.get(CHANNELS, ())
        if count > 1:
            channels.append((COLOUR_TEXT, IN_COLOUR))
            self.channels_field.offer(count, known if layer is not self._offered else ())
        before = self.channel_box.currentData() if layer is self._offered else IN_COLOUR if known else None
        self._offered = layer
        fill(self.channel_box, channels, IN_COLOUR if before == IN_COLOUR else choices.channel)
        self._form.setRowVisible(self.channel_box, count > 1)
        windows: list[tuple[str, Any]] = [(_window_text(AS_SHOWN_TEXT, shown_window(layer)), AS_SHOWN)]
        if not layer.rgb:
            from napari_sam2_video.types import CT_WINDOWS

            windows.append(("Percentiles of the recording", PERCENTILE))
            windows.extend((_window_text(f"CT {name}", window), window) for name, window in CT_WINDOWS.items())
        fill(self.window_box, windows, self.window_box.currentData())
        self._describe()

    def _show_frozen(self, session: Session) -> None:
        """Show the fixed choices of the session."""
        settings = session.view.settings
        axes = session.recording.axes.removesuffix("S")
        walk = SINGLE if session.n_frames == 1 else _axis_text(settings.axis, session.n_frames)
        fill(self.axis_box, [(walk, (settings.axis, axes))])
        channels: list[tuple[str, Any]] = []
        if settings.channel is not None:
            channels = [(str(settings.channel), settings.channel)]
        if settings.channels:
            channels = [(", ".join(f"{one.channel} {one.color_name}" for one in settings.channels), FROZEN_COLOUR)]
        fill(self.channel_box, channels)
        self._form.setRowVisible(self.channel_box, bool(channels))
        window = settings.window
        chosen = window.source if window.source in (AS_SHOWN, PERCENTILE) else window
        fill(self.window_box, [(_window_text("Frozen", window), chosen)])
        self._describe()

    def _on_moved(self, *_: Any) -> None:
        """Track the channel that is shown."""
        layer = self.layer
        if layer is None or self._controller.session is not None:
            return
        axis, axes = self._walk()
        shown = default_choices(self._controller.viewer, layer, axes, axis).channel
        number = self.channel_box.findData(shown)
        chosen = self.channel_box.currentData()
        if chosen != IN_COLOUR and shown is not None and number >= 0 and number != self.channel_box.currentIndex():
            blocked = self.channel_box.blockSignals(True)
            self.channel_box.setCurrentIndex(number)
            self.channel_box.blockSignals(blocked)
        self._describe()

    def _on_channel(self, *_: Any) -> None:
        layer, channel = self.layer, self.channel_box.currentData()
        axes = self._walk()[1]
        if layer is not None and isinstance(channel, int) and axes is not None and "C" in axes:
            show_position(self._controller.viewer, layer, axes.index("C"), channel)
        self._describe()

    def choices(self) -> Choices | None:
        """The current choices; None without a layer."""
        layer = self.layer
        if layer is None or not self.axis_box.count():
            return None
        axis, axes = self._walk()
        basis = default_choices(self._controller.viewer, layer, axes, axis)
        window = self.window_box.currentData()
        chosen = self.channel_box.currentData()
        channel = basis.channel if chosen == IN_COLOUR or basis.channel is None else chosen
        channels = self._colours() if chosen == IN_COLOUR and basis.channel is not None else ()
        shown = basis.window if window == AS_SHOWN else window
        # The first axis is a guess if neither the layer nor the user named it.
        known = self.axis_box.currentIndex() > 0 or self.opening.axes_of(layer) is not None or axes_are_labelled(layer)
        try:
            opening = self.opening.settings()
        except Sam2VideoError:
            opening = OpenSettings()
        return Choices(basis.axes, basis.axis, channel, basis.at, shown, opening, known, channels)

    def _colours(self) -> tuple[ChannelColor, ...]:
        try:
            return self.channels_field.channels()
        except Sam2VideoError:
            return ()

    def _walk(self) -> tuple[str | None, str | None]:
        """The chosen axis, and the letters of all axes that it implies; None if they were of earlier data."""
        chosen: tuple[str, str] | None = self.axis_box.currentData()
        if chosen is None or (self.layer is not None and len(chosen[1]) != max(self.layer.ndim, FEWEST_AXES)):
            return None, None
        return chosen

    def problem(self) -> str:
        """Why no session can be started with these choices; empty if one can."""
        layer = self.layer
        if layer is None:
            return "Open an image first: a time series, a volume, a video or a single image."
        try:
            self.opening.settings()
            if self.channel_box.currentData() == IN_COLOUR:
                self.channels_field.channels()
        except Sam2VideoError as error:
            return str(error)
        return ""

    def _continue(self) -> None:
        found = None if self.layer is None else session_of(self.layer)
        if found is not None:
            self.continued.emit(found.folder)

    def _find_session(self) -> None:
        """Offer the existing session of the chosen image."""
        idle = self._controller.session is None and self.layer is not None
        found = session_of(self.layer) if idle and self.layer is not None else None
        set_note(self.found, "" if found is None else f"This image has a session: {found.text()}.")
        self.continue_button.setVisible(found is not None)

    def _describe(self, *_: Any) -> None:
        self.described.emit()
        session = self._controller.session
        frozen = session is not None
        for box in (self.layer_box, self.axis_box, self.channel_box, self.window_box):
            box.setEnabled(not frozen)
        for box in (self.layer_box, self.axis_box):
            self._form.setRowVisible(box, self.layer is not None)
        self.opening.setVisible(not frozen and self.layer is not None)
        in_colour = self.channel_box.currentData() in (IN_COLOUR, FROZEN_COLOUR)
        self._form.setRowVisible(self.channels_field, in_colour and not frozen)
        self._form.setRowVisible(self.window_box, self.layer is not None and not in_colour)
        stack = self._stackable()
        self.stack_button.setVisible(bool(stack))
        self.stack_button.setText(f"See {len(stack)} layers in colour")
        self.seen.setVisible(self.layer is not None)
        if session is not None:
            settings = session.view.settings
            height, width = session.shape_yx
            parts = [f"{session.n_frames} frames of {height} × {width} along {settings.axis}"]
            parts.extend(f"{letter} = {place}" for letter, place in settings.at.items())
            if settings.channel is not None and not settings.channels:
                parts.append(f"channel {settings.channel}")
            windows = [f"{_limits(one.window)} in channel {one.channel}" for one in settings.channels]
            contrast = ", ".join(windows) or _limits(settings.window)
            text = f"Fixed for this session: {', '.join(parts)}; contrast {contrast}."
            set_note(self.about, text)
            set_note(self.warning, " ".join(session.recording.notes))
            return
        choices = self.choices()
        set_note(self.warning, "" if self.layer is None else self.problem())
        self.seen.look_at(self.layer, None if self.problem() else choices)
        if choices is None or self.warning.text():
            set_note(self.about, "")
            return
        others = ", ".join(f"{letter} = {place}" for letter, place in choices.at.items())
        several = "Full resolution (level 0) is tracked. " if self.layer is not None and self.layer.multiscale else ""
        set_note(self.about, f"{several}{f'Tracked plane: {others}.' if others else ''}".strip())

    def _on_session(self) -> None:
        self._find_session()
        image = self._controller.image
        if image is not None:
            self.select(image)
        self._on_layer()


def _is_single(layer: Image, axes: str) -> bool:
    """Whether a layer holds a single frame."""
    lengths = dict(zip(axes[-layer.ndim :], level_zero(layer).shape[: layer.ndim], strict=True))
    return all(n == 1 for letter, n in lengths.items() if letter not in "YX")


def _axis_text(letter: str, length: int) -> str:
    word = AXIS_WORDS.get(letter)
    return f"{letter}{f' · {word}' if word else ''} ({length})"


def _limits(window: Any) -> str:
    return f"{window.low:.6g} to {window.high:.6g}"


def _window_text(name: str, window: Any) -> str:
    return f"{name} ({_limits(window)})"
