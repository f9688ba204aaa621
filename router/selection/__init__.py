"""Where runs meet decision tables: the outbound policy and the spoke selector."""
