"""One process: its settings applied, its parts composed, its roles served."""
