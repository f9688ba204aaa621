"""How a change reaches a system that has the run: by a PATCH, by another POST, in part, or not at all."""
