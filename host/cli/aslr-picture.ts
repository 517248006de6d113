// The histograms of `ring3 aslr` as one SVG file that needs nothing else: for a slide.

import type { Measured } from "./aslr";

const WIDTH = 760;
const LEFT = 200;
const RIGHT = 90;
const ROW = 74;
const BAR = 44;
const TOP = 52;

/** @param execs how many programs were loaded */
export function aslrPicture(measured: readonly Measured[], execs: number): string {
  const height = TOP + measured.length * ROW + 10;
  const rows = measured.map((region, index) => histogram(region, TOP + index * ROW)).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13" fill="#222">
<rect width="100%" height="100%" fill="#fff"/>
<text x="16" y="26" font-size="16" font-weight="bold">Where ${execs} programs were loaded</text>
<text x="${WIDTH - 16}" y="26" text-anchor="end" fill="#666">bits: measured (Linux)</text>
${rows}</svg>
`;
}

function histogram({ name, histogram, lowest, highest, entropyBits, linuxBits }: Measured, top: number): string {
  const most = Math.max(...histogram);
  const room = WIDTH - LEFT - RIGHT;
  const step = room / histogram.length;
  const bars = histogram.map((count, index) => {
    const tall = (count / most) * BAR;
    return `<rect x="${(LEFT + index * step).toFixed(1)}" y="${(top + BAR - tall).toFixed(1)}" width="${(step - 1).toFixed(1)}" height="${tall.toFixed(1)}"/>`;
  });
  const hex = (value: number): string => value.toString(16);
  return `<text x="16" y="${top + BAR / 2 + 5}">${name}</text>
<g fill="#3b6ea5">${bars.join("")}</g>
<text x="${LEFT}" y="${top + BAR + 14}" font-size="10" fill="#666">${hex(lowest)}</text>
<text x="${WIDTH - RIGHT}" y="${top + BAR + 14}" font-size="10" fill="#666" text-anchor="end">${hex(highest)}</text>
<text x="${WIDTH - 16}" y="${top + BAR / 2 + 5}" text-anchor="end">${entropyBits.toFixed(1)} (${linuxBits})</text>
`;
}
