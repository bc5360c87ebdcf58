"""Writers: labels to a TIFF stack, image and labels to an overlay video; both through the export formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import ExportError

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.results import TrackingResult


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer of shape ``(T, Y, X)`` as a TIFF stack."""
    from napari_sam2_video.export.registry import export

    return [str(export(_result(data, meta), path, format="ome-tiff", overwrite=True).path)]


def write_overlay(path: str, layers: list[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Write an Image layer with a Labels layer over it as a video."""
    from napari_sam2_video.export.registry import export

    image, labels = (next(layer for layer in layers if layer[2] == kind) for kind in ("image", "labels"))
    return [str(export(_result(labels[0], labels[1], image), path, overwrite=True).path)]


def _result(data: Any, meta: dict[str, Any], image: tuple[Any, dict[str, Any], str] | None = None) -> TrackingResult:
    from napari_sam2_video.results import TrackingResult

    labels = data
    if labels.ndim == 2:
        labels = np.asarray(labels)[np.newaxis]
    if labels.ndim != 3:
        raise ExportError(
            f"The labels of {meta.get('name', 'this layer')} have {labels.ndim} axes; give frames of two axes each."
        )
    scale = tuple(float(size) for size in meta.get("scale", ()))[-3:]
    step, height, width = (1.0,) * (3 - len(scale)) + scale
    known: dict[str, Any] = {"pixel_size": (height, width), "step": step}
    unsigned = labels if np.dtype(labels.dtype).kind == "u" else _Unsigned(labels)
    frames = None if image is None else _Pictures(*image[:2], n_frames=labels.shape[0], shape_yx=labels.shape[1:])
    return TrackingResult.from_arrays(unsigned, frames, **known)  # type: ignore[arg-type]


class _Unsigned:
    """Labels of a signed type, read as unsigned ones one frame at a time."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.shape = data.shape

    def __getitem__(self, frame: int) -> npt.NDArray[np.uint32]:
        plane = np.asarray(self._data[frame])
        if plane.size and plane.min() < 0:
            raise ExportError(f"The labels of frame {frame} hold negative numbers; give labels from 0.")
        unsigned: npt.NDArray[np.uint32] = plane.astype(np.uint32)
        return unsigned


class _Pictures:
    """Frames of an Image layer as shown, uint8."""

    def __init__(self, data: Any, meta: dict[str, Any], *, n_frames: int, shape_yx: tuple[int, int]) -> None:
        self._data = data[0] if meta.get("multiscale") else data
        self._rgb = bool(meta.get("rgb"))
        planes = self._data.shape[: -3 if self._rgb else -2]
        size = self._data.shape[-3:-1] if self._rgb else self._data.shape[-2:]
        if planes not in ((n_frames,), ()) or tuple(size) != tuple(shape_yx):
            raise ExportError(
                f"The image {meta.get('name', '')} of shape {self._data.shape} does not fit labels of "
                f"{(n_frames, *shape_yx)}; select an image and labels of the same frames."
            )
        self._still = not planes
        low, high = meta.get("contrast_limits", (0, 255))
        from napari_sam2_video.frames.window import WindowMap
        from napari_sam2_video.plugin.layer_source import colour_window
        from napari_sam2_video.types import ContrastWindow

        window = colour_window(self._data.dtype, (low, high)) if self._rgb else ContrastWindow(low, high)
        self._map = WindowMap(window, self._data.dtype)

    def __getitem__(self, frame: int) -> npt.NDArray[np.uint8]:
        plane = np.asarray(self._data if self._still else self._data[frame])
        return self._map(np.ascontiguousarray(plane[..., :3] if self._rgb else plane))
