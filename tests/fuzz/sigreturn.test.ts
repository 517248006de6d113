// Random signal frames for rt_sigreturn, some seconds of them.

import { test } from "uvu";
import { testCampaign } from "./campaign";
import { sigreturnTarget } from "./sigreturn";

test("random frames for rt_sigreturn never make the host throw", () => testCampaign(sigreturnTarget));

test.run();
