import { increment } from 'wasi:keyvalue/atomics@0.2.0-draft';
import { open } from 'wasi:keyvalue/store@0.2.0-draft';
import { answer } from './answer.js';

// One more visitor. Atomic: two requests at one time, in any process, never get the same number.
function count() {
  try {
    return increment(open('pages'), 'visits', 1n);
  } catch {
    return undefined;
  }
}

export const incomingHandler = {
  handle(request, out) {
    const visits = count();
    if (visits === undefined) {
      answer(out, 503, 'text/plain; charset=utf-8', 'The counter cannot be reached.\n');
    } else {
      answer(out, 200, 'text/plain; charset=utf-8', `Hello, visitor number ${visits}.\n`);
    }
  },
};
