/** The summary of a remote, fetched on its own or by a pull, and what a pull takes from it. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import {
  addRemote,
  collectionRefPath,
  createSigner,
  fetchRemoteSummary,
  findRemote,
  pull,
  type Repo,
  reindexDeltas,
  signatureEngine,
  updateSummary,
  writeDelta,
} from '../../../src/repo/index.ts'
import { pullLocalByDeltas, remoteKeyRings } from '../../../src/repo/internal.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { commitTree } from '../../support/commits.ts'
import { FileServer } from '../../support/file-server.ts'
import { goldenJson } from '../../support/golden.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const { ed25519 } = goldenJson<{ ed25519: Record<'secret_key_b64' | 'public_key_b64', string> }>(
  'core/signatures-2026.json',
)
const network = nodeNetwork()
const access = { network, files: nodeFiles, verification: { now: () => 0 } }
const SIGNED: readonly [string, string | boolean][] = [
  ['sign-verify-summary', 'ed25519'],
  ['verification-ed25519-key', ed25519.public_key_b64],
]
let folder: string
let server: FileServer
let served: Repo
let main: Checksum
let into: Repo
let count = 0

beforeAll(async () => {
  folder = temporaryFolder()
  server = await FileServer.start(folder)
  served = await createRepo(`${folder}/served`, { mode: 'archive', collectionId: 'org.example.Served' })
  main = await commitTree(served, { a: 'one', 'sub/b': 'x'.repeat(5000) })
  await writeDelta(served, { from: undefined, to: main, timestamp: 1n })
  await reindexDeltas(served)
  const engine = signatureEngine('ed25519')
  const signers = [createSigner(engine, engine.parseSecretKey(ed25519.secret_key_b64))]
  await updateSummary(served, { timestamp: 1n, signers })
})

afterAll(async () => {
  await served.close()
  await server[Symbol.asyncDispose]()
})

beforeEach(async () => {
  server.trick = undefined
  server.take()
  into = await createRepo(`${folder}/into${count++}`, { mode: 'bare-user-only' })
})

async function add(...options: [string, string | boolean][]): Promise<void> {
  await addRemote(
    into,
    { name: 'o', url: `${server.url}/served`, options: [['gpg-verify', false], ...options] },
    'replace',
  )
}

/** Replaces an answer of the server. `undefined` is status 404. */
function answer(name: string, body: Uint8Array | undefined): void {
  server.trick = (path, response) => {
    if (!path.endsWith(`/${name}`)) return false
    response.writeHead(body === undefined ? 404 : 200).end(body)
    return true
  }
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[40] = (copy[40] as number) ^ 1
  return copy
}

describe('fetchRemoteSummary', () => {
  test('a signed summary is verified and cached, and asked for again only if it has changed', async () => {
    await add(...SIGNED)
    const bytes = readFileSync(`${folder}/served/summary`)
    expect(Buffer.from((await fetchRemoteSummary(into, 'o', access))?.bytes as Uint8Array)).toEqual(bytes)
    server.take()
    expect(Buffer.from((await fetchRemoteSummary(into, 'o', access))?.bytes as Uint8Array)).toEqual(bytes)
    const requests = server.take()
    expect(requests.map(({ path, status }) => [path, status])).toEqual([['/served/summary.sig', 304]])
    expect(requests[0]?.headers).toHaveProperty('if-none-match')
  })

  test.each([
    ['summary', 'changed'],
    ['summary', 'absent'],
    ['summary.sig', 'absent'],
    ['summary.sig', 'malformed'],
  ])('refuses it when %s is %s', async (name, what) => {
    await add(...SIGNED)
    const bytes = readFileSync(`${folder}/served/${name}`)
    answer(name, what === 'absent' ? undefined : what === 'changed' ? flipped(bytes) : Buffer.from('malformed'))
    await expect(fetchRemoteSummary(into, 'o', access)).rejects.toMatchObject({ code: 'denied' })
    server.trick = undefined
    expect(await fetchRemoteSummary(into, 'o', access)).toBeDefined()
  })

  test('a server without a summary has none, if signatures are not required', async () => {
    await add()
    answer('summary', undefined)
    expect(await fetchRemoteSummary(into, 'o', access)).toBeUndefined()
  })
})

describe('a metalink', () => {
  async function withMetalink(signed: boolean): Promise<void> {
    const bytes = readFileSync(`${folder}/served/summary`)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const text = `<metalink><files><file name="summary"><size>${bytes.length}</size><verification><hash type="sha256">${sha256}</hash></verification><resources><url>${server.url}/gone/summary</url><url>${server.url}/served/summary</url></resources></file></files></metalink>`
    writeFileSync(`${folder}/metalink.xml`, text)
    await add(...(signed ? SIGNED : []), ['metalink', `${server.url}/metalink.xml`])
  }

  test('leads to the summary of the first place that answers, which is not fetched twice', async () => {
    await withMetalink(true)
    await pull(into, 'o', { refs: ['main'], ...access })
    expect(await into.resolve('o:main')).toBe(main)
    expect(server.take().filter(({ path }) => path === '/served/summary')).toHaveLength(1)
  })

  test('does not replace the signature', async () => {
    await withMetalink(true)
    answer('summary.sig', undefined)
    await expect(pull(into, 'o', { refs: ['main'], ...access })).rejects.toMatchObject({ code: 'denied' })
    await expect(fetchRemoteSummary(into, 'o', access)).rejects.toMatchObject({ code: 'denied' })
  })

  test('a summary with another checksum is refused', async () => {
    await withMetalink(false)
    answer('served/summary', flipped(readFileSync(`${folder}/served/summary`)))
    await expect(pull(into, 'o', { refs: ['main'], ...access })).rejects.toThrow('Expected checksum is')
  })
})

test('a mirror has the ref in the collection that the summary tells', async () => {
  await add()
  const archive = await createRepo(`${folder}/mirror`, { mode: 'archive' })
  await addRemote(archive, { name: 'o', url: `${server.url}/served`, options: [['gpg-verify', false]] })
  await pull(archive, 'o', { refs: ['main'], mirror: true, ...access })
  expect(await archive.refs.read(collectionRefPath('org.example.Served', 'main'))).toEqual({ commit: main })
  await archive.close()
})

test('a local pull by deltas reads their parts, and fails without a delta', async () => {
  await using from = await createRepo(`${folder}/local`, { mode: 'archive' })
  const commit = await commitTree(from, { large: 'y'.repeat(5000) })
  const options = { refs: ['main'], ...access }
  await expect(pullLocalByDeltas(from, into, options)).rejects.toThrow('require static deltas')
  await writeDelta(from, { from: undefined, to: commit, timestamp: 1n })
  await updateSummary(from, { timestamp: 1n })
  const result = await pullLocalByDeltas(from, into, options)
  expect(result).toMatchObject({ deltaParts: 1, content: 0 })
  expect(await into.commitState(commit)).toBe('complete')
})

test('paths of keys are separated by semicolons or by commas, but not by both', async () => {
  const asked: string[] = []
  const keys = {
    system: async () => [],
    at: async (path: string) => {
      asked.push(path)
      return []
    },
  }
  const askedFor = async (gpgkeypath: string) => {
    asked.length = 0
    await add(['gpgkeypath', gpgkeypath])
    await remoteKeyRings(into, await findRemote(into, 'o'), { now: () => 0, keys } as never)
    return [...asked]
  }
  expect(await askedFor('/a;/b')).toEqual(['/a', '/b'])
  expect(await askedFor('/a,/b')).toEqual(['/a', '/b'])
  await expect(askedFor('/a,/b;/c')).rejects.toThrow('more than one separator')
})
