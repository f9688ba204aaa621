"""The HTTP interface in ServiceNow's form: its Service Test Management Open API, and requests of its spoke selector."""
