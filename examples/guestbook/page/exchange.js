// SPDX-License-Identifier: Apache-2.0
// Bodies of requests, and answers.
import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.12';

const PIECE_BYTES = 4096; // as much as one blocking write takes

const encoder = new TextEncoder();
const drop = (resource) => resource[Symbol.dispose]?.();

// Even if something slipped through `escape`, a browser would run no script of it.
const HEADERS = [
  ['content-type', 'text/html; charset=utf-8'],
  ['content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    + "frame-ancestors 'none'"],
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'same-origin'],
];

export function answer(out, status, html, headers = []) {
  const all = [...HEADERS, ...headers].map(([name, value]) => [name, encoder.encode(value)]);
  const response = new OutgoingResponse(Fields.fromList(all));
  response.setStatusCode(status);
  const body = response.body();
  ResponseOutparam.set(out, { tag: 'ok', val: response });
  const stream = body.write();
  const bytes = encoder.encode(html);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    stream.blockingWriteAndFlush(bytes.subarray(at, at + PIECE_BYTES));
  }
  drop(stream);
  OutgoingBody.finish(body, undefined);
}

function readPieces(stream, bytesMax) {
  const pieces = [];
  let length = 0;
  for (;;) {
    try {
      const piece = stream.blockingRead(65536n);
      length += piece.length;
      pieces.push(...piece);
    } catch (error) {
      if (error.payload?.tag === 'closed') {
        return pieces;
      }
      throw error;
    }
    if (length > bytesMax) {
      return undefined;
    }
  }
}

// The whole body as text; nothing when it is longer than that.
export function readBody(request, bytesMax) {
  const incoming = request.consume();
  const stream = incoming.stream();
  const bytes = readPieces(stream, bytesMax);
  drop(stream);
  drop(incoming);
  return bytes && new TextDecoder().decode(Uint8Array.from(bytes));
}
