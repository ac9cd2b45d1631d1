/** Tests of images with signed commits, pulled by references that require signatures. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8, fromHex } from '../../../src/bytes.ts'
import { replaceDetachedMetadata } from '../../../src/container/encapsulate/detached-metadata.ts'
import {
  countLayerReferences,
  ImageImporter,
  type ImportOptions,
  listImages,
  openMemoryLayout,
  parseOstreeImageReference,
  unencapsulate,
} from '../../../src/container/index.ts'
import { OstreeError } from '../../../src/errors.ts'
import { array, bytes, vardict, variantOf } from '../../../src/gvariant/index.ts'
import { DirMeta, DirTree } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { addRemote, type KeySource, type Repo, type Verification, verifyCommitFor } from '../../../src/repo/index.ts'
import { buildImage } from '../../../src/testing/index.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { runInProcess } from '../../support/in-process.ts'
import { describeReference } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { collect, exported, memoryRepo, once } from '../tar-kit.ts'

const KEY = '/usr/libexec/installed-tests/libostree/gpghome/key1.asc'
const HOST = { architecture: 'amd64', os: 'linux' }
const SIGNED = goldenJson<{ commit: Checksum; commitmeta_corrupted_hex: string }>('container/signed-commit.json')
const signedTar = new Uint8Array(gunzipSync(goldenBytes('container/exampleos-signed-export.tar.gz')))
const gpg = goldenJson<{
  now: number
  commit_b64: string
  keyrings: Record<string, string>
  signatures: Record<string, string>
}>('sign/gpg-results.json')

const decode = (base64: string | undefined) => new Uint8Array(Buffer.from(base64 as string, 'base64'))

const KEY_FILES = { '/ring': () => decode(gpg.keyrings['all']), '/key': () => new Uint8Array(readFileSync(KEY)) }
const NO_KEYS: KeySource = {
  system: async () => [],
  at: async (path) => [KEY_FILES[path as keyof typeof KEY_FILES]()],
  file: async () => undefined,
  keyFiles: async () => [],
}
const verification: Verification = { now: () => gpg.now, keys: NO_KEYS }

/** Builds the image of a commit stream, with layers on top. */
function image(tar: Uint8Array, derived: readonly Uint8Array[] = [], label = true) {
  const labels = label ? { 'ostree.final-diffid': `sha256:${nodePlatform.sha256(tar)}` } : {}
  return buildImage(
    nodePlatform,
    [tar, ...derived].map((layer) => ({ tar: layer })),
    { tag: 'latest', config: { Labels: labels } },
  )
}

function options(files: ReadonlyMap<string, Uint8Array>, more: Partial<ImportOptions> = {}): ImportOptions {
  return { host: HOST, verification, open: (_, context) => openMemoryLayout(files, 'latest', context), ...more }
}

/** Creates a repository with remotes. @param remotes path of the keys by name of the remote */
async function repoWith(remotes: Record<string, keyof typeof KEY_FILES | undefined>): Promise<Repo> {
  const repo = await memoryRepo()
  for (const [name, path] of Object.entries(remotes)) {
    const options = path === undefined ? [] : [['gpgkeypath', [path]] as const]
    await addRemote(repo, { name, url: 'http://localhost', options })
  }
  return repo
}

async function pull(repo: Repo, reference: string, given: ImportOptions) {
  await using importer = new ImageImporter(repo, parseOstreeImageReference(reference), given)
  const result = await importer.prepare()
  return result.kind === 'ready' ? await importer.import(result.prepared) : result
}

/** Exports the commit of the vectors with the named signatures; without names it has no detached metadata. */
async function smallTar(...names: string[]): Promise<Uint8Array> {
  const repo = await memoryRepo()
  const commit = await repo.transaction(async (tx) => {
    await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs: [] }))
    await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] }))
    return await tx.writeMeta('commit', decode(gpg.commit_b64))
  })
  const signatures = names.map((name) => decode(gpg.signatures[name]))
  if (names.length > 0) {
    await repo.writeDetachedMetadata(commit, [['ostree.gpgsigs', variantOf(array(bytes), signatures)]])
  }
  return exported(repo, commit)
}

const GOOD = 'GPG: Good signature from "Good One <good@x.org>"'

describeReference(KEY, "a commit signed with a key of ostree's tests", () => {
  test('a signed commit is accepted only with its key (case E5)', async () => {
    const repo = await repoWith({ signer: '/key', other: '/ring', none: undefined })
    const files = image(signedTar)
    for (const remote of ['other', 'none']) {
      const refused = unencapsulate(repo, `ostree-remote-image:${remote}:oci:x`, options(files))
      await expect(refused).rejects.toThrow("key ID 7FCA23D8472CDAFA\nCan't check signature: public key not found")
      expect(await repo.objects.has({ checksum: SIGNED.commit, type: 'commit' })).toBe(false)
    }
    const { commit } = await unencapsulate(repo, 'ostree-remote-image:signer:oci:x', options(files))
    expect(commit).toBe(SIGNED.commit)
    expect(await repo.commitState(commit)).toBe('complete')
  })

  test('a commit with the signature of another commit is rejected (case E5)', async () => {
    const repo = await repoWith({ signer: '/key' })
    const broken = await collect(replaceDetachedMetadata(once(signedTar), fromHex(SIGNED.commitmeta_corrupted_hex)))
    const refused = unencapsulate(repo, 'ostree-remote-image:signer:oci:x', options(image(broken)))
    await expect(refused).rejects.toThrow('BAD signature from "Ostree Tester <test@test.com>"')
    expect(await repo.objects.has({ checksum: SIGNED.commit, type: 'commit' })).toBe(false)
  })
})

describe('an image of a remote', () => {
  test('an image of a remote with a signed commit is imported, with a description of the signature (case E5)', async () => {
    const repo = await repoWith({ signer: '/ring' })
    const files = image(await smallTar('good'))
    const result = await pull(repo, 'ostree-remote-image:signer:oci:x', options(files))
    expect(result).toMatchObject({ verifyText: expect.stringContaining(GOOD) })
    expect(await listImages(repo)).toEqual(['oci:x'])
  })

  test('an image of an unknown remote is rejected before anything is fetched (case E5)', async () => {
    const repo = await memoryRepo()
    const open = () => Promise.reject(new Error('was opened'))
    const refused = pull(repo, 'ostree-remote-image:nosuchremote:oci:x', options(new Map(), { open }))
    await expect(refused).rejects.toThrow('Remote "nosuchremote" not found')
  })

  test('an image of a remote with an unsigned commit is rejected (case E6)', async () => {
    const repo = await repoWith({ signer: '/ring' })
    const refused = pull(repo, 'ostree-remote-image:signer:oci:x', options(image(await smallTar())))
    await expect(refused).rejects.toThrow(/Using remote signer for verification; Expected commitmeta object, not dir/)
    expect(await countLayerReferences(repo)).toBe(0)
    const attached = await collect(replaceDetachedMetadata(once(await smallTar()), vardict.encode([])))
    const unsigned = pull(repo, 'ostree-remote-image:signer:oci:x', options(image(attached)))
    await expect(unsigned).rejects.toThrow('GPG verification enabled, but no signatures found')
    expect(await countLayerReferences(repo)).toBe(0)
  })

  test.each(['bad', 'expired', 'revoked', 'md5'])(
    'an image of a remote is rejected if the signature is %s',
    async (name) => {
      const repo = await repoWith({ signer: '/ring' })
      const refused = pull(repo, 'ostree-remote-image:signer:oci:x', options(image(await smallTar(name))))
      await expect(refused).rejects.toMatchObject({
        message: expect.stringContaining('Verifying ostree commit in tar stream: Signature made'),
      })
      expect(await listImages(repo)).toEqual([])
      expect(await countLayerReferences(repo)).toBe(0)
    },
  )

  test('an image of a remote without an OSTree commit is rejected', async () => {
    const repo = await repoWith({ signer: '/ring' })
    const files = image(await smallTar('good'), [], false)
    const refused = pull(repo, 'ostree-remote-image:signer:oci:x', options(files))
    await expect(refused).rejects.toThrow('No ostree.final-diffid label found, not an ostree encapsulated container')
    expect(await listImages(repo)).toEqual([])
  })

  test('an image of a remote is verified even if it is already stored unverified', async () => {
    const repo = await repoWith({ signer: '/ring', other: undefined })
    const files = image(await smallTar('good'))
    await pull(repo, 'ostree-unverified-image:oci:x', options(files))
    const again = await pull(repo, 'ostree-remote-image:signer:oci:x', options(files))
    expect(again).toMatchObject({ kind: 'already-present' })
    await expect(pull(repo, 'ostree-remote-image:other:oci:x', options(files))).rejects.toThrow('public key not found')
    // The same layers under another name: nothing is fetched, but the signature is verified.
    await expect(pull(repo, 'ostree-remote-image:other:oci:y', options(files))).rejects.toThrow('public key not found')
    const taken = await pull(repo, 'ostree-remote-image:signer:oci:y', options(files))
    expect(taken).toMatchObject({ layersFetched: 0, verifyText: expect.stringContaining(GOOD) })
  })

  test('an image of a remote is rejected without the option verification', async () => {
    const repo = await repoWith({ signer: '/ring' })
    const files = image(await smallTar('good'))
    const given = options(files, { verification: undefined })
    await expect(pull(repo, 'ostree-remote-image:signer:oci:x', given)).rejects.toMatchObject({ code: 'unsupported' })
  })
})

describe('signature requirements of a remote', () => {
  const ed = goldenJson<{
    ed25519: {
      public_key_b64: string
      other_public_key_b64: string
      commit_b64: string
      commitmeta_b64: string
    }
  }>('core/signatures-2026.json').ed25519
  const commit = { bytes: decode(ed.commit_b64), metadata: vardict.decode(decode(ed.commitmeta_b64)) }
  const [right, wrong] = [ed.public_key_b64, ed.other_public_key_b64]
  const hex = (key: string) => Buffer.from(key, 'base64').toString('hex')
  const GOOD_ED = `ed25519: Signature verified successfully with key '${hex(right)}'\n`
  const NOT_BY = `Can't verify commit: ed25519: Signature couldn't be verified with: key '${hex(wrong)}'`

  async function verify(settings: Record<string, string>, keys: Partial<KeySource> = {}): Promise<string> {
    const repo = await memoryRepo()
    const list = Object.entries({ 'gpg-verify': 'false', ...settings })
    await addRemote(repo, { name: 'r', url: 'http://localhost', options: list })
    return verifyCommitFor(repo, 'r', commit, { ...verification, keys: { ...NO_KEYS, ...keys } })
  }

  test.each([
    [{ 'sign-verify': 'true', 'verification-ed25519-key': right }],
    [{ 'sign-verify': 'ed25519', 'verification-ed25519-key': right }],
    [{ 'sign-verify': 'ed25519;', 'verification-ed25519-key': right }],
    [{ 'sign-verify': 'true', 'verification-ed25519-file': '/both' }],
    [{ 'sign-verify': 'true', 'verification-ed25519-file': '/wrong', 'verification-ed25519-key': right }],
  ])('an ed25519 signature is accepted by the settings %j', async (settings) => {
    const files: Record<string, string> = { '/both': `${wrong}\n${right}\n`, '/wrong': wrong }
    const file = async (path: string) => encodeUtf8(files[path] ?? '')
    expect(await verify(settings, { file })).toBe(GOOD_ED)
  })

  test('keys of the system are used if the remote names none', async () => {
    const keyFiles = async (kind: string, what: string) =>
      kind === 'ed25519' && what === 'trusted' ? [encodeUtf8(right)] : []
    expect(await verify({ 'sign-verify': 'true' }, { keyFiles })).toBe(GOOD_ED)
    const revoked = verify({ 'sign-verify': 'true' }, { keyFiles: async () => [encodeUtf8(right)] })
    await expect(revoked).rejects.toThrow("Can't verify commit: ed25519: no signatures found")
  })

  test.each([
    [{ 'sign-verify': 'true', 'verification-ed25519-key': wrong }, NOT_BY],
    [{ 'sign-verify': 'ed25519' }, 'No keys found for required signapi type ed25519'],
    [{ 'sign-verify': 'true' }, "Can't verify commit: ed25519: no signatures found"],
    [{ 'sign-verify': 'spki' }, 'No keys found for required signapi type spki'],
    [{ 'sign-verify': 'true', 'verification-ed25519-key': 'bm90YmFzZTY0' }, 'Ill-formed input: expected 32 bytes'],
    [{ 'sign-verify': 'true', 'verification-ed25519-file': '/none' }, "Failed loading 'ed25519' keys from '/none"],
    [{ 'gpg-verify': 'true' }, 'GPG verification enabled, but no signatures found'],
    [{ 'gpg-verify': 'true', 'sign-verify': 'true', 'verification-ed25519-key': right }, 'GPG verification enabled'],
    [{}, 'Cannot verify commit for remote r; GPG verification disabled, and no signapi verifiers configured'],
    [{ 'sign-verify': 'false', 'verification-ed25519-key': right }, 'no signapi verifiers configured'],
  ])('the settings %j reject the signature', async (settings, message) => {
    const refused = verify(settings as Record<string, string>)
    await expect(refused).rejects.toThrow(message)
    await expect(refused).rejects.toBeInstanceOf(OstreeError)
  })

  test('both kinds of signature are required if both are configured', async () => {
    const repo = await memoryRepo()
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
    const settings = { 'sign-verify': 'ed25519', 'verification-ed25519-key': key, gpgkeypath: '/ring' }
    await addRemote(repo, { name: 'r', url: 'http://localhost', options: Object.entries(settings) })
    const content = decode(gpg.commit_b64)
    const both = [
      ['ostree.gpgsigs', variantOf(array(bytes), [decode(gpg.signatures['good'])])],
      ['ostree.sign.ed25519', variantOf(array(bytes), [new Uint8Array(sign(null, content, privateKey))])],
    ] as const
    const said = await verifyCommitFor(repo, 'r', { bytes: content, metadata: [...both] }, verification)
    expect(said).toContain(GOOD)
    expect(said).toMatch(/\ned25519: Signature verified successfully with key '[0-9a-f]{64}'\n$/)
    for (const one of both) {
      const alone = verifyCommitFor(repo, 'r', { bytes: content, metadata: [one] }, verification)
      await expect(alone).rejects.toMatchObject({ code: 'denied' })
    }
  })
})

describeReference(KEY, 'the command with an image of a remote', () => {
  const root = temporaryFolder()
  const repo = join(root, 'repo')
  const command = (...words: string[]) => runInProcess(words, root)
  const reference = (remote: string) => `ostree-remote-image:${remote}:oci:${root}/image:latest`

  beforeAll(async () => {
    for (const [path, content] of image(signedTar)) {
      mkdirSync(join(root, 'image', path, '..'), { recursive: true })
      writeFileSync(join(root, 'image', path), content)
    }
    await command('init', `--repo=${repo}`, '--mode=bare-user')
    for (const remote of ['signer', 'stranger', 'file']) {
      const settings = remote === 'file' ? [`--set=gpgkeypath=${KEY}`] : []
      await command('remote', 'add', `--repo=${repo}`, ...settings, remote, 'http://localhost')
    }
    copyFileSync(KEY, join(repo, 'signer.trustedkeys.gpg'))
  })

  test('the command rejects an image signed by an unknown key, and stores nothing', async () => {
    const { status, stderr } = await command(
      'container',
      'image',
      'pull',
      `--repo=${repo}`,
      '-q',
      reference('stranger'),
    )
    expect({ status, message: stderr.trimEnd().split('\n') }).toMatchObject({
      status: 1,
      message: [
        expect.stringContaining('Verifying ostree commit in tar stream'),
        "Can't check signature: public key not found",
      ],
    })
    expect((await command('refs', `--repo=${repo}`)).stdout).toBe('')
    const none = await command('container', 'image', 'pull', `--repo=${repo}`, '-q', reference('nosuch'))
    expect(none.stderr).toBe('error: Preparing import: Fetching manifest: Remote "nosuch" not found\n')
  })

  test('the command pulls a signed image, and prints the signature', async () => {
    const { status, stdout } = await command('container', 'image', 'pull', `--repo=${repo}`, '-q', reference('signer'))
    expect(status).toBe(0)
    expect(stdout).toMatch(
      /\nGPG: Signature made .* using RSA key ID 7FCA23D8472CDAFA\nGPG: Good signature from "Ostree Tester <test@test\.com>"\n/,
    )
    expect(stdout).toContain('\nWrote: ostree-remote-image:signer:oci:')
  })

  test('the command unencapsulates a commit that is signed by a key in a file', async () => {
    const words = [`--repo=${repo}`, '--quiet', '--write-ref=os', reference('file')]
    const { stdout } = await command('container', 'unencapsulate', ...words)
    expect(stdout).toBe(`Imported: os => ${SIGNED.commit}\n`)
  })
})
