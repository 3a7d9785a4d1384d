import { request as ask } from 'wasmcloud:messaging/consumer@0.2.0';
import { answer } from './answer.js';

const PATIENCE_MS = 2000;

// What follows the slash is the name of whom to greet; whoever works on `jobs.greet` knows how.
export const incomingHandler = {
  handle(request, out) {
    const name = (request.pathWithQuery() ?? '/').slice(1) || 'world';
    try {
      const reply = ask('jobs.greet', new TextEncoder().encode(name), PATIENCE_MS);
      answer(out, 200, 'text/plain; charset=utf-8', `${new TextDecoder().decode(reply.body)}\n`);
    } catch (error) {
      answer(out, 503, 'text/plain; charset=utf-8', `Nobody greets: ${error.payload ?? error}\n`);
    }
  },
};
