"""The tracker as an HTTP server, and the client through which a session uses it as a device."""
