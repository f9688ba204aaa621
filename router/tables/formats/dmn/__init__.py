"""Decision tables in DMN 1.1 to 1.5 XML."""
