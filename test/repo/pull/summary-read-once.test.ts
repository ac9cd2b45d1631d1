/** The summary of a repository on this machine that changes while it is pulled. */
import { expect, test, vi } from 'vitest'
import { addRemote, createSigner, pull, signatureEngine, updateSummary } from '../../../src/repo/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { commitTree } from '../../support/commits.ts'
import { goldenJson } from '../../support/golden.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const { ed25519 } = goldenJson<{ ed25519: Record<'secret_key_b64' | 'public_key_b64', string> }>(
  'core/signatures-2026.json',
)

test('the summary that was verified is the one that is used', async () => {
  const folder = temporaryFolder()
  const engine = signatureEngine('ed25519')
  const signers = [createSigner(engine, engine.parseSecretKey(ed25519.secret_key_b64))]
  await using served = await createRepo(`${folder}/served`, { mode: 'archive' })
  const signed = await commitTree(served, { a: 'signed' })
  await updateSummary(served, { timestamp: 1n, signers })
  const good = await served.storage.files?.read('summary')
  const unsigned = await commitTree(served, { a: 'not signed' })
  expect(unsigned).not.toBe(signed)
  const signature = await served.storage.files?.read('summary.sig')
  await updateSummary(served, { timestamp: 2n })
  const bad = await served.storage.files?.read('summary')

  await using into = await createRepo(`${folder}/into`, { mode: 'archive' })
  await addRemote(into, {
    name: 'o',
    url: `file://${folder}/served`,
    options: [
      ['gpg-verify', false],
      ['sign-verify-summary', 'ed25519'],
      ['verification-ed25519-key', ed25519.public_key_b64],
    ],
  })
  const mirror = (first: Uint8Array | undefined, later: Uint8Array | undefined) =>
    pull(into, 'o', {
      mirror: true,
      network: nodeNetwork(),
      verification: { now: () => 0 },
      openRepo: async (path) => {
        const repo = await openRepo(path)
        const files = repo.storage.files as NonNullable<typeof repo.storage.files>
        const read = files.read.bind(files)
        let count = 0
        vi.spyOn(files, 'read').mockImplementation(async (name) => {
          if (name === 'summary.sig') return signature
          return name === 'summary' ? (count++ === 0 ? first : later) : read(name)
        })
        return repo
      },
    })
  await expect(mirror(bad, good)).rejects.toThrow('ed25519: Signature couldn')
  await mirror(good, bad)
  expect(await into.resolve('main')).toBe(signed)
  expect(await into.storage.files?.read('summary')).toEqual(good)
})
