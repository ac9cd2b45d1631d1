/** `ostree static-delta show`. Source: ostree-repo-static-delta-core.c, _ostree_repo_static_delta_dump. */

import { UsageError } from '../../../errors.ts'
import { formatSize } from '../../../format-size.ts'
import { type DeltaSuperblock, inspectDeltaPart, readSuperblock } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { readDelta } from '../../deltas/delta-files.ts'
import type { Output } from '../../text/output.ts'

export const show = command({
  name: 'static-delta show',
  summary: 'Dump information on a delta',
  usage: '',
  repo: true,
  rawArgs: true,
  long: true,
  options: {},
  async run({ args: [name], out, signal, repo: openRepo }) {
    const repo = await openRepo()
    if (name === undefined) throw new UsageError('DELTA must be specified')
    const { superblock, openPart } = await readDelta(repo, name)
    const delta = readSuperblock(superblock, repo.platform)
    const { parts, fallbacks } = delta
    writeHead(out, name, delta)
    const fallback = sum(fallbacks)
    writeSizes(out, 'Total Fallback', fallback)
    out.line(`Number of parts: ${parts.length}`)
    for (const part of parts) {
      const { index, count, size, unpacked } = part
      out.line(`PartMeta${index}: nobjects=${count} size=${size} usize=${unpacked}`)
      const contents = await inspectDeltaPart(repo, part, openPart(part), { signal })
      const { modes, xattrs, blob, operationBytes, operations } = contents
      out.line(`PartPayload${index}: nmodes=${modes} nxattrs=${xattrs} blobsize=${blob} opsize=${operationBytes}`)
      const { openSpliceAndClose, open, write, setReadSource, unsetReadSource, close, bspatch } = operations
      out.line(
        `PartPayloadOps${index}: openspliceclose=${openSpliceAndClose} open=${open} write=${write} ` +
          `setread=${setReadSource} unsetread=${unsetReadSource} close=${close} bspatch=${bspatch}`,
      )
    }
    const whole = sum(parts)
    writeSizes(out, 'Total Part', whole)
    writeSizes(out, 'Total', { size: whole.size + fallback.size, unpacked: whole.unpacked + fallback.unpacked })
  },
})

interface Sizes {
  readonly size: bigint
  readonly unpacked: bigint
}

function sum(sizes: readonly Sizes[]): Sizes {
  return sizes.reduce((a, b) => ({ size: a.size + b.size, unpacked: a.unpacked + b.unpacked }), {
    size: 0n,
    unpacked: 0n,
  })
}

function writeHead(out: Output, name: string, delta: DeltaSuperblock): void {
  const { signatures, from, to, byteOrder, byteOrderFrom, timestamp, parents, fallbacks } = delta
  out.line(`Delta: ${name}`)
  out.line(`Signed: ${signatures === undefined ? 'no' : 'yes'}`)
  out.line(from === undefined ? 'From <scratch>' : `From: ${from}`)
  out.line(`To: ${to}`)
  const guessed = byteOrderFrom === 'heuristic' ? ' (heuristic)' : ''
  out.line(`Endianness: ${byteOrderFrom === 'invalid' ? 'invalid' : `${byteOrder}${guessed}`}`)
  out.line(`Timestamp: ${timestamp}`)
  out.line(`Number of parents: ${parents}`)
  out.line(`Number of fallback entries: ${fallbacks.length}`)
  for (const { checksum } of fallbacks.map((fallback) => fallback.name)) out.line(`  ${checksum}`)
}

function writeSizes(out: Output, what: string, { size, unpacked }: Sizes): void {
  out.line(`${what} Size: ${size} (${formatSize(Number(size))})`)
  out.line(`${what} Uncompressed Size: ${unpacked} (${formatSize(Number(unpacked))})`)
}
