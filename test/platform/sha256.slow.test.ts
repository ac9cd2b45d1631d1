/** SHA-256 in WebAssembly has the results of node:crypto. */
import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createSha256, loadSha256, WasmHasher } from '../../src/platform/codecs/sha256.ts'
import { type Sha256Module, sha256Binary } from '../../src/platform/codecs/sha256-module.ts'
import { noise } from '../../src/testing/suites/kit.ts'

function expected(...parts: Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

describe('SHA-256 in WebAssembly', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  const module = loadSha256() as Sha256Module

  test('the module is so small that every page may compile it at once', () => {
    expect(module).toBeDefined()
    expect(sha256Binary().length).toBeLessThan(4096)
  })

  test('content of every length up to 300 bytes, in two parts of every size', () => {
    const bytes = noise(300)
    for (let length = 0; length <= 300; length++) {
      const whole = expected(bytes.subarray(0, length))
      for (let split = 0; split <= length; split += 7) {
        const hasher = new WasmHasher(module)
        hasher.update(bytes.subarray(0, split))
        hasher.update(bytes.subarray(split, length))
        expect(hasher.digest()).toBe(whole)
      }
    }
  })

  test('hashers that are used in turn, with parts larger than the memory of the module', () => {
    const parts = [1, 63, 64, 65, 65_535, 65_536, 65_537, 200_000].map((length, seed) => noise(length, seed))
    const hashers = [new WasmHasher(module), new WasmHasher(module), new WasmHasher(module)]
    for (const [i, part] of parts.entries())
      for (const [k, hasher] of hashers.entries()) hasher.update(parts[(i + k) % 8] ?? part)
    for (const [k, hasher] of hashers.entries()) {
      expect(hasher.digest()).toBe(expected(...parts.map((_, i) => parts[(i + k) % 8] as Uint8Array)))
    }
  })

  test('content whose length in bits has more than 32 bits', () => {
    const part = noise(1 << 20)
    const hasher = new WasmHasher(module)
    const node = createHash('sha256')
    for (let i = 0; i < 513; i++) {
      hasher.update(part)
      node.update(part)
    }
    expect(hasher.digest()).toBe(node.digest('hex'))
  })

  test('a page whose policy forbids WebAssembly hashes in JavaScript', async () => {
    const refuse = (): never => {
      throw new EvalError("'wasm-unsafe-eval' is not an allowed source of script")
    }
    vi.stubGlobal('WebAssembly', { Module: refuse, Instance: refuse })
    expect(loadSha256()).toBeUndefined()
    vi.resetModules()
    const fresh: { createSha256: typeof createSha256 } = await import('../../src/platform/codecs/sha256.ts')
    const hasher = fresh.createSha256()
    hasher.update(noise(1000))
    expect(hasher.digest()).toBe(expected(noise(1000)))
    expect(hasher.constructor.name).toBe('NobleHasher')
  })

  test('the portable platform uses it', () => {
    expect(createSha256()).toBeInstanceOf(WasmHasher)
  })
})
