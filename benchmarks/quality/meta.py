"""Meta's side: ``SAM2VideoPredictor`` with the same weights, on the same frames."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.alone import peak_mb
from benchmarks.quality.ours import axes_of
from benchmarks.quality.tracked import Tracked, cost_of
from benchmarks.sides import PREDICTOR, frame_tensor, predictor_state
from napari_sam2_video import api
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.types import BoxPrompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.quality.kinds import Case
    from benchmarks.quality.ours import Correct
    from napari_sam2_video.types import ModelSettings, PointPrompt


@functools.lru_cache(maxsize=1)
def _sides(model: ModelSettings) -> tuple[Any, Any]:
    """Our network, for its way to resize frames, and Meta's predictor with the same weights."""
    from napari_sam2_video.engine.networks.load import load_model
    from napari_sam2_video.engine.networks.sam2.build import build_network
    from napari_sam2_video.models.checkpoint import load_state
    from napari_sam2_video.models.resolve import resolve_model

    file = resolve_model(model.model)
    ours = load_model(file, model)
    predictor: Any = build_network(file.preset, ours.image_size, target=PREDICTOR)
    predictor.load_state_dict(load_state(file.path, known=file.known))
    predictor.add_all_frames_to_correct_as_cond = True
    return ours, predictor.to(ours.device).eval()


def track_meta(case: Case, model: ModelSettings, correct: Correct | None = None) -> Tracked:
    """Track the case, and again from the corrections on that `correct` makes of the label images."""
    ours, predictor = _sides(model)
    with api.open_recording(case.clip.frames, axes=axes_of(case)) as recording:
        view = FrameView(recording, default_view(recording))
        state = predictor_state(predictor, frame_tensor(ours, view), view.shape_yx)
    marks = [(time.perf_counter(), time.process_time())]
    for prompt in case.prompts:
        _add(predictor, state, prompt)
    labels = np.zeros(case.clip.labels.shape, np.uint16)
    for reverse in (False, True)[: 1 + (case.frame > 0)]:
        for t, found in _propagated(predictor, state, case.frame, reverse):
            labels[t] = found
            marks.append((time.perf_counter(), time.process_time()))
    peak = peak_mb()
    corrected = None
    if correct is not None:
        corrected = labels.copy()
        clicks = correct(labels)
        for click in clicks:
            _add(predictor, state, click)
        if clicks:
            for t, found in _propagated(predictor, state, min(click.frame for click in clicks), False):
                corrected[t] = found
    return Tracked(labels, cost_of(marks), corrected, peak)


def _add(predictor: Any, state: dict[str, Any], prompt: BoxPrompt | PointPrompt) -> None:
    given: dict[str, Any]
    if isinstance(prompt, BoxPrompt):
        given = {"box": np.array([prompt.x0, prompt.y0, prompt.x1, prompt.y1], np.float32)}
    else:
        labels = np.array([int(prompt.positive)], np.int32)
        given = {"points": np.array([[prompt.x, prompt.y]], np.float32), "labels": labels, "clear_old_points": False}
    predictor.add_new_points_or_box(state, prompt.frame, prompt.object_id, **given)


def _propagated(predictor: Any, state: dict[str, Any], first: int, reverse: bool) -> Any:
    """Frames and their label images, in which the highest logit wins."""
    for t, ids, logits in predictor.propagate_in_video(state, start_frame_idx=first, reverse=reverse):
        yield t, _composed(ids, logits[:, 0].cpu().numpy())


def _composed(ids: list[int], logits_nyx: NDArray[np.float32]) -> NDArray[np.uint16]:
    highest = logits_nyx.argmax(0)
    return np.where(logits_nyx.max(0) > 0, np.array(ids, np.uint16)[highest], 0).astype(np.uint16)
