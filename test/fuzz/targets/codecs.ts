/** Decompression, on Node and by the portable platform, which have to agree. */
import { deflateRawSync, gzipSync } from 'node:zlib'
import { concatBytes, encodeUtf8, streamOf } from '../../../src/bytes.ts'
import { OstreeError } from '../../../src/errors.ts'
import type { Platform } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import { base64, type FuzzTarget, requireEqual, rule } from '../target.ts'

type Method = Parameters<Platform['decompress']>[0]

const MANY: Uint8Array = encodeUtf8('all work and no play makes a dull test\n'.repeat(200))
/** A text of 199 bytes and all bytes. */
const MIXED = concatBytes([MANY.subarray(0, 199), Uint8Array.from({ length: 256 }, (_, i) => i)])

// The last three were compressed by bzip2, xz and zstd.
const BZIP2 = base64(
  'QlpoOTFBWSZTWSGGTokAAHj/////////////////////////////////////////////sAE4EJMABMAATAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABJgAJgACYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACSqTEjT0xT1HqAAAANAADQaGmmgNGjTRpoyGg0YnqD1AAAAAAABoZAAAMgAAAAAAAAACVMHhiyZvMolL06aMEho9tWzeVuJZLXMul8wmMymc0ms2m84nLoFFgokE7BRQKOBRgCoNCodEotGo75SKTSqXTKbTqfUKjUqnVKrVn2r1is1p+rdcrr/XoCvwNgsNisdkssFZrPB2i0wlqhbXbIa2w9ut8RE3C43J9BRUaChkj/MgT8Cf7reQUWzBQECCiAV3vEZGx17BNQTpuAr0CvgJkCe2wJmxBPAJy4QnYJiCg3pgCvrgBNYQE8gmDkE5bsgTto2BX6Fv+AwOCweEwuGw+IxOKxeMxuOx+QyOSyeUyuWy+YzOazcrLS8xMzU3OTs9P0FDRUdJS01PUVNVV1lbXV9hY2VnaWttb3FzdXd5e31/gYOFh4mLjY+Rk5WXmZudn6Gjpaepq62vsbO1t7m7vb/Bw8XHycvNz9HT1dfZ293f4ePl5+nr7e/x8/X3+fou5IpwoSBDDJ0S',
)
const XZ = base64(
  '/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4ALTARFdADCbLEB3OQzz14jDS6oOCfPx0rZw+cx/ExyFSzSjUDO6KyLxEcOEAaiq/9gvgul3JSmghvP+a8IkE9t12OQx7xLDLAKazKxY1jX5toO+skmdOQE0paZXK9qYzbVlBZ6tKmRikE/cT0JVLKQaIi3JinjjNFYTjRouZPdMLZofGRml+w9A5VNjraV4bZMhen1M3/M9RrWXcVrIJ+T5/AIx8yQHmjiJHEG6dH7YHLpIHnhNXiav4PoDw3ifV2M2PBaneX1X+oOL1Sse7we95F9mPCA8i0RiqbtGfpoQLJW/yzlRZl9wXMGSG0vziRTCaxbZwQMrdBeIoWPEvgUIOa4wAsodN60asT/Htm8mIuSjjIz9QAAAAADayhnbAAGpAtQFAAC+K3soPjANiwIAAAAAAVla',
)
const ZSTD = base64(
  'KLUv/QRYhQkAdBJhbGwgd29yayBhbmQgbm8gcGxheSBtYWtlcyBhIGR1bGwgdGVzdAoAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoOEhYaHiImKi4yNjo+QkZKTlJWWl5iZmpucnZ6foKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr/AwcLDxMXGx8jJysvMzc7P0NHS09TV1tfY2drb3N3e3+Dh4uPk5ebn6Onq6+zt7u/w8fLz9PX29/j5+vv8/f7/AQBXVap6AnzwNEY=',
)

const SEEDS: Readonly<Record<string, readonly Uint8Array[]>> = {
  gzip: [MANY, MIXED].map((bytes) => new Uint8Array(gzipSync(bytes))),
  'deflate-raw': [MANY, MIXED].map((bytes) => new Uint8Array(deflateRawSync(bytes))),
  zstd: [ZSTD],
  xz: [XZ],
  bzip2: [BZIP2],
}
const MOST_OUTPUT = 4 << 20

/** Decompresses to the end. The output has at most 4 MiB. */
async function decompress(platform: Platform, method: Method, input: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of platform.decompress(method, streamOf(input), { maxBytes: MOST_OUTPUT })) {
    size += part.length
    rule(size <= MOST_OUTPUT, 'more output than `maxBytes`')
    parts.push(part.slice())
  }
  return concatBytes(parts)
}

async function attempt(platform: Platform, method: Method, input: Uint8Array): Promise<Uint8Array | OstreeError> {
  try {
    return await decompress(platform, method, input)
  } catch (error) {
    if (error instanceof OstreeError) return error
    throw error
  }
}

export const CODEC_TARGETS: readonly FuzzTarget[] = (['gzip', 'deflate-raw', 'zstd', 'xz', 'bzip2'] as const).map(
  (method) => ({
    name: method,
    share: { gzip: 0.5, 'deflate-raw': 0.5, zstd: 0.3, xz: 0.05, bzip2: 0.05 }[method],
    seeds: SEEDS[method] as readonly Uint8Array[],
    async run(input) {
      const here = await attempt(nodePlatform, method, input)
      const there = await attempt(portablePlatform, method, input)
      if (here instanceof Uint8Array && there instanceof Uint8Array) requireEqual(there, here, 'portable output')
      rule(
        here instanceof Uint8Array === there instanceof Uint8Array,
        `${nodePlatform.name}: ${shown(here)}, ${portablePlatform.name}: ${shown(there)}`,
      )
      if (here instanceof OstreeError) throw here
    },
  }),
)

function shown(outcome: Uint8Array | OstreeError): string {
  return outcome instanceof OstreeError ? outcome.message : `${outcome.length} bytes`
}
