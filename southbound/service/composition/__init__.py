"""Build what each role runs in this process from the classes of `consumers`."""
