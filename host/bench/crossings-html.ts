// The results of `ring3 bench` as one HTML file with everything in it: three charts in SVG that are large enough for a slide, and the tables.
// No script, no font, no picture from elsewhere. Entered from host/cli/bench.ts.

import type { Bench, BenchResult } from "./crossings";
import { configurationTitle, DOOR_TITLES, OPERATION_TITLES, type Door, type Operation } from "./crossings-rows";
import { footnotes, time } from "./crossings-report";
import type { CycleModel } from "./cycle-models";

const WIDTH = 960;
const LABEL_WIDTH = 250;
const VALUE_WIDTH = 130;
const BAR = 24;
const GAP = 10;
const HEAD = 76;
const FOOT = 46;

/** Colours that can be told apart in grey and by those who do not see red and green alike (Okabe and Ito). */
const COLOURS: Record<string, string> = {
  vdso: "#009e73",
  syscall: "#d55e00",
  call: "#56b4e9",
  wasi: "#cc79a7",
  native: "#0072b2",
  ring3: "#009e73",
  ring0: "#d55e00",
  walk: "#e69f00",
};

interface Bar {
  label: string;
  /** One after the other, from the left. */
  parts: { value: number; colour: string }[];
  /** Behind the bar. */
  text: string;
}

interface Chart {
  title: string;
  subtitle: string;
  bars: Bar[];
  legend: { text: string; colour: string }[];
  /** Axis in powers of ten; otherwise from zero on. */
  logarithmic: boolean;
  unit: string;
}

export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** A step of 1, 2 or 5 times a power of ten, so that about five of them reach `most`. */
function niceStep(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step * 5 >= most) ?? power * 10;
}

function axis(chart: Chart): { position(value: number): number; ticks: number[] } {
  const sums = chart.bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const most = Math.max(...sums, 1e-9);
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  if (!chart.logarithmic) {
    const step = niceStep(most);
    const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
    return { position: (value) => (value / most) * room, ticks };
  }
  const low = Math.floor(Math.log10(Math.max(Math.min(...sums.filter((sum) => sum > 0)), 0.1)));
  const high = Math.max(Math.ceil(Math.log10(most)), low + 1);
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { position: (value) => (value <= 10 ** low ? 0 : ((Math.log10(value) - low) / (high - low)) * room), ticks };
}

function svg(chart: Chart): string {
  const { position, ticks } = axis(chart);
  const bottom = HEAD + chart.bars.length * (BAR + GAP);
  const height = bottom + FOOT;
  const out: string[] = [];
  out.push(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(chart.title)}">`);
  out.push(`<rect width="${WIDTH}" height="${height}" fill="#fff"/>`);
  out.push(`<text x="12" y="28" class="title">${escape(chart.title)}</text>`);
  out.push(`<text x="12" y="50" class="subtitle">${escape(chart.subtitle)}</text>`);
  let x = 12;
  for (const { text, colour } of chart.legend) {
    out.push(`<rect x="${x}" y="${bottom + 26}" width="12" height="12" fill="${colour}"/><text x="${x + 17}" y="${bottom + 37}" class="small">${escape(text)}</text>`);
    x += 34 + text.length * 7;
  }
  for (const tick of ticks) {
    const at = (LABEL_WIDTH + position(tick)).toFixed(1);
    out.push(`<line x1="${at}" y1="${HEAD - 8}" x2="${at}" y2="${bottom}" stroke="#ddd"/>`);
    out.push(`<text x="${at}" y="${bottom + 14}" class="small" text-anchor="middle">${Number(tick.toPrecision(3))} ${chart.unit}</text>`);
  }
  chart.bars.forEach((bar, index) => {
    const y = HEAD + index * (BAR + GAP);
    out.push(`<text x="${LABEL_WIDTH - 8}" y="${y + 17}" text-anchor="end">${escape(bar.label)}</text>`);
    let sum = 0;
    for (const { value, colour } of bar.parts) {
      const from = position(sum);
      sum += value;
      out.push(`<rect x="${(LABEL_WIDTH + from).toFixed(1)}" y="${y}" width="${Math.max(position(sum) - from, value > 0 ? 1 : 0).toFixed(1)}" height="${BAR}" fill="${colour}"/>`);
    }
    out.push(`<text x="${(LABEL_WIDTH + position(sum) + 8).toFixed(1)}" y="${y + 17}" class="value">${escape(bar.text)}</text>`);
  });
  out.push("</svg>");
  return out.join("\n");
}

/** Nanoseconds by every door, in the first configuration, with WASI and the processor itself beside. */
function timesChart(bench: Bench): Chart {
  const first = bench.rows[0]!;
  const rows = bench.rows.filter((row) => configurationTitle(row) === configurationTitle(first) && row.nanoseconds && row.door !== "loop");
  const bars = rows.map((row): Bar => ({
    label: label(row),
    parts: [{ value: Math.max(row.nanoseconds!.median, 0), colour: COLOURS[row.door] ?? COLOURS.walk! }],
    text: `${time(row.nanoseconds!.median)} ns${row.timesVdso === null || row.door === "vdso" ? "" : `  (${row.timesVdso.toFixed(1)} x)`}`,
  }));
  for (const row of bench.others.filter(({ door, nanoseconds }) => door === "wasi" && nanoseconds)) {
    bars.push({ label: "clock_time_get, WASI host", parts: [{ value: row.nanoseconds!.median, colour: COLOURS.wasi! }], text: `${time(row.nanoseconds!.median)} ns` });
  }
  const native = bench.others.filter(({ engine, operation, door, nanoseconds }) => engine === "native" && operation === "clock_gettime" && (door === "vdso" || door === "syscall") && nanoseconds);
  for (const row of native) {
    const name = `native clock_gettime, ${DOOR_TITLES[row.door as Door]}`;
    bars.push({ label: name, parts: [{ value: row.nanoseconds!.median, colour: COLOURS.native! }], text: `${time(row.nanoseconds!.median)} ns` });
  }
  const legend = [
    { text: "function call", colour: COLOURS.call! },
    { text: "vDSO, no crossing", colour: COLOURS.vdso! },
    { text: "SYSCALL", colour: COLOURS.syscall! },
    { text: "WASI host call", colour: COLOURS.wasi! },
    ...(native.length ? [{ text: "this processor itself", colour: COLOURS.native! }] : []),
  ];
  return { title: "What does it cost to ask the operating system?", subtitle: `ns per call, measured, logarithmic scale; ${configurationTitle(first)}; in brackets: times the vDSO`, bars, legend, logarithmic: true, unit: "ns" };
}

/** Instructions at each ring, in the first configuration. */
function instructionsChart(bench: Bench): Chart {
  const first = bench.rows[0]!;
  const rows = bench.rows.filter((row) => configurationTitle(row) === configurationTitle(first) && row.ring3Instructions !== null && row.door !== "loop");
  return {
    title: "Guest instructions per call",
    subtitle: `exact, the same in every run; ${configurationTitle(first)}; the handler is outside the machine`,
    bars: rows.map((row) => ({
      label: label(row),
      parts: [
        { value: row.ring3Instructions!, colour: COLOURS.ring3! },
        { value: row.ring0Instructions!, colour: COLOURS.ring0! },
      ],
      text: row.ring0Instructions === 0 ? String(row.ring3Instructions) : `${row.ring3Instructions} + ${row.ring0Instructions}`,
    })),
    legend: [
      { text: "ring 3", colour: COLOURS.ring3! },
      { text: "ring 0: the entry code", colour: COLOURS.ring0! },
    ],
    logarithmic: false,
    unit: "",
  };
}

/** The null call under each configuration: modelled cycles, and what of them the TLB is to blame for. */
function isolationChart(bench: Bench, model: CycleModel): Chart {
  const rows = bench.rows.filter(({ operation, door, modelledCycles }) => operation === "null" && door === "syscall" && modelledCycles !== null);
  const walk = (row: BenchResult): number => row.tlbMisses! * model.tlbMiss[0] + row.walkLoads! * model.walkLoad[0];
  const cr3 = (row: BenchResult): number => row.cr3Writes! * model.dear.writeCr3[0];
  return {
    title: "What page-table isolation costs a null system call",
    subtitle: `cycles, modelled for ${model.title}; without the handler`,
    bars: rows.map((row) => ({
      label: configurationTitle(row),
      parts: [
        { value: row.modelledCycles! - walk(row) - cr3(row), colour: COLOURS.ring3! },
        { value: cr3(row), colour: COLOURS.ring0! },
        { value: walk(row), colour: COLOURS.walk! },
      ],
      text: `${row.modelledCycles!.toFixed(0)} cycles`,
    })),
    legend: [
      { text: "all other instructions", colour: COLOURS.ring3! },
      { text: "CR3 writes", colour: COLOURS.ring0! },
      { text: "TLB misses and page walks", colour: COLOURS.walk! },
    ],
    logarithmic: false,
    unit: "",
  };
}

function label(row: BenchResult): string {
  return row.door === "call" ? DOOR_TITLES.call : `${OPERATION_TITLES[row.operation as Operation]}, ${DOOR_TITLES[row.door as Door]}`;
}

const STYLE = `
body { font: 16px/1.45 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #111; background: #fff; }
svg { width: 100%; height: auto; margin: 1em 0 2em; border: 1px solid #ddd; }
svg text { font: 15px system-ui, sans-serif; fill: #111; }
svg .title { font-size: 22px; font-weight: 600; }
svg .subtitle, svg .small { font-size: 13px; fill: #555; }
svg .value { font-size: 14px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: 0.5em 0 1.5em; }
th, td { padding: 0.2em 0.6em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
tr.absent td { color: #777; }
@media print { h2 { break-before: page; } }`;

function table(rows: readonly BenchResult[]): string {
  const figure = (value: number | null): string => (value === null ? "" : Number.isInteger(value) ? String(value) : value.toFixed(2));
  const heads = ["", "ring 3", "ring 0", "CR3 writes", "TLB misses", "walk loads", "cycles", "ns, median", "min", "max", "x vDSO"];
  const lines = rows.map((row) => {
    if (row.status !== "ok") return `<tr class="absent"><td>${escape(row.title)}</td><td colspan="10">${escape(row.status)}</td></tr>`;
    const { median, min, max } = row.nanoseconds!;
    const values = [
      figure(row.ring3Instructions), figure(row.ring0Instructions), figure(row.cr3Writes), figure(row.tlbMisses), figure(row.walkLoads),
      row.modelledCycles!.toFixed(0), time(median), time(min), time(max), row.timesVdso === null ? "" : row.timesVdso.toFixed(2),
    ];
    return `<tr><td>${escape(row.title)}</td>${values.map((value) => `<td>${value}</td>`).join("")}</tr>`;
  });
  return `<table>\n<tr>${heads.map((head) => `<th>${head}</th>`).join("")}</tr>\n${lines.join("\n")}\n</table>`;
}

function othersTable(bench: Bench): string {
  const lines = bench.others.map(({ engine, title, status, nanoseconds }) => {
    const values = nanoseconds === null ? `<td colspan="3">${escape(status)}</td>` : [nanoseconds.median, nanoseconds.min, nanoseconds.max].map((ns) => `<td>${time(ns)}</td>`).join("");
    return `<tr${nanoseconds === null ? ' class="absent"' : ""}><td>${escape(engine)}: ${escape(title)}</td>${values}</tr>`;
  });
  return `<table>\n<tr><th></th><th>ns, median</th><th>min</th><th>max</th></tr>\n${lines.join("\n")}\n</table>`;
}

export function htmlReport(bench: Bench, model: CycleModel): string {
  const titles = [...new Set(bench.rows.map(configurationTitle))];
  const tables = titles.map((title) => `<h3>${escape(title)}</h3>\n${table(bench.rows.filter((row) => configurationTitle(row) === title))}`);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ring3 bench: what a crossing costs</title>
<style>${STYLE}
</style>
</head>
<body>
<h1>What a crossing costs</h1>
${[timesChart(bench), instructionsChart(bench), isolationChart(bench, model)].map(svg).join("\n")}
<h2>Figures</h2>
${footnotes(bench, model).map((line) => `<p>${escape(line)}</p>`).join("\n")}
${tables.join("\n")}
<h3>Others</h3>
${othersTable(bench)}
</body>
</html>
`;
}
