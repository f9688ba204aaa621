"""The OpenAPI document of the northbound interface, and a page to try it out."""
