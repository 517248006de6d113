// The instruction table: every row there is.

import { bmiRows } from "./opcode-bmi";
import { cryptoRows } from "./opcode-crypto";
import { integerRows } from "./opcode-integer";
import { sseRows } from "./opcode-sse";
import { systemRows } from "./opcode-system";
import { x87Rows } from "./opcode-x87";
import type { Row } from "./row";

export const rows: Row[] = [...integerRows, ...bmiRows, ...systemRows, ...x87Rows, ...sseRows, ...cryptoRows];
