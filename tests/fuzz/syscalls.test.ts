// Random system calls, some seconds of them.

import { test } from "uvu";
import { testCampaign } from "./campaign";
import { syscallsTarget } from "./syscalls";

test("random system calls return, the host never throws or hangs, and only the program's memory is touched", () => testCampaign(syscallsTarget));

test.run();
