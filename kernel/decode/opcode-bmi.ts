// BMI1, BMI2 and ADX: integer instructions of maps 0F38 and 0F3A (SDM Vol. 2D table and the opcode extensions of
// group 17). TZCNT and LZCNT, which are older encodings with a prefix, stand in opcode-integer.ts.
//
// Flags that the SDM leaves undefined come out as for a shift: SF and PF by the result, AF clear. A Zen 5 does the same, but for BEXTR:
// AF set, SF clear.

import { row, type Row } from "./row";

const bmi1 = { cpuid: "BMI1" };
const bmi2 = { cpuid: "BMI2" };
const adx = { cpuid: "ADX" };

export const bmiRows: Row[] = [
  row("VEX.LZ.NP.0F38 F2 /r", "ANDN", "Gy,By,Ey", { ...bmi1, undefinedFlags: "AF PF" }),
  row("VEX.LZ.NP.0F38 F3 /1", "BLSR", "By,Ey", { ...bmi1, undefinedFlags: "AF PF" }),
  row("VEX.LZ.NP.0F38 F3 /2", "BLSMSK", "By,Ey", { ...bmi1, undefinedFlags: "AF PF" }),
  row("VEX.LZ.NP.0F38 F3 /3", "BLSI", "By,Ey", { ...bmi1, undefinedFlags: "AF PF" }),
  row("VEX.LZ.NP.0F38 F7 /r", "BEXTR", "Gy,Ey,By", { ...bmi1, undefinedFlags: "AF SF PF" }),

  row("VEX.LZ.NP.0F38 F5 /r", "BZHI", "Gy,Ey,By", { ...bmi2, undefinedFlags: "AF PF" }),
  row("VEX.LZ.F3.0F38 F5 /r", "PEXT", "Gy,By,Ey", bmi2),
  row("VEX.LZ.F2.0F38 F5 /r", "PDEP", "Gy,By,Ey", bmi2),
  row("VEX.LZ.F2.0F38 F6 /r", "MULX", "Gy,By,Ey", { ...bmi2, note: "writes both G and B; the other factor is rDX" }),
  row("VEX.LZ.66.0F38 F7 /r", "SHLX", "Gy,Ey,By", bmi2),
  row("VEX.LZ.F3.0F38 F7 /r", "SARX", "Gy,Ey,By", bmi2),
  row("VEX.LZ.F2.0F38 F7 /r", "SHRX", "Gy,Ey,By", bmi2),
  row("VEX.LZ.F2.0F3A F0 /r", "RORX", "Gy,Ey,Ib", bmi2),

  row("66 0F 38 F6", "ADCX", "Gy,Ey", adx),
  row("F3 0F 38 F6", "ADOX", "Gy,Ey", adx),
];
