/** The command `sign`, and the keys of ed25519, spki and dummy. Results and messages are those of ostree 2026.4. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { goldenJson } from '../../support/golden.ts'
import { type Outcome, runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

interface Signed {
  readonly commit: string
  readonly commit_b64: string
  readonly commitmeta_b64: string
}

const golden = goldenJson<{
  ed25519: Signed & {
    secret_key_b64: string
    public_key_b64: string
    other_public_key_b64: string
  }
  spki: Signed & { private_pem: string; public_pem: string; private_der_b64: string }
  transcript: { argv: string[]; rc: number; stdout: string; stderr: string }[]
}>('core/signatures-2026.json')
const { ed25519, spki } = golden
const folder = temporaryFolder()
const REPO = join(folder, 'r')

const pathOf = (commit: string, type: string) => join(REPO, 'objects', commit.slice(0, 2), `${commit.slice(2)}.${type}`)
const metadataOf = (commit: string) => readFileSync(pathOf(commit, 'commitmeta')).toString('base64')
const run = (words: readonly string[], env = {}): Promise<Outcome> => runInProcess(words, folder, env)
const sign = (...words: string[]): Promise<Outcome> => run([`--repo=${REPO}`, 'sign', ...words].sort(byCommand))
/** Puts the name of the command first. */
const byCommand = (a: string, b: string): number => Number(b === 'sign') - Number(a === 'sign')

function put(name: string, { commit, commit_b64, commitmeta_b64 }: Signed): void {
  mkdirSync(join(REPO, 'objects', commit.slice(0, 2)), { recursive: true })
  writeFileSync(pathOf(commit, 'commit'), Buffer.from(commit_b64, 'base64'))
  writeFileSync(pathOf(commit, 'commitmeta'), Buffer.from(commitmeta_b64, 'base64'))
  writeFileSync(join(REPO, 'refs/heads', name), `${commit}\n`)
}

beforeAll(async () => {
  await run(['init', `--repo=${REPO}`, '--mode=archive'])
  put('ed', ed25519)
  put('sp', spki)
  writeFileSync(join(folder, 'pk.b64'), `${ed25519.public_key_b64}\n`)
  writeFileSync(join(folder, 'sk.b64'), `${ed25519.secret_key_b64}\n`)
  writeFileSync(join(folder, 'pub.pem'), spki.public_pem)
  writeFileSync(join(folder, 'priv.pem'), spki.private_pem)
  writeFileSync(join(folder, 'empty'), '')
  mkdirSync(join(folder, 'kd'))
  writeFileSync(join(folder, 'kd/trusted.ed25519'), `${ed25519.public_key_b64}\n`)
})

describe('`sign` does as ostree 2026.4', () => {
  const steps = golden.transcript.filter(({ argv }) => argv[2] === 'sign' && !argv.includes('--keys-dir=kd'))

  test('there are commands to compare', () => {
    expect(steps.length).toBeGreaterThan(12)
  })

  test.each(steps.map((step) => [step.argv.slice(3).join(' '), step] as const))('%s', async (_, step) => {
    const words = step.argv.slice(3).map((word) => word.replace('--keys-file=', `--keys-file=${folder}/`))
    put('ed', ed25519)
    expect(await sign(...words)).toEqual({ stdout: step.stdout, stderr: step.stderr, status: step.rc })
  })
})

describe('signatures', () => {
  test.each([
    ['ed25519', ed25519, [ed25519.secret_key_b64]],
    ['ed25519', ed25519, [`--keys-file=${folder}/sk.b64`]],
    ['spki', spki, [spki.private_der_b64]],
    ['spki', spki, [`--keys-file=${folder}/priv.pem`]],
  ] as const)('of type %s have the bytes of ostree', async (type, signed, keys) => {
    rmSync(pathOf(signed.commit, 'commitmeta'))
    expect(await sign(signed.commit, `--sign-type=${type}`, ...keys)).toMatchObject({
      stdout: '',
      stderr: '',
      status: 0,
    })
    expect(metadataOf(signed.commit)).toBe(signed.commitmeta_b64)
  })

  test('are added, also by the same key', async () => {
    put('ed', ed25519)
    await sign('ed', ed25519.secret_key_b64)
    expect(readFileSync(pathOf(ed25519.commit, 'commitmeta')).length).toBe(
      Buffer.from(ed25519.commitmeta_b64, 'base64').length + 65,
    )
  })

  const kinds: [string, () => { publicKey: KeyObject; privateKey: KeyObject }][] = [
    ['Ed25519', () => generateKeyPairSync('ed25519')],
    ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['P-256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' })],
  ]
  test.each(kinds)('by a key of kind %s are verified with that key only', async (_, generate) => {
    const { publicKey, privateKey } = generate()
    const key = (from: KeyObject) => from.export({ type: 'spki', format: 'der' }).toString('base64')
    rmSync(pathOf(spki.commit, 'commitmeta'), { force: true })
    const secret = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')
    expect(await sign('sp', '--sign-type=spki', secret)).toMatchObject({ stderr: '', status: 0 })
    expect(await sign('sp', '--verify', '--sign-type=spki', key(publicKey))).toMatchObject({ stderr: '', status: 0 })
    const other = generate()
    expect(await sign('sp', '--verify', '--sign-type=spki', key(other.publicKey))).toMatchObject({
      stderr: 'error: No valid signatures found\n',
      status: 1,
    })
  })

  test('keys on a curve that is not supported are refused by name', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    const secret = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')
    expect((await sign('sp', '--sign-type=spki', secret)).stderr).toContain(
      'Not able to sign the cobject: The algorithm of the spki key is not supported',
    )
  })
})

describe('keys in files and directories', () => {
  beforeAll(() => put('ed', ed25519))

  test('a revoked key of the directory is not trusted', async () => {
    const words = ['ed', '--verify', `--keys-dir=${folder}/kd`]
    expect(await sign(...words)).toMatchObject({ status: 0 })
    writeFileSync(join(folder, 'kd/revoked.ed25519'), `${ed25519.public_key_b64}\n`)
    expect(await sign(...words)).toMatchObject({ stderr: 'error: ed25519: no signatures found\n', status: 1 })
    rmSync(join(folder, 'kd/revoked.ed25519'))
    mkdirSync(join(folder, 'kd/revoked.ed25519.d'))
    writeFileSync(join(folder, 'kd/revoked.ed25519.d/x'), `${ed25519.public_key_b64}\n`)
    expect(await sign(...words)).toMatchObject({ stderr: 'error: ed25519: no signatures found\n', status: 1 })
  })

  test.each([
    ['a directory', 'kd', `error: File object '${folder}/kd' is not a regular file\n`],
    ['an empty file', 'empty', `error: The file ${folder}/empty holds no secret key\n`],
    ['a missing file', 'gone', `error: Error opening file ${folder}/gone: No such file or directory\n`],
  ])('%s cannot be signed with', async (_, name, stderr) => {
    expect(await sign('ed', `--keys-file=${folder}/${name}`)).toEqual({ stdout: '', stderr, status: 1 })
  })

  test.each([
    ['-----BEGIN PUBLIC KEY-----\nAAAA\n', 'PEM trailer not found'],
    ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'Unmatched PEM header'],
    ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'Unexpected label "PRIVATE KEY"'],
    ['text\n', `signature: spki: no valid keys in file '${folder}/bad.pem'`],
  ])('a malformed PEM file is refused: %j', async (text, message) => {
    writeFileSync(join(folder, 'bad.pem'), text)
    put('sp', spki)
    const { stderr } = await sign('sp', '--verify', '--sign-type=spki', `--keys-file=${folder}/bad.pem`)
    expect(stderr).toBe(`error: ${message}\n`)
  })

  test('a PEM file may hold several keys', async () => {
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })
    writeFileSync(join(folder, 'two.pem'), `a comment\n${spki.public_pem}${other}`)
    const words = ['sp', '--verify', '--sign-type=spki', `--keys-file=${folder}/two.pem`]
    expect(await sign(...words)).toMatchObject({ stderr: '', status: 0 })
  })

  test('a key of spki that is not a key is an error, not a failed signature', async () => {
    const pem = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'
    writeFileSync(join(folder, 'no.pem'), `${spki.public_pem}${pem}`)
    const words = ['sp', '--verify', '--sign-type=spki', `--keys-file=${folder}/no.pem`]
    expect((await sign(...words)).stderr).toBe('error: openssl: Failed to initialize spki key\n')
  })
})

test('the type dummy works only where it is enabled', async () => {
  put('ed', ed25519)
  const env = { OSTREE_DUMMY_SIGN_ENABLED: '1' }
  const words = ['sign', `--repo=${REPO}`, '--sign-type=dummy', 'ed', 'key']
  expect((await run(words)).stderr).toBe('error: dummy signature type is only for ostree testing\n')
  expect(await run(words, env)).toMatchObject({ stderr: '', status: 0 })
  expect((await run([...words, '--verify'], env)).stdout).toBe('dummy: Signature verified\n')
  expect(await run([...words.slice(0, -1), '--verify', 'other'], env)).toMatchObject({ status: 1, stdout: '' })
  expect((await run([...words, '--verify'])).stderr).toBe('error: No valid signatures found\n')
})
