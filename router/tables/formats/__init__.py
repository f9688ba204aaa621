"""Read and write decision tables: YAML, CSV, XLSX and DMN."""
