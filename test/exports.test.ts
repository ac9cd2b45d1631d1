/** Compares the entry points of package.json with the built files. */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const { name, exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
  name: string
  exports: Record<string, string | { types: string; default: string }>
}
const entries = Object.entries(exports).flatMap(([entry, target]) =>
  typeof target === 'string' ? [] : [{ entry, ...target }],
)

describe('the built package', () => {
  test.each(entries)('the files of $entry and its types exist', (target) => {
    expect(existsSync(`${root}${target.default}`)).toBe(true)
    expect(existsSync(`${root}${target.types}`)).toBe(true)
  })

  test('every entry point can be imported by its name', () => {
    // `testing` needs fast-check and tar-stream, which are development dependencies of this package.
    const names = entries.map(({ entry }) => name + entry.slice(1))
    const program = `
      const counts = {}
      for (const name of ${JSON.stringify(names)}) counts[name] = Object.keys(await import(name)).length
      console.log(JSON.stringify(counts))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    const counts = JSON.parse(stdout) as Record<string, number>
    expect(Object.keys(counts)).toEqual(names)
    expect(Object.entries(counts).filter(([, count]) => count === 0)).toEqual([])
  })

  test.each(['dist/index.js', 'repo/internal', 'dist/repo/repo.js', 'src/index.ts', 'bytes'])(
    'does not let %s be imported: Node names the path that is not exported',
    (path) => {
      const program = `await import('${name}/${path}').catch(({ code, message }) => console.log(code, message))`
      const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
        cwd: root,
        encoding: 'utf8',
      })
      expect(stdout).toMatch(/^ERR_PACKAGE_PATH_NOT_EXPORTED Package subpath '\.\//)
      expect(stdout).toContain(`'./${path}'`)
    },
  )
})
