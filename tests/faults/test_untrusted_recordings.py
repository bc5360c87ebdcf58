"""Recordings that lie, bomb or point elsewhere: frames or one sentence, and nothing outside is read."""

import gzip
import json
import struct
import zlib

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2_video.errors import FrameError, RecordingError, Sam2VideoError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view

SECRET = 201


def frames_of(path):
    """All frames of a recording as the model sees them."""
    with open_recording(path) as recording:
        view = FrameView(recording, default_view(recording, window=(0, 255)))
        return np.stack([view.read(frame) for frame in range(view.n_frames)])


def refusal(path):
    """The sentence that refuses a recording, None if it opens and every frame can be read."""
    try:
        frames_of(path)
    except Sam2VideoError as error:
        return str(error)
    return None


def zarr_array(path, data, **known):
    zarr.create_array(str(path), shape=data.shape, chunks=(1, *data.shape[1:]), dtype=data.dtype, **known)[:] = data
    return path


def lie(path, **claims):
    about = json.loads((path / "zarr.json").read_text())
    (path / "zarr.json").write_text(json.dumps(about | claims))


def chunk_files(path):
    return sorted(part for part in path.rglob("*") if part.is_file() and part.name[0].isdigit())


@pytest.fixture
def secret(tmp_path):
    """Recordings outside the folder that is opened."""
    outside = tmp_path / "outside"
    outside.mkdir()
    data = np.full((4, 8, 9), SECRET, np.uint8)
    tifffile.imwrite(outside / "secret.ome.tif", data, ome=True, photometric="minisblack", metadata={"axes": "TYX"})
    zarr_array(outside / "secret.zarr", data)
    return outside


@pytest.fixture
def inside(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "header", ["{'descr': '<u2', 'fortran_order': False, 'shape': (4, 8, 9)", "{'descr'", "(", "\0\0"]
)
def test_array_file_with_a_broken_header_is_refused(inside, header):
    text = header.encode().ljust(117) + b"\n"
    (inside / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(600))
    with pytest.raises(RecordingError, match=r"a\.npy cannot be read as an array file"):
        frames_of(inside / "a.npy")


def test_array_file_of_a_huge_declared_shape_is_refused(inside):
    text = b"{'descr': '<u2', 'fortran_order': False, 'shape': (1000000, 1000000, 1000000), }".ljust(117) + b"\n"
    (inside / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(600))
    with pytest.raises(RecordingError, match=r"a\.npy cannot be read as an array file"):
        frames_of(inside / "a.npy")


def test_array_file_with_pickled_objects_is_never_unpickled(inside):
    np.save(inside / "a.npy", np.array([{"a": 1}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(RecordingError, match="cannot be read as an array file"):
        frames_of(inside / "a.npy")


@pytest.mark.parametrize("kind", range(14))
def test_tiff_with_a_tag_of_another_type_is_shown_or_refused(inside, kind):
    tifffile.imwrite(inside / "a.tif", np.zeros((3, 8, 9), np.uint16), photometric="minisblack")
    data = (inside / "a.tif").read_bytes()
    with tifffile.TiffFile(inside / "a.tif") as file:
        tags = [(tag.offset, tag.name) for tag in file.pages[0].tags.values()]
    for offset, name in tags:
        broken = bytearray(data)
        broken[offset + 2 : offset + 4] = struct.pack("<H", kind)
        target = inside / f"{name}.tif"
        target.write_bytes(broken)
        sentence = refusal(target)
        assert sentence is None or name in sentence


def test_page_that_gives_fewer_pixels_than_it_says_is_named(inside, monkeypatch):
    tifffile.imwrite(inside / "a.tif", np.ones((3, 8, 9), np.uint8), compression="zlib", photometric="minisblack")
    with open_recording(inside / "a.tif") as recording:
        monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda self, **known: np.zeros(0, np.uint8))
        monkeypatch.setattr(tifffile.TiffFrame, "asarray", lambda self, **known: np.zeros(0, np.uint8))
        with pytest.raises(FrameError, match=r"Plane 1 of .*a\.tif cannot be read"):
            recording.read({recording.axes[0]: 1})


def test_frames_that_fit_in_no_memory_are_refused_before_any_is_read(inside):
    path = zarr_array(inside / "a.zarr", np.zeros((4, 8, 9), np.uint16))
    lie(path, shape=[4, 10**6, 10**6])
    with pytest.raises(RecordingError, match="1000000 × 1000000 pixels, more than fit in memory"):
        frames_of(path)


@pytest.mark.parametrize("version", [2, 3])
def test_chunk_that_unpacks_to_more_than_it_should_is_refused_unread(inside, version):
    path = zarr_array(inside / "a.zarr", np.ones((4, 8, 9), np.uint8), zarr_format=version)
    bomb = zarr_array(inside / "bomb.zarr", np.ones((1, 4000, 4000), np.uint8), zarr_format=version)
    chunk_files(path)[2].write_bytes(chunk_files(bomb)[0].read_bytes())
    with open_recording(path) as recording:
        view = FrameView(recording, default_view(recording))
        assert view.read(0).max() == 1
        with pytest.raises(
            FrameError, match="would unpack to 16,000,000 bytes, but the array says it holds at most 72"
        ):
            view.read(2)


@pytest.mark.parametrize("compressor", ["blosc", "gzip"])
def test_bombs_of_other_compressors_are_refused(inside, compressor):
    codec = zarr.codecs.BloscCodec() if compressor == "blosc" else zarr.codecs.GzipCodec()
    path = zarr_array(inside / "a.zarr", np.ones((4, 8, 9), np.uint8), compressors=[codec])
    bomb = zarr_array(inside / "bomb.zarr", np.ones((1, 4000, 4000), np.uint8), compressors=[codec])
    assert frames_of(path).max() == 1
    chunk_files(path)[1].write_bytes(chunk_files(bomb)[0].read_bytes())
    with pytest.raises(FrameError, match="would unpack to 16,000,000 bytes"):
        frames_of(path)


@pytest.mark.parametrize(
    "place", ["../outside/secret.zarr", "{outside}/secret.zarr", "..", "0/../../../outside/secret.zarr"]
)
def test_image_that_points_to_a_folder_outside_is_refused(inside, secret, place):
    group = zarr.open_group(str(inside / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=(4, 8, 9), chunks=(1, 8, 9), dtype="uint8")[:] = 1
    image = {"version": "0.4", "axes": [{"name": name} for name in "tyx"]}
    group.attrs["multiscales"] = [{**image, "datasets": [{"path": place.format(outside=secret)}]}]
    with pytest.raises(RecordingError, match=r"a\.zarr is a damaged zarr folder"):
        frames_of(inside / "a.zarr")


def test_ome_tiff_that_names_a_file_outside_does_not_show_it(inside, secret):
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" SizeC="1" SizeT="4" SizeX="9" SizeY="8" SizeZ="1" Type="uint8">'
        '<TiffData FirstT="0" IFD="0" PlaneCount="4"><UUID FileName="../outside/secret.ome.tif">urn:uuid:1</UUID>'
        "</TiffData></Pixels></Image></OME>"
    )
    data = np.ones((4, 8, 9), np.uint8)
    tifffile.imwrite(inside / "a.ome.tif", data, description=text, metadata=None, photometric="minisblack")
    try:
        seen = frames_of(inside / "a.ome.tif")
    except RecordingError:
        return
    assert seen.max() < SECRET


OME = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{uuid}">{body}</OME>'
IMAGE = (
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" SizeC="1" SizeT="{count}" SizeX="9" SizeY="8" '
    'SizeZ="1" Type="uint8"><TiffData FirstT="0" IFD="0" PlaneCount="4"><UUID FileName="{name}">urn:uuid:{uuid}</UUID>'
    "</TiffData></Pixels></Image>"
)


def ome_tiff(path, body, uuid="b", value=1):
    text = OME.format(uuid=uuid, body=body)
    data = np.full((4, 8, 9), value, np.uint8)
    tifffile.imwrite(path, data, description=text, metadata=None, photometric="minisblack")


@pytest.mark.parametrize("name", ["../outside/s.ome.tif", "{outside}/s.ome.tif"])
@pytest.mark.parametrize("kind", ["pixels", "description", "companion"])
def test_nothing_that_a_tiff_names_in_another_folder_is_opened(inside, secret, name, kind):
    name = name.format(outside=secret)
    ome_tiff(secret / "s.ome.tif", IMAGE.format(count=4, name="s.ome.tif", uuid="a"), "a", SECRET)
    source = inside / ("a.companion.ome" if kind == "companion" else "a.ome.tif")
    if kind == "companion":
        source.write_text(OME.format(uuid="b", body=IMAGE.format(count=4, name=name, uuid="a")))
    elif kind == "pixels":
        ome_tiff(source, IMAGE.format(count=4, name=name, uuid="a"))
    else:
        ome_tiff(source, f'<BinaryOnly MetadataFile="{name}" UUID="urn:uuid:a"/>')
    if kind == "companion":
        with pytest.raises(RecordingError, match="TIFF files that are not in its folder"):
            frames_of(source)
    else:
        assert frames_of(source).max() == 1


def test_tiff_files_that_refer_to_one_another_in_a_circle_open_or_are_refused(inside):
    for name, other in (("a", "b"), ("b", "a"), ("c", "c")):
        ome_tiff(inside / f"{name}.ome.tif", f'<BinaryOnly MetadataFile="{other}.ome.tif" UUID="urn:uuid:{other}"/>')
    for source in (inside / "a.ome.tif", inside / "c.ome.tif", inside):
        assert len(refusal(source) or "") < 1000


@pytest.mark.parametrize("kind", ["tiff", "companion"])
def test_planes_that_nobody_wrote_fill_no_memory(inside, kind):
    body = IMAGE.format(count=10**12, name="a.ome.tif", uuid="b")
    ome_tiff(inside / "a.ome.tif", body)
    (inside / "a.companion.ome").write_text(OME.format(uuid="c", body=body))
    with pytest.raises(RecordingError, match="declares 1,000,000,000,000 planes"):
        frames_of(inside / ("a.ome.tif" if kind == "tiff" else "a.companion.ome"))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_upright(inside, orientation):
    data = np.arange(72, dtype=np.uint8).reshape(8, 9)
    tifffile.imwrite(inside / "a.tif", data, extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(frames_of(inside / "a.tif")[0, ..., 0], data)


def test_a_calibration_of_values_that_is_not_a_number_is_left_out(inside):
    for c0, c1 in (("nan", "1"), ("0", "0"), ("1e400", "2"), ("x", "1")):
        about = f"ImageJ=1.54f\nimages=1\ncf=0\nc0={c0}\nc1={c1}\nvunit=HU\n"
        tifffile.imwrite(inside / "a.tif", np.ones((8, 9), np.uint16), description=about, metadata=None)
        assert len(refusal(inside / "a.tif") or "") < 1000


def test_entities_that_multiply_do_no_harm(inside):
    entities = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    text = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{entities}]>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0" Name="&j;"/></OME>'
    )
    tifffile.imwrite(inside / "a.ome.tif", np.ones((4, 8, 9), np.uint8), description=text, metadata=None)
    assert len(refusal(inside / "a.ome.tif") or "") < 1000


@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n../outside/secret.mp4\n#EXT-X-ENDLIST\n",
        "\ufeff \n#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile secret.mp4\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_a_list_of_other_files_is_not_followed(inside, text, name):
    (inside / name).write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match="only names other files"):
        open_recording(inside / name)


def test_volume_of_a_huge_declared_shape_is_refused(inside):
    nibabel = pytest.importorskip("nibabel")
    header = nibabel.Nifti1Header()
    header.set_data_shape((32767, 32767, 4))
    header.set_data_dtype(np.float64)
    header["magic"], header["vox_offset"] = b"n+1\0", 352
    (inside / "a.nii").write_bytes(header.binaryblock + bytes(100))
    (inside / "b.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(100)))
    for name in ("a.nii", "b.nii.gz"):
        assert name.split(".")[0] in refusal(inside / name)


@pytest.mark.parametrize("shape", [(0, 9, 4), (8, 9, 0), (-8, 9, 4), (8, 9, -4)])
def test_volume_of_an_impossible_shape_is_refused(inside, shape):
    nibabel = pytest.importorskip("nibabel")
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header["magic"], header["vox_offset"], header["dim"] = b"n+1\0", 352, [3, *shape, 1, 1, 1, 1]
    (inside / "a.nii").write_bytes(header.binaryblock + bytes(400))
    with pytest.raises(RecordingError, match=r"a\.nii is a damaged NIfTI file"):
        frames_of(inside / "a.nii")


def test_a_frame_for_which_memory_is_too_small_is_one_sentence(inside, monkeypatch):
    np.save(inside / "a.npy", np.zeros((3, 8, 9), np.uint16))
    with open_recording(inside / "a.npy") as recording:

        def no_memory(index):
            raise MemoryError

        monkeypatch.setattr(recording, "_read", no_memory)
        with pytest.raises(RecordingError, match="not enough memory to read that much of a") as found:
            recording.read({"T": 0})
        assert not isinstance(found.value, FrameError), "the frame is not to blame"


@pytest.mark.parametrize("alone", [True, False])
def test_image_that_would_unpack_to_gigabytes_is_refused(inside, alone):
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(bytes(1000))) + part(b"IEND", b"")
    for number in range(1 if alone else 3):
        (inside / f"{number}.png").write_bytes(bomb)
    with pytest.raises(RecordingError, match=r"0\.png cannot be read as an image"):
        frames_of(inside / "0.png" if alone else inside)


def png_part(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def animated_png(width, height, promised, frames):
    """An animation of one grey value a frame that says it has `promised` frames of that size."""
    rows = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(min(height, 100))))
    data = b"\x89PNG\r\n\x1a\n" + png_part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data += png_part(b"acTL", struct.pack(">II", promised, 0))
    for n in range(frames):
        control = struct.pack(">IIIIIHHBB", max(0, 2 * n - 1), width, height, 0, 0, 1, 25, 0, 0)
        data += png_part(b"fcTL", control)
        data += png_part(b"fdAT", struct.pack(">I", 2 * n) + rows) if n else png_part(b"IDAT", rows)
    return data + png_part(b"IEND", b"")


@pytest.mark.parametrize("promised", [3, 4, 2**31 - 1])
def test_animation_that_promises_more_frames_than_it_has_gives_those_it_has(inside, promised):
    (inside / "a.png").write_bytes(animated_png(9, 8, promised, 3))
    assert frames_of(inside / "a.png").shape == (3, 8, 9, 3)


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_animation_of_a_huge_declared_size_is_refused(inside, kind):
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    gif += (b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\0") * 2 + b"\x3b"
    data = animated_png(60_000, 60_000, 2, 2) if kind == "png" else gif
    (inside / f"a.{kind}").write_bytes(data)
    with pytest.raises(RecordingError, match=rf"a\.{kind} cannot be read as an animation"):
        frames_of(inside / f"a.{kind}")


@pytest.mark.parametrize("length", [2**31 - 1, 2**32 - 1])
def test_blocks_of_an_animation_that_are_longer_than_the_file_end_it(inside, length):
    whole = animated_png(9, 8, 3, 3)
    place = whole.index(b"fdAT") - 4
    (inside / "a.png").write_bytes(whole[:place] + struct.pack(">I", length) + whole[place + 4 :])
    refused = refusal(inside / "a.png")
    assert refused is None or "a.png" in refused
    webp = b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02" + bytes(9)
    (inside / "a.webp").write_bytes(webp + b"ANMF" + struct.pack("<I", length) + bytes(40))
    assert "a.webp" in refusal(inside / "a.webp")


def test_stream_of_images_is_read_to_its_end_and_not_beyond(inside):
    (inside / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0" + struct.pack(">H", 65535) + bytes(100))
    assert "a.jpg" in refusal(inside / "a.jpg")
    (inside / "b.jpg").write_bytes(b"\xff\xd8" + b"\xff" * 5000)
    assert "b.jpg" in refusal(inside / "b.jpg")


@pytest.mark.parametrize("name", ["-rf.tif", "%s%n%d.tif", "ü и 漢.tif", " .tif", "a;b&c.tif", "a'b\"c.tif"])
def test_strange_file_names_are_just_names(inside, name):
    tifffile.imwrite(inside / name, np.full((4, 8, 9), 7, np.uint8), photometric="minisblack")
    assert frames_of(inside / name).tolist() == np.full((4, 8, 9, 3), 7).tolist()


@pytest.mark.parametrize("text", ["plain words\n" * 40, "\0" * 4096, "<svg><image href='file:///etc/passwd'/></svg>"])
def test_files_that_are_not_recordings_are_named(inside, text):
    (inside / "a.mp4").write_text(text)
    with pytest.raises(RecordingError, match=r"a\.mp4"):
        frames_of(inside / "a.mp4")


def test_compressed_text_is_not_a_volume(inside):
    (inside / "a.nii.gz").write_bytes(gzip.compress(b"just words " * 100))
    with pytest.raises(RecordingError, match=r"a\.nii\.gz"):
        frames_of(inside / "a.nii.gz")


@pytest.mark.parametrize("tag", ["Rows", "Columns", "SamplesPerPixel", "BitsStored", "PixelRepresentation"])
def test_dicom_file_with_two_values_for_one_number_is_named(inside, tag):
    pydicom = pytest.importorskip("pydicom")
    for number in range(3):
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"1.2.{number + 1}"
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        image = pydicom.dataset.Dataset()
        image.file_meta = meta
        image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        image.SeriesInstanceUID, image.Modality, image.InstanceNumber = "1.2.9", "CT", number + 1
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
        image.Rows, image.Columns, image.SamplesPerPixel = 8, 9, 1
        image.PhotometricInterpretation = "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image.PixelData = np.full((8, 9), number, np.int16).tobytes()
        if number == 1:
            setattr(image, tag, [getattr(image, tag)] * 2)
        image.save_as(inside / f"{number}.dcm", enforce_file_format=True)
    with pytest.raises(RecordingError, match=r"1\.dcm is a damaged DICOM file"):
        frames_of(inside / "1.dcm")
    with open_recording(inside) as recording:
        assert recording.length("Z") == 2
        assert "1.dcm is left out" in recording.notes[0]


def test_dicom_that_promises_millions_of_images_is_refused(inside):
    from tests.frames.dicoms import CT, save_dicom

    save_dicom(inside / "a.dcm", CT[:3], NumberOfFrames=2_000_000_000)
    with pytest.raises(RecordingError, match=r"a\.dcm .*declares 2000000000 images, many more than it has room for"):
        frames_of(inside / "a.dcm")


@pytest.mark.parametrize("version", [1, 2])
def test_other_volumes_of_a_huge_declared_shape_are_refused(inside, version):
    pytest.importorskip("nibabel")
    (inside / "a.mgh").write_bytes(struct.pack(">7ih", version, 9999, 9999, 9999, 9, 3, 0, 0) + bytes(400))
    assert "a.mgh" in refusal(inside / "a.mgh")
    (inside / "a.mgz").write_bytes(gzip.compress((inside / "a.mgh").read_bytes()))
    assert "a.mgz" in refusal(inside / "a.mgz")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mnc", b"CDF\x01" + bytes(400)),
        ("b.mnc", b"\x89HDF\r\n\x1a\n" + bytes(400)),
        ("a.PAR", b"# === DATA DESCRIPTION FILE ===\n" * 9),
        ("a+orig.HEAD", b"type = string-attribute\nname = X\ncount = 99999999999\n'~\n"),
        ("a.v", b"MATRIX72v" + bytes(2000)),
        ("a.hdr", struct.pack("<i", 348) + bytes(36) + struct.pack("<8h", 3, 9, 9, 9, 1, 1, 1, 1) + bytes(400)),
    ],
)
def test_headers_of_volumes_that_lie_are_refused_by_name(inside, name, content):
    pytest.importorskip("h5py")
    (inside / name).write_bytes(content)
    for other in (".REC", "+orig.BRIK", ".img"):
        (inside / f"a{other}").write_bytes(bytes(300))
    assert name in refusal(inside / name)


def test_a_dicomdir_does_not_show_what_lies_elsewhere(inside, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from tests.frames.dicoms import CT, item, save_dicom

    outside = tmp_path / "elsewhere"
    outside.mkdir()
    save_dicom(outside / "secret", CT[0])
    with pydicom.config.disable_value_validation():
        index = item(DirectoryRecordSequence=[item(ReferencedFileID=["..", "elsewhere", "secret"])])
    index.file_meta = pydicom.dataset.FileMetaDataset()
    index.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    index.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    index.file_meta.MediaStorageSOPInstanceUID = "1.2"
    index.save_as(inside / "DICOMDIR", enforce_file_format=True)
    assert "not images" in refusal(inside / "DICOMDIR")
