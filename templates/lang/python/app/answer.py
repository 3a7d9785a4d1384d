"""What every page needs: status, content type, body."""

from componentize_py_types import Ok

try:
    from wit_world.imports.types import Fields, OutgoingBody, OutgoingResponse, ResponseOutparam
except ImportError:  # the world has more interfaces of the name `types`
    from wit_world.imports.wasi_http_types import Fields, OutgoingBody, OutgoingResponse, ResponseOutparam

PIECE_BYTES = 4096  # as much as one blocking write takes


def answer(out, status, kind, text):
    response = OutgoingResponse(Fields.from_list([("content-type", kind.encode())]))
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(out, Ok(response))
    data = text.encode()
    with body.write() as stream:
        for at in range(0, len(data), PIECE_BYTES):
            stream.blocking_write_and_flush(data[at:at + PIECE_BYTES])
    OutgoingBody.finish(body, None)
