"""DICOM files for the tests: one image, a series, and files without the mark of the format."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom

if TYPE_CHECKING:
    from pathlib import Path

CT = np.random.default_rng(0).integers(0, 4096, (10, 6, 8)).astype(np.uint16)


def save_dicom(path: Path, pixels: np.ndarray, **values: Any) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = pydicom.uid.CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    colour = pixels.shape[-1] == 3 and pixels.ndim > 2
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.Modality, dataset.SeriesInstanceUID, dataset.SeriesDescription = "CT", "1.2.3", "chest"
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [0.75, 0.5], [1, 0, 0, 0, 1, 0]
    for name, value in values.items():
        if value is None:
            dataset.pop(name, None)
        else:
            setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def item(**values: Any) -> pydicom.Dataset:
    """An item of a sequence."""
    dataset = pydicom.Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def remove_mark(path: Path, kind: str) -> None:
    """Make a file one of a data set alone, as old scanners and some archives write them."""
    if kind == "header without preamble":
        path.write_bytes(path.read_bytes()[132:])
        return
    dataset = pydicom.Dataset(pydicom.dcmread(path))
    implicit = kind == "implicit"
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)


def save_series(folder: Path, places: list[float], stack: np.ndarray = CT, first: int = 0, **values: Any) -> None:
    """One file a slice, the names in no order."""
    names = random.Random(1).sample(range(first, first + 1000), len(places))
    for number, (name, place) in enumerate(zip(names, places, strict=True)):
        about = {"ImagePositionPatient": [-10, -20, place], "InstanceNumber": number + 1} | values
        save_dicom(folder / f"IM{name}", stack[number], **about)
