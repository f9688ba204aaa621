"""The interface as ServiceNow speaks: its Service Test Management Open API, and requests of its spoke selector."""
