"""Mail goes over a secret line, or not at all."""

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.errors import Unauthorized
from connectors.smtp import Smtp, SmtpConfig
from tests.connectors.test_smtp import Postmaster, mail


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a key and a certificate for 127.0.0.1 that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture(params=["tls", "starttls"])
def server(
    request: pytest.FixtureRequest, certificate: Path
) -> Iterator[tuple[Postmaster, SmtpConfig]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = (
        {"ssl_context": context}
        if request.param == "tls"
        else {"tls_context": context, "require_starttls": True}
    )
    postmaster = Postmaster()
    controller = Controller(postmaster, hostname="127.0.0.1", port=port, **options)
    controller.start()
    config = {"host": "127.0.0.1", "port": port, "security": request.param, "timeout_s": 5}
    yield postmaster, SmtpConfig.model_validate(config)
    controller.stop()


def test_a_server_with_a_good_certificate_gets_the_mail(
    server: tuple[Postmaster, SmtpConfig], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    postmaster, config = server

    [outcome] = Smtp(config).send([mail()])

    assert outcome.error is None
    assert len(postmaster.taken) == 1


def test_a_server_with_any_other_gets_nothing(server: tuple[Postmaster, SmtpConfig]) -> None:
    postmaster, config = server

    with pytest.raises(Unauthorized, match="certificate"):
        Smtp(config).send([mail()])

    assert postmaster.taken == []
