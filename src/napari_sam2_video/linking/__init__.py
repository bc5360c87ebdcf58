"""Link labels that are independent on each frame into tracks with divisions."""
