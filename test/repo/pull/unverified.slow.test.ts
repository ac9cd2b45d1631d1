/**
 * Every way by which objects get into a repository, with signatures required: commits without a good signature are
 * refused, and nothing of them is stored. The ways by which images get there are in container/import/signed-images.
 */
import { mkdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { OstreeError } from '../../../src/errors.ts'
import {
  addRemote,
  createSigner,
  type PullOptions,
  pull,
  pullLocal,
  type Repo,
  reindexDeltas,
  type Signer,
  signatureEngine,
  signCommit,
  updateSummary,
  writeDelta,
} from '../../../src/repo/index.ts'
import { pullLocalByDeltas } from '../../../src/repo/internal.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { commitTree } from '../../support/commits.ts'
import { FileServer } from '../../support/file-server.ts'
import { goldenJson } from '../../support/golden.ts'
import { runForBytes } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const golden = goldenJson<{ ed25519: Record<'secret_key_b64' | 'public_key_b64' | 'other_public_key_b64', string> }>(
  'core/signatures-2026.json',
).ed25519
const COLLECTION = 'org.example.Os'
const KEY_HELD = golden.public_key_b64

/** What is wrong with a source. Of `parent`, only the parent of the newest commit lacks its signature. */
const FAULTS = ['unsigned', 'otherCommit', 'damaged', 'malformed', 'parent'] as const
type Fault = (typeof FAULTS)[number]

interface Source {
  readonly name: string
  readonly repo: Repo
  readonly parent: Checksum
  readonly head: Checksum
}

let folder: string
let server: FileServer
const sources = new Map<Fault | 'good', Source>()

async function build(name: Fault | 'good', signer: Signer): Promise<Source> {
  const repo = await createRepo(`${folder}/${name}`, { mode: 'archive', collectionId: COLLECTION })
  const parent = await commitTree(repo, { a: 'one' })
  const head = await commitTree(repo, { a: 'one', 'sub/b': 'x'.repeat(3000) })
  const other = await commitTree(repo, { a: `other of ${name}` }, 'other')
  await repo.setRef('other', undefined)
  for (const each of [parent, head, other]) await signCommit(repo, each, [signer])
  const read = async (of: Checksum) => (await repo.objects.readAttached('commitmeta', of)) as Uint8Array
  const swap = async (of: Checksum, bytes: Uint8Array | undefined) => {
    await repo.transaction(async (tx) => tx.writeAttached('commitmeta', of, bytes ?? new Uint8Array()))
  }
  if (name === 'unsigned') await swap(head, undefined)
  if (name === 'parent') await swap(parent, undefined)
  if (name === 'otherCommit') await swap(head, await read(other))
  if (name === 'malformed') await swap(head, new Uint8Array([1, 2, 3, 255]))
  if (name === 'damaged') {
    const bytes = (await read(head)).slice()
    // The signature is the last thing but the offsets.
    const at = bytes.length - 20
    bytes[at] = (bytes[at] as number) ^ 1
    await swap(head, bytes)
  }
  await writeDelta(repo, { from: undefined, to: head, timestamp: 1n })
  await reindexDeltas(repo)
  await updateSummary(repo, { timestamp: 1n })
  return { name, repo, parent, head }
}

beforeAll(async () => {
  folder = temporaryFolder()
  server = await FileServer.start(folder)
  const engine = signatureEngine('ed25519')
  const signer = createSigner(engine, engine.parseSecretKey(golden.secret_key_b64))
  for (const name of ['good', ...FAULTS] as const) sources.set(name, await build(name, signer))
})

afterAll(async () => {
  for (const { repo } of sources.values()) await repo.close()
  await server[Symbol.asyncDispose]()
})

const access = {
  network: nodeNetwork(),
  files: nodeFiles,
  openRepo: (path: string) => openRepo(path),
  verification: { now: () => 0 },
}

/** A way into a repository. */
interface Way {
  readonly title: string
  /** Mode of the target. Default `bare-user-only`. */
  readonly mode?: 'archive' | 'bare-user-only'
  /** Gets the newest commit. */
  run(into: Repo, source: Source): Promise<unknown>
  /** Whether it gets the parent too. */
  readonly withParent?: boolean
}

const overHttp = (title: string, options: (source: Source) => PullOptions, more: Partial<Way> = {}): Way => ({
  title,
  run: (into, source) => pull(into, 'o', { ...access, ...options(source) }),
  ...more,
})
const fromPath = (title: string, options: (source: Source) => PullOptions, more: Partial<Way> = {}): Way =>
  overHttp(title, (source) => ({ url: `file://${folder}/${source.name}`, ...options(source) }), more)
const MAIN = { refs: ['main'] }

const WAYS: readonly Way[] = [
  overHttp('pull of a ref', () => ({ ...MAIN, deltas: 'never' })),
  overHttp('pull of a ref by a delta, if there is one', () => MAIN),
  overHttp('pull of a ref by a delta only', () => ({ ...MAIN, deltas: 'require' })),
  overHttp('pull of a commit', ({ head }) => ({ refs: [head], deltas: 'never' })),
  overHttp('pull of a ref at a commit', ({ head }) => ({ refs: [`main@${head}`], deltas: 'never' })),
  overHttp('pull of a ref of a collection', () => ({ collectionRefs: [{ collection: COLLECTION, name: 'main' }] })),
  overHttp('pull as a mirror', () => ({ mirror: true }), { mode: 'archive' }),
  overHttp('pull of commits only', () => ({ ...MAIN, commitOnly: true })),
  overHttp('pull of a subpath', () => ({ ...MAIN, subpaths: ['/sub'], deltas: 'never' })),
  overHttp('pull of a history', () => ({ ...MAIN, depth: -1, deltas: 'never' }), { withParent: true }),
  overHttp('pull of a history by a delta', () => ({ ...MAIN, depth: 1 }), { withParent: true }),
  overHttp('pull with a local cache', ({ repo }) => ({ ...MAIN, localCaches: [repo], deltas: 'never' })),
  {
    title: 'pull of a commit that is here without a signature',
    async run(into, { repo, head }) {
      // Not signed here: the commit is then verified with what the server has.
      await pullLocal(repo, into, { refs: [head] })
      await into.transaction(async (tx) => tx.writeAttached('commitmeta', head, new Uint8Array()))
      return pull(into, 'o', { ...MAIN, ...access })
    },
  },
  fromPath('pull from a path', () => MAIN),
  fromPath('pull of a commit from a path', ({ head }) => ({ refs: [head] })),
  fromPath('pull from a path that is not trusted', () => ({ ...MAIN, untrusted: true })),
  fromPath('pull of commits only from a path', () => ({ ...MAIN, commitOnly: true })),
  fromPath('pull of a subpath from a path', () => ({ ...MAIN, subpaths: ['/sub'] })),
  fromPath('pull of a history from a path', () => ({ ...MAIN, depth: -1 }), { withParent: true }),
  fromPath('pull as a mirror from a path', () => ({ mirror: true }), { mode: 'archive' }),
  {
    title: 'command pull',
    run: (into) => command(into, 'pull', 'o', 'main'),
  },
  {
    title: 'command pull --mirror',
    mode: 'archive',
    run: (into) => command(into, 'pull', '--mirror', 'o', 'main'),
  },
]

/** Runs a command. @throws its error */
async function command(into: Repo, ...words: string[]): Promise<void> {
  let failure: OstreeError | undefined
  await runForBytes([...words, `--repo=${into.storage.location}`], folder, {}, (error) => {
    failure = error
  })
  if (failure !== undefined) throw failure
}

let count = 0
/** Creates a repository with a remote that requires signatures, with a commit of its own. */
async function target(mode: 'archive' | 'bare-user-only', source: Source, options = REQUIRED): Promise<Repo> {
  const into = await createRepo(`${folder}/into/${count++}`, { mode })
  await addRemote(into, { name: 'o', url: `${server.url}/${source.name}`, options })
  return into
}

const REQUIRED: readonly (readonly [string, string | boolean])[] = [
  ['gpg-verify', false],
  ['sign-verify', 'ed25519'],
  ['verification-ed25519-key', KEY_HELD],
]

async function stored(repo: Repo): Promise<string[]> {
  const names: string[] = []
  for await (const { checksum, type } of repo.objects.list()) names.push(`${type} ${checksum}`)
  for (const { name } of await repo.listRefs()) names.push(`ref ${name}`)
  return names.sort()
}

async function failureOf(work: Promise<unknown>): Promise<OstreeError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof OstreeError)) expect.fail(`not refused: ${String(error)}`)
  return error
}

describe.each(WAYS)('$title', ({ mode = 'bare-user-only', run, withParent = false, title }) => {
  beforeAll(() => void mkdirSync(`${folder}/into`, { recursive: true }))

  test('gives signed commits', async () => {
    const source = sources.get('good') as Source
    await using into = await target(mode, source)
    await run(into, source)
    const has = (checksum: Checksum) => into.objects.has({ checksum, type: 'commit' })
    expect([await has(source.head), await has(source.parent)]).toEqual([true, withParent])
  })

  test.each(FAULTS.filter((fault) => fault !== 'parent' || withParent))('refuses them if %s', async (fault) => {
    const source = sources.get(fault) as Source
    await using into = await target(mode, source)
    expect((await failureOf(run(into, source))).code).toBe('denied')
    if (title.includes('that is here')) return
    if (fault !== 'parent') expect(await stored(into)).toEqual([])
    // The newest commit is signed, and what is stored of it is used when the pull is repeated.
    expect(await into.objects.has({ checksum: source.parent, type: 'commit' })).toBe(false)
    expect(await into.listRefs()).toEqual([])
  })

  test('refuses them if the key is another one', async () => {
    const source = sources.get('good') as Source
    const other = golden.other_public_key_b64
    await using into = await target(mode, source, [...REQUIRED.slice(0, 2), ['verification-ed25519-key', other]])
    expect((await failureOf(run(into, source))).code).toBe('denied')
    if (title.includes('that is here')) return
    expect(await stored(into)).toEqual([])
  })

  test('refuses them if there are no keys', async () => {
    const source = sources.get('good') as Source
    await using into = await target(mode, source, REQUIRED.slice(0, 2))
    await failureOf(run(into, source))
    if (title.includes('that is here')) return
    expect(await stored(into)).toEqual([])
  })
})

describe('with signatures of GPG required, commits and summaries without them are refused', () => {
  const WITHOUT: readonly (readonly [string, (into: Repo, source: Source) => Promise<unknown>])[] = [
    ['pull', (into) => pull(into, 'o', { ...MAIN, ...access })],
    ['pull by a delta', (into) => pull(into, 'o', { ...MAIN, deltas: 'require', ...access })],
    ['pullLocal', (into, { repo }) => pullLocal(repo, into, { ...MAIN, remote: 'o', gpgVerify: true, ...access })],
    [
      'pullLocal with the summary',
      (into, { repo }) => pullLocal(repo, into, { ...MAIN, remote: 'o', gpgVerifySummary: true, ...access }),
    ],
    [
      'pullLocalByDeltas',
      (into, { repo }) => pullLocalByDeltas(repo, into, { ...MAIN, remote: 'o', gpgVerify: true, ...access }),
    ],
    [
      'pullLocalByDeltas with the summary',
      (into, { repo }) => pullLocalByDeltas(repo, into, { ...MAIN, remote: 'o', gpgVerifySummary: true, ...access }),
    ],
  ]
  test.each(WITHOUT)('%s', async (_title, run) => {
    const source = sources.get('good') as Source
    await using into = await target('bare-user-only', source, [['gpg-verify', true]])
    expect((await failureOf(run(into, source))).code).toBe('denied')
    expect(await stored(into)).toEqual([])
  })
})

test('deltas without the signature that is required are not applied from a file', async () => {
  const source = sources.get('unsigned') as Source
  await using into = await target('bare-user-only', source)
  const file = `${folder}/delta`
  await command(
    source.repo,
    'static-delta',
    'generate',
    '--empty',
    `--to=${source.head}`,
    '--inline',
    `--filename=${file}`,
  )
  const apply = (...words: string[]) => command(into, 'static-delta', 'apply-offline', ...words)
  await failureOf(apply('--sign-type=ed25519', file, KEY_HELD))
  expect(await stored(into)).toEqual([])
  await apply(file)
  expect(await stored(into)).not.toEqual([])
})

test('deltas that require a signature are not applied in a pull without one', async () => {
  const source = sources.get('good') as Source
  await using into = await target('bare-user-only', source)
  into.config.set('core', 'sign-verify-deltas', true)
  await failureOf(pull(into, 'o', { ...MAIN, deltas: 'require', ...access }))
  expect(await stored(into)).toEqual([])
})

test('a ref of a summary that is not signed is not pulled if signatures of summaries are required', async () => {
  const source = sources.get('good') as Source
  const options = [...REQUIRED, ['sign-verify-summary', 'ed25519']] as const
  for (const way of [{}, { url: `file://${folder}/good` }]) {
    await using into = await target('bare-user-only', source, options)
    expect((await failureOf(pull(into, 'o', { ...MAIN, ...access, ...way }))).code).toBe('denied')
    expect(await stored(into)).toEqual([])
  }
})
