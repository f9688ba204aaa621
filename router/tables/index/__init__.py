"""Find the rules that match a value without reading every rule."""
