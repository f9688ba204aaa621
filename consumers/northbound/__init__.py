"""The northbound interface: runs are ordered, read, changed and cancelled over HTTP."""
