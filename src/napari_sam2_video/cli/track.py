"""``napari-sam2-video track``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam2_video.cli.show import note, run_bar, say
from napari_sam2_video.errors import PromptError, SessionError

if TYPE_CHECKING:
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import Prompt


def track(
    recording: Annotated[str, typer.Argument(help="File or folder: TIFF, images, OME-Zarr, video, NIfTI, DICOM.")],
    out: Annotated[Path, typer.Option(help="Session folder to make, by custom RUN.sam2v.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="demo (if not given), tiny, small, base_plus, large, another name of the catalogue, or a checkpoint."
        ),
    ] = None,
    point: Annotated[list[str] | None, typer.Option(help="ID@FRAME:Y,X, a click on object ID; repeatable.")] = None,
    negative: Annotated[list[str] | None, typer.Option(help="ID@FRAME:Y,X, a click beside it; repeatable.")] = None,
    box: Annotated[list[str] | None, typer.Option(help="ID@FRAME:Y0,X0,Y1,X1; repeatable.")] = None,
    mask: Annotated[list[str] | None, typer.Option(help="ID@FRAME:FILE, not 0 inside; repeatable.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="JSON file of prompts.")] = None,
    seeds: Annotated[
        list[str] | None, typer.Option(help="LABELS.tif@FRAME: every label becomes an object; repeatable.")
    ] = None,
    axis: Annotated[str | None, typer.Option(help="Axis to walk, by letter or index; T, else Z, if not given.")] = None,
    channel: Annotated[int | None, typer.Option(min=0, help="Channel to look at.")] = None,
    contrast: Annotated[
        str | None, typer.Option(help="LO,HI or a CT window such as lung, the same for all frames.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the network's square input in pixels.")] = None,
    direction: Annotated[str, typer.Option(help="both, forward or backward.")] = "both",
    range_: Annotated[str | None, typer.Option("--range", help="A:B, frames A to B-1.")] = None,
    device: Annotated[str | None, typer.Option(help="auto (if not given), cpu, cuda, mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto (if not given), fp32, bf16, fp16.")] = None,
    compile_: Annotated[bool, typer.Option("--compile", help="Compile the network: slow start, then faster.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the session that is there.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the session that is there.")] = False,
) -> None:
    """Track prompted objects through a recording into a session."""
    from napari_sam2_video import api
    from napari_sam2_video.prompt_text import parse_mask, parse_seeds

    settings = api.TrackSettings.from_text(direction, range_)
    given: list[Prompt] = [
        *(api.PointPrompt.from_text(text) for text in point or []),
        *(api.PointPrompt.from_text(text, positive=False) for text in negative or []),
        *(api.BoxPrompt.from_text(text) for text in box or []),
        *(parse_mask(text) for text in mask or []),
        *(api.read_prompts(prompts) if prompts is not None else []),
    ]
    planes = [parse_seeds(text) for text in seeds or []]
    if not given and not planes and not resume:
        raise PromptError("Nothing to track: give at least one --point, --box, --mask, --prompts or --seeds.")
    wanted = _Wanted(axis, channel, contrast, model, image_size, precision, device, compile_)
    if resume and out.is_dir():
        session = api.open_session(out, recording=recording)
    elif out.exists() and not overwrite:
        raise SessionError(f"{out} is there already: go on with it by --resume, or replace it by --overwrite.")
    else:
        options = wanted.session_options()
        if out.exists():
            api.rehearse(recording, given, planes, settings=settings, **options)
        session = api.create_session(recording, out, overwrite=overwrite, **options)
        resume = False
    with session:
        if resume:
            wanted.settle(session)
        for sentence in (*session.recording.notes, *session.notes):
            note(sentence)
        for sentence in session.tracker.notes:
            note(sentence)
        api.add_prompts(session, given, planes)
        kept = "Finished frames are kept; the same command with --resume goes on from there."
        with run_bar("Tracking", kept) as progress:
            count = api.go_on(session, settings, progress=progress)
        _report(session, count)


@dataclass(frozen=True)
class _Wanted:
    """What the options say of the session; None where they say nothing."""

    axis: str | None
    channel: int | None
    contrast: str | None
    model: str | None
    image_size: int | None
    precision: str | None
    device: str | None
    compile: bool

    def session_options(self) -> dict[str, Any]:
        """Options of `api.create_session` for a new session."""
        from napari_sam2_video.types import ModelSettings

        precision: Any = self.precision or "auto"
        model = ModelSettings(
            "demo" if self.model is None else self.model,
            "auto" if self.device is None else self.device,
            precision,
            self.image_size,
            self.compile,
        )
        return {"axis": self.axis, "channel": self.channel, "contrast": self.contrast, "model": model}

    def settle(self, session: Session) -> None:
        """Take over how a session that is there is computed, and refuse what would make its masks other ones."""
        from napari_sam2_video.frames.axes import axis_named
        from napari_sam2_video.types import ContrastWindow

        view, model = session.view.settings, session.model_settings
        axis = axis_named(session.recording.axes, self.axis)
        window = None if self.contrast is None else ContrastWindow.from_text(self.contrast)
        for option, said, kept in (
            ("--axis", axis and axis.upper(), view.axis),
            ("--channel", self.channel, view.channel),
            ("--contrast", window and f"{window.low:g},{window.high:g}", f"{view.window.low:g},{view.window.high:g}"),
            ("--model", self.model, model.model),
            ("--image-size", self.image_size, model.image_size),
            ("--precision", self.precision, model.precision),
        ):
            if said is not None and said != kept:
                was = "without it" if kept is None else f"with {option} {kept}"
                raise SessionError(
                    f"{session.folder} was made {was}, not with {option} {said}: leave the option out to go on with "
                    "it, or make another session."
                )
        device = model.device if self.device is None else self.device
        session.set_model(replace(model, device=device, compile=self.compile))


def _report(session: Session, count: int) -> None:
    window = session.view.settings.window
    say(f"Session: {session.folder}")
    say(
        f"Computed {count} frames in this run; contrast window {window.low:g} to {window.high:g} ({window.source}), "
        f"model {session.model_settings.model}."
    )
    for one in session.objects:
        scores = session.scores(one.id)
        frames = scores["frame"]
        if not len(frames):
            say(f"  object {one.id} ({one.name}): not tracked")
            continue
        gone = int((scores["area"] == 0).sum())
        low = int(scores["predicted_iou"].argmin())
        lost = f", absent on {gone}" if gone else ""
        say(
            f"  object {one.id} ({one.name}): {len(frames)} of {session.n_frames} frames{lost}; "
            f"least certain on frame {int(frames[low])} (predicted IoU {float(scores['predicted_iou'][low]):.2f})"
        )
