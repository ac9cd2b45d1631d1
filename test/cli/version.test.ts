import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatVersion } from '../../src/cli/version.ts'

test('`--version` prints the YAML of ostree, and the version of this package below it', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const lines = formatVersion().split('\n')
  expect(lines.slice(0, 3)).toEqual(['libostree:', " Version: '2026.4'", ' Features:'])
  expect(lines.slice(-2)).toEqual([`ostree-ts: '${version}'`, ''])
  // Scripts take the version of libostree from the only line with this name.
  expect(lines.filter((line) => /^ Version: /.test(line))).toHaveLength(1)
})
