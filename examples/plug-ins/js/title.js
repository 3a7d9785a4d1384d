// SPDX-License-Identifier: Apache-2.0
// Each word with a capital.
export const plugin = {
  run(text) {
    return text.replace(/[a-z]+/gi, (word) => word[0].toUpperCase() + word.slice(1).toLowerCase());
  },
};
