/** Damage of any bytes: every kind occurs, it prints as what was done, and readers answer it with typed errors. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8, equalBytes, readAll } from '../../src/bytes.ts'
import { OstreeError } from '../../src/errors.ts'
import { packTar } from '../../src/tar/index.ts'
import { anyCorruption } from '../../src/testing/index.ts'
import { readTar } from '../support/read-tar.ts'

const ARCHIVE = await readAll(
  packTar([
    { type: 'directory', path: 'usr/' },
    { path: 'usr/a', body: encodeUtf8(`sha256:${'5f'.repeat(32)}\n`) },
    {
      path: `usr/${'n'.repeat(120)}`,
      body: encodeUtf8('x'),
      xattrs: [[encodeUtf8('user.a'), encodeUtf8('b')]] as const,
    },
  ]),
)

describe('a corruption', () => {
  test('every kind of change occurs, and the bytes that were given stay as they are', () => {
    const before = new Uint8Array(ARCHIVE)
    const samples = fc.sample(anyCorruption(ARCHIVE), 300)
    const kinds = new Set(samples.flatMap(({ changes }) => changes.map((how) => how.replaceAll(/\d.*| .*/g, ''))))
    expect([...kinds].sort()).toEqual(['', 'cut', 'flip', 'insert', 'put', 'write'])
    expect(
      samples.some(({ changes }) => changes.some((how) => how.includes('5f5f') && how.includes(' becomes 0f5f'))),
    ).toBe(true)
    expect(equalBytes(ARCHIVE, before)).toBe(true)
    expect(samples.filter(({ bytes }) => equalBytes(bytes, ARCHIVE)).length).toBeLessThan(100)
  })

  test('a corruption shrinks to one change, which it prints', () => {
    const details = fc.check(fc.property(anyCorruption(ARCHIVE), ({ bytes }) => equalBytes(bytes, ARCHIVE)))
    const [, counterexample] = /^Counterexample: \[(.*)\]$/m.exec(fc.defaultReportMessage(details) ?? '') ?? []
    expect(counterexample).toMatch(/^(?:flip bit|cut to|insert|put|write|\d+ becomes) ?.*\d/)
  })

  test('empty bytes stay empty', () => {
    fc.assert(fc.property(anyCorruption(new Uint8Array(0)), ({ bytes }) => bytes.length === 0))
  })

  test('a damaged archive is read, or refused with a typed error', () => {
    fc.assert(
      fc.property(anyCorruption(ARCHIVE), ({ bytes }) => {
        try {
          readTar(bytes)
        } catch (error) {
          if (!(error instanceof OstreeError)) throw error
        }
      }),
      { numRuns: 500 },
    )
  })
})
