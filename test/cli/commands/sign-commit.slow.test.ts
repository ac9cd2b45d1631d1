/** Signatures made by `commit`, `summary -u` and `static-delta generate`, and required by remotes over HTTP and `file:`. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { vardict } from '../../../src/gvariant/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { addSignatures } from '../../../src/repo/core/signatures.ts'
import { readSuperblock } from '../../../src/repo/deltas/superblock.ts'
import { createSigner, signatureEngine, signSuperblock } from '../../../src/repo/index.ts'
import { FileServer } from '../../support/file-server.ts'
import { goldenJson } from '../../support/golden.ts'
import { type Outcome, runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const { ed25519, spki } = goldenJson<{
  ed25519: Record<
    | 'secret_key_b64'
    | 'public_key_b64'
    | 'other_public_key_b64'
    | 'summary_b64'
    | 'summary_sig_b64'
    | 'signed_delta_superblock_b64',
    string
  >
  spki: Record<'private_der_b64' | 'public_der_b64' | 'private_pem' | 'public_pem', string>
}>('core/signatures-2026.json')
const folder = temporaryFolder()
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'))
const engine = signatureEngine('ed25519')
const signer = createSigner(engine, engine.parseSecretKey(ed25519.secret_key_b64))

let server: FileServer
let count = 0

const run = (repo: string, ...words: string[]): Promise<Outcome> => {
  const at = words.findIndex((word) => word.startsWith('-'))
  const place = at < 0 ? words.length : at
  return runInProcess([...words.slice(0, place), `--repo=${join(folder, repo)}`, ...words.slice(place)], folder)
}

async function succeed(repo: string, ...words: string[]): Promise<string> {
  const { stdout, stderr, status } = await run(repo, ...words)
  expect({ stderr: status === 0 ? '' : stderr, status }).toEqual({ stderr: '', status: 0 })
  return stdout
}

/** Adds a remote to a new repository. */
async function target(url: string, ...options: string[]): Promise<string> {
  const name = `target${count++}`
  await succeed(name, 'init', '--mode=archive')
  await succeed(name, 'remote', 'add', '--no-gpg-verify', ...options, 'o', url)
  return name
}

beforeAll(async () => {
  server = await FileServer.start(folder)
  await succeed('served', 'init', '--mode=archive')
  const tree = temporaryFolder()
  writeFileSync(join(tree, 'file'), 'content')
  writeFileSync(join(folder, 'priv.pem'), spki.private_pem)
  const commit = ['commit', '--timestamp=2024-01-02 03:04:05 +0000', `--tree=dir=${tree}`]
  await succeed('served', ...commit, '-b', 'ed', `--sign=${ed25519.secret_key_b64}`)
  await succeed('served', ...commit, '-b', 'sp', `--sign-from-file=${folder}/priv.pem`, '--sign-type=spki')
  await succeed('served', ...commit, '-b', 'plain')
  await succeed('served', 'static-delta', 'generate', '--empty', '--to=ed', `--sign=${ed25519.secret_key_b64}`)
  await succeed('served', 'summary', '-u', `--sign=${ed25519.secret_key_b64}`)
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

test('a summary and its signatures have one time of modification', () => {
  const [summary, signatures] = ['summary', 'summary.sig'].map((name) => statSync(join(folder, 'served', name)).mtimeMs)
  expect(summary).toBe(signatures)
})

describe('signatures have the bytes of ostree', () => {
  test('of a summary', async () => {
    const signed = await addSignatures([], bytesOf(ed25519.summary_b64), [signer])
    expect(Buffer.from(vardict.encode(signed)).toString('base64')).toBe(ed25519.summary_sig_b64)
  })

  test('of a static delta', async () => {
    const golden = bytesOf(ed25519.signed_delta_superblock_b64)
    const { signedBytes } = readSuperblock(golden, nodePlatform)
    expect(Buffer.from(await signSuperblock(signedBytes, [signer]))).toEqual(Buffer.from(golden))
  })
})

test('a delta is verified with its key only', async () => {
  const { stdout } = await run('served', 'rev-parse', 'ed')
  const name = stdout.trim()
  expect(await run('served', 'static-delta', 'verify', name, ed25519.public_key_b64)).toMatchObject({
    stdout: 'Verification OK\n',
    status: 0,
  })
  expect(await run('served', 'static-delta', 'verify', name, ed25519.other_public_key_b64)).toMatchObject({
    stdout: 'Verification fails\n',
    status: 1,
  })
})

describe('a commit that cannot be signed', () => {
  test.each([
    [['--sign=notbase64'], 'Invalid ed25519 secret key: Ill-formed input: expected 64 bytes, got 6 bytes'],
    [['--sign=x', '--sign-type=foo'], 'Requested signature type is not implemented'],
    [[`--sign-from-file=${folder}/gone`], `Error opening file ${folder}/gone: No such file or directory`],
    [['--sign=AAAA', '--sign-type=spki'], 'Not able to sign the cobject: openssl: Failed to initialize spki key'],
  ])('sets no branch: %j', async (options, message) => {
    const failed = await run('served', 'commit', '-b', 'new', '--tree=ref=ed', ...options)
    expect(failed).toMatchObject({ stderr: `error: ${message}\n`, status: 1 })
    expect((await run('served', 'rev-parse', 'new')).status).toBe(1)
  })

  test('a summary that cannot be signed leaves the old one with its signature', async () => {
    const files = ['summary', 'summary.sig'].map((name) => join(folder, 'served', name))
    const before = files.map((path) => readFileSync(path))
    expect((await run('served', 'summary', '-u', '--sign=AAAA')).status).toBe(1)
    expect(files.map((path) => readFileSync(path))).toEqual(before)
  })
})

const GOOD = `--sign-verify=ed25519=inline:${ed25519.public_key_b64}`
const WRONG = `--sign-verify=ed25519=inline:${ed25519.other_public_key_b64}`
const SPKI = `--sign-verify=spki=inline:${spki.public_der_b64}`

describe.each(['http', 'file'])('a remote reached by %s', (scheme) => {
  const url = () => (scheme === 'http' ? `${server.url}/served` : `file://${folder}/served`)

  test.each([
    ['ed', [GOOD]],
    ['sp', [SPKI]],
    ['sp', [GOOD, SPKI]],
    ['ed', ['--set=sign-verify=true', `--set=verification-ed25519-key=${ed25519.public_key_b64}`]],
    ['ed', [GOOD, '--set=sign-verify-summary=true']],
  ])('gives %s with the options %j', async (ref, options) => {
    const repo = await target(url(), ...options)
    await succeed(repo, 'pull', 'o', ref)
    await succeed(repo, 'fsck')
  })

  test.each([
    ['ed', [WRONG], "Can't verify commit"],
    ['sp', [GOOD], "Can't verify commit"],
    ['plain', [GOOD], 'without detached metadata'],
    ['plain', [GOOD, SPKI], 'without detached metadata'],
    [
      'plain',
      ['--set=sign-verify-summary=ed25519', `--set=verification-ed25519-key=${ed25519.other_public_key_b64}`],
      "error: ed25519: Signature couldn't be verified",
    ],
    [
      'ed',
      ['--set=sign-verify=dummy', '--set=verification-dummy-key=x'],
      'dummy signature type is only for ostree testing',
    ],
  ])('does not give %s with the options %j, and nothing is stored', async (ref, options, message) => {
    const repo = await target(url(), ...options)
    const { stderr, status } = await run(repo, 'pull', 'o', ref)
    expect(stderr).toContain(message)
    expect(status).toBe(1)
    expect((await run(repo, 'rev-parse', `o:${ref}`)).status).toBe(1)
    expect((await run(repo, 'refs')).stdout).toBe('')
  })

  test('a summary without the required signature is refused', async () => {
    const repo = await target(url(), GOOD, '--set=sign-verify-summary=true')
    const path = join(folder, 'served/summary.sig')
    const signature = readFileSync(path)
    rmSync(path)
    try {
      expect((await run(repo, 'pull', 'o', 'ed')).stderr).toContain('no summary.sig found')
      writeFileSync(path, vardict.encode([]))
      expect((await run(repo, 'pull', 'o', 'ed')).status).toBe(1)
    } finally {
      writeFileSync(path, signature)
    }
    await succeed(repo, 'pull', 'o', 'ed')
  })
})
