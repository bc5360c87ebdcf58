"""Linking labelled series into tracks with divisions, beside laptrack and btrack."""
