// The part of @defasm/core that assemble.build.ts uses.
declare module "@defasm/core" {
  export class AssemblyState {
    constructor(options?: { bitness?: 32 | 64 });
    errors: { message: string }[];
    head: { dump(): Uint8Array };
    symbols: Map<string, { value: { addend: bigint } }>;
    compile(source: string): void;
    iterate(visit: (statement: { error?: { message: string } | null }, line: number) => void): void;
  }
}
