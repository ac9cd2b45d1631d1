/** Parts of static deltas that unpack without end. */
import { spawnSync } from 'node:child_process'
import { expect } from 'vitest'
import { concatBytes } from '../../../src/bytes.ts'
import { memoryRepo } from '../../support/commits.ts'
import { testReference } from '../../support/reference.ts'
import {
  applyHandmade,
  commit,
  failure,
  type HandmadePart,
  handmadeDelta,
  one,
  sound,
  splice,
  text,
} from './handmade.ts'

testReference('xz', 'payloads that unpack without end, or need too much memory, are refused', async () => {
  const repo = await memoryRepo('bare-user')
  const xz = (input: Uint8Array, ...flags: string[]) =>
    concatBytes([text('x'), spawnSync('xz', ['-c', ...flags], { input, maxBuffer: 1 << 30 }).stdout])
  const bomb: HandmadePart = { ...one([splice]), unpacked: 5n, edit: () => xz(new Uint8Array(100 << 20), '-1') }
  expect((await failure(repo, [bomb])).message).toContain('the option maxPayload raises the limit')
  expect(await failure(repo, [bomb])).toMatchObject({ code: 'limit' })
  const small: HandmadePart = { ...sound, edit: (part) => xz(part.subarray(1)) }
  expect((await failure(repo, [small], { maxPayload: 10 })).message).toContain('has over 10 bytes')
  const wide = { ...small, edit: (part: Uint8Array) => xz(part.subarray(1), '--lzma2=preset=0,dict=128MiB') }
  expect((await failure(repo, [wide])).message).toContain('Exceeded memory limit')
  const cut = { ...small, edit: (part: Uint8Array) => xz(part.subarray(1)).subarray(0, -5) }
  expect((await failure(repo, [cut])).message).toContain('Input buffer too small')
  const damaged = {
    ...small,
    edit: (part: Uint8Array) => xz(part.subarray(1)).map((byte, i) => (i === 60 ? byte ^ 4 : byte)),
  }
  expect((await failure(repo, [damaged])).message).toContain('Data is corrupt')
  await applyHandmade(repo, handmadeDelta(commit, [small]))
})
