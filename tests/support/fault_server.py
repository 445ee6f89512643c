"""An HTTP(S) server over loopback that misbehaves as told: every fault is bytes on a real socket.

A fault is a function of one `Exchange`. A server plays a script of them, one a request, the last for ever::

    with FaultServer(reset, answer(GOOD)) as server:
        PrometheusEngine(server.url).query("up")
"""

from __future__ import annotations

import gzip
import ipaddress
import json
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

JSON = "application/json"
BUILD = b'{"status":"success","data":{"version":"2.42.0","revision":"abc"}}'
_BLOCK = 1 << 20


class Over(Exception):
    """The server is told to stop."""


@dataclass
class Exchange:
    """One request, and the socket to answer on."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: socket.socket
    over: threading.Event
    keep: bool = True
    form: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        query = self.path.partition("?")[2]
        self.form = dict(parse_qsl(self.body.decode("utf-8", "replace") or query, keep_blank_values=True))

    def send(self, data: bytes) -> None:
        """Put bytes on the wire."""
        self.connection.sendall(data)

    def pause(self, seconds: float) -> None:
        """Wait, and end at once when the server stops."""
        if self.over.wait(seconds):
            raise Over

    def head(self, status: int = 200, kind: str | None = JSON, **headers: str) -> None:
        """A status line and headers; no body, no length unless given."""
        lines = [f"HTTP/1.1 {status} Told So"]
        lines += [f"Content-Type: {kind}"] if kind else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def close(self) -> None:
        """Close in order after this answer."""
        self.keep = False


Fault = Callable[[Exchange], None]


class FaultServer:
    """Plays a script of faults; use as a context.

    Parameters
    ----------
    script : Fault
        One a request, the last for ever. Requests for the build information are answered well, outside the script.
    tls : ssl.SSLContext, optional
        To speak HTTPS.
    port : int
        To come back where another server was; any free one otherwise.
    build : bytes or None
        The answer about the build; None to take it from the script as well.
    """

    def __init__(
        self, *script: Fault, tls: ssl.SSLContext | None = None, port: int = 0, build: bytes | None = BUILD
    ) -> None:
        self.script, self.tls, self.build = list(script), tls, build
        self.asked: list[Exchange] = []
        self.connections = 0
        self._over, self._lock = threading.Event(), threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultServer:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End as if killed: no more connections, open ones reset."""
        self._over.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._accepting.join(5)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                reset_socket(connection)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket) -> None:
        connection = raw
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(raw, server_side=True)
                with self._lock:
                    self._open.discard(raw)
                    self._open.add(connection)
            with connection.makefile("rb") as stream:
                while (exchange := self._receive(stream, connection)) is not None:
                    self._next(exchange)(exchange)
                    if not exchange.keep:
                        return
        except (OSError, Over, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _receive(self, stream: Iterable[bytes], connection: socket.socket) -> Exchange | None:
        if stream.peek(1)[:1] == b"\x16":  # type: ignore[attr-defined]
            # TLS, where none is spoken: said in the clear, as servers do.
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n")
            return None
        line = stream.readline().split()  # type: ignore[attr-defined]
        if len(line) != 3:
            return None
        headers = {}
        while text := stream.readline().decode("latin-1").strip():  # type: ignore[attr-defined]
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))  # type: ignore[attr-defined]
        return Exchange(line[0].decode(), line[1].decode(), headers, body, connection, self._over)

    def _next(self, exchange: Exchange) -> Fault:
        if self.build is not None and exchange.path.endswith("/buildinfo"):
            return answer(self.build)
        with self._lock:
            self.asked.append(exchange)
            return self.script[min(len(self.asked), len(self.script)) - 1]


def reset_socket(connection: socket.socket) -> None:
    """Close with a reset, also under a thread that waits in it."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
        connection.close()
    except OSError:
        pass


# Bodies


def matrix(*series: tuple[Mapping[str, str], Sequence[Sequence[object]]], **beside: object) -> bytes:
    """An answer to a range query, as Go writes it."""
    found = [{"metric": labels, "values": samples} for labels, samples in series]
    return data({"resultType": "matrix", "result": found}, **beside)


def vector(*series: tuple[Mapping[str, str], Sequence[object]], **beside: object) -> bytes:
    """An answer to an instant query."""
    found = [{"metric": labels, "value": sample} for labels, sample in series]
    return data({"resultType": "vector", "result": found}, **beside)


def data(inner: object, **beside: object) -> bytes:
    """Any data in the envelope of success."""
    return json.dumps({"status": "success", "data": inner, **beside}, separators=(",", ":")).encode()


def error(kind: str, text: str) -> bytes:
    """An error in Prometheus's envelope."""
    return json.dumps({"status": "error", "errorType": kind, "error": text}, separators=(",", ":")).encode()


GOOD = data({"resultType": "scalar", "result": [1, "2"]})


def many_series(count: int) -> Iterator[bytes]:
    """The text of a matrix of so many series with one sample each, made while it is read."""
    yield b'{"status":"success","data":{"resultType":"matrix","result":['
    block = 1000
    for first in range(0, count, block):
        rows = [
            f'{{"metric":{{"__name__":"m","pod":"pod-{i}"}},"values":[[0,"{i}"]]}}'
            for i in range(first, min(first + block, count))
        ]
        yield (("," if first else "") + ",".join(rows)).encode()
    yield b"]}}"


def long_matrix(size: int) -> Iterator[bytes]:
    """The text of one series, valid and of about so many bytes, made while it is read."""
    yield b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"]'
    block = b',[1769860800.123,"0.12345678901234567"]' * (_BLOCK // 39)
    for _ in range(size // len(block)):
        yield block
    yield b"]}]}}"


# Faults


def answer(
    body: bytes, status: int = 200, kind: str | None = JSON, *, length: int | None = None, **headers: str
) -> Fault:
    """A whole answer; with `length`, one that lies about its length and closes."""

    def fault(exchange: Exchange) -> None:
        told = len(body) if length is None else length
        exchange.head(status, kind, Content_Length=str(told), **headers)
        exchange.send(body)
        if length is not None:
            exchange.close()

    return fault


def streamed(blocks: Callable[[], Iterable[bytes]], **headers: str) -> Fault:
    """A body of no told length, ended by the connection's end."""

    def fault(exchange: Exchange) -> None:
        exchange.head(Connection="close", **headers)
        for block in blocks():
            exchange.send(block)
        exchange.close()

    return fault


def chunked(blocks: Iterable[bytes], *, end: bool = True, kind: str = JSON, **headers: str) -> Fault:
    """A body in chunks; without the `end`, it is cut off in order."""
    kept = list(blocks)

    def fault(exchange: Exchange) -> None:
        exchange.head(200, kind, Transfer_Encoding="chunked", **headers)
        for block in kept:
            exchange.send(b"%x\r\n%b\r\n" % (len(block), block))
        if end:
            exchange.send(b"0\r\n\r\n")
        else:
            exchange.close()

    return fault


def gzip_bomb(size: int) -> Fault:
    """A small body that unpacks to so many blanks."""
    packer = zlib.compressobj(9, wbits=31)
    block = b" " * _BLOCK
    packed = b"".join([*(packer.compress(block) for _ in range(size // _BLOCK)), packer.flush()])
    return answer(packed, Content_Encoding="gzip")


def packed(body: bytes, *, cut: int = 0, kind: str = JSON) -> Fault:
    """A compressed body, without its last bytes when `cut`; the length told is that of what is sent."""
    text = gzip.compress(body)
    return answer(text[: len(text) - cut], kind=kind, Content_Encoding="gzip")


def endless(block: bytes = b" " * 65536, **headers: str) -> Fault:
    """A body without end, as fast as it is read."""

    def fault(exchange: Exchange) -> None:
        exchange.head(**headers)
        while not exchange.over.is_set():
            exchange.send(block)

    return fault


def drip(text: bytes = b" ", every_s: float = 0.02, start: bytes = b"", **headers: str) -> Fault:
    """A head, then some bytes again and again, for ever."""

    def fault(exchange: Exchange) -> None:
        exchange.head(**headers)
        exchange.send(start)
        while True:
            exchange.pause(every_s)
            exchange.send(text)

    return fault


def endless_head(
    line: bytes = b"X-More: of it\r\n", every_s: float = 0.02, start: bytes = b"HTTP/1.1 200 OK\r\n"
) -> Fault:
    """A status, then header bytes for ever."""

    def fault(exchange: Exchange) -> None:
        exchange.send(start)
        while True:
            exchange.pause(every_s)
            exchange.send(line)

    return fault


def hang(exchange: Exchange) -> None:
    """Never a byte."""
    exchange.pause(30)


def reset(exchange: Exchange) -> None:
    """A reset before the head."""
    exchange.close()
    reset_socket(exchange.connection)


def shut(exchange: Exchange) -> None:
    """The connection closed in order, without an answer."""
    exchange.close()


def reset_after(body: bytes, *, length: int = 1000, kind: str = JSON, status: int = 200) -> Fault:
    """A head and some of the body, then a reset."""

    def fault(exchange: Exchange) -> None:
        exchange.head(status, kind, Content_Length=str(length))
        exchange.send(body)
        exchange.pause(0.05)  # for the bytes to be read: a reset takes back what was not
        reset(exchange)

    return fault


def verbatim(text: bytes) -> Fault:
    """Any bytes in place of an answer, then the end."""

    def fault(exchange: Exchange) -> None:
        exchange.send(text)
        exchange.close()

    return fault


def redirect(location: str, status: int = 302, *, body: Fault | None = None) -> Fault:
    """To another address; `{path}` in it stands for the path asked for."""

    def fault(exchange: Exchange) -> None:
        there = location.replace("{path}", exchange.path)
        if body is None:
            answer(b"", status, "text/html", Location=there)(exchange)
        else:
            exchange.send(f"HTTP/1.1 {status} There\r\nLocation: {there}\r\n\r\n".encode())
            body(exchange)

    return fault


def by_form(reply: Callable[[Mapping[str, str]], bytes], **headers: str) -> Fault:
    """An answer that depends on the question."""
    return lambda exchange: answer(reply(exchange.form), **headers)(exchange)


# Certificates


@dataclass(frozen=True)
class Authority:
    """A certificate authority of its own, and what it signs; all files are PEM in one folder."""

    folder: Path
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def file(self) -> Path:
        """The authority's certificate."""
        path = self.folder / "authority.pem"
        if not path.exists():
            self._write(path, self._key, "authority", self._key, authority=True)
        return path

    def issue(
        self, name: str, *, ip: str | None = "127.0.0.1", days: tuple[float, float] = (-1, 1), own: bool = False
    ) -> tuple[Path, Path]:
        """A certificate and its key: valid from and until so many days from now; `own` is signed by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        path, secret = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        self._write(path, key, name, key if own else self._key, ip=ip, days=days, issuer=name if own else "authority")
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path, secret

    def context(self, pair: tuple[Path, Path], *, client: bool = False) -> ssl.SSLContext:
        """A server's TLS; with `client`, it wants a certificate of this authority from the other side."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        if client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context

    def _write(
        self,
        path: Path,
        key: ec.EllipticCurvePrivateKey,
        name: str,
        signer: ec.EllipticCurvePrivateKey,
        *,
        ip: str | None = None,
        days: tuple[float, float] = (-1, 1),
        issuer: str = "authority",
        authority: bool = False,
    ) -> None:
        now = datetime.now(UTC)
        first, last = (now + timedelta(days=d) for d in days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(first)
            .not_valid_after(last)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        host: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(ip)) if ip else x509.DNSName(f"{name}.invalid")
        builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        path.write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
