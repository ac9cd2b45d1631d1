/** `ostree refs`. Source: ot-builtin-refs.c. */

import { compareUtf8 } from '../../bytes.ts'
import { ConflictError, FormatError, InvalidNameError, UsageError } from '../../errors.ts'
import {
  collectionRefPath,
  listCollectionRefs,
  parseRefspec,
  type RefPath,
  type RefTarget,
  type Repo,
  refPath,
  refspecOf,
} from '../../repo/index.ts'
import { inTableOrder, readRef, validateNewRef } from '../../repo/internal.ts'
import { command } from '../command.ts'
import { JSON_OPTION } from '../values.ts'

/** A ref to print, and its path below `refs/`. */
interface Row {
  readonly name: string
  readonly path: RefPath
  readonly collection?: string
}

export const refs = command({
  name: 'refs',
  summary: 'List refs',
  usage: '[PREFIX]',
  repo: true,
  rawArgs: true,
  options: {
    delete: { type: 'flag', help: 'Delete refs which match PREFIX, rather than listing them' },
    list: { type: 'flag', help: 'Do not remove the prefix from the refs' },
    revision: { type: 'flag', short: 'r', help: 'Show revisions in listing' },
    alias: { type: 'flag', short: 'A', help: 'If used with --create, create an alias, otherwise just list aliases' },
    create: { type: 'string', arg: 'NEWREF', help: 'Create a new ref for an existing commit' },
    collections: { type: 'flag', short: 'c', help: 'Enable listing collection IDs for refs' },
    force: { type: 'flag', help: 'Overwrite existing refs when creating' },
    ...JSON_OPTION,
  },
  async run({ options, args, out, repo: openRepo }) {
    const repo = await openRepo()
    const { create, alias, collections, force } = options
    if (options.delete && args.length === 0) {
      throw new UsageError('At least one PREFIX is required when deleting refs')
    }
    if (create !== undefined) return createRef(repo, create, args, { alias, collections, force })
    for (const prefix of args.length === 0 ? [undefined] : args) {
      const cutPrefix = !options.list && !options.delete && !alias
      const rows: readonly Row[] = collections
        ? await listCollectionRefs(repo, { only: prefix })
        : alias
          ? await aliases(repo, prefix, cutPrefix)
          : await repo.listRefs(prefix, { cutPrefix, allowDangling: options.delete })
      if (options.delete) {
        // ostree lists the refs of a whole remote as `REMOTE:./NAME`, and then fails to delete them by that name.
        const [invalid] = inTableOrder(
          rows.map(({ name }) => shownBelow(prefix, name)).filter((name) => name.includes(':./')),
        )
        if (invalid !== undefined) throw new InvalidNameError(invalid, `Invalid refspec ${invalid}`)
        await deleteRefs(repo, rows)
        continue
      }
      for (const row of collections ? rows : rows.toSorted((a, b) => compareUtf8(a.name, b.name))) {
        const target = alias ? await readTarget(repo, row.path) : undefined
        // For a ref given by its full name, ostree prints the commit, even if the ref is an alias.
        const isNamed = alias && !options.json && row.name === prefix
        const aliasOf = target !== undefined && 'alias' in target && !isNamed ? refspecOf(target.alias) : undefined
        const commit = options.revision || options.json || isNamed ? await storedCommit(repo, row.path) : undefined
        const { name, collection } = row
        if (options.json) out.json({ name, ...(collection && { collection }), commit, ...(aliasOf && { aliasOf }) })
        else {
          const shown =
            collection === undefined ? shownBelow(options.list ? prefix : undefined, name) : `(${collection}, ${name})`
          const revision = options.revision ? `\t${commit}` : ''
          out.line(alias ? `${shown} -> ${aliasOf ?? commit}` : `${shown}${revision}`)
        }
      }
    }
  },
})

/** Returns a ref's name as ostree prints it with `--list`. For a prefix `REMOTE:` that is `REMOTE:./NAME`. */
function shownBelow(prefix: string | undefined, name: string): string {
  const remote = /^([^:]+:)\.?$/.exec(prefix ?? '')?.[1]
  return remote !== undefined && name.startsWith(remote) ? `${remote}./${name.slice(remote.length)}` : name
}

/** Reads a ref or an alias. @returns `undefined` when it does not exist, or its file does not have a checksum */
async function readTarget(repo: Repo, path: RefPath): Promise<RefTarget | undefined> {
  try {
    return await repo.refs.read(path)
  } catch (error) {
    if (error instanceof InvalidNameError || error instanceof FormatError) return undefined
    throw error
  }
}

/** Returns what is stored for a ref, as ostree prints it: text that is not a checksum as it is. */
async function storedCommit(repo: Repo, path: RefPath): Promise<string | undefined> {
  try {
    return await readRef(repo.refs, path)
  } catch (error) {
    if (error instanceof InvalidNameError) return error.data.value
    throw error
  }
}

/** Lists the aliases below `prefix`, and the ref of that very name even if it is not an alias. */
async function aliases(repo: Repo, prefix: string | undefined, cutPrefix: boolean): Promise<Row[]> {
  const found: Row[] = []
  for (const row of await repo.listRefs(prefix, { cutPrefix, allowDangling: true })) {
    const target = await readTarget(repo, row.path)
    if (row.name === prefix || (target !== undefined && 'alias' in target)) found.push(row)
  }
  return found
}

async function deleteRefs(repo: Repo, rows: readonly Row[]): Promise<void> {
  for (const { name, path, collection } of rows) {
    if (collection !== undefined) {
      // As in ostree, this deletes the mirrored ref but not one of the same collection in a remote.
      await repo.refs.write(collectionRefPath(collection, name, repo.settings.collectionId), undefined)
      continue
    }
    const alias = await activeAlias(repo, path)
    if (alias !== undefined) throw new ConflictError(name, `Ref '${nameOf(path)}' has an active alias: '${alias}'`)
    await repo.refs.write(path, undefined)
  }
}

/**
 * Finds an alias of a ref. As in ostree, the remote of the ref is ignored: an alias of `main` also counts for
 * `REMOTE:main`.
 */
async function activeAlias(repo: Repo, path: RefPath): Promise<string | undefined> {
  const name = nameOf(path)
  for (const other of await repo.refs.list('heads')) {
    const target = await readTarget(repo, other)
    if (target !== undefined && 'alias' in target && target.alias === `heads/${name}`) return refspecOf(other)
  }
  return undefined
}

/** Returns the name of a ref without its remote. */
function nameOf(path: RefPath): string {
  return path.replace(/^(?:heads|remotes\/[^/]+)\//, '')
}

interface CreateOptions {
  readonly alias: boolean
  readonly collections: boolean
  readonly force: boolean
}

async function createRef(repo: Repo, name: string, args: readonly string[], options: CreateOptions): Promise<void> {
  const [rev, more] = args
  if (rev === undefined) throw new UsageError('You must specify a revision when creating a new ref')
  if (more !== undefined) throw new UsageError('You must specify only 1 existing ref when creating a new ref')
  if (options.collections) {
    const colon = name.indexOf(':')
    const [collection, ref] = colon < 0 ? [name, ''] : [name.slice(0, colon), name.slice(colon + 1)]
    if (colon >= 0 && ref === '') throw new InvalidNameError(name, `Invalid refspec ${name}`)
    const path = collectionRefPath(collection, ref, repo.settings.collectionId)
    // As in ostree, an existing ref is replaced, even without `--force`.
    return repo.refs.write(path, { commit: await repo.resolve(rev) })
  }
  if (!options.force && (await abbreviatesCommit(repo, name))) throw alreadyExists(name)
  const refspec = parseRefspec(name)
  const path = refPath(name)
  await requireFree(repo, name, path, options)
  const commit = options.alias ? undefined : await repo.resolve(rev)
  validateNewRef(refspec)
  if (commit !== undefined) return repo.refs.write(path, { commit })
  const { remote } = refspec
  if (remote !== undefined) throw new InvalidNameError(name, `Cannot create alias to remote ref: ${remote}`)
  await repo.refs.write(path, await aliasTarget(repo, rev))
}

/**
 * Checks that a new ref can be created. With `force` it may replace an existing ref, and an alias may replace an alias.
 * @throws {ConflictError} when the ref exists, or a leading part of its name is a ref
 */
async function requireFree(repo: Repo, name: string, path: RefPath, { alias, force }: CreateOptions): Promise<void> {
  const there = await repo.refs.read(path)
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    if ((await repo.refs.read(path.slice(0, end))) === undefined) continue
    throw new ConflictError(name, `openat(refs/${path}): Not a directory`)
  }
  if (there === undefined || force || (alias && 'alias' in there)) return
  throw alreadyExists(name)
}

function alreadyExists(name: string): ConflictError {
  return new ConflictError(name, `--create specified but ref ${name} already exists`)
}

/** Tells whether a name would not be found as a ref, because it is a checksum or the beginning of a stored commit's. */
async function abbreviatesCommit(repo: Repo, name: string): Promise<boolean> {
  if (!/^[0-9a-f]{0,64}$/.test(name)) return false
  return (await repo.tryResolve(name, { localOnly: true })) !== undefined
}

/** Returns the target of an alias. @throws {InvalidNameError} when `name` is not an existing local ref */
async function aliasTarget(repo: Repo, name: string): Promise<RefTarget> {
  const { remote } = parseRefspec(name)
  if (remote !== undefined) throw new InvalidNameError(name, `Cannot create alias to remote ref: ${remote}`)
  const path = refPath(name)
  if ((await repo.refs.read(path)) === undefined) {
    throw new InvalidNameError(name, `Cannot create alias to non-existent ref: ${name}`)
  }
  return { alias: path }
}
