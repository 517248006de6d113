// /proc/cpuinfo of the machine's one processor (Linux arch/x86/kernel/cpu/proc.c show_cpuinfo). Called from vfs/proc-system.ts.

import { FEATURE_IDS, type CpuModel, type FeatureName } from "../machine/cpu-models";
import { vendorName } from "../machine/cpuid-leaves";
import { LINEAR_BITS, PHYSICAL_BITS } from "../../kernel/abi/bits";

/** Linux's names where they are not ours in lower case; null for what it does not show. */
const FLAG_NAMES: Partial<Record<FeatureName, string | null>> = {
  CLFSH: "clflush", SSE3: "pni", LAHF: "lahf_lm", LZCNT: "abm", PREFETCHW: "3dnowprefetch", SHA: "sha_ni",
  FDP_EXCPTN_ONLY: null, FCS_FDS_DEPRECATED: null,
};

/** Feature words in Linux's order (arch/x86/include/asm/cpufeatures.h), what it makes up itself standing after the first two. */
const WORD_ORDER = [1, 5, 2, 6, 3, 0, 4, 7];
const INVENTED_AFTER = 2;

function flags({ features, vendor }: CpuModel, pti: boolean): string {
  const names = WORD_ORDER.map((word) =>
    [...features].filter((name) => FEATURE_IDS[name] >> 5 === word).sort((a, b) => FEATURE_IDS[a] - FEATURE_IDS[b])
      .flatMap((name) => { const flag = FLAG_NAMES[name]; return flag === undefined ? name.toLowerCase() : (flag ?? []); }));
  const invented = ["constant_tsc", "rep_good", "nopl", "nonstop_tsc", "cpuid", ...(pti ? ["pti"] : [])];
  if (vendor === "intel") invented.splice(3, 0, "xtopology");
  return [...names.slice(0, INVENTED_AFTER), invented, ...names.slice(INVENTED_AFTER)].flat().join(" ");
}

export function cpuinfoText(cpu: CpuModel, pti: boolean): string {
  return [
    "processor\t: 0", `vendor_id\t: ${vendorName(cpu)}`, `cpu family\t: ${cpu.family}`, `model\t\t: ${cpu.model}`, `model name\t: ${cpu.brand}`,
    `stepping\t: ${cpu.stepping}`, "cpu MHz\t\t: 1000.000", "cache size\t: 8192 KB", "physical id\t: 0", "siblings\t: 1", "core id\t\t: 0",
    "cpu cores\t: 1", "apicid\t\t: 0", "initial apicid\t: 0", "fpu\t\t: yes", "fpu_exception\t: yes", `cpuid level\t: ${cpu.maxLeaf}`, "wp\t\t: yes",
    `flags\t\t: ${flags(cpu, pti)}`, `bugs\t\t: ${pti ? "cpu_meltdown" : ""}`, "bogomips\t: 2000.00", "clflush size\t: 64", "cache_alignment\t: 64",
    `address sizes\t: ${PHYSICAL_BITS} bits physical, ${LINEAR_BITS} bits virtual`, "power management:", "", "",
  ].join("\n");
}
