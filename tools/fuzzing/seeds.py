"""Small valid inputs of every kind that the project opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fuzzing import medical_seeds, video_seeds

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (12, 32, 48)


def pixels(dtype: Any = np.uint16) -> npt.NDArray[Any]:
    """Frames of moving stripes with a bright square, ``(T, Y, X)``."""
    t, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    frames = (x * 3 + y * 2 + t * 5) % 200
    frames[:, 8:20, 10:24] = 250
    return frames.astype(dtype)


def tiff_plain(path: Path) -> None:
    """Multipage TIFF."""
    import tifffile

    tifffile.imwrite(path, pixels(), photometric="minisblack")


def tiff_imagej(path: Path) -> None:
    """ImageJ hyperstack."""
    import tifffile

    tifffile.imwrite(path, pixels(), imagej=True, metadata={"axes": "TYX", "unit": "um", "finterval": 2.0})


def tiff_ome(path: Path) -> None:
    """Compressed OME-TIFF."""
    import tifffile

    known = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(path, pixels(), ome=True, compression="zlib", metadata=known)


def tiff_tiled(path: Path) -> None:
    """Tiled BigTIFF."""
    import tifffile

    tifffile.imwrite(path, pixels(), bigtiff=True, tile=(16, 16), photometric="minisblack")


def tiff_files(path: Path) -> None:
    """OME-TIFF of three files, each of which describes all of them."""
    import tifffile

    path.mkdir()
    planes = "".join(
        f'<TiffData FirstT="{t}" IFD="{t % 2}" PlaneCount="1">'
        f'<UUID FileName="f{t // 2}.ome.tif">urn:uuid:{t // 2}</UUID></TiffData>'
        for t in range(6)
    )
    times = "".join(f'<Plane TheT="{t}" TheC="0" TheZ="0" DeltaT="{t * 2.5}"/>' for t in range(6))
    for number in range(3):
        text = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{number}">'
            f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{SHAPE[2]}" '
            f'SizeY="{SHAPE[1]}" SizeZ="1" SizeC="1" SizeT="6" PhysicalSizeX="0.2">{planes}{times}'
            "</Pixels></Image></OME>"
        )
        with tifffile.TiffWriter(path / f"f{number}.ome.tif") as writer:
            writer.write(pixels()[2 * number], description=text, metadata=None, photometric="minisblack")
            writer.write(pixels()[2 * number + 1], metadata=None, photometric="minisblack")


def tiff_signed(path: Path) -> None:
    """ImageJ stack of signed values, stored upside down."""
    import tifffile

    about = "ImageJ=1.54f\nimages=12\nslices=12\nunit=mm\nspacing=2.5\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=HU\n"
    turned = [(274, "H", 1, 3, True)]
    tifffile.imwrite(path, pixels() + 32768, description=about, metadata=None, extratags=turned, resolution=(2, 2))


def image_grid(path: Path) -> None:
    """Photos of two channels, some of them turned, and one of them missing."""
    from PIL import Image

    path.mkdir()
    for number, frame in enumerate(pixels(np.uint8)[:8]):
        image = Image.fromarray(frame)
        exif = image.getexif()
        exif[274] = 3 if number % 3 else 1
        image.save(path / f"s_t{number // 2:02}_ch{number % 2:02}.jpg", exif=exif)
    (path / "s_t01_ch01.jpg").unlink()


def zarr_plain(path: Path) -> None:
    """Zarr 3 array."""
    import zarr

    array = zarr.create_array(str(path), shape=SHAPE, chunks=(1, *SHAPE[1:]), dtype="uint16")
    array[:] = pixels()


def zarr_ome(path: Path) -> None:
    """OME-Zarr 0.4."""
    import zarr

    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    for level in (0, 1):
        data = pixels()[:, :: 2**level, :: 2**level]
        group.create_array(str(level), shape=data.shape, chunks=(1, *data.shape[1:]), dtype="uint16")[:] = data
    axes = [{"name": "t", "type": "time"}, *({"name": a, "type": "space", "unit": "micrometer"} for a in "yx")]
    scales = [[{"type": "scale", "scale": [1.0, 0.5 * 2**n, 0.5 * 2**n]}] for n in (0, 1)]
    datasets = [{"path": str(n), "coordinateTransformations": scale} for n, scale in enumerate(scales)]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]


def image_folder(path: Path) -> None:
    """Numbered PNG files."""
    from PIL import Image

    path.mkdir()
    for number, frame in enumerate(pixels(np.uint8)[:6]):
        Image.fromarray(frame).save(path / f"frame{number:03d}.png")


def array_file(path: Path) -> None:
    """NumPy array file."""
    with path.open("wb") as stream:
        np.save(stream, pixels())


def checkpoint_plain(path: Path) -> None:
    """Small state dictionary as torch writes it."""
    import torch

    torch.save({"model": {"image_encoder.a": torch.zeros(8, 8), "b": torch.ones(4)}}, path)


def checkpoint_legacy(path: Path) -> None:
    """The same in the older format, a bare pickle."""
    import torch

    state = {"model": {"image_encoder.a": torch.zeros(8, 8), "b": torch.ones(4)}}
    torch.save(state, path, _use_new_zipfile_serialization=False)


def checkpoint_demo(path: Path) -> None:
    """The demo model."""
    from napari_sam2_video.models import demo

    path.write_bytes((Path(demo.__file__).parent / demo.DEMO_FILE).read_bytes())


def session(path: Path) -> None:
    """Session folder with two objects, prompts, masks, paint and an accepted range."""
    from fuzzing.session_seed import make_session

    make_session(path, pixels())


def memory(path: Path) -> None:
    """What an object remembers between runs."""
    import torch

    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry, Trail
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.types import ObjectMask

    entry = MemoryEntry(2, torch.zeros(1, 4, 8, 8, dtype=torch.bfloat16), torch.ones(1, 16))
    kept = MemoryStore(path)
    kept.bind("fuzz")
    shown = ObjectMask(1, (3, 4), np.full((5, 6), 9, np.uint8), 1.5, 0.9, True)
    kept.put_entry(1, ConditioningEntry(0, entry, torch.zeros(1, 1, 32, 32), shown))
    for frame in (5, 9):
        kept.put_trail(Trail(1, "forward", frame, {2: entry}, (2,)))


SEEDS: dict[str, tuple[str, Callable[[Path], None]]] = {
    **video_seeds.SEEDS,
    "tiff-plain": ("stack.tif", tiff_plain),
    "tiff-imagej": ("stack.tif", tiff_imagej),
    "tiff-ome": ("stack.ome.tif", tiff_ome),
    "tiff-tiled": ("stack.tif", tiff_tiled),
    "tiff-files": ("acquired", tiff_files),
    "tiff-signed": ("stack.tif", tiff_signed),
    "image-grid": ("images", image_grid),
    "zarr": ("array.zarr", zarr_plain),
    "ome-zarr": ("image.ome.zarr", zarr_ome),
    "images": ("images", image_folder),
    "npy": ("array.npy", array_file),
    **medical_seeds.SEEDS,
    "checkpoint": ("model.pt", checkpoint_plain),
    "checkpoint-legacy": ("model.pt", checkpoint_legacy),
    "checkpoint-demo": ("model.pt", checkpoint_demo),
    "memory": ("memory", memory),
    "session": ("cells.sam2v", session),
    "session-meaning": ("cells.sam2v", session),
}
