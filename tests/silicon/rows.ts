// Every row of the instruction table that an instance can be made of.

import type { Row } from "../../kernel/decode/row";
import { integerRows } from "../../kernel/decode/opcode-integer";

export const rows: Row[] = [...integerRows];
