"""Track, correct, undo, export and close again and again, and watch memory, handles and threads.

``python tools/soak.py --minutes 60 --out soak.jsonl`` writes a line for each round and prints the slope at the end.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from napari_sam2_video import api
from napari_sam2_video.demo import boxes_of
from napari_sam2_video.synthetic import sample_time_series


def one_round(folder: Path, number: int, frames: int, size: int) -> int:
    clip = sample_time_series(frames=frames, size=(size, size), seed=number % 7)
    out = folder / "soak.sam2v"
    count = 0
    model = api.ModelSettings(image_size=size)
    with api.create_session(clip.frames, out, axis="T", model=model, overwrite=True) as session:
        api.add_prompts(session, boxes_of(clip.labels[0], 0))
        count += api.resume(session)
        first = session.objects[0].id
        middle = frames // 2
        place = np.argwhere(clip.labels[middle] == first)
        if len(place):
            y, x = place[len(place) // 2]
            session.add_prompt(api.PointPrompt(first, middle, float(y), float(x)))
            count += api.resume(session)
            session.undo()
        session.paint(1, (3, 3), np.full((5, 5), first))
        session.undo()
        api.export(session, folder / "labels.ome.tif", overwrite=True)
        api.export(session, folder / "overlay.mp4", overwrite=True)
    return count


def viewer_round() -> None:
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=False)
    viewer.open_sample("napari-sam2-video", "cells")
    viewer.window.add_plugin_dock_widget("napari-sam2-video")
    QApplication.processEvents()
    viewer.close()
    QApplication.processEvents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--viewer", action="store_true", help="open and close a napari viewer each round instead")
    parser.add_argument("--out", type=Path, default=Path("soak.jsonl"))
    options = parser.parse_args()
    process = psutil.Process()
    begun = time.monotonic()
    rows: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name, options.out.open("w", encoding="utf-8") as log:
        number = done = 0
        while time.monotonic() - begun < options.minutes * 60:
            if options.viewer:
                viewer_round()
            else:
                done += one_round(Path(name), number, options.frames, options.size)
            gc.collect()
            number += 1
            minutes = (time.monotonic() - begun) / 60
            row = {
                "round": number,
                "minutes": round(minutes, 2),
                "frames": done,
                "rss_mb": round(process.memory_info().rss / 2**20, 1),
                "handles": process.num_fds(),
                "threads": process.num_threads(),
                "children": len(process.children()),
            }
            rows.append((minutes, row["rss_mb"]))
            log.write(json.dumps(row) + "\n")
            log.flush()
    settled = np.array(rows[len(rows) // 4 :])
    slope = np.polyfit(settled[:, 0], settled[:, 1], 1)[0] * 60 if len(settled) > 2 else float("nan")
    print(f"{number} rounds, {done} frames in {rows[-1][0]:.1f} minutes")
    print(f"memory {rows[0][1]:.0f} MB after the first round, {rows[-1][1]:.0f} MB after the last;", end=" ")
    print(f"slope over the last three quarters {slope:+.1f} MB an hour; last row {row}")


if __name__ == "__main__":
    main()
