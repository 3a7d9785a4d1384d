import { publish } from 'wasmcloud:messaging/consumer@0.2.0';

// One message at a time; a fresh instance for each. What is thrown is in the log of the host.
export const handler = {
  handleMessage({ body, replyTo }) {
    if (replyTo === undefined) {
      throw 'nobody waits for an answer';
    }
    const text = `Hello, ${new TextDecoder().decode(body)}. This is the worker, in JavaScript.`;
    publish({ subject: replyTo, body: new TextEncoder().encode(text), replyTo: undefined });
  },
};
