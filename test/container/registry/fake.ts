/** The registry of the kit, with faults that a test defines, one that a request returns or throws. */
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import type { Platform } from '../../../src/platform/index.ts'
import {
  FakeClock,
  MemoryRegistry,
  type RegistryAnswer,
  type RegistryReply,
  type RegistryRequest,
  registryFailure,
} from '../../../src/testing/index.ts'
import { chunksOf as chunks } from '../../../src/testing/network/chunks.ts'

export type Seen = RegistryRequest
export type Reply = RegistryReply
export type Handler = RegistryAnswer
export { chunks, FakeClock, registryFailure as failure }

export class FakeRegistry extends MemoryRegistry {
  readonly clock: FakeClock
  /** Called first for each request; `undefined` gives the correct answer. */
  fault: Handler = () => undefined

  constructor(platform: Platform) {
    const clock = new FakeClock()
    super(platform, clock)
    this.clock = clock
    this.answer = (seen) => this.fault(seen)
  }

  options(more: Partial<RegistryOptions> = {}): RegistryOptions {
    return { network: this.network, ...more }
  }

  /** Stores an image of one layer. @returns the digests of manifest, layer and config */
  putImage(name: string, layer: Uint8Array): { manifest: string; layer: string; config: string } {
    const type = 'application/vnd.oci.image'
    const stored = this.put(layer, `${type}.layer.v1.tar`)
    const rootfs = { type: 'layers', diff_ids: [stored.digest] }
    const text = new TextEncoder().encode(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }))
    const config = this.put(text, `${type}.config.v1+json`)
    const mediaType = `${type}.manifest.v1+json`
    const manifest = this.putManifest([name], { schemaVersion: 2, mediaType, config, layers: [stored] }, mediaType)
    return { manifest, layer: stored.digest, config: config.digest }
  }
}

/** Yields the bytes up to `at`, and then fails with the error of a broken connection. */
export async function* cut(bytes: Uint8Array, at: number): AsyncGenerator<Uint8Array> {
  yield* chunks(bytes.subarray(0, at))
  throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
}

/** Yields the bytes up to `at`, and then waits for ever. */
export async function* stall(bytes: Uint8Array, at: number): AsyncGenerator<Uint8Array> {
  yield* chunks(bytes.subarray(0, at))
  await new Promise(() => {})
}

/** Yields bytes without end. */
export async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(1000)
}
