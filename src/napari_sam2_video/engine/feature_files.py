"""Image embeddings in files, with the layout they have in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.engine.blocks import dense, flat, unflat
from napari_sam2_video.engine.networks.outputs import Embedding
from napari_sam2_video.storage.atomic import drop, write_beside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    import torch

_PARTS = ("fine", "middle", "coarse")


class FeatureFiles:
    """A cache of embeddings in files, least recently used first out; a file that cannot be read or written is no error.

    Parameters
    ----------
    folder : Path
        Folder of the files; created with the first one.
    limit : int
        Maximum size in bytes.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        if folder.is_dir():
            for left in folder.glob(".*.part"):
                drop(left)
            files = sorted(folder.glob("*.npz"), key=lambda f: f.stat().st_mtime)
            self._sizes.update((f.name, f.stat().st_size) for f in files)
        self._total = sum(self._sizes.values())

    @staticmethod
    def _name(key: tuple[str, int]) -> str:
        import hashlib

        return f"{hashlib.sha256(key[0].encode()).hexdigest()[:16]}-{key[1]:08d}.npz"

    def __contains__(self, key: tuple[str, int]) -> bool:
        return self._name(key) in self._sizes

    def get(self, key: tuple[str, int], device: str) -> Embedding | None:
        """Embedding of a frame, or None."""
        with self._lock:
            return self._read(key, device)

    def put(self, key: tuple[str, int], embedding: Embedding) -> None:
        """Write an embedding; the least recently used ones make room."""
        with self._lock:
            self._write(key, embedding)

    def _read(self, key: tuple[str, int], device: str) -> Embedding | None:
        name = self._name(key)
        if name not in self._sizes:
            return None
        try:
            with (self._folder / name).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                planes = [_loaded(file, part, device) for part in _PARTS]
        except Exception:
            self._total -= self._sizes.pop(name, 0)
            return None
        self._sizes.move_to_end(name)
        return Embedding(*planes)

    def _write(self, key: tuple[str, int], embedding: Embedding) -> None:
        import torch

        name = self._name(key)
        if name in self._sizes:
            return
        arrays: dict[str, Any] = {}
        for part in _PARTS:
            tensor = dense(getattr(embedding, part).cpu())
            elements = flat(tensor)
            arrays[part] = elements.view(torch.int16 if elements.element_size() == 2 else torch.int32).numpy()
            arrays[f"{part}_shape"] = np.array([tensor.shape, tensor.stride()])
            arrays[f"{part}_type"] = np.array(str(tensor.dtype).removeprefix("torch."))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_beside(self._folder / name, lambda file: np.savez(file, **arrays), durable=False)
        except OSError:
            return
        self._sizes[name] = embedding.nbytes
        self._total += embedding.nbytes
        while self._total > self._limit:
            oldest, size = self._sizes.popitem(last=False)
            self._total -= size
            drop(self._folder / oldest)


def _loaded(file: Mapping[str, npt.NDArray[Any]], part: str, device: str) -> torch.Tensor:
    import torch

    kind = str(file[f"{part}_type"])
    if kind not in ("float32", "bfloat16", "float16"):
        raise ValueError(f"There are no embeddings of {kind}.")
    shape, strides = file[f"{part}_shape"].tolist()
    elements = torch.from_numpy(file[part]).view(getattr(torch, kind))
    return unflat(elements, shape, strides).to(device)
