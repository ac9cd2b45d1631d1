import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FileContexts, type FileContextsTexts } from '../../src/selinux/index.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const POLICY = '/etc/selinux/default'
const FILES = `${POLICY}/contexts/files`
const folder = temporaryFolder('disk')

const TYPES: [name: string, mode: number][] = [
  ['file', 0o100644],
  ['dir', 0o040755],
  ['lnk_file', 0o120777],
  ['chr_file', 0o020600],
  ['blk_file', 0o060600],
  ['pipe', 0o010600],
  ['sock_file', 0o140600],
]

function text(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function textsIn(files: string): FileContextsTexts {
  return {
    fileContexts: text(`${files}/file_contexts`) ?? '',
    homedirs: text(`${files}/file_contexts.homedirs`),
    local: text(`${files}/file_contexts.local`),
    subs: text(`${files}/file_contexts.subs`),
    subsDist: text(`${files}/file_contexts.subs_dist`),
  }
}

/** Number of paths in a call of matchpathcon. */
const BATCH = 8000

/** Looks up the labels of paths with libselinux. @param root of the policy */
function matchpathcon(root: string, type: string, paths: readonly string[]): (string | undefined)[] {
  const labels: (string | undefined)[] = []
  for (let i = 0; i < paths.length; i += BATCH) {
    const output = run('matchpathcon', ['-P', root, '-m', type, '-n', ...paths.slice(i, i + BATCH)])
    for (const label of output.trimEnd().split('\n')) labels.push(label === '<<none>>' ? undefined : label)
  }
  return labels
}

function compare(root: string, contexts: FileContexts, paths: readonly string[], types = TYPES, title = ''): void {
  for (const [type, mode] of types) {
    const expected = matchpathcon(root, type, paths)
    expect(expected).toHaveLength(paths.length)
    const wrong = paths.flatMap((path, i) => {
      const actual = contexts.lookup(path, mode)
      return actual === expected[i] ? [] : [{ path, type, actual, expected: expected[i] }]
    })
    expect(wrong, title).toEqual([])
  }
}

/** Makes paths that the patterns of a policy match, or nearly match. */
function pathsOf(texts: FileContextsTexts): string[] {
  const lines = Object.values(texts).flatMap((words: string | undefined) => words?.split('\n') ?? [])
  const patterns = lines.map((line) => line.trim().split(/\s+/)[0] ?? '').filter((pattern) => pattern.startsWith('/'))
  return patterns.flatMap((pattern) => {
    const some = pattern
      .replaceAll(/\(\?:/g, '(')
      .replaceAll(/\[\^([^\]]*)\]/g, 'q')
      .replaceAll(/\[(.)[^\]]*\]/g, '$1')
      .replaceAll(/\(([^()|]*)\|[^()]*\)/g, '$1')
      .replaceAll(/\(([^()|]*)\|[^()]*\)/g, '$1')
      .replaceAll(/\\(.)/g, '$1')
    const full = some.replaceAll(/\.[*+]\??/g, 'x.y').replaceAll(/[()?*+]/g, '')
    const bare = some
      .replaceAll(/\([^()]*\)[?*]/g, '')
      .replaceAll(/\.[*+]|.[?*]/g, '')
      .replaceAll(/[()+]/g, '')
    return [full, bare, `${full}/z`, `${bare}x`].map((path) => path.replaceAll(/[^ -~]/g, '') || '/')
  })
}

describeReference(['matchpathcon', POLICY], 'FileContexts and libselinux with the policy of Debian', () => {
  test('paths for every line of the policy have the same labels for every type of file', () => {
    const texts = textsIn(FILES)
    const paths = [
      ...new Set([...pathsOf(texts), '/', '/usr', '/etc', '/proc', '//usr///bin/', '/var/run/lock/x', 'usr']),
    ]
    expect(paths.length).toBeGreaterThan(8000)
    const contexts = new FileContexts(texts)
    compare(POLICY, contexts, paths, TYPES.slice(0, 1))
    for (const [i, type] of TYPES.slice(1).entries()) {
      compare(
        POLICY,
        contexts,
        paths.filter((_, at) => at % 6 === i || at % 5 === 0),
        [type],
      )
    }
  }, 120_000)

  test('the files of this machine have the same labels', () => {
    const list = (...args: string[]) => run('find', args).trimEnd().split('\n')
    const places = ['/etc', '/usr/bin', '/usr/lib', '/usr/share/doc', '/var/lib'].filter((path) => existsSync(path))
    const found = list(...places, '-maxdepth', '3', '-printf', '%p\\n')
    const paths = found.filter((path) => /^[ -~]+$/.test(path)).slice(0, 4000)
    compare(POLICY, new FileContexts(textsIn(FILES)), paths, TYPES.slice(0, 3))
  }, 120_000)
})

describeReference('matchpathcon', 'FileContexts and libselinux', () => {
  /** Writes a policy. @returns its root */
  function policy(name: string, files: Record<string, string>): string {
    const root = join(folder, name)
    mkdirSync(join(root, 'contexts/files'), { recursive: true })
    for (const [file, words] of Object.entries(files)) writeFileSync(join(root, 'contexts/files', file), words)
    return root
  }

  test('labels are the same where substitutions, local lines, home directories and exact lines all match', () => {
    const root = policy('order', {
      file_contexts: [
        '/.*\tu:default',
        '/a/.*\t--\tu:a-file',
        '/a/.*\tu:a',
        '/a/b\tu:exact',
        '/a/b.*\tu:pattern',
        '/a/c\t-d\tu:dir',
        '/a/none(/.*)?\t<<none>>',
        '/a\\-b/c\tu:escaped-stem',
        '/a\\.b/c\tu:escaped-dot',
        '/one|/two\tu:either',
        '/e{x\tu:brace',
        '/n/(.*/)?deep\tu:deep',
        '# /c\tu:comment',
        '   /spaces   --   u:spaces   more',
        '',
      ].join('\n'),
      'file_contexts.homedirs': '/home/[^/]+/.+\tu:home\n/a/h\tu:home\n/a/b\tu:exact-home\n',
      'file_contexts.local': '/a/h.*\tu:local\n/a/l\tu:local\n',
      'file_contexts.subs': '/first /a\n/first/x /n\n/root /\n# /b /a\n/half\n',
      'file_contexts.subs_dist': '/second /first\n/a/k /a/b\n/run/lock /var/lock\n',
    })
    const names = ['', 'b', 'bb', 'c', 'h', 'hh', 'l', 'k', 'none', 'none/x', 'deep', 'x/deep', 'x/y/deep', 'x', 'x/y']
    const tops = [
      '/a',
      '/n',
      '/first',
      '/first/x',
      '/second',
      '/root',
      '/root/a',
      '/half',
      '/b',
      '/home/u',
      '//a/',
      '/a-b/c',
    ]
    const paths = tops.flatMap((top) => names.map((name) => (name === '' ? top : `${top}/${name}`)))
    const odd = [
      '/',
      '/a-b/c',
      '/a.b/c',
      '/one',
      '/onetwo',
      '/x/two',
      '/two',
      '/e{x',
      '/spaces',
      '/c',
      '/run/lock',
      '/a/b\n',
    ]
    // matchpathcon prints a line for each path, so a path with a newline is looked up alone.
    compare(root, new FileContexts(textsIn(join(root, 'contexts/files'))), [...paths, ...odd.slice(0, -1)])
    compare(root, new FileContexts(textsIn(join(root, 'contexts/files'))), odd.slice(-1))
  })

  test('labels are the same for every construct of a pattern', () => {
    const patterns = [
      'a+b', 'a*?b', 'a??b', 'a{2}', 'a{2,}b', 'a{1,3}b', 'a{,3}', 'a{b', '(ab)+c', '(a|b|)c', '(?:a|b)c', '[abc]d', '[^abc]d',
      '[]a]d', '[^]a]d', '[a-c]d', '[a-]d', '[\\]]d', '[\\w-]d', '[[:digit:][:upper:]]d', '[[:^digit:]]d', '\\d\\D', '\\w\\W',
      '\\s\\S', '\\.a', '\\x41b', '\\x{42}c', '\\tx', 'a|b', '(a|b)|c', 'a.c', 'a$', '^a', '(a*)*b', '(a*)+b', '((a)|(b))*c', 
      'a]b', 'a}b', '\\-a', '\\012', '(x{2}){2}y', '[a\\-c]d', '[.-9]d',
    ] // biome-ignore format: a list
    const alphabet = [
      'a',
      'b',
      'c',
      'd',
      'x',
      'y',
      'A',
      'B',
      '1',
      '-',
      '.',
      ']',
      '{',
      '}',
      ' ',
      '_',
      ',',
      '3',
      '\\',
      '^',
      '$',
    ]
    let state = 7
    const random = (below: number) => {
      state = (state * 1103515245 + 12345) % 2147483648
      return Math.floor((state / 2147483648) * below)
    }
    const words = Array.from({ length: 600 }, () =>
      Array.from({ length: random(6) }, () => alphabet[random(random(2) === 0 ? 3 : alphabet.length)]).join(''),
    )
    const paths = [...new Set(words)].map((word) => `/${word}`)
    for (const pattern of patterns) {
      const root = policy('pattern', { file_contexts: `/${pattern}\tu:yes\n` })
      const contexts = new FileContexts(textsIn(join(root, 'contexts/files')))
      compare(root, contexts, paths, TYPES.slice(0, 1), pattern)
    }
  }, 120_000)

  test.each([
    ['/a\t-x\tu:r', 'file_contexts:  line 1 has invalid file type -x'],
    ['/a\tu:r\n/b\n', 'file_contexts:  line 2 is missing fields'],
    ['/é\tu:r', 'file_contexts:  line 1 error due to: Non-ASCII characters found'],
  ])('a file with the line %j is refused by both', (words, message) => {
    const root = policy('wrong', { file_contexts: words })
    expect(() => run('matchpathcon', ['-P', root, '/a'])).toThrow(message)
    expect(() => new FileContexts(textsIn(join(root, 'contexts/files')))).toThrow(message)
    cpSync(join(root, 'contexts/files/file_contexts'), join(folder, 'last'))
  })
})
