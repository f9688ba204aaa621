"""Ask systems that do not call back about their runs, each when its time has come."""
