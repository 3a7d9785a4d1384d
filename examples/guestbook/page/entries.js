// SPDX-License-Identifier: Apache-2.0
// Entries in the key-value store: "count" is how many there are, "entry/N" each of them as JSON.
import { increment } from 'wasi:keyvalue/atomics@0.2.0-draft';
import { getMany } from 'wasi:keyvalue/batch@0.2.0-draft';
import { open } from 'wasi:keyvalue/store@0.2.0-draft';

const SHOWN_MAX = 50;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bucket = () => open('guestbook');

// Atomic: two requests at one time, in any process, never get the same number.
export const countVisit = () => increment(bucket(), 'visits', 1n);

export function addEntry(entry) {
  const entries = bucket();
  const number = increment(entries, 'count', 1n);
  entries.set(`entry/${number}`, encoder.encode(JSON.stringify(entry)));
}

// The newest first. An entry that has its number and is not written yet is left out.
export function latestEntries() {
  const entries = bucket();
  const newest = Number(increment(entries, 'count', 0n));
  const keys = [];
  for (let number = newest; number > 0 && keys.length < SHOWN_MAX; number--) {
    keys.push(`entry/${number}`);
  }
  if (keys.length === 0) {
    return [];
  }
  const found = getMany(entries, keys);
  return found.filter((pair) => pair !== undefined).map(([, value]) => JSON.parse(decoder.decode(value)));
}
