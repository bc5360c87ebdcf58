"""Write the export formats in docs/formats.md from their registry; ``--check`` only says whether they are current.

What stands above the mark in that file, on recordings, is written by hand.
"""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_video.export.registry import FORMATS

if TYPE_CHECKING:
    from napari_sam2_video.export.format import ExportFormat, ExportOption

TARGET = Path(__file__).parents[1] / "docs" / "formats.md"
MARK = "<!-- From here on written by tools/write_formats_doc.py -->\n"
INTRODUCTION = """
## Exports

Every format is written by the *Export* panel, by `napari-sam2-video export RUN.sam2v OUT --format NAME` and by
`export(session, "OUT", format="NAME")` of `napari_sam2_video.api`. Where the suffix of the target tells the format, the
name can be left out; those suffixes are **bold**.

- An export is written beside its target under a hidden name (`.NAME.part-…`) and renamed when it is complete: a target
  is always what it was or whole, also when the disk is full or the program is killed.
- A target that exists is replaced only if you say so. A folder is replaced only if an export made every file in it, as
  `files` in its `provenance.json` says: what was put there since is never deleted, the export names it and stops.
  Between the two renamings that replacing takes, the older folder has a hidden name (`.NAME.older-…`).
- The recording is never replaced, and nothing is written into a folder of images that would count as one of them.
- Frames are read and written one at a time, so memory does not grow with the length of the recording
  (exceptions: DICOM SEG holds the label volume; tables of tracks hold their rows).
- A frame of the recording that cannot be read keeps its place: black below the masks, without intensities in the table.
  A note says which frames these are, and so does the provenance (`unreadable_frames`). Where the recording is gone, or
  not one frame of it can be read, nothing is written.
- Ids that a format cannot hold are refused, never changed.
- How the result was made (source, model and its SHA-256, settings, versions) goes with every export: inside the file
  where the format has a place for it, as `provenance.json` in folders, as `NAME.provenance.json` beside other files and
  beside Zarr folders, whose readers would trip over it.
- Every format takes *objects* (`--objects 1,3-5`, `objects=[1, 3]`) and *frames* (`--frames 10:40`, `frames=(10, 40)`).
  If no frames are named, those from the first to the last with anything on it are written; all are written by NIfTI,
  DICOM SEG and labels inside an OME-Zarr image, which lie on their source voxel by voxel. Numbers of frames are always
  those of the recording.
- Where objects overlap, a label image gives each pixel to one of them: the one with the higher logit, or the one that
  was painted. COCO, regions, tables and graphs hold every object whole; a format that cannot reports it. Mattes and
  cut-outs of some objects take their whole masks. `area` in the table and in `session.scores()` is that of the whole
  mask.
- Mattes and cut-outs have the hard edge of the masks, and with the option `feather` a soft one of that many pixels.
  Where it lies between two pixels follows from the model's logits; beside paint it lies half way. `feather=1` gives
  each pixel on the edge the part of it that the object covers.
- A clip moves with its object by whole pixels, so its values are those of the recording; `smooth` gives it a steadier
  path. Each clip goes from the object's first frame to its last one, and bridges gaps on a straight line.
- Pixel sizes, times and units are those of the recording. Where its frames are unevenly spaced, tables, plots,
  OME-TIFF, GEFF and videos keep the time of every frame; ImageJ, OME-Zarr and NIfTI hold one interval, so the mean is
  written, with a note. A video plays as the recording does if that can be watched (1 to 240 frames a second),
  else 10 frames a second, with a note; the option `fps` sets a constant rate. Pixels that are not square stay as wide
  as they were.
- Only NIfTI and DICOM SEG hold the orientation of an
  oblique volume; the others say so.
- Objects lie in a `(frame, y, x)` stack in the order in which the recording was walked; NIfTI and DICOM SEG are turned
  back into the order of the source.
"""


def default_of(option: ExportOption) -> str:
    """The default as one would type it."""
    if option.default is None:
        return "–"
    return f"`{str(option.default).lower() if option.kind == 'bool' else option.default}`"


READERS = """
### Opened by other programs

`make test-consumers` opens exports with what others read them with, in an environment of its own, and compares pixels,
ids, sizes, units, times, names and lineage with the result. Each program has a module in `tests/export/consumers`.

| Exports | Opened by |
|---|---|
| OME-TIFF, ImageJ, TIFF folder, NIfTI, clips | Bio-Formats, ImageJ, tifffile, bioio, nibabel |
| OME-Zarr | zarr, ome-zarr-py, ngff-zarr, napari-ome-zarr, ome-zarr-models, bioio |
| Regions | ImageJ, roifile |
| COCO | pycocotools |
| Cell Tracking Challenge | py-ctcmetrics, traccuracy |
| TrackMate | pycellin, pytrackmate, geff, pandas |
| DICOM SEG, RTSTRUCT, surfaces, videos, mattes | highdicom, pydicom, trimesh and ffmpeg, in the usual tests |

TrackMate itself is in no package index, so it is not run: the file follows what TrackMate 7 writes, and three readers
of such files agree with the result.
"""


def names_of(entry: ExportFormat) -> str:
    """Suffixes, bold where they choose the format."""
    if not entry.suffixes:
        return "folder"
    mark = "**" if entry.guess else ""
    return ", ".join(f"{mark}`{suffix}`{mark}" for suffix in entry.suffixes)


def render() -> str:
    """The whole page: what is written by hand, and the exports."""
    written = TARGET.read_text(encoding="utf-8").partition(MARK)[0]
    parts = [written + MARK + INTRODUCTION]
    groups = list(dict.fromkeys(entry.group for entry in FORMATS.values()))
    ordered = sorted(FORMATS.values(), key=lambda entry: groups.index(entry.group))
    for group, entries in groupby(ordered, key=lambda entry: entry.group):
        parts.append(f"\n### {group}\n")
        parts.append("| Format | `--format` | Name ends in | Highest id | What it holds |\n|---|---|---|---|---|")
        listed = list(entries)
        for entry in listed:
            limit = "any" if entry.max_id is None else str(entry.max_id)
            parts.append(f"| {entry.title} | `{entry.name}` | {names_of(entry)} | {limit} | {entry.about} |")
        if any(entry.options for entry in listed):
            parts.append("\n| Option of | Name | Kind | Default | |\n|---|---|---|---|---|")
        for entry in listed:
            for option in entry.options:
                kind = " or ".join(f"`{choice}`" for choice in option.choices) or option.kind
                if option.limits is not None:
                    kind += " from {:g} to {:g}".format(*option.limits)
                parts.append(f"| `{entry.name}` | `{option.name}` | {kind} | {default_of(option)} | {option.help} |")
    return "\n".join(parts) + "\n" + READERS


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if the page is not current")
    if parser.parse_args().check:
        return int(not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != render())
    TARGET.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
