// Random code, some seconds of it.

import { test } from "uvu";
import { testCampaign } from "./campaign";
import { codeTarget, programTarget } from "./code";

test("random bytes at CPL 3 end in an exception or go on, and the machine never throws", () => testCampaign(codeTarget));
test("a program of random bytes dies of a signal or of its time limit, and the host never throws", () => testCampaign(programTarget));

test.run();
