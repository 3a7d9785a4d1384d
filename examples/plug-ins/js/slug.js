// SPDX-License-Identifier: Apache-2.0
// The text as it could stand in an address.
export const plugin = {
  run(text) {
    const slug = text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
    if (slug === '') {
      throw { tag: 'declined', val: 'there is no letter in it' };
    }
    return slug;
  },
};
