"""The outermost ring: wiring, the process, and what it shows of itself."""
