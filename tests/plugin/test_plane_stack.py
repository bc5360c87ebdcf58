from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2_video.plugin.layers import Geometry
from napari_sam2_video.plugin.plane_stack import LabelStack

LENGTHS = {"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}


@st.composite
def geometries(draw):
    axes = "".join(draw(st.permutations(draw(st.sampled_from(["TYX", "TZYX", "TCYX", "TCZYX"])))))
    walk = draw(st.sampled_from([a for a in axes if a not in "YXC"]))
    fixed = {axes.index(a): draw(st.integers(0, LENGTHS[a] - 1)) for a in axes if a not in (walk, *"YXC")}
    shape = tuple(LENGTHS[a] for a in axes)
    return Geometry(axes, shape, axes.index(walk), (axes.index("Y"), axes.index("X")), fixed)


def spread(labels, geometry):
    """The same labels as a plain array with the layer's axes."""
    whole = np.zeros(geometry.shape, labels.dtype)
    for index in np.ndindex(*geometry.shape):
        if all(index[axis] == at for axis, at in geometry.fixed.items()):
            whole[index] = labels[index[geometry.walk], index[geometry.plane[0]], index[geometry.plane[1]]]
    return whole


@given(geometries(), st.data())
@settings(max_examples=60, deadline=None)
def test_reads_what_a_plain_array_would(geometry, data):
    labels = np.random.default_rng(0).integers(0, 9, (geometry.n_frames, 5, 6)).astype(np.uint8)
    stack = LabelStack(geometry, labels)
    whole = spread(labels, geometry)
    key = tuple(
        data.draw(st.one_of(st.integers(0, n - 1), st.builds(slice, st.integers(0, n - 1), st.just(n))))
        for n in geometry.shape
    )
    assert np.array_equal(stack[key], whole[key])
    assert np.array_equal(np.asarray(stack), whole)
    points = tuple(np.array([data.draw(st.integers(0, n - 1)) for _ in range(4)]) for n in geometry.shape)
    assert np.array_equal(stack[points], whole[points])


@given(geometries(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_box_that_is_written_lands_in_its_frame(geometry, data):
    labels = np.zeros((geometry.n_frames, 5, 6), np.uint8)
    refused = []
    stack = LabelStack(geometry, labels, refused.append)
    frame = data.draw(st.integers(0, geometry.n_frames - 1))
    place = geometry.to_data(frame, 1, 2).astype(int)
    key = [slice(n, n + 1) for n in place]
    key[geometry.plane[0]] = slice(1, 4)
    key[geometry.plane[1]] = slice(2, 4)
    region = np.asarray(stack[tuple(key)])
    region[...] = 7
    stack[tuple(key)] = region
    expected = np.zeros_like(labels)
    expected[frame, 1:4, 2:4] = 7
    assert np.array_equal(labels, expected)
    stack[tuple(np.array([n]) for n in place)] = 3
    assert labels[frame, 1, 2] == 3


@given(geometries(), st.integers(0, 2), st.floats(-3, 9), st.floats(-3, 9))
@settings(max_examples=60, deadline=None)
def test_pixels_and_data_coordinates_are_inverse(geometry, frame, y, x):
    data = geometry.to_data(frame, y, x)
    assert geometry.to_pixel(data) == (frame, y, x)
    assert geometry.elsewhere(data) is None
    for axis, at in geometry.fixed.items():
        data[axis] = at + 1
        assert geometry.axes[axis] in geometry.elsewhere(data)
