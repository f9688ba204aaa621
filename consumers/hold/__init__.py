"""Later records of a key wait behind its dead letter, on topics where the settings say so."""
