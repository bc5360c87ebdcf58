"""``napari-sam2-video track``."""

from __future__ import annotations

from functools import partial
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated

from napari_sam2_video.cli import options as shared
from napari_sam2_video.cli.find import finding_line, report_proposals
from napari_sam2_video.cli.show import note, run_bar, say
from napari_sam2_video.errors import PromptError, SessionError

if TYPE_CHECKING:
    from napari_sam2_video.api.start import IfThere
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import Prompt


def track(
    recording: shared.RecordingPath,
    out: Annotated[Path, shared.option("Session folder to create, usually *.sam2v.", panel=shared.SESSION)],
    point: Annotated[
        list[str] | None, shared.option("A click on object ID; repeatable.", "ID@FRAME:Y,X", shared.PROMPTS)
    ] = None,
    negative: Annotated[
        list[str] | None, shared.option("A click on what is not object ID; repeatable.", "ID@FRAME:Y,X", shared.PROMPTS)
    ] = None,
    box: Annotated[
        list[str] | None, shared.option("A box around object ID; repeatable.", "ID@FRAME:Y0,X0,Y1,X1", shared.PROMPTS)
    ] = None,
    scribble: Annotated[
        list[str] | None,
        shared.option(
            "A stroke on object ID through these points; repeatable.", "'ID@FRAME:Y,X Y,X ...'", shared.PROMPTS
        ),
    ] = None,
    negative_scribble: Annotated[
        list[str] | None,
        shared.option("A stroke on what is not object ID; repeatable.", "'ID@FRAME:Y,X Y,X ...'", shared.PROMPTS),
    ] = None,
    mask: Annotated[
        list[str] | None,
        shared.option("An image that is nonzero where object ID is; repeatable.", "ID@FRAME:FILE", shared.PROMPTS),
    ] = None,
    prompts: Annotated[Path | None, shared.option("JSON file of prompts.", "FILE.json", shared.PROMPTS)] = None,
    seeds: Annotated[
        list[str] | None,
        shared.option(
            "A label image: every label becomes an object; repeatable. For a label volume, @all or @middle uses "
            "every slice of each label or its middle one.",
            "LABELS.tif@FRAME",
            shared.PROMPTS,
        ),
    ] = None,
    direction: Annotated[
        str, shared.option("both, forward or backward from the prompts.", "DIRECTION", shared.RUN)
    ] = "both",
    range_: Annotated[
        str | None, shared.option("Frames A to B-1; all if not given.", "A:B", shared.RUN, name="--range")
    ] = None,
    planes: shared.Planes = None,
    find: shared.Find = None,
    every: shared.Every = None,
    accept: shared.Accept = None,
    smallest_area: shared.SmallestArea = 0,
    axis: shared.Axis = None,
    at: shared.At = None,
    channel: shared.Channel = None,
    channels: shared.Channels = None,
    contrast: shared.Contrast = None,
    axes: shared.Axes = None,
    pixel_size: shared.PixelSize = None,
    interval: shared.Interval = None,
    series: shared.Series = None,
    model: shared.Model = None,
    image_size: shared.ImageSize = None,
    window: shared.Window = None,
    device: shared.Device = None,
    precision: shared.Precision = None,
    arithmetic: shared.Arithmetic = None,
    compile_: Annotated[
        bool, shared.option("Compile the network: slow to start, then faster.", panel=shared.NETWORK, name="--compile")
    ] = False,
    resume: Annotated[
        bool, shared.option("Continue an existing session.", panel=shared.SESSION, name="--resume")
    ] = False,
    overwrite: Annotated[
        bool, shared.option("Replace an existing session.", panel=shared.SESSION, name="--overwrite")
    ] = False,
) -> None:
    """Track prompted objects through a recording into a session.

    Frames, channels and pixels count from 0, object ids from 1.

    Examples
    --------
    napari-sam2-video track cells.tif --out cells.sam2v --point 1@0:120,88

    napari-sam2-video track scan.nii.gz --out liver.sam2v --axis Z --contrast abdomen --mask 1@40:liver.png

    napari-sam2-video track scan.nii.gz --out liver.sam2v --point 1@40:120,88 --planes zyx

    napari-sam2-video track cells.tif --out cells.sam2v --point 1@0:120,88 --find like:1 --every 5 --accept 0.8

    napari-sam2-video track film.mp4 --out film.sam2v --box 1@0:10,15,60,70 --model small --range 0:200
    """
    from napari_sam2_video import api
    from napari_sam2_video.api.finding import FindRequest, find_and_track
    from napari_sam2_video.api.options import SessionOptions
    from napari_sam2_video.api.start import range_notes, start
    from napari_sam2_video.models.demo import DEMO_REMARK
    from napari_sam2_video.prompt_text import parse_mask, parse_seeds
    from napari_sam2_video.types.prompts import seed_list

    settings = api.TrackSettings.from_text(direction, range_)
    finding = FindRequest.from_text(find, every, accept, range_, smallest_area)
    wanted = SessionOptions.from_text(
        {
            "axes": axes,
            "pixel_size": pixel_size,
            "interval": interval,
            "series": series,
            "axis": axis,
            "at": shared.joined(at),
            "channel": channel,
            "channels": channels,
            "contrast": contrast,
            "model": model,
            "device": device,
            "precision": precision,
            "arithmetic": arithmetic,
            "image_size": image_size,
            "window": window,
        },
        compile=compile_,
    )
    given: list[Prompt] = [
        *(api.PointPrompt.from_text(text) for text in point or []),
        *(api.PointPrompt.from_text(text, positive=False) for text in negative or []),
        *(api.BoxPrompt.from_text(text) for text in box or []),
        *(api.ScribblePrompt.from_text(text) for text in scribble or []),
        *(api.ScribblePrompt.from_text(text, positive=False) for text in negative_scribble or []),
        *(parse_mask(text) for text in mask or []),
        *(api.read_prompts(prompts) if prompts is not None else []),
    ]
    affine = partial(wanted.affine_of, recording)
    labels = seed_list([parse_seeds(text, affine=affine) for text in seeds or []], smallest_area)
    if not given and not labels and not resume and finding is None:
        raise PromptError(
            "There is nothing to track; give at least one --point, --box, --scribble, --mask, --prompts, --seeds or "
            "--find."
        )
    if out.exists() and not resume and not overwrite:
        raise SessionError(f"{out} already exists; continue it with --resume, or replace it with --overwrite.")
    if_there: IfThere = "resume" if resume else "overwrite" if overwrite else "refuse"
    detector = finding.detector if finding is not None else None
    with start(
        recording, out, wanted, given, labels, settings, if_there=if_there, planes=planes or "", detector=detector
    ) as session:
        # Labels on every frame may do without the network.
        network = () if detector else session.tracker.notes
        for sentence in (*session.notes, *range_notes(session, settings), *network):
            note(sentence)
        if session.model_settings.model == "demo" and not resume:
            note(DEMO_REMARK)
        kept = "Finished frames are kept; the same command with --resume continues from there."
        with run_bar("Tracking", kept) as progress:
            count = find_and_track(session, finding, settings, planes=planes, progress=progress, looked=finding_line())
        _report(session, count)
        report_proposals(session)


def _report(session: Session, count: int) -> None:
    view = session.view.settings
    seen = f"contrast window {view.window.low:g} to {view.window.high:g} ({view.window.source})"
    if view.channels:
        seen = f"channels {', '.join(one.text() for one in view.channels)}"
    say(f"Session: {session.folder}")
    say(f"Computed {count} frames in this run; {seen}, model {session.model_settings.model}.")
    for one in session.objects:
        scores = session.scores(one.id)
        frames = scores["frame"]
        if not len(frames):
            say(f"  object {one.id} ({one.name}): not tracked")
            continue
        absent = int((scores["area"] == 0).sum())
        low = int(scores["predicted_iou"].argmin())
        lost = f", absent on {absent}" if absent else ""
        say(
            f"  object {one.id} ({one.name}): {len(frames)} of {session.n_frames} frames{lost}; "
            f"least certain on frame {int(frames[low])} (predicted IoU {float(scores['predicted_iou'][low]):.2f})"
        )
