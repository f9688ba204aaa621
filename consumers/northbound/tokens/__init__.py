"""JSON Web Tokens: the keys of their issuer, their signature and their claims."""
