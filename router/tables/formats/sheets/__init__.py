"""Decision tables in spreadsheets: CSV and XLSX."""
