"""Encode events as bytes with headers, and decode them: Avro, JSON, CloudEvents, schema registry."""
