"""Make the animation of the README: the sample's cells, and their masks as tracked by the demo model.

python tools/make_animation.py docs/images/cells.webp
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw
from skimage.color import label2rgb
from skimage.segmentation import mark_boundaries

from napari_sam2_video.api import open_session
from napari_sam2_video.demo import boxes_of, run_demo
from napari_sam2_video.synthetic import sample_time_series
from napari_sam2_video.types import ModelSettings

SCALE = 2
PROMPT_FRAMES = 8
MILLISECONDS = 120


def colored(picture_yxc, labels, colors):
    ids = [i for i in np.unique(labels) if i]
    tints = [np.array(colors[i]) / 255 for i in ids]
    filled = label2rgb(labels, picture_yxc, colors=tints, alpha=0.35, bg_label=0, saturation=1) if ids else picture_yxc
    for i, tint in zip(ids, tints, strict=True):
        filled = mark_boundaries(filled, labels == i, color=tint, mode="inner")
    return filled


def as_image(picture_yxc):
    image = Image.fromarray((np.clip(picture_yxc, 0, 1) * 255).astype(np.uint8))
    return image.resize((image.width * SCALE, image.height * SCALE), Image.Resampling.LANCZOS)


def main(target):
    with tempfile.TemporaryDirectory() as folder:
        result = run_demo(Path(folder), ModelSettings())
        frames = tifffile.imread(result.files["recording"])
        clip = sample_time_series(frames=len(frames))
        with open_session(result.files["session"], read_only=True) as session:
            colors = {o.id: o.color for o in session.objects}
            boxes = boxes_of(clip.labels[0], 0)
            pictures = []
            for t in range(len(frames)):
                picture = session.view.read(t) / 255
                raw = as_image(picture)
                if t == 0:
                    draw = ImageDraw.Draw(raw)
                    for box in boxes:
                        corners = [SCALE * v for v in (box.x0, box.y0, box.x1 + 1, box.y1 + 1)]
                        draw.rectangle(corners, outline=colors[box.object_id], width=SCALE)
                both = Image.new("RGB", (2 * raw.width + 4 * SCALE, raw.height), "white")
                both.paste(raw, (0, 0))
                masks = as_image(colored(picture, np.asarray(session.labels[t]), colors))
                both.paste(masks, (raw.width + 4 * SCALE, 0))
                pictures += [both] * (PROMPT_FRAMES if t == 0 else 1)
    pictures[0].save(
        target, save_all=True, append_images=pictures[1:], duration=MILLISECONDS, loop=0, quality=70, method=6
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
