"""Read the topics again: rebuild a lost run store, compare a store with the topics, publish again."""
