import { greet } from 'example:linked/greetings';
import { answer } from './answer.js';

// What follows the slash is the name of whom to greet; the greeter knows how.
export const incomingHandler = {
  handle(request, out) {
    const name = (request.pathWithQuery() ?? '/').slice(1) || 'world';
    answer(out, 200, 'text/plain; charset=utf-8', `${greet(name)}\n`);
  },
};
