"""Write the export formats in docs/formats.md from their registry; ``--check`` only says whether they are current.

The text above the mark in that file, on recordings, is written by hand.
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

Write any format from the *Export* panel, with `napari-sam2-video export RUN.sam2v OUT --format NAME`, or with
`export(session, "OUT", format="NAME")` of `napari_sam2_video.api`. The name can be omitted if the suffix of the
target is one of those in **bold**.

- **Complete or not at all.** An export is written under a hidden name (`.NAME.part-…`) beside its target and renamed
  when it is complete, so a full disk or a killed program leaves the target as it was.
- **Replacing.** An existing target is replaced only if you allow it. A folder is replaced only if exports wrote every
  file in it (`files` in its `provenance.json`); otherwise the export names the other file and stops. The recording is
  never replaced, and nothing is written into a folder of images that would count as one of them.
- **Memory.** Frames are read and written one at a time. Exceptions: DICOM formats hold the label volume, and tables
  of tracks their rows.
- **Unreadable frames** keep their places: black below the masks, no intensities in the table. A note and the
  provenance (`unreadable_frames`) list them. If no frame can be read, nothing is written.
- **Provenance** (source, model and its SHA-256, settings, versions) goes with every export: inside the file if the
  format has a place for it, as `provenance.json` in folders, and as `NAME.provenance.json` beside other files and
  Zarr folders.
- **Objects and frames.** Every format takes `--objects 1,3-5` (`objects=[1, 3]`) and `--frames 10:40` (`frames=(10,
  40)`). By default, frames from the first to the last with a mask are written; NIfTI, DICOM and labels inside an
  OME-Zarr image, which match their source voxel by voxel, hold all. Frames keep their numbers. Ids that a format
  cannot hold are refused, never changed.
- **Overlaps.** A label image gives each pixel to one object: the one with the higher logit, or the painted one. COCO,
  regions, tables, graphs, mattes and cut-outs keep objects whole; other formats report the loss. `area` in tables and
  in `session.scores()` is that of the whole mask.
- **Edges.** Mattes and cut-outs have hard edges, or soft ones of `feather` pixels, placed between pixels by the
  model's logits (half way beside paint). With `feather=1` each edge pixel shows the share of it that the object
  covers.
- **Clips** follow their object by whole pixels, so their values are those of the recording; `smooth` steadies the
  path. A clip lasts from the object's first frame to its last, and bridges gaps on a straight line.
- **Units and times** are those of the recording. For uneven times, tables, plots, OME-TIFF, GEFF and videos keep the
  time of every frame; ImageJ, OME-Zarr and NIfTI hold the mean interval, with a note. Videos play at the recording's
  rate if it is between 1 and 240 frames per second, else at 10, with a note; `fps` sets a constant rate. Non-square
  pixels keep their shape.
- **Orientation.** Labels are `(frame, y, x)` stacks in the order of tracking. NIfTI and DICOM follow the order of
  their source; they alone keep the orientation of an oblique volume, and the others say so.
"""


def default_of(option: ExportOption) -> str:
    """The default as one would type it."""
    if option.default is None:
        return "–"
    return f"`{str(option.default).lower() if option.kind == 'bool' else option.default}`"


READERS = """
### Opened by other programs

`make test-consumers` opens exports with other programs' readers, in a separate environment, and compares pixels, ids,
sizes, units, times, names and lineage with the result. Each program has a module in `tests/export/consumers`.

| Exports | Opened by |
|---|---|
| OME-TIFF, ImageJ, TIFF folder, NIfTI, clips | Bio-Formats, ImageJ, tifffile, bioio, nibabel |
| OME-Zarr | zarr, ome-zarr-py, ngff-zarr, napari-ome-zarr, ome-zarr-models, bioio |
| Regions | ImageJ, roifile |
| COCO | pycocotools |
| Cell Tracking Challenge | py-ctcmetrics, traccuracy |
| TrackMate | pycellin, pytrackmate, geff, pandas |
| DICOM SEG, RTSTRUCT, surfaces, videos, mattes | highdicom, pydicom, trimesh and ffmpeg, in the usual tests |

TrackMate itself is not on the package index and is not run: the file follows what TrackMate 7 writes, and three readers
of such files agree with the result.
"""


def names_of(entry: ExportFormat) -> str:
    """Suffixes, bold where they choose the format."""
    if not entry.suffixes:
        return "folder"
    mark = "**" if entry.guess else ""
    return ", ".join(f"{mark}`{suffix}`{mark}" for suffix in entry.suffixes)


def render() -> str:
    """The whole page: the part written by hand, and the exports."""
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
