// SPDX-License-Identifier: Apache-2.0
// node build.mjs SOURCE WIT-FOLDER OUTPUT
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const [sourcePath, witPath, output] = process.argv.slice(2);
const { component } = await componentize({ sourcePath, witPath, worldName: 'handler' });
await writeFile(output, component);
