"""One run, drawn: timeline, lanes, commit message, SVG, Perfetto."""
