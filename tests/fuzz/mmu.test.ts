// The MMU against a plain slow walk, some seconds of it.

import { test } from "uvu";
import { testCampaign } from "./campaign";
import { mmuTarget } from "./mmu";

test("accesses through random paging structures end as a plain slow walk says", () => testCampaign(mmuTarget));

test.run();
