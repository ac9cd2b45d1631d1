/**
 * The C library of this process, and others of the system, through koffi: an optional dependency, which takes 11 ms to load and 2 µs for a call.
 * 64-bit Linux only. native.ts and native-link.ts say which functions of it are called.
 */

import { createRequire } from 'node:module'

const ARCHITECTURES = ['x64', 'arm64', 'riscv64', 'loong64', 'ppc64', 's390x']

export interface NativeFunction {
  (...args: unknown[]): number
  /** Runs the call in another thread; the last argument is a callback `(error, result)`. */
  async(...args: unknown[]): void
}

export interface CLibrary {
  /** Throws when the library has no such function. @param prototype as in C, with the types of koffi */
  func(prototype: string): NativeFunction
  /** The type of a pointer to a structure without a name: koffi refuses a second structure of one name in a process. */
  pointerTo(fields: Readonly<Record<string, string>>): unknown
  /** Returns the address of the memory of an array, which stays where it is as long as the array exists. */
  address(bytes: Uint8Array | BigUint64Array): bigint
  /** The name of the error of the last call, such as `ENOENT`. Of two names for one number always the same is given. */
  errno(): string
}

interface Koffi {
  load(library: string | null): { func(prototype: string): NativeFunction }
  address(bytes: Uint8Array | BigUint64Array): bigint
  struct(fields: Readonly<Record<string, string>>): unknown
  pointer(type: unknown): unknown
  errno(): number
  os: { errno: Record<string, number> }
}

let loaded: CLibrary | undefined | 'untried' = 'untried'

/**
 * Returns koffi, and loads it on the first call. `undefined` when it is not installed or not built for this machine.
 */
export function loadCLibrary(): CLibrary | undefined {
  if (loaded === 'untried') loaded = tryLoad()
  return loaded
}

/**
 * Loads another library of the system. `undefined` when it is not installed, or koffi is not.
 * @param name such as `liblzma.so.5`
 */
export function loadLibrary(name: string): CLibrary | undefined {
  return tryLoad(name)
}

function tryLoad(name: string | null = null): CLibrary | undefined {
  if (process.platform !== 'linux' || !ARCHITECTURES.includes(process.arch)) return undefined
  try {
    return libraryOf(createRequire(import.meta.url)('koffi'), name)
  } catch {
    return undefined
  }
}

const SAME_NUMBER: Readonly<Record<string, string>> = { EOPNOTSUPP: 'ENOTSUP', EWOULDBLOCK: 'EAGAIN' }

function libraryOf(koffi: Koffi, name: string | null): CLibrary {
  const library = koffi.load(name)
  const names = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, SAME_NUMBER[name] ?? name]))
  return {
    func: (prototype) => library.func(prototype),
    address: (bytes) => koffi.address(bytes),
    pointerTo: (fields) => koffi.pointer(koffi.struct(fields)),
    errno() {
      const number = koffi.errno()
      return names.get(number) ?? `errno ${number}`
    },
  }
}
