"""Small valid medical volumes and clips of every kind that the project opens."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt


def pixels(dtype: Any) -> npt.NDArray[Any]:
    """Slices of stripes with a bright square, ``(Z, Y, X)``."""
    z, y, x = np.mgrid[:6, :32, :48]
    slices = (x * 3 + y * 2 + z * 5) % 200
    slices[:, 8:20, 10:24] = 250
    return slices.astype(dtype)


def nifti(path: Path) -> None:
    """NIfTI volume."""
    import nibabel

    nibabel.Nifti1Image(pixels(np.int16).T, np.diag([0.5, 0.5, 2.0, 1.0])).to_filename(path)


def nifti_gz(path: Path) -> None:
    """Compressed NIfTI volume."""
    plain = path.with_name("plain.nii")
    nifti(plain)
    path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()


def mgz(path: Path) -> None:
    """Compressed volume of FreeSurfer."""
    import nibabel

    nibabel.MGHImage(pixels(np.int16).T, np.diag([0.5, 0.5, 2.0, 1.0])).to_filename(path)


def shipped(name: str) -> Callable[[Path], None]:
    """Make a copy of a file that nibabel tests itself with, because nibabel does not write its format."""

    def copy(path: Path) -> None:
        from nibabel.testing import data_path

        path.write_bytes((data_path / name).read_bytes())

    return copy


def _image(frame: npt.NDArray[Any], **values: Any) -> Any:
    """DICOM image of one frame or, from a third axis on, of several."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CTImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = generate_uid(entropy_srcs=[str(values)])
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    image.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    image.FrameOfReferenceUID, image.Modality = generate_uid(entropy_srcs=["frame"]), "CT"
    image.Rows, image.Columns = frame.shape[-2:]
    if frame.ndim > 2:
        image.NumberOfFrames = len(frame)
    image.BitsAllocated = image.BitsStored = 8 * frame.dtype.itemsize
    image.HighBit, image.PixelRepresentation = image.BitsStored - 1, int(frame.dtype.kind == "i")
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.PixelData = frame.tobytes()
    for name, value in values.items():
        setattr(image, name, value)
    return image


def _item(**values: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def dicom_series(path: Path) -> None:
    """CT series."""
    path.mkdir()
    for number, frame in enumerate(pixels(np.int16)):
        image = _image(
            frame,
            InstanceNumber=number + 1,
            ImagePositionPatient=[0, 0, 2.0 * number],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[0.5, 0.5],
            SliceThickness=2.0,
            RescaleSlope=1,
            RescaleIntercept=-1024,
        )
        image.save_as(path / f"slice{number}.dcm", enforce_file_format=True)


def dicom_clip(path: Path) -> None:
    """Ultrasound clip with a palette, a region and the time of every frame."""
    table = np.arange(256, dtype="<u2") * 257
    colours = {f"{name}PaletteColorLookupTableData": table.tobytes() for name in ("Red", "Green", "Blue")}
    colours |= {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    region = _item(RegionSpatialFormat=1, PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3)
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.01
    frames = pixels(np.uint8)
    image = _image(frames, Modality="US", PhotometricInterpretation="PALETTE COLOR", CineRate=25, **colours)
    image.FrameTimeVector, image.FrameIncrementPointer = [0, 40, 40, 50, 40, 40], 0x00181065
    image.SequenceOfUltrasoundRegions = [region]
    image.save_as(path, enforce_file_format=True)


def dicom_enhanced(path: Path) -> None:
    """Volume in one file, whose header describes every slice."""
    frames = [
        _item(
            PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, 2.0 * number])],
            FrameContentSequence=[_item(TemporalPositionIndex=1, FrameReferenceDateTime=f"2020010112000{number}")],
        )
        for number in range(6)
    ]
    shared = _item(
        PixelMeasuresSequence=[_item(PixelSpacing=[0.5, 0.5])],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelValueTransformationSequence=[_item(RescaleSlope=1, RescaleIntercept=-1024)],
    )
    image = _image(pixels(np.int16))
    image.SharedFunctionalGroupsSequence, image.PerFrameFunctionalGroupsSequence = [shared], frames
    image.save_as(path, enforce_file_format=True)


def dicom_jpeg(path: Path) -> None:
    """Clip of losslessly compressed JPEG images."""
    import imagecodecs
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGLosslessSV1

    image = _image(pixels(np.uint16), FrameTime=40)
    image.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    packed = [imagecodecs.ljpeg_encode(frame, bitspersample=16) for frame in pixels(np.uint16)]
    image.PixelData = encapsulate(packed)
    image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    image.save_as(path, enforce_file_format=True)


SEEDS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "nifti": ("volume.nii", nifti),
    "nifti-gz": ("volume.nii.gz", nifti_gz),
    "mgz": ("volume.mgz", mgz),
    "minc1": ("volume.mnc", shipped("minc1_4d.mnc")),
    "minc2": ("volume.mnc", shipped("minc2_4d.mnc")),
    "ecat": ("scan.v", shipped("tinypet.v")),
    "dicom": ("series", dicom_series),
    "dicom-clip": ("clip.dcm", dicom_clip),
    "dicom-enhanced": ("volume.dcm", dicom_enhanced),
    "dicom-jpeg": ("clip.dcm", dicom_jpeg),
}
