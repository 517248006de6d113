// The fuzz targets, one row each.

import { codeTarget, programTarget } from "./code";
import { decoderTarget } from "./decoder";
import { doorsTarget } from "./doors";
import { elfTarget } from "./elf";
import { instructionsTarget } from "./instructions";
import { mmuTarget } from "./mmu";
import { sigreturnTarget } from "./sigreturn";
import { syscallsTarget } from "./syscalls";
import type { Target } from "./target";

export const targets: readonly Target[] = [decoderTarget, instructionsTarget, mmuTarget, codeTarget, programTarget, elfTarget, syscallsTarget, sigreturnTarget, doorsTarget];
