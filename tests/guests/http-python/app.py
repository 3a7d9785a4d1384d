# SPDX-License-Identifier: Apache-2.0
"""The HTTP guest in Python; ../README.md says what each route answers."""

import os
from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import monotonic_clock, outgoing_handler, random
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields, IncomingBody, Method_Other, Method_Post, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme_Http, Scheme_Https,
)

CHUNK_BYTES = 65536

# The error codes that the tests look at, as the WIT spells them.
ERROR_NAMES = {
    "HttpRequestDenied": "HTTP-request-denied",
    "ConnectionRefused": "connection-refused",
    "DnsError": "DNS-error",
    "DestinationIpProhibited": "destination-IP-prohibited",
}


def write_all(stream, data):
    while data:
        room = stream.check_write()
        if room == 0:
            with stream.subscribe() as ready:
                ready.block()
            continue
        stream.write(data[:room])
        data = data[room:]


def copy(to, source):
    """Copies `source` to its end; raises when either side breaks."""
    while True:
        try:
            piece = source.blocking_read(CHUNK_BYTES)
        except Err as error:
            if isinstance(error.value, StreamError_Closed):
                return
            raise
        write_all(to, piece)


def start_answer(out, status, headers):
    response = OutgoingResponse(Fields.from_list(headers))
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(out, Ok(response))
    return body


def answer(out, status, text):
    body = start_answer(out, status, [("content-type", b"text/plain")])
    with body.write() as stream:
        write_all(stream, text.encode())
    OutgoingBody.finish(body, None)


def hello(request, query, out):
    answer(out, 200, "hello from Python\n")


def echo(request, query, out):
    types = request.headers().get("content-type")
    incoming = request.consume()
    body = start_answer(out, 200, [("content-type", value) for value in types])
    with incoming.stream() as source, body.write() as sink:
        copy(sink, source)
    trailers = trailers_of(incoming)
    OutgoingBody.finish(body, trailers)


def trailers_of(body):
    future = IncomingBody.finish(body)
    with future.subscribe() as ready:
        ready.block()
    result = future.get()
    if isinstance(result, Ok) and isinstance(result.value, Ok):
        return result.value.value
    return None


def headers(request, query, out):
    answer(out, 200, "".join(f"{name}: {value.decode()}\n" for name, value in request.headers().entries()))


def describe(request, query, out):
    method = request.method()
    name = method.value if isinstance(method, Method_Other) else type(method).__name__.split("_")[1].upper()
    answer(out, 200, f"method: {name}\nauthority: {request.authority() or ''}\nquery: {query}\n")


def fetch(request, query, out):
    url = urlsplit(parse_qs(query).get("url", [""])[0])
    if url.scheme not in ("http", "https"):
        answer(out, 400, "no usable ?url=\n")
        return
    try:
        response = send(request_to(url, request.method()), request)
    except Err as error:
        name = type(error.value).__name__.removeprefix("ErrorCode_")
        answer(out, 502, f"error: {ERROR_NAMES.get(name, name)}\n")
        return
    body = start_answer(out, response.status(), [("x-relayed", b"1")])
    incoming = response.consume()
    with incoming.stream() as source, body.write() as sink:
        copy(sink, source)
    OutgoingBody.finish(body, None)


def request_to(url, method):
    outgoing = OutgoingRequest(Fields())
    outgoing.set_method(method)
    outgoing.set_scheme(Scheme_Http() if url.scheme == "http" else Scheme_Https())
    outgoing.set_authority(url.netloc)
    outgoing.set_path_with_query((url.path or "/") + (f"?{url.query}" if url.query else ""))
    return outgoing


def send(outgoing, request):
    """Sends `outgoing`, with the body of `request` if it is a POST; raises the error code of a refusal."""
    body = outgoing.body()
    future = outgoing_handler.handle(outgoing, None)
    if isinstance(request.method(), Method_Post):
        with request.consume() as incoming, incoming.stream() as source, body.write() as sink:
            copy(sink, source)
    OutgoingBody.finish(body, None)
    with future.subscribe() as ready:
        ready.block()
    result = future.get().value  # the outer result: taken once
    if isinstance(result, Err):
        raise result
    return result.value


def wait(request, query, out):
    ms = int(parse_qs(query).get("ms", ["0"])[0])
    with monotonic_clock.subscribe_duration(ms * 1_000_000) as ready:
        ready.block()
    answer(out, 200, f"waited {ms} ms\n")


def random_bytes(request, query, out):
    answer(out, 200, random.get_random_bytes(16).hex() + "\n")


def environment(request, query, out):
    answer(out, 200, "".join(f"{name}={value}\n" for name, value in os.environ.items()))


def stdout(request, query, out):
    print("a line from the guest", flush=True)
    answer(out, 200, "written\n")


def trap(request, query, out):
    raise RuntimeError("on purpose")


def spin(request, query, out):
    while True:
        pass


def alloc(request, query, out):
    kept = []
    while True:
        kept.append(bytearray(b"x" * (1 << 20)))


ROUTES = {
    "/hello": hello,
    "/echo": echo,
    "/headers": headers,
    "/query": describe,
    "/fetch": fetch,
    "/wait": wait,
    "/random": random_bytes,
    "/env": environment,
    "/stdout": stdout,
    "/trap": trap,
    "/spin": spin,
    "/alloc": alloc,
}


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        path, _, query = (request.path_with_query() or "/").partition("?")
        route = ROUTES.get(path)
        if route is None:
            answer(response_out, 404, "no such route\n")
        else:
            route(request, query, response_out)
