"""*text*: objects named by a phrase, found by a zero-shot object detection network of ``transformers``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.detect.protocol import Detection
from napari_sam2_video.detect.registry import unquoted
from napari_sam2_video.engine.torch_errors import engine_errors
from napari_sam2_video.errors import DetectorError, first_line
from napari_sam2_video.models.folder import file_sha256
from napari_sam2_video.models.text_detectors import CONFIG, DEFAULT, WEIGHTS, find_text_detector

if TYPE_CHECKING:
    from napari_sam2_video.detect.protocol import DetectorFrame

_MOST_IOU = 0.6
_LARGEST = 0.9


class Text:
    """Finds boxes around objects named by a phrase; the session's network turns them into masks.

    Parameters
    ----------
    phrase : str
        What to look for, such as ``"red cell"``; several with commas between them.
    model : str
        Name of a text detector, or a folder with its files.
    least_score : float, optional
        Minimum score; by default the network's.
    device : str
        ``"auto"``, or a torch device.

    Raises
    ------
    ModelError
        If the network is not on this computer.
    DetectorError
        If the phrase is empty, or ``transformers`` is not installed.
    """

    name = "text"

    def __init__(
        self, phrase: str, model: str = DEFAULT, *, least_score: float | None = None, device: str = "auto"
    ) -> None:
        self._phrases = [part for part in (" ".join(one.split()) for one in phrase.split(",")) if part]
        if not self._phrases:
            raise DetectorError('The detector text needs a phrase; write text:"red cell".')
        self._model = model
        self._least_score = least_score
        self._device = device
        self._folder = find_text_detector(model)
        self._loaded: tuple[Any, Any, str] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """See `Detector`."""
        weights = self._folder / WEIGHTS
        sha256 = file_sha256(weights) if weights.is_file() else None
        return {
            "phrases": list(self._phrases),
            "model": self._model,
            "sha256": sha256,
            "least_score": self._least_score,
        }

    def detect(self, frame: DetectorFrame) -> list[Detection]:
        """See `Detector`."""
        import torch
        from PIL import Image

        frame.progress(0, 2)
        processor, network, device = self._network()
        frame.progress(1, 2)
        limits = {} if self._least_score is None else {"threshold": self._least_score}
        with engine_errors(device), torch.inference_mode():
            given = processor(images=Image.fromarray(frame.rgb_yxc), text=[self._phrases], return_tensors="pt")
            made = network(**given.to(device))
            (found,) = processor.post_process_grounded_object_detection(
                made, target_sizes=[frame.shape_yx], text_labels=[self._phrases], **limits
            )
        frame.progress(2, 2)
        boxes_xyxy, scores = found["boxes"].float().cpu().numpy(), found["scores"].float().cpu().numpy()
        return _detections(boxes_xyxy[:, [1, 0, 3, 2]], scores, list(found["text_labels"]), frame.shape_yx)

    def _network(self) -> tuple[Any, Any, str]:
        """Processor, network and device, loaded once."""
        if self._loaded is None:
            from napari_sam2_video.engine.networks.load import choose_device

            device = choose_device(self._device)
            auto_processor, auto_model = _transformers()
            where = {"local_files_only": True}
            try:
                processor = auto_processor.from_pretrained(self._folder, **where)
                network = auto_model.from_pretrained(self._folder, use_safetensors=True, **where).eval()
            except Exception as error:
                raise DetectorError(
                    f"{self._folder} is no text detector that can be used ({first_line(error)}); it needs the "
                    f"{CONFIG}, the "
                    f"{WEIGHTS} and the tokenizer of a network for zero-shot object detection."
                ) from error
            with engine_errors(device):
                self._loaded = processor, network.to(device), device
        return self._loaded


def text_from_text(text: str) -> Text:
    """A text detector, written as ``"red cell"``, or as ``"red cell"@MODEL`` with its name or folder."""
    parts = re.fullmatch(r'\s*("[^"]*"|“[^”]*”|\'[^\']*\'|[^@]*)\s*(?:@(.+))?', text, re.DOTALL)
    if parts is None:
        raise DetectorError(f'"{text}" is no phrase; write it as text:"red cell" or text:"red cell"@MODEL.')
    return Text(unquoted(parts[1]), (parts[2] or DEFAULT).strip())


def _transformers() -> tuple[Any, Any]:
    """The classes that load processors and networks."""
    try:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor
    except Exception as error:
        raise DetectorError(
            f"Finding by text needs transformers, and a torchvision that fits the installed torch "
            f"({first_line(error)}); run "
            "`pip install napari-sam2-video[text]`."
        ) from error
    return AutoProcessor, AutoModelForZeroShotObjectDetection


def _detections(
    boxes_yxyx: np.ndarray[Any, np.dtype[np.float32]],
    scores: np.ndarray[Any, np.dtype[np.float32]],
    labels: list[Any],
    shape_yx: tuple[int, int],
) -> list[Detection]:
    """Boxes without near duplicates, best first, and without those around the whole frame."""
    limits = np.array([shape_yx[0] - 1, shape_yx[1] - 1] * 2, np.float32)
    boxes = np.clip(boxes_yxyx, 0, limits)
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = sides.prod(axis=1)
    kept: list[int] = []
    for n in np.argsort(-scores).tolist():
        if not (sides[n] > 0).all() or areas[n] > _LARGEST * limits[0] * limits[1]:
            continue
        low, high = np.maximum(boxes[kept, :2], boxes[n, :2]), np.minimum(boxes[kept, 2:], boxes[n, 2:])
        common = np.clip(high - low, 0, None).prod(axis=1)
        if not (common > _MOST_IOU * (areas[kept] + areas[n] - common)).any():
            kept.append(n)
    return [
        Detection(float(np.clip(scores[n], 0, 1)), box_yxyx=tuple(boxes[n].tolist()), label=str(labels[n]) or None)
        for n in kept
    ]
