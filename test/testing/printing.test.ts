/** Checks how the values of the kit print in counterexamples. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { string as text, variantOf } from '../../src/gvariant/index.ts'
import {
  anyCommit,
  anyImage,
  anyLayerTree,
  anyTarArchive,
  anyTree,
  anyVariant,
  directory,
  file,
  layerEntries,
  printTree,
  symlink,
  valueOfType,
  walkNodes,
} from '../../src/testing/index.ts'

/** Returns the counterexample in the message of a property that fails, without its brackets. */
function counterexample<T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => boolean): string {
  const details = fc.check(fc.property(arbitrary, holds), { numRuns: 2000 })
  const message = fc.defaultReportMessage(details) ?? ''
  return /^Counterexample: \[([\s\S]*?)\]\nShrunk/m.exec(message)?.[1] ?? message
}

describe('a counterexample', () => {
  test('a tree prints as `tar tv` lists it: octal modes, owners, sizes, links as links, content cut', () => {
    const shared = file('hello', { mode: 0o4755, uid: 1000, xattrs: [[Uint8Array.of(97), Uint8Array.of(0, 255)]] })
    const tree = directory({
      a: shared,
      b: directory({ again: shared, zeros: file(new Uint8Array(600)) }, { mode: 0o1777 }),
      'two words': file('x'.repeat(10).concat('y'.repeat(30))),
      ['n'.repeat(100)]: symlink('../a'),
      equal: file('hello'),
    })
    expect(fc.stringify(tree)).toBe(`
d 0755 0:0 .
- 4755 1000:0 5 a "hello" a=0x00ff
d 1777 0:0 b
h b/again link to a
- 0644 0:0 600 b/zeros 600 x 0x00
- 0644 0:0 40 "two words" "xxxxxxxxxxyyyyyyyyyyyyyy"…
l 0777 0:0 ${'n'.repeat(24)}…(100 bytes) -> ../a
- 0644 0:0 5 equal "hello"`)
  })

  test('the entries of a layer print like the tree that they come from', () => {
    const shared = file('x')
    const tree = directory({ usr: directory({ a: shared, b: shared, '.wh.c': file(), l: symlink('a') }) })
    expect(fc.stringify(layerEntries(tree))).toBe(`
d 0755 0:0 usr/
- 0644 0:0 0 usr/.wh.c ""
- 0644 0:0 1 usr/a "x"
h usr/b link to usr/a
l 0777 0:0 usr/l -> a`)
  })

  test('a tree of two files prints in at most five short lines', () => {
    const files = ([, node]: readonly [string, { kind: string }]) => node.kind === 'file'
    for (const trees of [anyTree(), anyLayerTree()]) {
      const printed = counterexample(trees, (tree) => [...walkNodes(tree)].filter(files).length < 2)
      expect(printed.trim().split('\n').length, printed).toBeLessThanOrEqual(5)
      expect(printed.length, printed).toBeLessThan(200)
    }
  })

  test('an image prints its layers with their codecs, and its metadata', () => {
    const printed = counterexample(
      anyImage(),
      ({ layers, fields }) => layers.length < 2 || fields.created === undefined,
    )
    expect(printed).toBe(`
layer none d 0755 0:0 .
d 0755 0:0 usr
layer none d 0755 0:0 .
d 0755 0:0 usr
created "2024-01-02T03:04:05.678+01:00"`)
  })

  test('an archive prints its entries', () => {
    const printed = counterexample(anyTarArchive({ text: true }), ({ samples }) => samples.length < 1)
    expect(printed).toMatch(/^\narchive of \d+ bytes\n- 0000 0:0 0 a ""$/)
  })

  test('a commit prints its time, subject, parent, tree and metadata', () => {
    const wanted = (metadata: readonly unknown[], parent: unknown) => metadata.length > 0 && parent !== undefined
    const printed = counterexample(anyCommit, ({ metadata, parent }) => !wanted(metadata, parent))
    expect(printed).toBe(`
commit 1970-01-01T00:00:00Z ""
  parent 0000000000…
  tree 0000000000… meta 0000000000…
  metadata {"_": <''>}`)
  })

  test('values of GVariant print in their text form', () => {
    expect(fc.stringify(fc.sample(valueOfType('(a{sv}mu)'), 1)[0])).toMatch(/^<\(.*\)>$/)
    expect(counterexample(anyVariant(), ({ type }) => type !== 'as')).toBe('<@as []>')
    expect(fc.stringify([variantOf(text, 'x')])).not.toBe('')
  })

  test('how a value prints changes neither comparisons nor copies of it', () => {
    const tree = directory({ a: file('x') })
    expect({ ...tree }).toEqual({ kind: 'directory', uid: 0, gid: 0, mode: 0o755, xattrs: [], children: tree.children })
    expect(Object.keys(file())).toEqual(['uid', 'gid', 'mode', 'xattrs', 'kind', 'content'])
    expect(printTree({ ...file('x') })).toBe('- 0644 0:0 1 . "x"')
  })
})
