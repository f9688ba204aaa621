"""A simulated ServiceNow instance: the Service Test Management Open API over a table of test runs."""
