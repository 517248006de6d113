// Mutated ELF files, some seconds of them.

import { test } from "uvu";
import { testCampaign } from "./campaign";
import { elfTarget } from "./elf";

test("a mutated ELF file runs, dies of a signal or is refused", () => testCampaign(elfTarget));

test.run();
