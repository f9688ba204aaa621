"""The timeline of a run: every HTTP attempt, and every change of its phase and state."""
