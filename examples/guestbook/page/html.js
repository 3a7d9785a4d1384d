// SPDX-License-Identifier: Apache-2.0
// The page as HTML. Whatever people wrote goes through `escape`, in text and in attributes alike.
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escape = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

const STYLE = 'body{font:1.1em/1.5 sans-serif;max-width:40em;margin:2em auto;padding:0 1em}'
  + 'input,textarea{display:block;width:100%;font:inherit;margin:0 0 1em}li{margin:0 0 1em}'
  + 'p.message{margin:0;white-space:pre-wrap}.problem{color:#b00020}small{color:#555}';

const entryOf = ({ name, message }) =>
  `<li><strong class="name">${escape(name)}</strong><p class="message">${escape(message)}</p></li>`;

// `draft` is what somebody wrote and may not be shown, with the reason.
export function page({ entries, visits, draft }) {
  const { name = '', message = '', problem } = draft ?? {};
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Guestbook</title><style>${STYLE}</style>
<h1>Guestbook</h1>
${problem === undefined ? '' : `<p class="problem" role="alert">${escape(problem)}</p>`}
<form method="post" action="/">
<label for="name">Your name</label><input id="name" name="name" maxlength="60" required value="${escape(name)}">
<label for="message">Your message</label><textarea id="message" name="message" rows="4" required>
${escape(message)}</textarea>
<button>Sign</button>
</form>
<ol id="entries" reversed>${entries.map(entryOf).join('')}</ol>
${visits === undefined ? '' : `<small>You are visitor number <span id="visits">${visits}</span>.</small>`}
</html>
`;
}
