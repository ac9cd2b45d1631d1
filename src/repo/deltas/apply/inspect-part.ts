/** Counts what a part has, without applying it. Source: ostree-repo-static-delta-core.c, show_one_part. */

import { FormatError } from '../../../errors.ts'
import type { ProgressOptions } from '../../../progress.ts'
import { BufferedAccess } from '../../core/scratch.ts'
import type { Repo } from '../../repo.ts'
import { type DeltaOperation, OPERATIONS } from '../format.ts'
import type { DeltaPartInfo } from '../superblock.ts'
import { type DeltaPartSource, openPart } from './apply-part.ts'
import { Operations, requireRange } from './operations.ts'
import { DeltaPayload } from './payload.ts'

/** What a part has. */
export interface DeltaPartContents {
  /** Number of different owners and modes. */
  readonly modes: number
  /** Number of different sets of xattrs. */
  readonly xattrs: number
  /** Bytes of the blob. */
  readonly blob: number
  /** Bytes of the operations. */
  readonly operationBytes: number
  /** How often each operation is used. */
  readonly operations: Readonly<Record<DeltaOperation, number>>
}

/** Names of the operations by their letter. */
const NAMES = new Map(Object.entries(OPERATIONS).map(([name, letter]) => [letter, name as DeltaOperation]))

/**
 * Unpacks a part and counts its operations. Size and checksum are not compared with the superblock, so that a damaged part
 * can be looked at.
 * @throws {FormatError}, {CompressionError}, {LimitError} if it is malformed, as `applyDeltaPart` does
 */
export async function inspectDeltaPart(
  repo: Repo,
  part: DeltaPartInfo,
  source?: DeltaPartSource,
  { signal }: Pick<ProgressOptions, 'signal'> = {},
): Promise<DeltaPartContents> {
  const access = await openPart(repo, part, source, { signal, sizesKnown: false, unverified: true })
  try {
    const payload = new DeltaPayload(access)
    const { blob, operations } = payload
    return {
      modes: payload.modeCount,
      xattrs: payload.xattrCount,
      blob: blob.end - blob.start,
      operationBytes: operations.end - operations.start,
      operations: countOperations(part, payload),
    }
  } finally {
    access.close()
  }
}

function countOperations(part: DeltaPartInfo, payload: DeltaPayload): DeltaPartContents['operations'] {
  const counts = {
    openSpliceAndClose: 0,
    open: 0,
    write: 0,
    setReadSource: 0,
    unsetReadSource: 0,
    close: 0,
    bspatch: 0,
  }
  const operations = new Operations(new BufferedAccess(payload.access, 1 << 16), payload.operations)
  const names = part.objects()[Symbol.iterator]()
  const size = payload.blob.end - payload.blob.start
  const nextIsFile = () => {
    const next = names.next()
    if (next.done) throw new FormatError('static delta part', 'The part creates more objects than its list has')
    return next.value.type === 'file'
  }
  const skip = (count: number) => {
    for (let i = 0; i < count; i++) operations.number()
  }
  for (let letter = operations.next(); letter !== undefined; letter = operations.next()) {
    const name = NAMES.get(letter)
    if (name === undefined) {
      throw new FormatError('static delta part', `Unknown opcode ${letter} at offset ${operations.count - 1}`)
    }
    counts[name]++
    if (name === 'openSpliceAndClose') skip(nextIsFile() ? 4 : 2)
    else if (name === 'open') {
      nextIsFile()
      skip(3)
    } else if (name === 'write') skip(2)
    else if (name === 'setReadSource') skip(1)
    else if (name === 'bspatch') {
      const offset = operations.number()
      requireRange(offset, operations.number(), size)
    }
  }
  return counts
}
