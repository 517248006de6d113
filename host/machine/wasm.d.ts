// esbuild's binary loader: the import is the file's bytes.
declare module "*.wasm" {
  const bytes: Uint8Array;
  export default bytes;
}
