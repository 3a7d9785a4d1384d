import { answer } from './answer.js';

export const incomingHandler = {
  handle(request, out) {
    answer(out, 200, 'text/plain; charset=utf-8', 'Hello from JavaScript.\n');
  },
};
