// Every row of the instruction table that an instance can be made of.

import type { Row } from "../../kernel/decode/row";
import { integerRows } from "../../kernel/decode/opcode-integer";
import { sseRows } from "../../kernel/decode/opcode-sse";

export const rows: Row[] = [...integerRows, ...sseRows];
