/** The deltas of test/golden/core/deltas.json, and the repository that they were generated from. */
import { join } from 'node:path'
import type { Checksum } from '../../../src/bytes.ts'
import { streamOf } from '../../../src/bytes.ts'
import type { DeltaPartInfo, DeltaPartSource } from '../../../src/repo/index.ts'
import { goldenJson, unpackGolden } from '../../support/golden.ts'

export interface GoldenDelta {
  readonly description: string
  readonly args: readonly string[]
  readonly files_b64: Readonly<Record<string, string>>
  readonly list: string
  /** Standard output, standard error and exit code of `static-delta show`. */
  readonly show: readonly [string, string, number]
}

export interface GoldenDeltas {
  readonly from: Checksum
  readonly to: Checksum
  readonly deltas: readonly GoldenDelta[]
}

export const goldenDeltas: GoldenDeltas = goldenJson('core/deltas.json')

/** Unpacks the archive repository that has both commits. @returns its path */
export function unpackDeltaRepo(into: string): string {
  unpackGolden('core/repo-deltas.tar.gz', into)
  return join(into, 'rd')
}

/** Returns a file of a delta by the last part of its path: `superblock`, or the number of a part. */
export function fileOf({ files_b64 }: GoldenDelta, name: string): Uint8Array {
  const path = Object.keys(files_b64).find((each) => each.endsWith(`/${name}`))
  if (path === undefined) throw new Error(`no file ${name}`)
  return new Uint8Array(Buffer.from(files_b64[path] as string, 'base64'))
}

/** Returns the parts of a delta, as a stream or as a function that opens one. */
export function partsOf(delta: GoldenDelta, how: 'stream' | 'opened'): (part: DeltaPartInfo) => DeltaPartSource {
  return ({ index }) => {
    const open = () => streamOf(fileOf(delta, String(index)))
    return how === 'stream' ? open() : open
  }
}
