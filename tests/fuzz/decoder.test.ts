// The decoder against Capstone, some seconds of it.

import { test } from "uvu";
import { testCampaign } from "./campaign";
import { decoderTarget } from "./decoder";

test("our decoder and Capstone agree on random byte strings, but where a rule says why not", () => testCampaign(decoderTarget));

test.run();
