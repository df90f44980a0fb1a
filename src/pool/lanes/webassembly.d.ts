/** What we use of WebAssembly's JavaScript API: neither TypeScript's ES library nor Node's has it. */
declare namespace WebAssembly {
  class Memory {
    private constructor()
    readonly buffer: ArrayBuffer
  }
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
  }
  class Instance {
    constructor(module: Module)
    readonly exports: Readonly<Record<string, unknown>>
  }
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean
}
