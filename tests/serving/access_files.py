"""An access file, and what tokens are in it."""

import hashlib


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


ACCESS = f"""
clients:
  - name: dashboard
    token_sha256: {sha256("dash-secret")}
    models: ["affi*"]
  - name: loader
    token_sha256: {sha256("load-secret")}
    models: ["affine"]
    control: true
  - name: operator
    certificate: ops.example.org
    models: ["*"]
    control: true
"""
