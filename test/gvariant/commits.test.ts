import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { array, bytes, string, struct, tuple, u64be, type Value, vardict } from '../../src/gvariant/index.ts'
import { goldenJson } from '../support/golden.ts'

interface CommitVector {
  readonly description: string
  readonly commit_b64: string
}

const Commit = struct({
  metadata: vardict,
  parent: bytes,
  related: array(tuple(string, bytes)),
  subject: string,
  body: string,
  timestamp: u64be,
  rootTree: bytes,
  rootMeta: bytes,
})
type Commit = Value<typeof Commit>

describe('a declared codec of commits', () => {
  const { commits } = goldenJson<{ commits: CommitVector[] }>('core/commits.json')

  test.each(commits)('a commit is decoded and encoded to the same bytes: $description', ({ commit_b64 }) => {
    const written = new Uint8Array(Buffer.from(commit_b64, 'base64'))
    const commit: Commit = Commit.decode(written)
    expect(commit.rootTree).toHaveLength(32)
    expect(commit.rootMeta).toHaveLength(32)
    expect(toHex(Commit.encode(commit))).toBe(toHex(written))
  })

  test('the type string is the one that libostree gives a commit', () => {
    expect(Commit.type).toBe('(a{sv}aya(say)sstayay)')
  })
})
