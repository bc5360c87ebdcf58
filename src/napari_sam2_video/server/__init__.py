"""The tracker behind HTTP, and the client through which a session uses it as its device."""
