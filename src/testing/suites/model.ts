/**
 * Applies random sequences of operations to the store under test and to the memory store: all results, all errors and
 * the final contents must be equal.
 */

import fc from 'fast-check'
import { type Checksum, toHex } from '../../bytes.ts'
import { ConflictError, FormatError, OstreeError, UsageError } from '../../errors.ts'
import type { AttachedType, FileHeader, ObjectName } from '../../objects/index.ts'
import { createMemoryStorage, type RefTarget, type RepoMode, type Storage, type Transaction } from '../../repo/index.ts'
import { anyRefUpdate, refPool } from '../arbitraries/refs.ts'
import { block, printedAs, short } from '../printing.ts'
import {
  collect,
  commitOf,
  contentOf,
  directory,
  emptyTree,
  fileChecksum,
  fileOf,
  type MetaObject,
  reusing,
  type StorageSubject,
  type SubjectContext,
  type SuiteContext,
  subjectContext,
  text,
} from './kit.ts'

/** One of the two storages, with its open transaction, if any. */
interface Side {
  storage: Storage
  tx: Transaction | undefined
}

/** An operation on one side; the results of both sides are compared as plain data. */
type Operation = (side: Side) => Promise<unknown>

/** A step of `storageProperty`, which prints as its title. */
export interface StorageStep {
  readonly title: string
}

interface Step extends StorageStep {
  readonly run: Operation
}

/** Returns the result of an operation, or its error reduced to what callers can distinguish. */
async function outcome(run: Operation, side: Side): Promise<unknown> {
  try {
    return { value: await run(side) }
  } catch (error) {
    // The contract gives the texts of these; of all others, the class and its data.
    if (error instanceof ConflictError) return { error: error.name, message: error.message }
    if (error instanceof FormatError || error instanceof UsageError) return { error: error.name }
    if (error instanceof OstreeError) return { error: error.name, data: error.data }
    throw error
  }
}

function plain(bytes: Uint8Array | undefined): string | undefined {
  return bytes && toHex(bytes)
}

/** Copies a result: arrays of bytes become text, members of objects are sorted, and those that are undefined left out. */
function plainResult(value: unknown): unknown {
  if (value instanceof Uint8Array) return plain(value)
  if (Array.isArray(value)) return value.map(plainResult)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, plainResult(member)]))
}

async function readBack(reader: Storage['objects'] | Transaction, { type, checksum }: ObjectName): Promise<unknown> {
  switch (type) {
    case 'file': {
      const { header, size, body } = await reader.readFile(checksum)
      return { header, size, body: plain(await contentOf(body)) }
    }
    case 'commit':
    case 'dirtree':
    case 'dirmeta':
      return plain(await reader.readMeta(type, checksum))
    case 'commitmeta':
    case 'tombstone-commit':
      return plain(await reader.readAttached(type, checksum))
    default:
      throw new Error(`no ${type} was written`)
  }
}

async function everything({ storage }: Side): Promise<unknown> {
  const { objects, refs } = storage
  const names = await collect(objects.list())
  names.sort((a, b) => (`${a.checksum}.${a.type}` < `${b.checksum}.${b.type}` ? -1 : 1))
  const read: unknown[] = []
  for (const name of names) read.push([name.checksum, name.type, await readBack(objects, name)])
  const targets: unknown[] = []
  for (const area of ['heads', 'remotes', 'mirrors'])
    for (const path of await refs.list(area)) targets.push([path, await refs.read(path)])
  const below: unknown[] = []
  for (const path of refPool) below.push(await refs.list(path))
  return { read, targets, below }
}

function targetOf(target: RefTarget | undefined): string {
  if (target === undefined) return 'nothing'
  return 'alias' in target ? target.alias : short(target.commit)
}

/** Lets a value shrink to one of the first alternative. */
const CROSS = { withCrossShrink: true }

/** Generates sequences of steps on a few objects and refs, so that steps affect each other. */
function steps(context: SubjectContext): fc.Arbitrary<Step[]> {
  const { platform } = context
  const commits = ['one', 'two', 'three'].map((subject) => commitOf(platform, subject))
  const metas: readonly MetaObject[] = [directory, emptyTree, ...commits]
  const bodies = ['', 'a', 'b'.repeat(5000)].map(text)
  const contents = context.headers.flatMap((header) => bodies.map((body) => ({ header, body })))
  const files = [...contents, { header: context.symlink, body: text('') }]
  const names: ObjectName[] = [
    ...files.map(({ header, body }) => ({ type: 'file' as const, checksum: fileChecksum(context, header, body) })),
    ...commits.flatMap(({ checksum }) =>
      (['commit', 'commitmeta', 'tombstone-commit'] as const).map((type) => ({ type, checksum })),
    ),
    { type: 'dirtree', checksum: fileChecksum(context, context.headers[0], text('never written')) },
  ]

  const commit = fc.constantFrom(...commits.map(({ checksum }) => checksum))
  const attachedType = fc.constantFrom<AttachedType[]>('commitmeta', 'tombstone-commit')
  const attachedBytes = fc.option(fc.uint8Array({ maxLength: 20 }), { nil: undefined })
  const refPath = fc.constantFrom(...refPool)
  const refUpdate = anyRefUpdate(commits.map(({ checksum }) => checksum))
  const state = fc.constantFrom('complete', 'partial', 'fsck-partial')
  // Most writes expect nothing: those that expect the checksum of another object are rejected, and store nothing.
  const expected = fc.oneof(
    CROSS,
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...names.map(({ checksum }) => checksum)) },
  )

  const step = (title: string, run: Operation): Step => printedAs<Step>({ title, run }, () => title)
  /** Creates a step in the open transaction; it does nothing when none is open. */
  const within = (title: string, work: (tx: Transaction) => unknown): Step =>
    step(title, async ({ tx }) => (tx ? await work(tx) : 'no transaction'))
  /** Creates a step outside the transaction, which takes effect at once. */
  const outside = (title: string, work: (storage: Storage) => unknown): Step =>
    step(title, async ({ storage }) => await work(storage))
  /** Creates a step that is skipped while a transaction is open: deleting objects requires an exclusive lock. */
  const alone = (title: string, work: (storage: Storage) => unknown): Step =>
    step(title, async ({ storage, tx }) => (tx ? 'in a transaction' : await work(storage)))

  const writeFile = (
    { header, body }: { header: FileHeader; body: Uint8Array },
    way: string,
    wanted: Checksum | undefined,
    size: number,
  ): Step =>
    within(
      `write file of ${body.length} bytes as ${way}${wanted === undefined ? '' : ', a checksum expected'}`,
      async (tx) => {
        if (way === 'array') return await tx.writeFile({ ...fileOf(header, body), size }, wanted)
        if (way === 'stream') return await tx.writeFile({ header, size, body: reusing(body, 999) }, wanted)
        const sink = tx.openFile(header, size, wanted)
        try {
          sink.write(body)
          return await sink.finish()
        } finally {
          sink.abort()
        }
      },
    )

  const begin = step('begin', async (side) => {
    side.tx = await side.storage.begin()
  })

  const any: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: fc.constant(begin) },
    {
      weight: 6,
      arbitrary: fc
        .tuple(
          fc.constantFrom(...files),
          fc.constantFrom('array', 'stream', 'sink'),
          expected,
          fc.constantFrom(0, 0, 0, 1),
        )
        .map(([file, way, wanted, more]) => writeFile(file, way, wanted, file.body.length + more)),
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom(...metas), expected)
        .map(([{ type, bytes }, wanted]) =>
          within(`write ${type}${wanted === undefined ? '' : ', a checksum expected'}`, (tx) =>
            tx.writeMeta(type, bytes, wanted),
          ),
        ),
    },
    {
      weight: 3,
      arbitrary: refUpdate.map(({ path, target }) =>
        within(`set ${path} to ${targetOf(target)}`, (tx) => tx.setRef(path, target)),
      ),
    },
    fc
      .tuple(attachedType, commit, attachedBytes)
      .map(([type, sum, bytes]) =>
        within(`attach ${bytes?.length ?? 'no'} bytes of ${type} to ${short(sum)}`, (tx) =>
          tx.writeAttached(type, sum, bytes),
        ),
      ),
    fc.tuple(commit, state).map(([sum, to]) => within(`mark ${short(sum)} ${to}`, (tx) => tx.setCommitState(sum, to))),
    fc
      .constantFrom(...names)
      .map((name) =>
        step(`read ${name.type} in the transaction`, async ({ tx }) =>
          tx ? [await tx.has(name), await readBack(tx, name)] : 'no transaction',
        ),
      ),
    fc.constant(within('checkpoint', (tx) => tx.checkpoint())),
    {
      weight: 2,
      arbitrary: fc.constant(
        step('commit', async (side) => {
          const { tx } = side
          side.tx = undefined
          try {
            return await tx?.commit()
          } finally {
            await tx?.[Symbol.asyncDispose]()
          }
        }),
      ),
    },
    fc.constant(
      step('abort', async (side) => {
        await side.tx?.[Symbol.asyncDispose]()
        side.tx = undefined
      }),
    ),
    refUpdate.map(({ path, target }) =>
      outside(`write ref ${path} to ${targetOf(target)}`, (storage) => storage.refs.write(path, target)),
    ),
    fc
      .tuple(attachedType, commit, attachedBytes)
      .map(([type, sum, bytes]) =>
        outside(`attach ${bytes?.length ?? 'no'} bytes of ${type} to ${short(sum)} at once`, (storage) =>
          storage.objects.writeAttached(type, sum, bytes),
        ),
      ),
    fc
      .tuple(commit, state)
      .map(([sum, to]) =>
        outside(`mark ${short(sum)} ${to} at once`, (storage) => storage.objects.setCommitState(sum, to)),
      ),
    // Commits are as likely as all other objects together: what is attached to them has to stay.
    {
      weight: 2,
      arbitrary: fc
        .oneof(fc.constantFrom(...names), fc.record({ type: fc.constant('commit' as const), checksum: commit }))
        .map((name) => alone(`delete ${name.type} ${short(name.checksum)}`, (storage) => storage.objects.delete(name))),
    },
    commit.map((sum) => step('commit state', async ({ storage }) => await storage.objects.commitState(sum))),
    refPath.map((path) => step(`list ${path}`, async ({ storage }) => await storage.refs.list(path))),
    fc.constant(step('look at everything', everything)),
  )
  return fc.array(any, { maxLength: 40, size: 'max' })
}

/** Lists steps, one line for each. */
function printSteps(sequence: readonly Step[]): string {
  return sequence.length === 0 ? 'no steps' : block(sequence.map(({ title }) => title))
}

/**
 * Returns the property that any sequence of operations has the same results in a storage as in the memory store: all
 * values, all errors and the final contents. It needs no test runner: `await fc.assert(storageProperty(subject))`.
 * @param mode default: the first of the subject
 */
export function storageProperty(
  subject: StorageSubject,
  mode: RepoMode = subject.modes?.[0] ?? 'archive',
): fc.IAsyncPropertyWithHooks<[readonly StorageStep[]]> {
  const context = subjectContext(subject, mode)
  const sequences = steps(context).map((sequence) => printedAs(sequence, printSteps))
  return fc.asyncProperty(sequences, async (sequence) => {
    const { platform } = subject
    const real: Side = { storage: await subject.create(mode), tx: undefined }
    const model: Side = { storage: createMemoryStorage({ mode, platform }), tx: undefined }
    try {
      for (const { title, run } of [...sequence, { title: 'the end', run: everything }]) {
        const expected = fc.stringify(plainResult(await outcome(run, model)))
        const actual = fc.stringify(plainResult(await outcome(run, real)))
        if (actual !== expected) throw new Error(difference(title, expected, actual))
      }
    } finally {
      await real.storage[Symbol.asyncDispose]()
      await model.storage[Symbol.asyncDispose]()
    }
  })
}

/** Characters of each result that a message shows. */
const SHOWN = 200

/** Shows two results from a little before the place where they differ. */
function difference(title: string, expected: string, actual: string): string {
  let at = 0
  while (at < expected.length && expected[at] === actual[at]) at++
  const from = Math.max(0, at - SHOWN / 2)
  const shown = (text: string) => `${from > 0 ? '…' : ''}${text.slice(from, from + SHOWN)}`
  return `another result of "${title}"\nexpected ${shown(expected)}\ngot      ${shown(actual)}`
}

/** Registers the comparison with the memory store. */
export function modelTests({ describe, test, subject, mode }: SuiteContext): void {
  describe('random operations', () => {
    test('random operations have the same results as in the memory store', { timeout: 120_000 }, async () => {
      await fc.assert(storageProperty(subject, mode), { numRuns: subject.runs ?? 30 })
    })
  })
}
