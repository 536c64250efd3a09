/** `npm run docs`: writes docs/mechanisms anew, and removes pages of mechanisms that are gone. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { FOLDER, makePages } from './pages.js';

const pages = await makePages();
mkdirSync(FOLDER, { recursive: true });
for (const name of readdirSync(FOLDER)) if (!pages.has(name)) rmSync(new URL(name, FOLDER));
for (const [name, text] of pages) writeFileSync(new URL(name, FOLDER), text);
console.log(`docs/mechanisms: ${pages.size} pages`);
