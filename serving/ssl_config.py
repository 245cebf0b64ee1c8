"""TLS from a file: TensorFlow Serving's SSLConfig, which holds keys and certificates as PEM text.

Source: tensorflow_serving/config/ssl_config.proto.
"""

from pathlib import Path

from serving.protos import config_pb2 as pb
from serving.status import invalid
from serving.text_proto import read_text_file
from serving.tls import KeyMaterial, Names, Tls


def read_credentials(path: str | Path) -> Tls:
    """Return what a `--ssl_config_file` says; with `client_verify`, clients must show a certificate of `custom_ca`'s.

    The file is looked at again for new connections; whether clients have to show one is settled by the first look.

    Raises:
        StatusError: INVALID_ARGUMENT; the file cannot be read, or something is missing in it. No key is quoted.
        ServerError: the key is not the certificate's.
    """
    names = Names(*(f"{field} of {path}" for field in ("server_key", "server_cert", "custom_ca")))
    require_client = _read(path).client_verify
    return Tls([Path(path)], lambda: _key_material(_read(path), names), require_client=require_client)


def _read(path: str | Path) -> pb.SSLConfig:
    config = read_text_file(path, pb.SSLConfig, is_secret=True)
    for name in ("server_key", "server_cert"):
        if "-----BEGIN " not in getattr(config, name):
            raise invalid(
                f"{path}: {name} must hold the text of a PEM file, from -----BEGIN to -----END, with \\n for its line ends"
            )
    if config.client_verify and not config.custom_ca:
        raise invalid(f"{path}: client_verify needs custom_ca, the PEM text of who signed the clients' certificates")
    return config


def _key_material(config: pb.SSLConfig, names: Names) -> KeyMaterial:
    key, chain, roots = (each.encode() for each in (config.server_key, config.server_cert, config.custom_ca))
    return KeyMaterial(key, chain, roots or None, names)
