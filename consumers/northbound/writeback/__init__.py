"""Write runs back to the table of test runs of the system that ordered them."""
