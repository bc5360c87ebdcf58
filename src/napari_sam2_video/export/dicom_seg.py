"""Segments as a DICOM SEG object that refers to the source series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video import __version__
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.dicom_source import SOURCE, SourceVolume, complete_headers, on_slices, read_source
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption, need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_video.results import Array
    from napari_sam2_video.types.tracked_object import TrackedObject

TITLE = "DICOM SEG"
ANY_SEGMENT = ("85756007", "SCT", "Tissue")
STRUCTURE = ("123037004", "SCT", "Anatomical Structure")


def write(job: ExportJob) -> None:
    """Write one binary segment per object; the label volume is held in memory."""
    highdicom = need("highdicom", "dicom-seg")
    codes = parse_codes(job.options["codes"])
    source = read_source(job, TITLE)
    volumes, present = on_slices(job, source)
    with complete_headers(TITLE):
        segmentation = make_segmentation(highdicom, source, in_file_order(source, volumes, present), present, codes)
        segmentation.SpecificCharacterSet = "ISO_IR 192"
        segmentation.save_as(job.path)


def in_file_order(source: SourceVolume, volumes: list[Array], present: list[TrackedObject]) -> Array:
    """Segment numbers from 1 of every pixel, planes in the order of the source's frames.

    Shape ``(planes, Y, X)`` if no objects overlap, else 0 and 1 of shape ``(planes, Y, X, segments)``.
    """
    ids = [entry.id for entry in present]
    if len(volumes) == 1:
        numbers = np.searchsorted(ids, volumes[0], side="right")
        pixels: Array = np.ascontiguousarray(numbers, np.uint8 if len(ids) <= 0xFF else np.uint16)
    else:
        pixels = np.zeros((*volumes[0].shape, len(ids)), np.uint8)
        for number, object_id in enumerate(ids):
            for volume in volumes:
                pixels[..., number] |= volume == object_id
    if len(source.instances) == len(source.slices):
        return pixels
    return pixels[np.argsort([part.frame for part in source.slices])]


def make_segmentation(
    highdicom: Any,
    source: SourceVolume,
    pixels: Array,
    present: list[TrackedObject],
    codes: Mapping[str, tuple[str, ...]],
) -> Any:
    """The SEG object, not yet written."""
    return highdicom.seg.Segmentation(
        source_images=source.instances,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[describe(highdicom, n, entry, codes) for n, entry in enumerate(present, start=1)],
        series_instance_uid=highdicom.UID(),
        series_number=int(getattr(source.instances[0], "SeriesNumber", None) or 0) + 1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="napari-sam2-video",
        manufacturer_model_name="napari-sam2-video",
        software_versions=__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description="Objects tracked through the series",
        series_description="napari-sam2-video segmentation",
    )


def describe(highdicom: Any, number: int, entry: TrackedObject, codes: Mapping[str, tuple[str, ...]]) -> Any:
    """Description of one segment: label, code, colour, and that it was made by a model."""
    red, green, blue = entry.color
    concept = highdicom.sr.CodedConcept
    category, kind = code_of(entry, codes)
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=(entry.name.strip() or f"object {entry.id}").replace("\\", "/")[:64],
        segmented_property_category=concept(*category),
        segmented_property_type=concept(*kind),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="napari-sam2-video",
            version=__version__,
            family=concept("123110", "DCM", "Artificial Intelligence"),
        ),
        tracking_uid=highdicom.UID(),
        tracking_id=f"object-{entry.id}",
        display_color=highdicom.color.CIELabColor.from_rgb(red, green, blue),
    )


def code_of(entry: TrackedObject, codes: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Category and type of a segment: the given code, the SNOMED CT structure with its name, or tissue."""
    given = codes.get(str(entry.id)) or codes.get(entry.name.casefold())
    if given is not None:
        return STRUCTURE, given
    from pydicom.sr.codedict import codes as known

    keyword = "".join(word.capitalize() for word in entry.name.split())
    if keyword.isidentifier() and keyword in known.SCT.dir(keyword):
        found = getattr(known.SCT, keyword)
        return STRUCTURE, (found.value, found.scheme_designator, found.meaning)
    return ANY_SEGMENT, ANY_SEGMENT


def parse_codes(text: str | None) -> dict[str, tuple[str, ...]]:
    """Parse codes of objects by id or name, such as ``"1=SCT:10200004:Liver; left lung=SCT:44029006:Left lung"``.

    Raises
    ------
    ExportError
        If the text has another form.
    """
    codes: dict[str, tuple[str, ...]] = {}
    for part in filter(str.strip, (text or "").split(";")):
        who, equals, code = part.partition("=")
        fields = [field.strip() for field in code.split(":", 2)]
        if not equals or len(fields) != 3 or not all(fields):
            raise ExportError(
                f"The code {part.strip()!r} must have the form ID=SCHEME:VALUE:MEANING, such as 1=SCT:10200004:Liver."
            )
        scheme, value, meaning = fields
        codes[who.strip().casefold()] = value, scheme, meaning
    return codes


FORMAT = ExportFormat(
    name="dicom-seg",
    title="DICOM segmentation (SEG)",
    suffixes=(".dcm",),
    write=write,
    about=(
        "One binary segment per object with its name, colour and code, complete even where objects overlap, "
        "referring to the source series (given, or the tracked one) and in its slice order. The label volume is "
        "held in memory."
    ),
    options=(
        SOURCE,
        ExportOption(
            "codes",
            "str",
            None,
            "codes of objects, such as 1=SCT:10200004:Liver; by default from their names, else Tissue",
        ),
    ),
    overlaps=True,
)
