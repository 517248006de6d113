// The entry of `npm run fuzz`. Bundled and started by fuzz.mjs.

import { front } from "./front";

process.exitCode = await front(process.argv.slice(2), console.log, console.error);
