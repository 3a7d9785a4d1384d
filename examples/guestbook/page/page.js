// SPDX-License-Identifier: Apache-2.0
// The page of the guestbook: shows the entries, takes new ones. What an entry may be, another component decides;
// where entries are kept, the manifest.
import { review } from 'example:guestbook/moderation';
import { countVisit, latestEntries, addEntry } from './entries.js';
import { answer, readBody } from './exchange.js';
import { page } from './html.js';

const BODY_BYTES_MAX = 8192;

function show(out, status, draft) {
  const visits = draft ? undefined : countVisit();
  answer(out, status, page({ entries: latestEntries(), visits, draft }));
}

function write(request, out) {
  const body = readBody(request, BODY_BYTES_MAX);
  if (body === undefined) {
    answer(out, 413, page({ entries: [], draft: { problem: 'That was too much.' } }));
    return;
  }
  const form = new URLSearchParams(body);
  const entry = { name: form.get('name') ?? '', message: form.get('message') ?? '' };
  const verdict = review(entry); // throws when nobody could look at it
  if (verdict.tag === 'refused') {
    show(out, 422, { ...entry, problem: verdict.val });
    return;
  }
  addEntry(verdict.val);
  answer(out, 303, '', [['location', '/']]);
}

function route(request, out) {
  const [path] = (request.pathWithQuery() ?? '/').split('?');
  const method = request.method().tag;
  if (path !== '/') {
    answer(out, 404, page({ entries: [], draft: { problem: 'There is no such page.' } }));
  } else if (method === 'get') {
    show(out, 200);
  } else if (method === 'post') {
    write(request, out);
  } else {
    answer(out, 405, '', [['allow', 'GET, POST']]);
  }
}

export const incomingHandler = {
  handle(request, out) {
    try {
      route(request, out);
    } catch (error) {
      // The store or the moderation is away: their errors are values, ours are not shown.
      if (error?.payload === undefined) {
        throw error;
      }
      answer(out, 503, page({ entries: [], draft: { problem: 'The guestbook is closed for the moment.' } }));
    }
  },
};
