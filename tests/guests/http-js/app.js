// SPDX-License-Identifier: Apache-2.0
// The HTTP guest in JavaScript; ../README.md says what each route answers.
import { getEnvironment } from 'wasi:cli/environment@0.2.12';
import { subscribeDuration } from 'wasi:clocks/monotonic-clock@0.2.12';
import { handle as sendRequest } from 'wasi:http/outgoing-handler@0.2.12';
import {
  Fields, IncomingBody, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
} from 'wasi:http/types@0.2.12';
import { getRandomBytes } from 'wasi:random/random@0.2.12';

const CHUNK_BYTES = 65536n;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const drop = (resource) => resource[Symbol.dispose]?.();

// Names of error codes as the WIT spells them; the bindings have them in lower case.
const ACRONYMS = /\b(dns|ip|tls|http|uri)\b/g;

function writeAll(stream, bytes) {
  while (bytes.length > 0) {
    const room = Number(stream.checkWrite());
    if (room === 0) {
      const ready = stream.subscribe();
      ready.block();
      drop(ready);
      continue;
    }
    stream.write(bytes.subarray(0, room));
    bytes = bytes.subarray(room);
  }
}

// Copies `from` to its end; throws when either side breaks.
function copy(to, from) {
  for (;;) {
    let piece;
    try {
      piece = from.blockingRead(CHUNK_BYTES);
    } catch (error) {
      if (error.payload?.tag === 'closed') {
        return;
      }
      throw error;
    }
    writeAll(to, piece);
  }
}

function startAnswer(out, status, entries) {
  const headers = Fields.fromList(entries.map(([name, value]) => [name, encoder.encode(value)]));
  const response = new OutgoingResponse(headers);
  response.setStatusCode(status);
  const body = response.body();
  ResponseOutparam.set(out, { tag: 'ok', val: response });
  return body;
}

function answer(out, status, text) {
  const body = startAnswer(out, status, [['content-type', 'text/plain']]);
  const stream = body.write();
  writeAll(stream, encoder.encode(text));
  drop(stream);
  OutgoingBody.finish(body, undefined);
}

function echo(request, out) {
  const types = request.headers().get('content-type');
  const incoming = request.consume();
  const source = incoming.stream();
  const body = startAnswer(out, 200, types.map((value) => ['content-type', decoder.decode(value)]));
  const sink = body.write();
  copy(sink, source);
  drop(source);
  drop(sink);
  drop(incoming);
  OutgoingBody.finish(body, undefined);
}

function queryValue(query, name) {
  const pair = query.split('&').find((part) => part.startsWith(`${name}=`));
  return pair && decodeURIComponent(pair.slice(name.length + 1));
}

function requestTo(url, method) {
  const parts = /^(https?):\/\/([^/?]+)(.*)$/.exec(url ?? '');
  if (!parts) {
    return undefined;
  }
  const request = new OutgoingRequest(new Fields());
  request.setMethod(method);
  request.setScheme({ tag: parts[1] === 'http' ? 'HTTP' : 'HTTPS' });
  request.setAuthority(parts[2]);
  request.setPathWithQuery(parts[3] || '/');
  return request;
}

// Sends `outgoing` with the body of `request` if it is a POST; throws the error code of a refusal.
function send(outgoing, request) {
  const body = outgoing.body();
  const future = sendRequest(outgoing, undefined);
  if (request.method().tag === 'post') {
    const incoming = request.consume();
    const source = incoming.stream();
    const sink = body.write();
    copy(sink, source);
    drop(source);
    drop(sink);
    drop(incoming);
  }
  OutgoingBody.finish(body, undefined);
  const ready = future.subscribe();
  ready.block();
  drop(ready);
  const result = future.get().val; // result<result<incoming-response, error-code>>
  drop(future);
  if (result.tag === 'err') {
    throw { payload: result.val };
  }
  return result.val;
}

function fetchAndRelay(request, query, out) {
  const outgoing = requestTo(queryValue(query, 'url'), request.method());
  if (outgoing === undefined) {
    answer(out, 400, 'no usable ?url=\n');
    return;
  }
  let response;
  try {
    response = send(outgoing, request);
  } catch (error) {
    const name = error.payload?.tag ?? String(error);
    answer(out, 502, `error: ${name.replace(ACRONYMS, (word) => word.toUpperCase())}\n`);
    return;
  }
  const incoming = response.consume();
  const source = incoming.stream();
  const body = startAnswer(out, response.status(), [['x-relayed', '1']]);
  const sink = body.write();
  copy(sink, source);
  drop(source);
  drop(sink);
  drop(incoming);
  drop(response);
  OutgoingBody.finish(body, undefined);
}

function describe(request, query) {
  const { tag, val } = request.method();
  const method = (val ?? tag).toUpperCase();
  return `method: ${method}\nauthority: ${request.authority() ?? ''}\nquery: ${query}\n`;
}

function wait(query) {
  const ms = Number(queryValue(query, 'ms') ?? 0);
  const ready = subscribeDuration(BigInt(ms) * 1000000n);
  ready.block();
  drop(ready);
  return `waited ${ms} ms\n`;
}

function allocWithoutEnd() {
  for (const kept = []; ;) {
    kept.push(new Uint8Array(1 << 20).fill(1));
  }
}

const lines = (pairs, join) => pairs.map(([name, value]) => `${name}${join}${value}\n`).join('');
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

const routes = {
  '/hello': (request, query, out) => answer(out, 200, 'hello from JavaScript\n'),
  '/echo': (request, query, out) => echo(request, out),
  '/headers': (request, query, out) =>
    answer(out, 200, lines(request.headers().entries().map(([n, v]) => [n, decoder.decode(v)]), ': ')),
  '/query': (request, query, out) => answer(out, 200, describe(request, query)),
  '/fetch': fetchAndRelay,
  '/wait': (request, query, out) => answer(out, 200, wait(query)),
  '/random': (request, query, out) => answer(out, 200, `${hex(getRandomBytes(16n))}\n`),
  '/env': (request, query, out) => answer(out, 200, lines(getEnvironment(), '=')),
  '/stdout': (request, query, out) => {
    console.log('a line from the guest');
    answer(out, 200, 'written\n');
  },
  '/trap': () => { throw new Error('on purpose'); },
  '/spin': () => { for (;;); },
  '/alloc': allocWithoutEnd,
};

export const incomingHandler = {
  handle(request, out) {
    const [, path, query] = /^([^?]*)\??(.*)$/.exec(request.pathWithQuery() ?? '/');
    const route = routes[path] ?? ((r, q, o) => answer(o, 404, 'no such route\n'));
    route(request, query, out);
  },
};
