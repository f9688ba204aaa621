"""Decision tables in DMN XML, versions 1.1 to 1.5."""
