"""Update runs: decide, store, publish, in the one order that survives a crash."""
