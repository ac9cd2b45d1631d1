/** The pages that come with the library: their links, the paths they name, and which of them are in the package. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { entryPoints } from './support/public-api.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .map((name) => join('docs', name))
    .filter((name) => name.endsWith('.md') && !name.startsWith('docs/api/')),
]

/** The text of a page without its code blocks. */
function proseOf(page: string): string {
  return readFileSync(join(root, page), 'utf8').replaceAll(/^( *)(```|~~~).*?^\1\2$/gms, '')
}

interface Link {
  readonly page: string
  /** Relative to the checkout; the page itself for a link that has an anchor only. */
  readonly path: string
  readonly anchor: string
}

/** The links of a page to other files and to headings, `[text](target)` and `[text]: target`. */
function linksOf(page: string): Link[] {
  const text = proseOf(page)
  const targets = [
    ...Array.from(text.matchAll(/\]\(\s*<?([^)>\s]+)>?(?:\s+"[^"]*")?\s*\)/g), ([, target = '']) => target),
    ...Array.from(text.matchAll(/^\[[^\]]+\]:\s*<?([^>\s]+)/gm), ([, target = '']) => target),
  ]
  return targets
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
    .map((target) => {
      const [path = '', anchor = ''] = target.split('#')
      return { page, path: path === '' ? page : normalize(join(dirname(page), decodeURI(path))), anchor }
    })
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const [, heading = ''] of proseOf(page).matchAll(/^#{1,6} +(.*?) *#*$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    anchors.add(count === 0 ? slug : `${slug}-${count}`)
  }
  return anchors
}

const links = pages.flatMap(linksOf)

describe('pages of the documentation', () => {
  test('the pages and their links are found', () => {
    expect(pages.length).toBeGreaterThan(10)
    expect(links.length).toBeGreaterThan(6)
  })

  test('all links lead to files that exist', () => {
    expect(links.filter(({ path }) => !existsSync(join(root, path)))).toEqual([])
  })

  test('all links lead to headings that exist', () => {
    const wrong = links
      .filter(({ anchor }) => anchor !== '')
      .filter(
        ({ path, anchor }) => !path.endsWith('.md') || !existsSync(join(root, path)) || !anchorsOf(path).has(anchor),
      )
    expect(wrong).toEqual([])
  })

  test('all paths of the repository that a page names exist', () => {
    const top = ['src', 'test', 'bench', 'docs', 'examples', 'scripts', 'bin']
    // Paths below src/ may be written without it, and so may those of tests below test/.
    const inner = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
    const path = new RegExp(`\`((${[...top, ...inner].join('|')})/[\\w./-]*)\``, 'g')
    const named = pages.flatMap((page) =>
      Array.from(proseOf(page).matchAll(path), ([, path = '', first = '']) => ({
        page,
        path: top.includes(first) ? path : join(path.endsWith('.test.ts') ? 'test' : 'src', path),
      })),
    )
    expect(named.length).toBeGreaterThan(60)
    expect(named.filter(({ path }) => !existsSync(join(root, path)))).toEqual([])
  })

  test('the package has all pages and everything that they link to', () => {
    const packed = JSON.parse(
      execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }),
    ) as [{ files: { path: string }[] }]
    const files = new Set(packed[0].files.map(({ path }) => path))
    expect(pages.filter((page) => !files.has(page))).toEqual([])
    const missing = links.filter(({ path }) => {
      const isDirectory = existsSync(join(root, path)) && statSync(join(root, path)).isDirectory()
      return isDirectory ? ![...files].some((file) => file.startsWith(`${path.replace(/\/$/, '')}/`)) : !files.has(path)
    })
    expect(missing).toEqual([])
    // A map without its source is of no use, and the command is bundled into dist/bin.
    expect([...files].filter((file) => file.endsWith('.map') || file.startsWith('dist/cli/'))).toEqual([])
    if (existsSync(join(root, 'dist'))) {
      const made = ['dist/man/ostree-ts.1', 'dist/man/ostree-ts-ls.1', 'dist/completions/ostree-ts.bash']
      expect(made.filter((file) => !files.has(file))).toEqual([])
    }
    // The API reference is generated, and large.
    expect([...files].filter((file) => file.startsWith('docs/api/'))).toEqual([])
  })
})

describe('the API reference', () => {
  const { entryPoints: documented } = JSON.parse(readFileSync(join(root, 'typedoc.json'), 'utf8')) as {
    entryPoints: string[]
  }

  test('the reference has every entry point of the package', () => {
    expect([...documented].sort()).toEqual([...entryPoints().values()].sort())
  })

  test('docs/reference.md lists every entry point', () => {
    const page = readFileSync(join(root, 'docs/reference.md'), 'utf8')
    const listed = Array.from(page.matchAll(/^\| `ostree-ts(\/\w+)?` \|/gm), ([, subpath = '']) => `.${subpath}`)
    expect(listed.sort()).toEqual([...entryPoints().keys()].sort())
  })

  test('every entry point has the name under which it is imported', () => {
    for (const [entry, file] of entryPoints()) {
      expect(readFileSync(join(root, file), 'utf8')).toContain(` * @module ostree-ts${entry.slice(1)}\n`)
    }
  })
})
