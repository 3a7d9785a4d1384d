// What every page needs: status, content type, body.
import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.12';

const PIECE_BYTES = 4096; // as much as one blocking write takes

export function answer(out, status, type, text) {
  const encoder = new TextEncoder();
  const response = new OutgoingResponse(Fields.fromList([['content-type', encoder.encode(type)]]));
  response.setStatusCode(status);
  const body = response.body();
  ResponseOutparam.set(out, { tag: 'ok', val: response });
  const stream = body.write();
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    stream.blockingWriteAndFlush(bytes.subarray(at, at + PIECE_BYTES));
  }
  stream[Symbol.dispose]?.();
  OutgoingBody.finish(body, undefined);
}
