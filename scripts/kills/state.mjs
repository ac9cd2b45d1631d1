/** What a repository and the files beside it are, for comparison. */
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, lutimesSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { fsck, openRepo, prune } from '../../dist/node.js'
import { repoName } from './fixtures.mjs'

const require = createRequire(import.meta.url)

/**
 * The name under which a file of a checkout is written that takes the place of another one. A killed process leaves it, as
 * libostree does, which gives files such a name too before it renames them (glnx_link_tmpfile_at).
 */
const BESIDE = /^tmp\.\w{6}$/

/** Returns the refs, of all kinds, with the commits they name. */
export async function refsOf(repo) {
  const refs = new Map()
  for (const prefix of ['heads', 'remotes', 'mirrors']) {
    for (const path of await repo.refs.list(prefix)) {
      const target = await repo.refs.read(path)
      refs.set(path, target?.commit ?? (target && `-> ${target.alias}`))
    }
  }
  return refs
}

/** Verifies a repository. @returns the faults found, one line each */
export async function faultsOf(repo, mayBePartial) {
  const faults = []
  const onEvent = (event) => faults.push(`fsck: ${JSON.stringify(event)}`)
  const { damaged, partial } = await fsck(repo, { all: true, onEvent })
  if (damaged === 0 && (mayBePartial || partial === 0)) faults.length = 0
  for (const [ref, commit] of await refsOf(repo)) {
    if (commit.startsWith('-> ')) continue
    if (!(await repo.objects.has({ type: 'commit', checksum: commit }))) faults.push(`the commit of ${ref} is missing`)
    else if (!mayBePartial && (await repo.commitState(commit)) !== 'complete') faults.push(`${ref} is partial`)
  }
  return faults
}

/**
 * Does what every later use of a repository does: a transaction, and the deletion of what is not reachable. As in libostree,
 * temporary files are deleted once they are a day old (`core.tmp-expiry-secs`), so all of them are made older first.
 */
export async function settle(path) {
  const tmp = join(path, 'tmp')
  const before = Date.now() / 1000 - 2 * 86_400
  for (const name of existsSync(tmp) ? readdirSync(tmp) : []) lutimesSync(join(tmp, name), before, before)
  const repo = await openRepo(path)
  await repo.transaction(async () => {})
  await prune(repo, { refsOnly: true })
  await repo.close()
}

/** Lists everything in a directory, and the rows of a repository that is an SQLite file: what it is, by its path. */
export async function listed(folder, store, except = []) {
  const found = new Map()
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (except.includes(name.split('/')[0])) continue
    if (name.startsWith('out/') && BESIDE.test(basename(name))) continue
    const stat = lstatSync(join(folder, name))
    found.set(name, `${(stat.mode >>> 0).toString(8)} ${stat.uid}`)
  }
  if (store === 'sqlite' && !except.includes('repo.sqlite')) await addRows(join(folder, repoName(store)), found)
  return found
}

async function addRows(path, found) {
  const repo = await openRepo(path)
  for await (const { type, checksum } of repo.objects.list()) found.set(`object ${checksum}.${type}`, '')
  for (const ref of (await refsOf(repo)).keys()) found.set(`ref ${ref}`, '')
  await repo.close()
  const Database = require('better-sqlite3')
  const database = new Database(path, { readonly: true })
  for (const name of database.prepare("select name from sqlite_master where type = 'table'").pluck().all()) {
    found.set(`table ${name}`, `${database.prepare(`select count(*) from "${name}"`).pluck().get()} rows`)
  }
  database.close()
}

/** Returns the hash of a file or directory: names, kinds, permissions and contents; `undefined` when it does not exist. */
export function hashOf(path) {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined
  const hash = createHash('sha256')
  const add = (at, name) => {
    const stat = lstatSync(at)
    hash.update(`${name} ${stat.mode.toString(8)} ${stat.isDirectory() ? 0 : stat.size}\n`)
    if (stat.isDirectory()) {
      for (const below of readdirSync(at).sort()) if (!BESIDE.test(below)) add(join(at, below), `${name}/${below}`)
    } else hash.update(stat.isSymbolicLink() ? readlinkSync(at) : readFileSync(at))
  }
  add(path, '')
  return hash.digest('hex')
}

/**
 * Checks an OCI directory that may be half written: `index.json` is not there, or it names only blobs that are whole.
 * @returns the faults found
 */
export function layoutFaults(path) {
  const index = join(path, 'index.json')
  if (!existsSync(index)) return []
  const faults = []
  const check = ({ digest, size }) => {
    const blob = join(path, 'blobs', digest.replace(':', '/'))
    const bytes = existsSync(blob) ? readFileSync(blob) : Buffer.alloc(0)
    const whole = bytes.length === size && `sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest
    if (!whole) faults.push(`index.json names the blob ${digest}, which is missing or damaged`)
    return whole ? bytes : undefined
  }
  for (const manifest of JSON.parse(readFileSync(index, 'utf8')).manifests) {
    const bytes = check(manifest)
    if (bytes === undefined) continue
    const { config, layers } = JSON.parse(bytes.toString())
    for (const each of [config, ...layers]) check(each)
  }
  return faults
}

/** Returns how two maps differ, in at most `most` lines. */
export function differences(wanted, got, most = 12) {
  const lines = []
  for (const [key, value] of wanted) {
    if (!got.has(key)) lines.push(`missing: ${key}`)
    else if (got.get(key) !== value) lines.push(`${key}: ${got.get(key)} instead of ${value}`)
  }
  for (const key of got.keys()) if (!wanted.has(key)) lines.push(`left: ${key}`)
  return lines.length > most ? [...lines.slice(0, most), `and ${lines.length - most} more`] : lines
}
